// The SQL side of frame-checksum.ts: the same hashes by PostgreSQL's own functions, over the rows it holds.
import type { Column } from '../../core/types/column.ts';
import { quote } from './dialect.ts';
import { type HashKind, nullHash, seedOf } from './frame-checksum.ts';
import { baseType } from './wire.ts';

/** What of a server decides which functions it has and what its bytes are. */
export interface ServerFacts {
  /** server_version_num, such as 180004. */
  readonly version: number;
  /** server_encoding. */
  readonly encoding: string;
  /** Whether its hash functions are the ones frame-checksum.ts knows: a machine of the other byte order differs. */
  readonly hashesAlike: boolean;
}

/** A hash that every server gives, to compare with `hashesAlike`. */
export const HASH_PROBE = { sql: "hashtextextended('waybill', 7)::text", expected: '6627908560719890393' };

const TEXTS = new Set(['text', 'character varying']);
/** Types hashed over their binary form itself; the function that makes it is the type's name and "send". */
const SEND: Readonly<Record<string, string>> = {
  json: 'json_send',
  jsonb: 'jsonb_send',
  'numeric without precision': 'numeric_send',
  inet: 'inet_send',
  cidr: 'cidr_send',
  macaddr: 'macaddr_send',
  macaddr8: 'macaddr8_send',
  interval: 'interval_send',
  'time with time zone': 'timetz_send',
  bit: 'bit_send',
  'bit varying': 'varbit_send',
};

/** How the fields of a column are hashed on the way to a server with this encoding. */
export const hashKind = (column: Column, encoding: string): HashKind => {
  switch (column.native) {
    case 'smallint':
      return 'int2';
    case 'integer':
    case 'date':
      return 'int4';
    case 'bigint':
    case 'timestamp without time zone':
    case 'timestamp with time zone':
    case 'time without time zone':
      return 'int8';
    case 'boolean':
      return 'bool';
    case 'real':
      return 'float4';
    case 'double precision':
      return 'float8';
    case 'numeric':
      return 'numeric';
    case 'character':
      return encoding === 'UTF8' ? 'padded' : 'bytes';
    default:
      return 'bytes';
  }
};

/** The hash of a column that is not NULL. */
const hashOf = (column: Column, seed: number, server: ServerFacts): string => {
  const name = quote(column.name);
  // A function for any type that has a hash, though slower: the row's hash of one column is the column's.
  const anyHash = (expression: string): string => `hash_record_extended(ROW(${expression}), ${seed})`;
  const send = SEND[baseType(column.native)];
  if (send !== undefined) return anyHash(`${send}(${name})`);
  const text = TEXTS.has(column.native) || column.native === 'character';
  // The wire is UTF-8; a server that keeps text otherwise is asked for what it would send.
  if (text && server.encoding !== 'UTF8') {
    return anyHash(`${column.native === 'character' ? 'bpcharsend' : 'textsend'}(${name})`);
  }
  switch (column.native) {
    case 'smallint':
      return `hashint2extended(${name}, ${seed})`;
    case 'integer':
      return `hashint4extended(${name}, ${seed})`;
    case 'bigint':
      return `hashint8extended(${name}, ${seed})`;
    case 'boolean':
      return `hashint4extended(${name}::int, ${seed})`;
    case 'real':
      return `hashfloat4extended(${name}, ${seed})`;
    case 'double precision':
      return `hashfloat8extended(${name}, ${seed})`;
    case 'numeric':
      // Its hash leaves out the sign.
      return `hash_numeric_extended(${name}, CASE WHEN ${name} < 0 THEN ${-seed} ELSE ${seed} END)`;
    case 'timestamp without time zone':
      return `timestamp_hash_extended(${name}, ${seed})`;
    case 'time without time zone':
      return `time_hash_extended(${name}, ${seed})`;
    case 'uuid':
      return `uuid_hash_extended(${name}, ${seed})`;
    case 'date':
      // Before version 18 a date has no hash function of its own; its number of days has, and is hashed alike.
      return server.version >= 180_000
        ? `hashdateextended(${name}, ${seed})`
        : `CASE WHEN NOT isfinite(${name}) THEN ${anyHash(name)} ELSE hashint4extended(${name} - date '2000-01-01', ${seed}) END`;
    case 'timestamp with time zone':
      // The same microseconds, infinity included, whatever the session's time zone.
      return server.version >= 180_000
        ? `timestamptz_hash_extended(${name}, ${seed})`
        : `timestamp_hash_extended(${name} AT TIME ZONE 'UTC', ${seed})`;
    case 'bytea':
      return server.version >= 180_000 ? `hashbyteaextended(${name}, ${seed})` : anyHash(name);
    case 'character':
      return `hashbpcharextended(${name} COLLATE "C", ${seed})`;
    default:
      return `hashtextextended(${name} COLLATE "C", ${seed})`;
  }
};

/** One row's hash as bigint. */
const rowHash = (columns: readonly Column[], server: ServerFacts): string => {
  const fields = columns.map((column, i) => {
    const value = hashOf(column, seedOf(i), server);
    // A literal of the lowest bigint would be a numeric, negated.
    const none = `'${nullHash(i)}'::bigint`;
    return value.startsWith('hash_record_extended')
      ? `CASE WHEN ${quote(column.name)} IS NULL THEN ${none} ELSE ${value} END`
      : `coalesce(${value}, ${none})`;
  });
  return `hashint4extended(0, ${fields.join(' # ')})`;
};

/** A query of one row: `n` rows and `c`, the sum of their hashes, over the rows of `from` (a table and its WHERE). */
export const frameChecksumSql = (columns: readonly Column[], server: ServerFacts, from: string): string =>
  `SELECT count(*)::text AS n, coalesce(sum(${rowHash(columns, server)}), 0)::text AS c FROM ${from}`;
