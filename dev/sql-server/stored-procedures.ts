// Procedures that a client made: their texts are kept in the database and run as batches with variables of their own.
import { SqlError } from './errors.ts';
import type { PostgresConnection } from './postgres-wire.ts';
import type { SessionState, Variables } from './session-state.ts';
import type { SqlType } from './sql-types.ts';
import { isTableType } from './table-types.ts';
import { heldName, quoteText } from './translate/token-stream.ts';
import type { Translator } from './translate/translator.ts';
import { dataType } from './translate/types.ts';

export interface ProcedureName {
  readonly schema: string;
  readonly name: string;
}

interface Parameter {
  readonly name: string;
  /** A table type's parameters are READONLY tables. */
  readonly type: SqlType;
  readonly table?: ProcedureName;
  /** PostgreSQL's text of the constant that is taken when no value is given. */
  readonly defaultValue?: string;
  readonly output: boolean;
}

interface Procedure {
  readonly shown: string;
  readonly parameters: readonly Parameter[];
  readonly body: string;
}

/** A definition as it was read; `verb` says whether one of that name may, may not or must be there. */
export interface ProcedureDefinition extends ProcedureName, Procedure {
  readonly verb: 'create' | 'alter' | 'create or alter';
}

/** Whether CREATE or ALTER PROCEDURE comes next. */
export function definesProcedure(t: Translator): boolean {
  const { tokens } = t;
  const at = tokens.isWord('create') && tokens.wordAt(1, 'or') ? 3 : 1;
  return tokens.isWord('create', 'alter') && tokens.wordAt(at, 'proc', 'procedure');
}

/** Reads a definition, to the end of the batch: `text` is the whole of it. */
export function procedureDefinition(t: Translator, text: string): ProcedureDefinition {
  const { tokens } = t;
  t.beginStatement();
  const first = tokens.next().lower as 'create' | 'alter';
  const verb = tokens.accept('or', 'alter') ? 'create or alter' : first;
  tokens.next();
  const parts = tokens.dottedName();
  const bracketed = tokens.acceptSymbol('(');
  const parameters: Parameter[] = [];
  while (tokens.peek().kind === 'variable') {
    parameters.push(parameter(t));
    if (!tokens.acceptSymbol(',')) break;
  }
  if (bracketed) tokens.expectSymbol(')');
  if (tokens.accept('with')) {
    do tokens.next();
    while (!tokens.atEnd && !(tokens.isWord('as') && !tokens.wordAt(1, 'owner', 'self', 'caller')));
  }
  tokens.expect('as');
  const body = text.slice(tokens.peek().start);
  tokens.position = tokens.tokens.length - 1;
  const [shown = '', schema = 'dbo'] = [parts.at(-1), parts.at(-2)];
  return { verb, schema, name: shown, shown, parameters, body };
}

function parameter(t: Translator): Parameter {
  const { tokens } = t;
  const name = tokens.next().lower;
  tokens.accept('as');
  const start = tokens.position;
  if (tokens.isName()) {
    const parts = tokens.dottedName();
    if (tokens.accept('readonly')) {
      const table = { schema: parts.at(-2) ?? 'dbo', name: parts.at(-1) ?? '' };
      return { name, type: { name: 'table' }, table, output: false };
    }
    tokens.position = start;
  }
  const type = dataType(t);
  const defaultValue = tokens.acceptSymbol('=') ? t.expression().sql : undefined;
  const output = tokens.accept('output') || tokens.accept('out');
  return { name, type, output, ...(defaultValue === undefined ? {} : { defaultValue }) };
}

const found = async (
  postgres: PostgresConnection,
  { schema, name }: ProcedureName,
): Promise<Procedure | undefined> => {
  const rows = await postgres.rows(
    `select shown, parameters, body from tsql.procedures where schema = ${quoteText(heldName(schema))} and name = ${quoteText(heldName(name))}`,
  );
  const [shown, parameters, body] = rows[0] ?? [];
  return shown == null || parameters == null || body == null
    ? undefined
    : { shown, parameters: JSON.parse(parameters) as Parameter[], body };
};

