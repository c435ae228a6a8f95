// SQL Server's types: to and from the interim types, and each type's canonical text in T-SQL.
import { WaybillError } from '../../core/errors.ts';
import { type Column, fractionDigits } from '../../core/types/column.ts';

/** What follows the type of an identity column, as in ODBC's catalogue: "int identity". */
export const IDENTITY = ' identity';
export const isIdentity = (column: Column): boolean => column.native.endsWith(IDENTITY);

const OPAQUE = /^(sql_variant|geography|geometry|variant|udt)$/;

/** Types whose values have no exact text: SRIDs, and types that differ from row to row. Throws TYPE_UNSUPPORTED. */
export const refuseOpaque = (column: Column): void => {
  if (!OPAQUE.test(column.native)) return;
  throw new WaybillError(
    'TYPE_UNSUPPORTED',
    `Column ${column.name} is of type ${column.native}, which cannot be carried exactly: leave it out of the mapping, or cast it in the source query.`,
    { column: column.name, sourceType: column.native },
  );
};

/** A row of INFORMATION_SCHEMA.COLUMNS, or what a result's metadata says. */
export interface TypeFacts {
  readonly name: string;
  readonly native: string;
  readonly length?: number | null;
  readonly precision?: number | null;
  readonly scale?: number | null;
  readonly nullable: boolean;
}

/** T-SQL's maximum; (max) columns report -1, or 65535 in result metadata. */
const bounded = (length: number | null | undefined): number | undefined =>
  length === null || length === undefined || length <= 0 || length >= 65_535 ? undefined : length;

/** The column for a native type. Types without an exact interim form are Strings that `refuseOpaque` refuses. */
export const columnFromFacts = (facts: TypeFacts): Column => {
  const { name, nullable } = facts;
  const native = facts.native.toLowerCase();
  const length = bounded(facts.length);
  const base = { name, nullable, native };
  const scale = facts.scale ?? 7;
  switch (native) {
    case 'tinyint':
    case 'smallint':
      return { ...base, type: 'Int16' };
    case 'int':
      return { ...base, type: 'Int32' };
    case 'bigint':
      return { ...base, type: 'Int64' };
    case 'decimal':
    case 'numeric':
      return { ...base, type: 'Decimal', precision: facts.precision ?? 18, scale: facts.scale ?? 0 };
    case 'money':
      return { ...base, type: 'Decimal', precision: 19, scale: 4 };
    case 'smallmoney':
      return { ...base, type: 'Decimal', precision: 10, scale: 4 };
    case 'bit':
      return { ...base, type: 'Boolean' };
    case 'real':
      return { ...base, type: 'Single' };
    case 'float':
      return { ...base, type: 'Double' };
    case 'date':
      return { ...base, type: 'Date' };
    case 'datetime':
    case 'smalldatetime':
      return { ...base, type: 'DateTime', scale: 3 };
    case 'datetime2':
      return { ...base, type: 'DateTime', scale };
    case 'datetimeoffset':
      return { ...base, type: 'DateTimeOffset', scale };
    case 'time':
      return { ...base, type: 'TimeSpan', scale };
    case 'uniqueidentifier':
      return { ...base, type: 'Guid' };
    case 'binary':
    case 'varbinary':
    case 'image':
    case 'rowversion':
    case 'timestamp':
      return { ...base, type: 'Byte[]', ...(length === undefined ? {} : { length }) };
    default:
      return { ...base, type: 'String', ...(length === undefined ? {} : { length }) };
  }
};

