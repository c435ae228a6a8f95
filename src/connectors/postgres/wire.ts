// Which PostgreSQL types travel in binary form, and when both ends of a copy mean the same by it.
import type { Column, MappedColumn } from '../../core/types/column.ts';

/** Types whose canonical text and binary form both stand for just one value of the type. */
const EXACT_TYPES = new Set([
  'smallint',
  'integer',
  'bigint',
  'numeric',
  'numeric without precision',
  'real',
  'double precision',
  'boolean',
  'date',
  'timestamp without time zone',
  'timestamp with time zone',
  'time without time zone',
  'uuid',
  'bytea',
  'text',
  'character varying',
]);

/**
 * Types whose binary form is the same on every PostgreSQL >= 14, whatever its settings. Not: arrays, enums, ranges and
 * composites (the form holds type numbers of one database), money (it depends on lc_monetary) and xml (it depends on
 * the session's xmloption).
 */
const BINARY_TYPES = new Set([
  ...EXACT_TYPES,
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
]);

export const isExact = (column: Column): boolean => EXACT_TYPES.has(column.native);

/** A type's name without its modifiers: "bit" for "bit(3)". */
export const baseType = (native: string): string => native.replace(/\(\d+\)/, '');

export const isBinary = (column: Column): boolean => BINARY_TYPES.has(baseType(column.native));

/**
 * Whether the binary form of every source value is the sink's own form of it: the same type, and room for all of it.
 * A sink column without a limit takes any; numerics need the same scale, since COPY would round to the sink's.
 */
export const sameOnTheWire = ({ source, sink, given }: MappedColumn): boolean => {
  if (given !== undefined || source.native !== sink.native || !isBinary(source)) return false;
  switch (source.native) {
    case 'numeric':
      return (
        source.scale === sink.scale &&
        source.precision !== undefined &&
        source.precision <= (sink.precision ?? 0)
      );
    case 'character':
      return source.length === sink.length;
    case 'character varying':
      return sink.length === undefined || (source.length !== undefined && source.length <= sink.length);
    default:
      return (source.scale ?? 6) <= (sink.scale ?? 6);
  }
};
