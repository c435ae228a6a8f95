// MySQL's types: to and from the interim types, and each type's canonical text in MySQL's SQL.
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import type { ValueRules } from './config.ts';

export interface TypeFacts {
  readonly name: string;
  /** As in a definition, in lower case: "int(10) unsigned", "varchar(20)", "datetime(6)", "enum('a','b')". */
  readonly type: string;
  readonly collation?: string | null;
  readonly nullable: boolean;
  /** Whether an insert must name the column. */
  readonly required?: boolean;
}

/** Digits a Decimal may have in other stores; MySQL's own have up to 65. */
const COMMON_DIGITS = 38;
const MAX_FRACTION = 6;
/** Rows of a table have 65,535 bytes for all varchars and varbinaries together: longer ones are stored apart. */
const LONGEST_INLINE = 255;
const TEXT_CHARACTERS = 16_383;
const BLOB_BYTES = 65_535;

const SPATIAL =
  /^(geometry|point|linestring|polygon|multi(point|linestring|polygon)|geomcollection|geometrycollection|vector)\b/;

/** Whether no text of this type's values can be carried to another store and back. */
export const isOpaque = (column: Column): boolean => SPATIAL.test(column.native);

const digitsOf = (type: string): number[] =>
  (/\(([\d, ]+)\)/.exec(type)?.[1] ?? '').split(',').filter(Boolean).map(Number);

const integerType = (word: string, unsigned: boolean): Pick<Column, 'type' | 'precision' | 'scale'> => {
  switch (word) {
    case 'tinyint':
      return { type: 'Int16' };
    case 'smallint':
      return { type: unsigned ? 'Int32' : 'Int16' };
    case 'mediumint':
      return { type: 'Int32' };
    case 'int':
    case 'integer':
      return { type: unsigned ? 'Int64' : 'Int32' };
    default:
      return unsigned ? { type: 'Decimal', precision: 20, scale: 0 } : { type: 'Int64' };
  }
};

/** The column for a type as MySQL declares it; `rules` say what tinyint(1) and the types with zero dates are. */
export const columnFromFacts = (facts: TypeFacts, rules: ValueRules): Column => {
  const { name, type } = facts;
  const [word = type] = /^[a-z0-9]+/.exec(type) ?? [];
  const [first, second] = digitsOf(type);
  const base = { name, nullable: facts.nullable, native: type };
  const zeroable = { ...base, nullable: base.nullable || rules.zeroDates === 'null' };
  switch (word) {
    case 'tinyint':
      if (type === 'tinyint(1)' && rules.tinyAsBoolean) return { ...base, type: 'Boolean' };
      return { ...base, type: 'Int16' };
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'integer':
    case 'bigint':
      return { ...base, ...integerType(word, type.includes('unsigned')) };
    case 'decimal':
    case 'numeric':
      return { ...base, type: 'Decimal', precision: first ?? 10, scale: second ?? 0 };
    case 'float':
      return { ...base, type: 'Single' };
    case 'double':
    case 'real':
      return { ...base, type: 'Double' };
    case 'bit':
      return (first ?? 1) === 1
        ? { ...base, type: 'Boolean' }
        : { ...base, type: 'Byte[]', length: Math.ceil((first ?? 1) / 8) };
    case 'year':
      return { ...base, type: 'Int16' };
    case 'date':
      return rules.zeroDates === 'text' ? { ...base, type: 'String' } : { ...zeroable, type: 'Date' };
    case 'datetime':
    case 'timestamp': {
      if (rules.zeroDates === 'text') return { ...base, type: 'String' };
      return { ...zeroable, type: word === 'datetime' ? 'DateTime' : 'DateTimeOffset', scale: first ?? 0 };
    }
    case 'time':
      return { ...base, type: 'TimeSpan', scale: first ?? 0 };
    case 'uuid':
      return { ...base, type: 'Guid' };
    case 'binary':
    case 'varbinary':
      return { ...base, type: 'Byte[]', ...(first === undefined ? {} : { length: first }) };
    case 'tinyblob':
    case 'blob':
    case 'mediumblob':
    case 'longblob':
      return { ...base, type: 'Byte[]' };
    case 'char':
    case 'varchar':
      return { ...base, type: 'String', ...(first === undefined ? {} : { length: first }) };
    default:
      return { ...base, type: 'String' };
  }
};

