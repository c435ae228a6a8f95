// EXEC: dynamic SQL and the few system procedures that make sense here; any other name is error 2812.
import { changeDataCapture } from './change-data-capture.ts';
import { type DescribedColumn, descriptionQuery, undone } from './describe.ts';
import { notSupported, SqlError } from './errors.ts';
import type { SessionState, Variable, Variables } from './session-state.ts';
import type { SqlType } from './sql-types.ts';
import type { ResultSink } from './statement-runner.ts';
import { callStored, type ProcedureName } from './stored-procedures.ts';
import { tokenize } from './translate/lexer.ts';
import { translatorFor } from './translate/statement.ts';
import { heldName, quoteName, quoteText } from './translate/token-stream.ts';
import type { Expression, Translator } from './translate/translator.ts';
import { dataType } from './translate/types.ts';

/** What a nested batch is told about its results. */
export type NestedOptions = Pick<ResultSink, 'resultColumns' | 'onDescribed'>;

export type RunNested = (sql: string, variables: Variables, options?: NestedOptions) => Promise<void>;

interface Argument {
  readonly name: string | undefined;
  readonly value: Expression;
  readonly output: string | undefined;
}

export interface Call {
  run(state: SessionState, variables: Variables, nested: RunNested): Promise<void>;
}

/** Reads what follows EXEC. */
export function callProcedure(t: Translator): Call {
  const { tokens } = t;
  if (tokens.acceptSymbol('(')) {
    const text = t.expression();
    tokens.expectSymbol(')');
    const used = [...t.used];
    return {
      run: async (state, variables, nested) => {
        const [sql] = await evaluate(state, variables, [text.sql], used);
        await nested(sql ?? '', new Map());
      },
    };
  }
  if (tokens.peek().kind === 'variable') throw notSupported('EXEC @result = procedure');
  const parts = tokens.dottedName();
  const called = { schema: parts.at(-2) || 'dbo', name: parts.at(-1) as string };
  const args = argumentList(t);
  const options = executeOptions(t);
  const used = [...t.used];
  return {
    run: async (state, variables, nested) => {
      const values = await evaluate(
        state,
        variables,
        args.map((argument) => argument.value.sql),
        used,
      );
      const shaped: RunNested = (sql, inner, more) => nested(sql, inner, { ...options, ...more });
      await perform(state, variables, called, args, values, shaped);
    },
  };
}

/** WITH RESULT SETS ((name type, ...)) and WITH RECOMPILE. */
function executeOptions(t: Translator): NestedOptions {
  const { tokens } = t;
  if (!tokens.isWord('with') || !tokens.wordAt(1, 'result', 'recompile')) return {};
  tokens.next();
  if (tokens.accept('recompile')) return {};
  tokens.expect('result', 'sets');
  if (tokens.accept('undefined')) return {};
  tokens.expectSymbol('(');
  tokens.expectSymbol('(');
  const resultColumns: { name: string; type: SqlType }[] = [];
  do {
    const name = tokens.name();
    resultColumns.push({ name, type: dataType(t) });
    if (tokens.accept('collate')) tokens.name();
    if (!tokens.accept('not', 'null')) tokens.accept('null');
  } while (tokens.acceptSymbol(','));
  tokens.expectSymbol(')');
  if (tokens.isSymbol(',')) throw notSupported('WITH RESULT SETS of more than one result');
  tokens.expectSymbol(')');
  return { resultColumns };
}

function argumentList(t: Translator): Argument[] {
  const { tokens } = t;
  const args: Argument[] = [];
  if (tokens.atEnd || tokens.isSymbol(';')) return args;
  const starts = ['string', 'variable', 'number', 'binary'];
  if (
    !starts.includes(tokens.peek().kind) &&
    !tokens.isWord('null') &&
    !tokens.isSymbol('-') &&
    !tokens.isName()
  )
    return args;
  do {
    let name: string | undefined;
    if (tokens.peek().kind === 'variable' && tokens.isSymbol('=', 1)) {
      name = tokens.next().lower;
      tokens.next();
    }
    const variable = tokens.peek().kind === 'variable' ? tokens.peek().lower : undefined;
    const bare = tokens.isName() && tokens.peek().kind === 'word';
    const value: Expression = bare ? { sql: quoteText(tokens.next().text) } : t.expression();
    const output = tokens.accept('output') || tokens.accept('out') ? variable : undefined;
    args.push({ name, value, output });
  } while (tokens.acceptSymbol(','));
  return args;
}

async function evaluate(
  state: SessionState,
  variables: Variables,
  items: readonly string[],
  used: readonly string[],
): Promise<(string | null)[]> {
  if (items.length === 0) return [];
  const rows = await state.postgres.rows(
    `SELECT ${items.map((sql) => `(${sql})::text`).join(', ')}`,
    state.parameters(variables, used),
  );
  return rows[0] ?? [];
}

async function perform(
  state: SessionState,
  variables: Variables,
  called: ProcedureName,
  args: readonly Argument[],
  values: readonly (string | null)[],
  nested: RunNested,
): Promise<void> {
  switch (called.name.toLowerCase()) {
    case 'sp_executesql':
      return executeSql(state, variables, args, values, nested);
    case 'sp_rename':
      return rename(state, values);
    case 'sp_getapplock':
      return applicationLock(state, args, values);
    case 'sp_describe_first_result_set':
      return describe(state, values, nested);
    case 'sp_cdc_enable_db':
    case 'sp_cdc_disable_db':
    case 'sp_cdc_enable_table':
    case 'sp_cdc_disable_table':
      return changeDataCapture(state, called.name.toLowerCase(), namedValues(args, values));
    default: {
      const given = args.map((argument, index) => ({ ...argument, value: values[index] ?? null }));
      if (!(await callStored(state, called, given, variables, nested)))
        throw new SqlError(2812, `Could not find stored procedure '${called.name}'.`, 16, 62);
    }
  }
}

