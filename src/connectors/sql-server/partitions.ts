// Physical partitions of a table as chunks: ADF's "PhysicalPartitionsOfTable".
import { type KeyRange, WHOLE_RANGE } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { TableName } from '../common/identifier.ts';
import { textSetting } from '../common/settings.ts';
import type { PlannedRanges } from '../connector.ts';
import type { SqlServerConnection } from './connection.ts';
import { literal, quote, quoteTable } from './dialect.ts';

const FUNCTION = 'partitionFunction';
const COLUMN = 'partitionedBy';

/** One chunk for each partition; undefined for a table that has none, which is then split by its key. */
export const planPartitions = async (
  connection: SqlServerConnection,
  table: TableName,
  prefix: string,
): Promise<PlannedRanges | undefined> => {
  const found = await connection.query(
    'SELECT p.partition_number AS number, f.name AS [function], c.name AS [column] FROM sys.indexes AS i ' +
      'JOIN sys.partitions AS p ON p.object_id = i.object_id AND p.index_id = i.index_id ' +
      'JOIN sys.partition_schemes AS s ON s.data_space_id = i.data_space_id ' +
      'JOIN sys.partition_functions AS f ON f.function_id = s.function_id ' +
      'JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id AND ic.partition_ordinal = 1 ' +
      'JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id ' +
      `WHERE i.object_id = OBJECT_ID(${literal(quoteTable(table))}) AND i.index_id IN (0, 1) ORDER BY p.partition_number`,
    `reading the partitions of ${table.schema}.${table.name}`,
  );
  const [first] = found;
  if (first === undefined) return undefined;
  const [counted] = await connection.query(
    `${prefix}SELECT CONVERT(varchar(20), COUNT_BIG(*)) AS n FROM ${quoteTable(table)}`,
    `counting ${table.schema}.${table.name}`,
  );
  const ranges = found.map(({ number }): KeyRange => ({ lower: String(number), upper: String(number) }));
  return {
    ranges: ranges.length === 0 ? [WHOLE_RANGE] : ranges,
    rows: Number(counted?.['n'] ?? 0),
    sourceState: { [FUNCTION]: String(first['function']), [COLUMN]: String(first['column']) },
  };
};

/** The WHERE condition of a partition; undefined for a plan that was not made by partitions. */
export const partitionCondition = (range: KeyRange, sourceState: JsonObject): string | undefined => {
  const name = textSetting(sourceState, FUNCTION);
  const column = textSetting(sourceState, COLUMN);
  if (name === undefined || column === undefined) return undefined;
  if (range.lower !== null && /^\d+$/.test(range.lower))
    return `$PARTITION.${quote(name)}(${quote(column)}) = ${range.lower}`;
  throw new WaybillError('INTERNAL', 'A chunk of a partitioned table names no partition.');
};
