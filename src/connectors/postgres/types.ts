// PostgreSQL's types: to and from the interim types, and each type's canonical text in its SQL.
import type { Column } from '../../core/types/column.ts';
import { baseType } from './wire.ts';

export interface TypeFacts {
  readonly name: string;
  /** format_type without modifiers, such as "numeric" or "timestamp without time zone". */
  readonly native: string;
  /** format_type with modifiers, such as "bit(3)". */
  readonly declared: string;
  /** atttypmod, -1 where there is none. */
  readonly modifier: number;
  readonly nullable: boolean;
}

/** An unbounded numeric is carried with ten digits after the point; a value with more fails the copy. */
const UNBOUNDED = { precision: 38, scale: 10 };
const UNBOUNDED_NATIVE = 'numeric without precision';

/** Whether the column's values have scales of their own. */
export const isUnbounded = (column: Column): boolean => column.native === UNBOUNDED_NATIVE;

export const columnFromFacts = (facts: TypeFacts): Column => {
  const { name, native, declared, modifier, nullable } = facts;
  const base = { name, nullable, native };
  const fraction = modifier >= 0 ? modifier : 6;
  switch (native) {
    case 'smallint':
      return { ...base, type: 'Int16' };
    case 'integer':
      return { ...base, type: 'Int32' };
    case 'bigint':
      return { ...base, type: 'Int64' };
    case 'numeric':
      return modifier < 4
        ? { ...base, native: UNBOUNDED_NATIVE, type: 'Decimal', ...UNBOUNDED }
        : {
            ...base,
            type: 'Decimal',
            precision: ((modifier - 4) >> 16) & 0xffff,
            scale: (modifier - 4) & 0x7ff,
          };
    case 'real':
      return { ...base, type: 'Single' };
    case 'double precision':
      return { ...base, type: 'Double' };
    case 'boolean':
      return { ...base, type: 'Boolean' };
    case 'date':
      return { ...base, type: 'Date' };
    case 'timestamp without time zone':
      return { ...base, type: 'DateTime', scale: fraction };
    case 'timestamp with time zone':
      return { ...base, type: 'DateTimeOffset', scale: fraction };
    case 'time without time zone':
      return { ...base, type: 'TimeSpan', scale: fraction };
    case 'uuid':
      return { ...base, type: 'Guid' };
    case 'bytea':
      return { ...base, type: 'Byte[]' };
    case 'character varying':
    case 'character':
      return { ...base, type: 'String', ...(modifier > 4 ? { length: modifier - 4 } : {}) };
    default:
      return { ...base, native: declared, type: 'String' };
  }
};

/** Types of PostgreSQL's own that a table made for another PostgreSQL's columns keeps, besides those told by their interim type. */
const KEPT_TYPES = new Set([
  UNBOUNDED_NATIVE,
  'character',
  'json',
  'jsonb',
  'inet',
  'cidr',
  'macaddr',
  'macaddr8',
  'interval',
  'time with time zone',
  'bit',
  'bit varying',
  'xml',
]);

/** The native type that a column made here keeps from where it comes from, "" where its interim type decides. */
export const keptNative = (native: string): string => (KEPT_TYPES.has(baseType(native)) ? native : '');

export const declaration = (column: Column): string => {
  if (isUnbounded(column)) return 'numeric';
  if (column.native === 'character') return `character(${column.length ?? 1})`;
  if (column.type === 'String' && KEPT_TYPES.has(baseType(column.native))) return column.native;
  const fraction = Math.min(column.scale ?? 6, 6);
  switch (column.type) {
    case 'Int16':
      return 'smallint';
    case 'Int32':
      return 'integer';
    case 'Int64':
      return 'bigint';
    case 'Decimal':
      return `numeric(${column.precision ?? 38},${column.scale ?? 0})`;
    case 'Single':
      return 'real';
    case 'Double':
      return 'double precision';
    case 'Boolean':
      return 'boolean';
    case 'Date':
      return 'date';
    case 'DateTime':
      return `timestamp(${fraction})`;
    case 'DateTimeOffset':
      return `timestamptz(${fraction})`;
    case 'TimeSpan':
      return `time(${fraction})`;
    case 'Guid':
      return 'uuid';
    case 'Byte[]':
      return 'bytea';
    case 'String':
      return column.length === undefined || column.length > 10_485_760 ? 'text' : `varchar(${column.length})`;
  }
};

/**
 * A moment by to_char's pattern. to_char makes NULL of infinity and drops BC: those keep PostgreSQL's own text, which
 * only PostgreSQL takes and all others refuse.
 */
const moment = (expression: string, pattern: string): string =>
  `CASE WHEN ${expression} >= '0001-01-01' AND ${expression} < 'infinity' ` +
  `THEN to_char(${expression}, '${pattern}') ELSE ${expression}::text END`;

/** The canonical text of a non-NULL `expression` of this column's type, in a session whose settings are ours. */
export const canonicalText = (column: Column, expression: string): string => {
  switch (column.type) {
    case 'Boolean':
      return `CASE WHEN ${expression} THEN '1' ELSE '0' END`;
    case 'Date':
      return `${expression}::text`;
    case 'DateTime':
      return moment(expression, 'YYYY-MM-DD"T"HH24:MI:SS.US');
    case 'DateTimeOffset':
      return moment(expression, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    case 'TimeSpan':
      return `to_char(${expression}, 'HH24:MI:SS.US')`;
    case 'Byte[]':
      return `upper(encode(${expression}, 'hex'))`;
    default:
      return `${expression}::text`;
  }
};
