// Snowflake's types: to and from the interim types, and each type's canonical text in Snowflake SQL.
import { WaybillError } from '../../core/errors.ts';
import { type Column, fractionDigits } from '../../core/types/column.ts';

export interface TypeFacts {
  readonly name: string;
  /** INFORMATION_SCHEMA's DATA_TYPE or the driver's type name. */
  readonly native: string;
  readonly length?: number | null;
  readonly precision?: number | null;
  readonly scale?: number | null;
  readonly nullable: boolean;
}

const MAX_TEXT = 16_777_216;

export const columnFromFacts = (facts: TypeFacts): Column => {
  const { name, nullable } = facts;
  const native = facts.native.toUpperCase();
  const base = { name, nullable, native };
  const scale = facts.scale ?? 9;
  const length = facts.length ?? MAX_TEXT;
  switch (native) {
    case 'NUMBER':
    case 'FIXED': {
      const precision = facts.precision ?? 38;
      const digits = facts.scale ?? 0;
      return { ...base, native: `NUMBER(${precision},${digits})`, type: 'Decimal', precision, scale: digits };
    }
    case 'FLOAT':
    case 'REAL':
      return { ...base, type: 'Double' };
    case 'BOOLEAN':
      return { ...base, type: 'Boolean' };
    case 'DATE':
      return { ...base, type: 'Date' };
    case 'TIME':
      return { ...base, type: 'TimeSpan', scale };
    case 'TIMESTAMP_NTZ':
      return { ...base, type: 'DateTime', scale };
    case 'TIMESTAMP_TZ':
    case 'TIMESTAMP_LTZ':
      return { ...base, type: 'DateTimeOffset', scale };
    case 'BINARY':
      return {
        ...base,
        type: 'Byte[]',
        ...(facts.length === null || facts.length === undefined ? {} : { length }),
      };
    case 'TEXT':
      return { ...base, type: 'String', ...(length >= MAX_TEXT ? {} : { length }) };
    default:
      return { ...base, type: 'String' };
  }
};

const OPAQUE = /^(GEOGRAPHY|GEOMETRY|VECTOR|FILE)\b/;

/** Types whose values have no exact text elsewhere. Throws TYPE_UNSUPPORTED. */
const refuseOpaque = (column: Column): void => {
  if (!OPAQUE.test(column.native)) return;
  throw new WaybillError(
    'TYPE_UNSUPPORTED',
    `Column ${column.name} is of type ${column.native}, which cannot be carried exactly: leave it out of the mapping, ` +
      'or convert it in the source query (ST_ASWKT, TO_ARRAY).',
    { column: column.name, sourceType: column.native },
  );
};

/** The type to declare for a column, in staging too: there VARIANT, OBJECT and ARRAY are JSON text. */
export const declaration = (column: Column): string => {
  refuseOpaque(column);
  switch (column.type) {
    case 'Int16':
    case 'Int32':
    case 'Int64':
      return 'NUMBER(38,0)';
    case 'Decimal':
      return `NUMBER(${column.precision ?? 38},${column.scale ?? 0})`;
    case 'Single':
    case 'Double':
      return 'FLOAT';
    case 'Boolean':
      return 'BOOLEAN';
    case 'Date':
      return 'DATE';
    case 'DateTime':
      return `TIMESTAMP_NTZ(${column.scale ?? 9})`;
    case 'DateTimeOffset':
      return column.native === 'TIMESTAMP_LTZ'
        ? `TIMESTAMP_LTZ(${column.scale ?? 9})`
        : `TIMESTAMP_TZ(${column.scale ?? 9})`;
    case 'TimeSpan':
      return `TIME(${column.scale ?? 9})`;
    case 'Guid':
      return 'VARCHAR(36)';
    case 'Byte[]':
      return 'BINARY';
    case 'String':
      return column.length === undefined ? 'VARCHAR' : `VARCHAR(${column.length})`;
  }
};

/** Types whose values pass as JSON text. */
export const SEMI_STRUCTURED: readonly string[] = ['VARIANT', 'OBJECT', 'ARRAY'];

/** Six or nine digits of a second as Snowflake prints them; seven and eight are nine cut. */
const cutTo = (digits: number, text: string, length: number): string =>
  digits === 7 || digits === 8 ? `LEFT(${text}, ${length + digits})` : text;

/** The canonical text of a non-NULL `expression` of this column's type. */
export const canonicalText = (column: Column, expression: string): string => {
  refuseOpaque(column);
  const digits = fractionDigits(column);
  const clock = `HH24:MI:SS.FF${digits > 6 ? 9 : 6}`;
  switch (column.type) {
    case 'Boolean':
      return `IFF(${expression}, '1', '0')`;
    case 'Date':
      return `TO_VARCHAR(${expression}, 'YYYY-MM-DD')`;
    case 'DateTime':
      return cutTo(digits, `TO_VARCHAR(${expression}, 'YYYY-MM-DD"T"${clock}')`, 20);
    case 'DateTimeOffset':
      return `${cutTo(digits, `TO_VARCHAR(CONVERT_TIMEZONE('UTC', ${expression}), 'YYYY-MM-DD"T"${clock}')`, 20)} || 'Z'`;
    case 'TimeSpan':
      return cutTo(digits, `TO_VARCHAR(${expression}, '${clock}')`, 9);
    case 'Byte[]':
      return `HEX_ENCODE(${expression})`;
    case 'String':
      return SEMI_STRUCTURED.includes(column.native) ? `TO_JSON(${expression})` : expression;
    case 'Single':
    case 'Double':
      return `CASE TO_VARCHAR(${expression}) WHEN 'inf' THEN 'Infinity' WHEN '-inf' THEN '-Infinity' ELSE TO_VARCHAR(${expression}) END`;
    default:
      return `TO_VARCHAR(${expression})`;
  }
};