/** The declaration to create `column` with, for columns that come from any store. */
export const declaration = (column: Column): string => {
  switch (column.type) {
    case 'Int16':
      return column.native === 'tinyint' ? 'tinyint' : 'smallint';
    case 'Int32':
      return 'int';
    case 'Int64':
      return 'bigint';
    case 'Decimal':
      return `decimal(${column.precision ?? 38}, ${column.scale ?? 0})`;
    case 'Single':
      return 'real';
    case 'Double':
      return 'float';
    case 'Boolean':
      return 'bit';
    case 'Date':
      return 'date';
    case 'DateTime':
      if (column.native === 'datetime' || column.native === 'smalldatetime') return column.native;
      return `datetime2(${Math.min(column.scale ?? 7, 7)})`;
    case 'DateTimeOffset':
      return `datetimeoffset(${Math.min(column.scale ?? 7, 7)})`;
    case 'TimeSpan':
      return `time(${Math.min(column.scale ?? 7, 7)})`;
    case 'Guid':
      return 'uniqueidentifier';
    case 'Byte[]':
      return column.length === undefined || column.length > 8000
        ? 'varbinary(max)'
        : `varbinary(${column.length})`;
    case 'String':
      return stringDeclaration(column);
  }
};

const stringDeclaration = (column: Column): string => {
  const narrow = ['varchar', 'char'].includes(column.native);
  const limit = narrow ? 8000 : 4000;
  const size = column.length === undefined || column.length > limit ? 'max' : column.length;
  return `${narrow ? 'varchar' : 'nvarchar'}(${size})`;
};

/**
 * The canonical text of a non-NULL `expression` of this column's type, in T-SQL. Style 121 always prints the fraction
 * (126 drops a zero one), hence 121 and STUFF for the T.
 */
export const canonicalText = (column: Column, expression: string): string => {
  switch (column.type) {
    case 'Int16':
    case 'Int32':
    case 'Int64':
      return `CONVERT(varchar(20), ${expression})`;
    case 'Decimal':
      return column.native.endsWith('money')
        ? `CONVERT(varchar(41), CONVERT(decimal(19, 4), ${expression}))`
        : `CONVERT(varchar(41), ${expression})`;
    case 'Boolean':
      return `CASE WHEN ${expression} = 1 THEN '1' ELSE '0' END`;
    case 'Single':
    case 'Double':
      return `CONVERT(varchar(40), ${expression})`;
    case 'Date':
      return `CONVERT(varchar(10), ${expression}, 23)`;
    case 'DateTime':
      // datetime keeps 1/300 s; as datetime2 it would show digits it never had.
      return column.native === 'datetime'
        ? `REPLACE(CONVERT(varchar(23), ${expression}, 121), ' ', 'T') + '000'`
        : dateTimeText(column, expression);
    case 'DateTimeOffset':
      return `${dateTimeText(column, `SWITCHOFFSET(${expression}, '+00:00')`)} + 'Z'`;
    case 'TimeSpan': {
      const digits = Math.min(fractionDigits(column), 7);
      return `CONVERT(varchar(${9 + digits}), CONVERT(time(${digits}), ${expression}), 121)`;
    }
    case 'Guid':
      return `LOWER(CONVERT(varchar(36), ${expression}))`;
    case 'Byte[]':
      return `CONVERT(varchar(max), ${expression}, 2)`;
    case 'String':
      return `CONVERT(nvarchar(max), ${expression})`;
  }
};

/** Six digits of a second, or seven where the column has them. */
const dateTimeText = (column: Column, expression: string): string => {
  const digits = Math.min(fractionDigits(column), 7);
  return `REPLACE(CONVERT(varchar(${20 + digits}), CONVERT(datetime2(${digits}), ${expression}), 121), ' ', 'T')`;
};

/** The type to ask for in WITH RESULT SETS: numbers the driver would round come as text. */
export const resultDeclaration = (column: Column): string => {
  refuseOpaque(column);
  const { native, length } = column;
  if (native === 'decimal' || native === 'numeric') return 'varchar(41)';
  if (native === 'hierarchyid') return 'nvarchar(4000)';
  if (native === 'timestamp' || native === 'rowversion') return 'binary(8)';
  if (/^(datetime2|datetimeoffset|time)$/.test(native)) return `${native}(${column.scale ?? 7})`;
  if (/^(n?char|n?varchar|binary|varbinary)$/.test(native)) return `${native}(${length ?? 'max'})`;
  return native;
};
