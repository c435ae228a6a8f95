// What a SQL store must offer so that the shared ledger, chunk and publish logic (table-sink.ts) can run on it.
import type { Column, MappedColumn } from '../../core/types/column.ts';
import type { FrameBatch, MeasuredRows, WireFormat } from '../connector.ts';
import type { TableName } from './identifier.ts';

/** A result row; keys in lower case. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** The parts of SQL in which stores differ. Everything returned is complete SQL text. */
export interface Dialect {
  /** For labels: "SQL Server". */
  readonly product: string;
  /** Longest table name, in bytes. */
  readonly nameLimit: number;
  /** The store's spelling of one of our own names: "_waybill_ledger" or "_WAYBILL_LEDGER". */
  own(name: string): string;
  quote(name: string): string;
  /** Text literal. Throws for NUL, which no store's text can hold. */
  literal(text: string): string;
  /** Statement that creates the ledger if it is not there. */
  createLedger(ledger: TableName): string;
  createTable(table: TableName, columns: readonly Column[]): string;
  /** Creates the staging table if it is not there: the mapped columns and the chunk number. */
  createStaging(staging: TableName, columns: readonly Column[], chunkColumn: string): string;
  dropTable(table: TableName): string;
  /** Value of a staged column in the target's type. */
  fromStaging(column: Column): string;
  /** A query of one row: `n` rows and `c`, the checksum's sum as text, over the rows of one chunk. */
  checksum(staging: TableName, columns: readonly Column[], chunkColumn: string, chunk: number): string;
  /** The current instant. */
  readonly now: string;
  /**
   * preCopyScript as the statements to run one by one within the transaction. Throws DEFINITION_UNSUPPORTED for one
   * that this store would not keep within it.
   */
  transactional(script: string): readonly string[];
  /** What to create for a column that comes from another store. */
  columnFor(column: Column): Column;
  /** What staged rows are ordered by, so that the first of two wins; the chunk's number where undefined. */
  readonly stagedOrder?: string;
  /** Stands before the SELECT of an insert, where numbers that the table makes by itself are to be the source's. */
  readonly overriding?: string;
  /** Whether the ledger's primary key is enforced. Where it is not, planning takes a lock of its own. */
  readonly keysEnforced: boolean;
  /** The row's text over staged `columns` (core/copy/row-text.ts): what the checksum hashes, and what names a key. */
  rowText(columns: readonly Column[]): string;
  /** A constant of the column's own type, from its canonical text. */
  typedLiteral(column: Column, text: string): string;
  /** Empties a table within the transaction. */
  emptyTable(table: TableName): string;
  /** Statements that update the target's rows of the staged keys and insert the others. Keys are unique in staging. */
  upsert(request: UpsertRequest): readonly string[];
}

export interface UpsertRequest {
  readonly target: TableName;
  readonly staging: TableName;
  /** The target's columns that are written; `keys` are among them. */
  readonly columns: readonly Column[];
  readonly keys: readonly Column[];
  /** Whether a unique constraint of the target covers just the keys. */
  readonly keysUnique: boolean;
  /** Which staged rows: a condition over their own columns; all of them where undefined. */
  readonly where: string | undefined;
}

export interface TakeOverRequest {
  readonly target: TableName;
  readonly staging: TableName;
  readonly columns: readonly Column[];
  readonly chunkColumn: string;
  /** True where the staged rows stand for the whole table; else they may only become an empty one's. */
  readonly replace: boolean;
}

export interface StagingRequest {
  readonly target: TableName;
  readonly staging: TableName;
  readonly columns: readonly MappedColumn[];
  readonly chunkColumn: string;
  /** How the chunks will travel, if not as rows. */
  readonly wire: WireFormat | undefined;
  /** Whether publishing will ask the staging table to take the target's place, where that is possible. */
  readonly takesOver: boolean;
  /** Whether the target is to be emptied first, as a pre-copy script is taken to do. */
  readonly emptied: boolean;
}

export interface LoadRequest {
  readonly staging: TableName;
  readonly columns: readonly MappedColumn[];
  readonly chunkColumn: string;
  readonly chunk: number;
  readonly generation: number;
}

export interface Loaded {
  readonly rows: number;
  readonly bytes: number;
}

export interface LoadedFrames extends Loaded {
  readonly bytesRead: number;
  /** "" where nothing was to be verified. */
  readonly sourceChecksum: string;
  readonly sinkChecksum: string;
}

/** One connection to a SQL store. */
export interface SqlStore {
  readonly dialect: Dialect;
  /** What the reader of the result should know of how rows are written; complete once a table was looked for. */
  readonly notes?: readonly string[];
  query(sql: string): Promise<SqlRow[]>;
  /** Runs a statement and returns how many rows it changed. */
  execute(sql: string): Promise<number>;
  begin(): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** The table as the store has it (its own spelling of the name), or undefined. */
  findTable(table: TableName): Promise<{ table: TableName; columns: Column[] } | undefined>;
  /** Columns of the primary key (first) and of the other unique constraints; the table in its own spelling. */
  uniqueKeys(table: TableName): Promise<readonly (readonly string[])[]>;
  /**
   * Makes the staging table the target, within the transaction that publishes and instead of an insert, after the
   * pre-copy script. Undefined, with nothing changed, where that cannot be (the target holds rows or indexes to keep).
   */
  takeOver?(request: TakeOverRequest): Promise<number | undefined>;
  /** Creates the staging table if it is not there; without this method, by `dialect.createStaging`. */
  createStaging?(request: StagingRequest): Promise<void>;
  /** Whether `loadFrames` takes these columns in this wire form. */
  acceptsFrames?(format: WireFormat, columns: readonly MappedColumn[]): boolean;
  /** As `load`, for tuples in a wire form; checksums them on the way and, where `verify` says so, in the store. */
  loadFrames?(
    request: LoadRequest,
    frames: AsyncIterable<FrameBatch>,
    verify: boolean,
  ): Promise<LoadedFrames>;
  /** The row of `dialect.checksum`, where the store finds a chunk's `rows` rows by other means than the chunk column. */
  chunkChecksum?(request: LoadRequest, rows: number): Promise<SqlRow | undefined>;
  /** Brings rows near the store before the transaction begins; `load` is given what it returns. */
  stage(request: LoadRequest, rows: MeasuredRows): Promise<unknown>;
  /** Loads the chunk into the staging table, inside the transaction. */
  load(request: LoadRequest, rows: MeasuredRows, staged: unknown): Promise<Loaded>;
  /** Removes what `stage` left for the copy. */
  removeStaged(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Rows that go straight where they belong as each chunk commits, such as through a stored procedure: nothing is staged,
 * nothing verified, the pre-copy script runs with the planning, and publishing only marks the end.
 */
export interface DirectLoad {
  /** The columns that are taken. */
  columns(): Promise<Column[]>;
  /** Hands over the chunk's rows, inside the transaction that commits its ledger entry. */
  load(request: LoadRequest, rows: MeasuredRows): Promise<Loaded>;
}
