// sp_describe_first_result_set: what columns a batch answers with, found by running it up to its first result.
import type { SessionState } from './session-state.ts';
import type { SqlType } from './sql-types.ts';
import { quoteText } from './translate/token-stream.ts';

/** A column of a result, as it would be sent. */
export interface DescribedColumn {
  readonly name: string;
  readonly type: SqlType;
  readonly nullable: boolean;
}

/** SQL Server does not run the batch; here whatever it does on the way is undone. */
export async function undone(state: SessionState, run: () => Promise<void>): Promise<void> {
  const { postgres, transactions } = state;
  const inside = transactions.open;
  await postgres.simple(inside ? 'SAVEPOINT tsql_describe' : 'BEGIN');
  try {
    await run();
  } finally {
    await postgres.simple(inside ? 'ROLLBACK TO tsql_describe; RELEASE tsql_describe' : 'ROLLBACK');
  }
}

/** "decimal(18,2)", "nvarchar(max)", "int". */
function typeName({ name, length, precision, scale }: SqlType): string {
  if (name === 'decimal') return `decimal(${precision ?? 38},${scale ?? 6})`;
  if (/^(datetime2|datetimeoffset|time)$/.test(name)) return `${name}(${scale ?? 7})`;
  if (/(char|binary)$/.test(name)) return `${name}(${length === undefined || length < 0 ? 'max' : length})`;
  return name;
}

/** The query that answers with the description. */
export function descriptionQuery(columns: readonly DescribedColumn[]): string {
  const head = 'is_hidden, column_ordinal, name, is_nullable, system_type_name';
  if (columns.length === 0)
    return `SELECT CAST(0 AS bit) AS is_hidden, 0 AS column_ordinal, N'' AS name, CAST(0 AS bit) AS is_nullable, N'' AS system_type_name WHERE 1 = 0`;
  const rows = columns.map(({ name, type, nullable }, index) => {
    const shown = name === '' ? 'NULL' : `N${quoteText(name)}`;
    return `(CAST(0 AS bit), ${index + 1}, ${shown}, CAST(${nullable ? 1 : 0} AS bit), N${quoteText(typeName(type))})`;
  });
  return `SELECT ${head} FROM (VALUES ${rows.join(', ')}) AS described (${head}) ORDER BY column_ordinal`;
}