export async function saveProcedure(
  postgres: PostgresConnection,
  definition: ProcedureDefinition,
): Promise<void> {
  const { verb, schema, name, shown, parameters, body } = definition;
  const there = (await found(postgres, definition)) !== undefined;
  if (verb === 'create' && there)
    throw new SqlError(2714, `There is already an object named '${shown}' in the database.`, 16, 3);
  if (verb === 'alter' && !there) throw new SqlError(208, `Invalid object name '${schema}.${shown}'.`, 16, 6);
  for (const { name: parameter, table } of parameters) {
    if (table !== undefined && !(await isTableType(postgres, table.schema, table.name)))
      throw new SqlError(
        2715,
        `Column, parameter, or variable #1: Cannot find data type ${table.schema}.${table.name} of ${parameter}.`,
      );
  }
  const held = [heldName(schema), heldName(name), shown, JSON.stringify(parameters), body].map(quoteText);
  await postgres.simple(
    `INSERT INTO tsql.procedures VALUES (${held.join(', ')}) ON CONFLICT (schema, name) DO UPDATE SET shown = excluded.shown, parameters = excluded.parameters, body = excluded.body, modified = excluded.modified`,
  );
}

/** DROP PROCEDURE, after its first two words. */
export function dropProcedure(t: Translator): string[] {
  const { tokens } = t;
  const exists = tokens.accept('if', 'exists');
  const script: string[] = [];
  do {
    const parts = tokens.dottedName();
    const [name = '', schema = 'dbo'] = [parts.at(-1), parts.at(-2)];
    const held = `${quoteText(heldName(schema))}, ${quoteText(heldName(name))}`;
    script.push(`SELECT tsql.drop_procedure(${held}, ${exists})`);
  } while (tokens.acceptSymbol(','));
  return script;
}

/** An argument of a call. */
export interface Argument {
  readonly name: string | undefined;
  readonly value: string | null;
  /** The caller's variable that takes an OUTPUT parameter's value. */
  readonly output: string | undefined;
}

/** Runs the procedure if there is one of that name; false where there is none. */
export async function callStored(
  state: SessionState,
  called: ProcedureName,
  args: readonly Argument[],
  variables: Variables,
  run: (body: string, inner: Variables) => Promise<void>,
): Promise<boolean> {
  const procedure = await found(state.postgres, called);
  if (procedure === undefined) return false;
  const { shown, parameters } = procedure;
  const unknown = args.find(({ name }) => name !== undefined && !parameters.some((one) => one.name === name));
  if (unknown !== undefined)
    throw new SqlError(8145, `${unknown.name} is not a parameter for procedure ${shown}.`);
  if (args.length > parameters.length)
    throw new SqlError(8144, `Procedure or function ${shown} has too many arguments specified.`);
  const argumentOf = ({ name }: Parameter, index: number): Argument | undefined =>
    args.find((one, at) => (one.name === undefined ? at === index : one.name === name));
  const inner: Variables = new Map();
  for (const [index, one] of parameters.entries()) {
    const given = argumentOf(one, index);
    inner.set(one.name, { type: one.type, value: await argumentValue(state, shown, one, given) });
  }
  await run(procedure.body, inner);
  for (const [index, one] of parameters.entries()) {
    const target = one.output ? variables.get(argumentOf(one, index)?.output ?? '') : undefined;
    if (target !== undefined) target.value = inner.get(one.name)?.value ?? null;
  }
  return true;
}

async function argumentValue(
  state: SessionState,
  procedure: string,
  { name, type, table, defaultValue }: Parameter,
  given: Argument | undefined,
): Promise<string | null> {
  if (given !== undefined) return table === undefined ? state.coerce(given.value, type) : given.value;
  if (defaultValue === undefined)
    throw new SqlError(
      201,
      `Procedure or function '${procedure}' expects parameter '${name}', which was not supplied.`,
    );
  const rows = await state.postgres.rows(`SELECT (${defaultValue})::text`);
  return state.coerce(rows[0]?.[0] ?? null, type);
}
