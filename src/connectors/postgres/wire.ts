// Which PostgreSQL types travel in binary form, and when both ends of a copy mean the same by it.
import type { Column } from '../../core/types/column.ts';

/**
 * Types whose binary form is the same on every PostgreSQL >= 14, whatever its settings. Not: arrays, enums, ranges and
 * composites (the form holds type numbers of one database), money (it depends on lc_monetary) and xml (on the
 * session's xmloption).
 */
const BINARY_TYPES = new Set([
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
  'character',
]);

export const isBinary = (column: Column): boolean => BINARY_TYPES.has(column.native);
