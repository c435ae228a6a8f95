// Columns as the copy engine sees them: a name and one of ADF's interim types. Every store maps to and from these.

/** ADF's interim types, plus Date (ADF folds it into DateTime; keeping it apart keeps `date` columns dates). */
export type InterimType =
  | 'Int16'
  | 'Int32'
  | 'Int64'
  | 'Decimal'
  | 'Single'
  | 'Double'
  | 'Boolean'
  | 'String'
  | 'Date'
  | 'DateTime'
  | 'DateTimeOffset'
  | 'TimeSpan'
  | 'Guid'
  | 'Byte[]';

/** One column of a table, query or file. Plain JSON: the plan of a copy keeps columns in the sink's ledger. */
export interface Column {
  readonly name: string;
  readonly type: InterimType;
  /** Decimal: digits in all. */
  readonly precision?: number;
  /** Decimal: digits after the point. DateTime, DateTimeOffset, TimeSpan: fractional digits the store keeps. */
  readonly scale?: number;
  /** String: characters, Byte[]: bytes; absent where the store sets no limit. */
  readonly length?: number;
  readonly nullable: boolean;
  /** True where the store says that an insert must name the column: NOT NULL, without default, identity or generation. */
  readonly required?: boolean;
  /** True for a column that is left out unless a mapping names it, such as the version of a change. */
  readonly onlyIfNamed?: boolean;
  /** The store's own name of the type, for messages and for reading it back: "datetime2", "NUMBER(38,0)". */
  readonly native: string;
}

/** One field of the copy: where it comes from and the column it goes to. */
export interface MappedColumn {
  readonly source: Column;
  readonly sink: Column;
  /** ADF's additionalColumns: a value that is not read but given, the same for every row, or each row's file path. */
  readonly given?: { readonly value: string | null } | 'filePath';
}

/**
 * A row in the interim form: per column its canonical text, or null.
 *
 * Int16, Int32, Int64 "-12" · Decimal with exactly the column's scale "1.50" · Boolean "1" or "0" · Date "2024-02-29" ·
 * DateTime "2024-02-29T13:14:15.123456" (no zone; `fractionDigits` digits) · DateTimeOffset the same instant in UTC,
 * ending in "Z" · TimeSpan "13:14:15.123456" · Guid lower case · Byte[] upper-case hex · String as it is ·
 * Single and Double the shortest decimal text that reads back to the same number.
 */
export type Row = (string | null)[];

/** Types whose text every store prints in its own way: their values stay out of the content checksum, NULLs do not. */
export const isFloat = (type: InterimType): boolean => type === 'Single' || type === 'Double';

/**
 * Digits of a second in the canonical text of a column's moments: six, or as many as the column has if it has more
 * (datetime2(7), TIMESTAMP_NTZ(9)). Stores print and compare just so many.
 */
export const fractionDigits = (column: Pick<Column, 'scale'>): number =>
  Math.min(9, Math.max(6, column.scale ?? 6));
