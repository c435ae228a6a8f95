// sys.fn_cdc_... and cdc.fn_cdc_get_{all,net}_changes_<capture instance>.
import { notSupported, SqlError } from '../errors.ts';
import type { SqlType } from '../sql-types.ts';
import { text } from './conversions.ts';
import { quoteName, quoteText } from './token-stream.ts';
import { type Expression, type Translator, tableKey } from './translator.ts';

const LSN: SqlType = { name: 'binary', length: 10 };

/** Columns of the view behind net changes that serve to find them. */
const NET_ONLY = new Set(['"__$seqval"', '"__$key"']);

/** By lower-case name: how many arguments, and what it is. */
const FUNCTIONS: Readonly<
  Record<string, readonly [count: number, (args: readonly Expression[]) => string, SqlType]>
> = {
  fn_cdc_get_max_lsn: [0, () => 'tsql_cdc.max_lsn()', LSN],
  fn_cdc_get_min_lsn: [1, ([a]) => `tsql_cdc.min_lsn(${text(a as Expression)})`, LSN],
  fn_cdc_map_time_to_lsn: [
    2,
    ([a, b]) => `tsql_cdc.map_time_to_lsn(${text(a as Expression)}, CAST(${b?.sql} AS timestamp))`,
    LSN,
  ],
  fn_cdc_map_lsn_to_time: [1, ([a]) => `tsql_cdc.map_lsn_to_time(${a?.sql})`, { name: 'datetime' }],
  fn_cdc_increment_lsn: [1, ([a]) => `tsql_cdc.step_lsn(${a?.sql}, 1)`, LSN],
  fn_cdc_decrement_lsn: [1, ([a]) => `tsql_cdc.step_lsn(${a?.sql}, -1)`, LSN],
};

/** A function of the schema sys whose name was read; any other is refused. */
export function captureFunction(t: Translator, parts: readonly string[]): Expression {
  const name = (parts.at(-1) ?? '').toLowerCase();
  const found =
    parts.at(-2)?.toLowerCase() === 'sys' && Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (found === undefined) throw notSupported(`${parts.join('.')}()`);
  const [count, emit, type] = found;
  const args = argumentList(t);
  if (args.length !== count)
    throw new SqlError(174, `The ${name} function requires ${count} argument(s).`, 15);
  return { sql: emit(args), type };
}

/** The derived table that a cdc.fn_cdc_get_... function is, without its alias; undefined for other functions. */
export function capturedChanges(t: Translator, parts: readonly string[]): string | undefined {
  const name = parts.at(-1) ?? '';
  const [, kind, instance] = /^fn_cdc_get_(all|net)_changes_(.+)$/i.exec(name) ?? [];
  if (kind === undefined || instance === undefined || parts.at(-2)?.toLowerCase() !== 'cdc') return undefined;
  const columns = [...(t.context.tables.get(tableKey('cdc', name))?.columns.values() ?? [])]
    .map((column) => quoteName(column.name))
    .filter((column) => kind.toLowerCase() === 'all' || !NET_ONLY.has(column));
  if (columns.length === 0) throw new SqlError(208, `Invalid object name '${parts.join('.')}'.`);
  const args = argumentList(t);
  const [from, to, filter] = args;
  if (from === undefined || to === undefined || filter === undefined || args.length > 3)
    throw new SqlError(
      313,
      `An insufficient number of arguments were supplied for the procedure or function ${parts.join('.')}.`,
    );
  const given = `lower(${text(filter)})`;
  const isNet = kind.toLowerCase() === 'net';
  if (isNet && /all with mask/i.test(filter.sql)) throw notSupported(`${name} 'all with mask'`);
  // Told once and before any row is looked at, so that a range that is wrong is an error also where nothing changed.
  const allowed = isNet ? "'all', 'all with merge'" : "'all', 'all update old'";
  const inRange = `(SELECT tsql_cdc.in_range(${quoteText(name)}, ${quoteText(instance)}, ${from.sql}, ${to.sql}, ${given}, ARRAY[${allowed}]))`;
  const rows = `FROM cdc.${quoteName(name)} WHERE ${inRange} AND "__$start_lsn" BETWEEN ${from.sql} AND ${to.sql}`;
  if (!isNet)
    return `(SELECT ${columns.join(', ')} ${rows} AND ("__$operation" <> 3 OR ${given} = 'all update old'))`;
  // Of each key the last change, by what it was before the first: what came and went within the range is no change.
  const ranked = `SELECT *, first_value("__$operation") OVER (PARTITION BY "__$key" ORDER BY "__$seqval") AS "__$first",
    row_number() OVER (PARTITION BY "__$key" ORDER BY "__$seqval" DESC) AS "__$rank" ${rows} AND "__$operation" <> 3`;
  const operation = `CASE WHEN "__$operation" = 1 THEN 1 WHEN ${given} = 'all with merge' THEN 5 WHEN "__$first" = 2 THEN 2 ELSE 4 END AS "__$operation"`;
  const shown = columns.map((column) =>
    column === '"__$operation"'
      ? operation
      : column === '"__$update_mask"'
        ? `CAST(NULL AS bytea) AS ${column}`
        : column,
  );
  return `(SELECT ${shown.join(', ')} FROM (${ranked}) ranked WHERE "__$rank" = 1 AND NOT ("__$first" = 2 AND "__$operation" = 1))`;
}

function argumentList(t: Translator): Expression[] {
  const { tokens } = t;
  tokens.expectSymbol('(');
  const args: Expression[] = [];
  if (tokens.acceptSymbol(')')) return args;
  do args.push(t.expression());
  while (tokens.acceptSymbol(','));
  tokens.expectSymbol(')');
  return args;
}