/** A source's column: more digits than other stores know travel as text. */
export const sourceColumn = (facts: TypeFacts, rules: ValueRules): Column => {
  const column = columnFromFacts(facts, rules);
  if (column.type !== 'Decimal' || (column.precision ?? 0) <= COMMON_DIGITS) return column;
  const { name, native, nullable } = column;
  return { name, native, nullable, type: 'String' };
};

/**
 * A target's column. Its collation is kept in `native`, so that staged values are compared and refused as the target
 * does. Dates are dates whatever the rules for reading say.
 */
export const targetColumn = (facts: TypeFacts, rules: ValueRules): Column => {
  const column = columnFromFacts(facts, { ...rules, zeroDates: 'refuse' });
  const { collation } = facts;
  return collation === null || collation === undefined
    ? column
    : { ...column, native: `${column.native} collate ${collation}` };
};

/** The type to create for a column that comes from another store. */
export const nativeFor = (column: Column): string => {
  const fraction = Math.min(column.scale ?? MAX_FRACTION, MAX_FRACTION);
  const { length } = column;
  switch (column.type) {
    case 'Int16':
      return 'smallint';
    case 'Int32':
      return 'int';
    case 'Int64':
      return 'bigint';
    case 'Decimal':
      return `decimal(${column.precision ?? 38},${column.scale ?? 0})`;
    case 'Single':
      return 'float';
    case 'Double':
      return 'double';
    case 'Boolean':
      return 'tinyint(1)';
    case 'Date':
      return 'date';
    case 'DateTime':
    case 'DateTimeOffset':
      // MySQL's timestamp ends in 2038 and begins a second after 1970: instants are kept as date-times in UTC.
      return `datetime(${fraction})`;
    case 'TimeSpan':
      return `time(${fraction})`;
    case 'Guid':
      return 'char(36)';
    case 'Byte[]':
      if (length === undefined || length > BLOB_BYTES) return 'longblob';
      return length > LONGEST_INLINE ? 'blob' : `varbinary(${Math.max(length, 1)})`;
    case 'String':
      if (length === undefined || length > TEXT_CHARACTERS) return 'longtext';
      return length > LONGEST_INLINE ? 'text' : `varchar(${Math.max(length, 1)})`;
  }
};

/** The declaration of a staged column: the target's own, but JSON as the text that arrives, and no padding zeros. */
export const stagedDeclaration = (column: Column): string => {
  if (isOpaque(column)) {
    throw new WaybillError(
      'TYPE_UNSUPPORTED',
      `Column ${column.name} (${column.native}) cannot be written by a copy; leave it out of the mapping.`,
      { column: column.name, type: column.native },
    );
  }
  if (/^json\b/.test(column.native)) return 'longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';
  return column.native.replace(' zerofill', '');
};

/** The value of a column as numbers and texts take it: without the zeros that ZEROFILL puts before it, bits as a number. */
export const plainValue = (column: Column, expression: string): string =>
  /zerofill|^bit\b|^year\b/.test(column.native) ? `(${expression} + 0)` : expression;

/** The canonical text of a non-NULL `expression` of this column's type, in utf8mb4. */
export const canonicalText = (column: Column, expression: string): string => {
  const value = plainValue(column, expression);
  switch (column.type) {
    case 'DateTime':
      return `DATE_FORMAT(${expression}, '%Y-%m-%dT%H:%i:%s.%f')`;
    case 'DateTimeOffset':
      return `DATE_FORMAT(${expression}, '%Y-%m-%dT%H:%i:%s.%fZ')`;
    case 'TimeSpan':
      return `TIME_FORMAT(${expression}, '%H:%i:%s.%f')`;
    case 'Byte[]':
      return /^bit\b/.test(column.native)
        ? `LPAD(HEX(${value}), ${2 * (column.length ?? 8)}, '0')`
        : `HEX(${expression})`;
    case 'String':
      return `CONVERT(${expression} USING utf8mb4)`;
    default:
      return `CAST(${value} AS CHAR CHARACTER SET utf8mb4)`;
  }
};