/** Arguments by lower-case name, those without one by their position. */
const namedValues = (
  args: readonly Argument[],
  values: readonly (string | null)[],
): ReadonlyMap<string, string | null> =>
  new Map(args.map(({ name }, index) => [name ?? String(index), values[index] ?? null]));

async function describe(
  state: SessionState,
  values: readonly (string | null)[],
  nested: RunNested,
): Promise<void> {
  let columns: readonly DescribedColumn[] = [];
  const onDescribed = (found: readonly DescribedColumn[]): void => {
    columns = found;
  };
  const declared = values[1] ? declaredParameters(state, values[1]) : [];
  const variables: Variables = new Map(declared.map(({ name, variable }) => [name, variable]));
  await undone(state, () => nested(values[0] ?? '', variables, { onDescribed }));
  await nested(descriptionQuery(columns), new Map());
}

/** The names and types of "@a int, @b nvarchar(10) OUTPUT". */
export function declaredParameters(
  state: SessionState,
  text: string,
): { name: string; variable: Variable }[] {
  const t = translatorFor(tokenize(text), {
    database: state.database,
    tables: new Map(),
    variableType: () => undefined,
  });
  const declared: { name: string; variable: Variable }[] = [];
  while (!t.tokens.atEnd) {
    const token = t.tokens.next();
    if (token.kind !== 'variable') throw new SqlError(102, `Incorrect syntax near '${token.text}'.`, 15);
    t.tokens.accept('as');
    const type = dataType(t);
    if (!t.tokens.accept('output')) t.tokens.accept('out');
    declared.push({ name: token.lower, variable: { type, value: null } });
    if (!t.tokens.acceptSymbol(',')) break;
  }
  return declared;
}

async function executeSql(
  state: SessionState,
  variables: Variables,
  args: readonly Argument[],
  values: readonly (string | null)[],
  nested: RunNested,
): Promise<void> {
  const inner: Variables = new Map();
  const declared = values[1] ? declaredParameters(state, values[1]) : [];
  for (const [index, { name, variable }] of declared.entries()) {
    const at = args.findIndex(
      (argument, position) =>
        position >= 2 && (argument.name ? argument.name === name : position - 2 === index),
    );
    if (at < 0)
      throw new SqlError(
        8178,
        `The parameterized query expects the parameter '${name}', which was not supplied.`,
      );
    inner.set(name, { type: variable.type, value: await state.coerce(values[at] ?? null, variable.type) });
  }
  await nested(values[0] ?? '', inner);
  for (const [index, argument] of args.entries()) {
    if (argument.output === undefined) continue;
    const name = argument.name ?? declared[index - 2]?.name ?? '';
    const target = variables.get(argument.output);
    if (target) target.value = inner.get(name)?.value ?? null;
  }
}

/** sp_rename 'schema.table', 'new name' and sp_rename 'schema.table.column', 'new name', 'COLUMN'. */
async function rename(state: SessionState, values: readonly (string | null)[]): Promise<void> {
  const [from, to, kind] = values;
  const parts = (from ?? '').split('.').map((part) => part.replace(/^\[(.*)\]$/, '$1'));
  const name = to ?? '';
  const column = kind?.toLowerCase() === 'column' ? parts.pop() : undefined;
  const held = parts.length > 1 ? parts.slice(-2) : ['dbo', parts[0] ?? ''];
  const table = held.map(quoteName).join('.');
  const described = (object: string): string =>
    `COMMENT ON ${object} IS ${quoteText(JSON.stringify({ name }))}`;
  if (column === undefined) {
    const renamed = [held[0] as string, name].map(quoteName).join('.');
    await state.postgres.simple(
      `ALTER TABLE ${table} RENAME TO ${quoteName(name)}; ${described(`TABLE ${renamed}`)}`,
    );
    return;
  }
  const comment = await state.postgres.rows(
    `select col_description(attrelid, attnum) from pg_attribute where attrelid = ${quoteText(table)}::regclass and attname = ${quoteText(heldName(column))}`,
  );
  const declared = comment[0]?.[0]
    ? JSON.stringify({ ...JSON.parse(comment[0][0]), name })
    : JSON.stringify({ name });
  await state.postgres.simple(
    `ALTER TABLE ${table} RENAME COLUMN ${quoteName(column)} TO ${quoteName(name)}; COMMENT ON COLUMN ${table}.${quoteName(name)} IS ${quoteText(declared)}`,
  );
}

/** An exclusive lock on a name until the transaction ends; other modes and owners are refused. */
async function applicationLock(
  state: SessionState,
  args: readonly Argument[],
  values: readonly (string | null)[],
): Promise<void> {
  const value = (name: string, index: number): string | null => {
    const at = args.findIndex((argument, position) =>
      argument.name ? argument.name === name : position === index,
    );
    return at < 0 ? null : (values[at] ?? null);
  };
  const owner = value('@lockowner', 2) ?? 'Transaction';
  if ((value('@lockmode', 1) ?? '').toLowerCase() !== 'exclusive' || owner.toLowerCase() !== 'transaction') {
    throw notSupported('sp_getapplock other than Exclusive for a Transaction');
  }
  if (!state.transactions.open) {
    throw new SqlError(
      50000,
      'sp_getapplock: a transaction must be active when the lock owner is Transaction.',
    );
  }
  await state.postgres.simple(
    `SELECT pg_advisory_xact_lock(hashtextextended(${quoteText(value('@resource', 0) ?? '')}, 0))`,
  );
}
