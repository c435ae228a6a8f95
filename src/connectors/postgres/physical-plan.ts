// Chunks of a table by where its rows lie: its partitions, or runs of its blocks. For tables without a key to split by.
import {
  chunkCount,
  type KeyRange,
  ROWS_CHUNK,
  rangesBetween,
  rowsPerChunk,
  WHOLE_RANGE,
  WIRE_CHUNK,
} from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { TableName } from '../common/identifier.ts';
import { objectSetting, textSetting } from '../common/settings.ts';
import type { PlannedRanges, WireFormat } from '../connector.ts';
import type { PostgresConnection } from './connection.ts';
import { literal, quoteTable } from './dialect.ts';

const BLOCKS_NOTE =
  'The table has no key to split by and was read by its blocks: do not update or delete its rows while it is copied. ' +
  'A change that PostgreSQL counts in time fails the copy; "partitionOption": "None" reads the table in one statement.';
const PARTITIONS_NOTE =
  'Each partition of the table was read by itself: one attached during the copy is not in it.';

/**
 * The table's file, and how many of its rows were changed in place or taken away since its counters began. A standby does
 * not count what it replays: there nothing is read by blocks.
 */
const restState = (table: TableName): string =>
  'SELECT pg_relation_filenode(c.oid)::text AS file, ' +
  '(pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid))::text AS changes, ' +
  "pg_relation_size(c.oid) AS bytes, current_setting('block_size')::int AS block, " +
  `c.relkind = 'r' AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'heap') AND NOT c.relhassubclass AND NOT pg_is_in_recovery() AS plain ` +
  `FROM pg_class c WHERE c.oid = to_regclass(${literal(quoteTable(table))})`;

/** Whether the definition asks for ADF's physical partitions. */
const wantsPhysical = (settings: JsonObject): boolean =>
  textSetting(settings, 'partitionOption') === 'PhysicalPartitionsOfTable';

/**
 * `planned`, or chunks by place where that is what the definition wants, or `planned` found nothing to split a large
 * table by and the definition does not say "None".
 */
export const byPlace = async (
  connection: PostgresConnection,
  table: TableName,
  settings: JsonObject,
  planned: PlannedRanges,
  parallelCopies: number,
  wire: WireFormat | undefined,
): Promise<PlannedRanges> => {
  const { rows } = planned;
  const asked = wantsPhysical(settings);
  const keyless = planned.ranges.length === 1 && planned.sourceState['partitionColumn'] === undefined;
  if (!asked && (!keyless || textSetting(settings, 'partitionOption') === 'None')) return planned;
  const doing = `planning chunks of ${table.schema}.${table.name}`;
  const leaves = await connection.query(
    "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM " +
      `pg_partition_tree(to_regclass(${literal(quoteTable(table))})) AS t JOIN pg_class c ON c.oid = t.relid ` +
      "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.isleaf AND t.level > 0 AND c.relkind IN ('r', 'f') ORDER BY 1",
    doing,
  );
  if (leaves.length > 0) {
    return {
      rows,
      ranges: leaves.map((leaf) => ({ lower: String(leaf['name']), upper: null })),
      sourceState: { place: 'partitions' },
      notes: [PARTITIONS_NOTE],
    };
  }
  const [found] = await connection.query(restState(table), doing);
  const pages = Math.ceil(Number(found?.['bytes'] ?? 0) / Number(found?.['block'] ?? 8192));
  const perChunk = rowsPerChunk(
    wire === undefined ? ROWS_CHUNK : WIRE_CHUNK,
    Number(found?.['bytes'] ?? 0) / Math.max(1, rows),
  );
  const count = Math.min(pages, chunkCount(rows, perChunk, parallelCopies));
  if (found?.['plain'] !== true || count <= 1) return { ...planned, ranges: [WHOLE_RANGE], sourceState: {} };
  const bounds = Array.from({ length: count - 1 }, (_, i) => String(Math.floor((pages * (i + 1)) / count)));
  return {
    rows,
    ranges: rangesBetween(bounds),
    sourceState: {
      place: 'blocks',
      rest: { file: String(found['file']), changes: String(found['changes']) },
    },
    notes: [BLOCKS_NOTE],
  };
};

/** What stands after FROM for a chunk by place; undefined where the plan is not by place. */
export const placeOf = (
  table: TableName | undefined,
  range: KeyRange,
  state: JsonObject,
): string | undefined => {
  if (state['place'] === 'partitions' && range.lower !== null) return range.lower;
  if (state['place'] !== 'blocks' || table === undefined) return undefined;
  const tid = (block: string): string => {
    if (!/^\d+$/.test(block)) throw new WaybillError('INTERNAL', 'A range bound is not a block number.');
    return `'(${block},0)'::tid`;
  };
  const conditions = [
    ...(range.lower === null ? [] : [`ctid >= ${tid(range.lower)}`]),
    ...(range.upper === null ? [] : [`ctid < ${tid(range.upper)}`]),
  ];
  return `${quoteTable(table)}${conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`}`;
};

/**
 * To be called when a chunk by place was read. Throws SOURCE_CHANGED where rows were updated or deleted since the
 * planning, as far as PostgreSQL has counted it: an updated row moves, perhaps from a block not read yet to one that was.
 */
export const requireRest = async (
  connection: PostgresConnection,
  table: TableName | undefined,
  state: JsonObject,
): Promise<void> => {
  if (state['place'] !== 'blocks' || table === undefined) return;
  const then = objectSetting(state, 'rest');
  const [now] = await connection.query(restState(table), 'looking for changes of the source');
  if (now?.['file'] === then['file'] && now?.['changes'] === then['changes']) return;
  throw new WaybillError(
    'SOURCE_CHANGED',
    `Rows of ${table.schema}.${table.name} were updated or deleted while it was read by its blocks. Copy it when it rests, ` +
      'name a partition column, or set "partitionOption": "None" to read it in one statement.',
    { table: `${table.schema}.${table.name}` },
  );
};
