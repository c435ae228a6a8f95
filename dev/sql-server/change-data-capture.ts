// The system procedures that switch Change Data Capture on and off, for a database and for a table.
import { notSupported, SqlError } from './errors.ts';
import type { SessionState } from './session-state.ts';
import { quoteText } from './translate/token-stream.ts';

/** What would have to narrow or place the capture; the rest (role, filegroup, partition switch) changes no data. */
const REFUSED = ['@captured_column_list', '@index_name'];

/** Runs sys.sp_cdc_{enable,disable}_{db,table}; arguments by lower-case name, or by position. */
export async function changeDataCapture(
  state: SessionState,
  procedure: string,
  given: ReadonlyMap<string, string | null>,
): Promise<void> {
  const value = (name: string, position: number): string | undefined =>
    given.get(name) ?? given.get(String(position)) ?? undefined;
  const required = (name: string, position: number): string => {
    const found = value(name, position);
    if (found !== undefined) return found;
    throw new SqlError(
      201,
      `Procedure or function '${procedure}' expects parameter '${name}', which was not supplied.`,
    );
  };
  const run = (sql: string): Promise<unknown> => state.postgres.simple(`SELECT ${sql}`);
  if (procedure === 'sp_cdc_enable_db') await run('tsql_cdc.enable_db()');
  else if (procedure === 'sp_cdc_disable_db') await run('tsql_cdc.disable_db()');
  else if (procedure === 'sp_cdc_disable_table') {
    const table = [required('@source_schema', 0), required('@source_name', 1)];
    const instance = required('@capture_instance', 2);
    await run(
      instance.toLowerCase() === 'all'
        ? `tsql_cdc.forget(${table.map((part) => `tsql.held(${quoteText(part)})`).join(', ')})`
        : `tsql_cdc.forget_instance(${quoteText(instance)})`,
    );
  } else {
    for (const name of REFUSED)
      if (given.get(name) != null) throw notSupported(`sys.sp_cdc_enable_table ${name}`);
    const schema = required('@source_schema', 0);
    const table = required('@source_name', 1);
    const instance = value('@capture_instance', 2) ?? `${schema}_${table}`;
    const net = value('@supports_net_changes', 3);
    const asked = net === undefined ? 'NULL' : String(net === '1' || /^t(rue)?$/i.test(net));
    await run(
      `tsql_cdc.enable_table(${[schema, table, instance].map(quoteText).join(', ')}, ${asked}::boolean)`,
    );
  }
}
