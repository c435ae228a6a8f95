// Runs translated statements of a batch in PostgreSQL: each fails alone, and its rows and counts go to the client.
import type { BatchAnswer } from './batch-answer.ts';
import { Catalog, catalogFor } from './catalog.ts';
import type { DescribedColumn } from './describe.ts';
import { isTransactionError, SqlError } from './errors.ts';
import { DoneStatus } from './response.ts';
import { LastRow, ResultSet } from './result-set.ts';
import { declareInto } from './select-into.ts';
import type { SessionState, Variables } from './session-state.ts';
import { postgresType, type SqlType } from './sql-types.ts';
import type { Message } from './translate/messages.ts';
import type { SqlStatement, Statement } from './translate/statement.ts';
import { quoteName } from './translate/token-stream.ts';
import type { OutputColumn, Translator } from './translate/translator.ts';

const COMMANDS: Readonly<Record<string, number>> = {
  select: 0xc1,
  'select into': 0xc1,
  insert: 0xc3,
  delete: 0xc4,
  update: 0xc5,
  merge: 0x117,
};

/** Errors that end the statement only; after any other the rest of the batch does not run (XACT_ABORT OFF). */
const STATEMENT_ERRORS = new Set([220, 515, 544, 547, 2601, 2627, 2628, 8115, 8134]);

/** Thrown to leave the batch: RETURN, or an error that was already reported. */
export class BatchEnd extends Error {}

/** What statements need of whoever runs the batch. */
export interface ResultSink {
  /** Resolves when the client has taken what was sent. */
  drained(): Promise<void>;
  /** Tells who runs a result set, so that an attention can stop it. */
  onResult(result: ResultSet | undefined): void;
  /** WITH RESULT SETS: the columns that the one result is to have. */
  readonly resultColumns?: readonly { readonly name: string; readonly type: SqlType }[];
  /** Takes the columns of the first result, which is then not sent, and ends the batch. */
  readonly onDescribed?: (columns: readonly DescribedColumn[]) => void;
}

export class StatementRunner {
  readonly #state: SessionState;
  readonly #variables: Variables;
  readonly #sink: ResultSink;
  readonly #answer: BatchAnswer;
  #catalog = new Catalog(new Map(), new Map());
  #catalogStale = true;
  /** How many TRY blocks are open around the statement that runs. */
  catching = 0;

  constructor(state: SessionState, variables: Variables, sink: ResultSink, answer: BatchAnswer) {
    this.#state = state;
    this.#variables = variables;
    this.#sink = sink;
    this.#answer = answer;
  }

  /** Tables may have changed: the next `refresh` reads them again. */
  catalogChanged(): void {
    this.#catalogStale = true;
  }

  /** Lets the translator know the tables that the batch names. */
  async refresh(t: Translator): Promise<void> {
    if (!this.#catalogStale) return;
    this.#catalog = await catalogFor(this.#state.postgres, t.tokens.tokens);
    this.#catalogStale = false;
    t.context = { ...t.context, database: this.#state.database, tables: this.#catalog.tables };
  }

  /**
   * Runs one statement so that its failure undoes it alone: inside a transaction between a savepoint and its
   * release. The error is reported, or thrown to the TRY block around it; then the batch goes on or ends.
   */
  async guard(verb: string, run: () => Promise<void>, savepoint = true): Promise<void> {
    const { transactions } = this.#state;
    const saved = savepoint && transactions.open && this.#state.postgres.transactionStatus === 'T';
    try {
      if (saved) await this.#state.postgres.simple('SAVEPOINT tsql_statement');
      await run();
      if (saved && transactions.open) await this.#state.postgres.simple('RELEASE tsql_statement');
      this.#state.errorNumber = 0;
    } catch (error) {
      if (error instanceof BatchEnd) throw error;
      const shown = this.#answer.shown(error, verb);
      this.#state.errorNumber = shown.number;
      this.#state.rowCount = 0;
      if (isTransactionError(shown) || (this.#state.abortOnError && transactions.open))
        await transactions.abort();
      else if (saved && transactions.open)
        await this.#state.postgres.simple('ROLLBACK TO tsql_statement; RELEASE tsql_statement');
      else if (transactions.open && this.#state.postgres.transactionStatus === 'E')
        await transactions.abort();
      if (this.catching > 0) throw shown;
      this.#answer.report(shown, verb);
      const continues =
        verb === 'raiserror' || (STATEMENT_ERRORS.has(shown.number) && !this.#state.abortOnError);
      if (!continues || this.#state.cancelled) throw new BatchEnd();
    }
  }

  /** Runs a statement that is neither control of flow nor about variables. */
  async perform(t: Translator, translated: Statement): Promise<void> {
    const { postgres, databases, transactions } = this.#state;
    switch (translated.kind) {
      case 'sql':
        return this.#runSql(translated);
      case 'script':
        this.#catalogStale = true;
        await postgres.simple(translated.script.join('; '));
        this.#answer.done(0, 0xfd, 0);
        return;
      case 'create-database':
        if (transactions.open)
          throw new SqlError(
            226,
            'CREATE DATABASE statement not allowed within multi-statement transaction.',
          );
        return databases.create(translated.name, postgres);
      case 'drop-database':
        return databases.drop(translated.name, translated.ifExists, postgres);
      case 'use':
        await this.#state.use(translated.name);
        this.#catalogStale = true;
        await this.refresh(t);
        return;
      default:
    }
  }

  async #runSql(translated: SqlStatement): Promise<void> {
    const { postgres, response } = this.#state;
    if (translated.assigns.length > 0) return this.store(translated);
    const { identityInsert } = translated;
    const overriding = identityInsert && this.#state.identityInsert === identityInsert.table.sql;
    const { onDescribed } = this.#sink;
    if (onDescribed && (translated.verb === 'select' || translated.outputs.length > 0))
      return this.#describe(translated, onDescribed);
    const shaped = this.#shaped(translated);
    const result = new ResultSet(postgres, response, {
      catalog: this.#catalog,
      outputs: shaped.outputs,
      utf8: this.#state.utf8,
      drained: () => this.#sink.drained(),
    });
    this.#answer.flush(true);
    this.#sink.onResult(result);
    let tag: string;
    try {
      tag = await postgres.run(
        overriding ? identityInsert.sql : shaped.sql,
        this.#state.parameters(this.#variables, translated.used),
        result,
      );
    } catch (error) {
      throw result.failure ?? error;
    } finally {
      this.#sink.onResult(undefined);
    }
    result.finish();
    if (translated.into) {
      await declareInto(postgres, this.#catalog, translated.into, translated.outputs);
      this.#catalogStale = true;
    }
    const affected = / (\d+)$/.exec(tag);
    const rows = result.hasColumns ? result.rows : Number(affected?.[1] ?? 0);
    this.#state.rowCount = rows;
    this.#answer.done(
      this.#state.noCount && !result.hasColumns ? 0 : DoneStatus.count,
      COMMANDS[translated.verb] ?? 0xfd,
      rows,
    );
  }

  /** The query with the columns that WITH RESULT SETS asks for. */
  #shaped({ verb, sql, outputs }: SqlStatement): { sql: string; outputs: readonly OutputColumn[] } {
    const columns = this.#sink.resultColumns;
    if (columns === undefined || verb !== 'select') return { sql, outputs };
    if (!outputs.some(({ star }) => star) && outputs.length !== columns.length)
      throw new SqlError(
        11537,
        `EXECUTE statement failed because its WITH RESULT SETS clause specified ${columns.length} column(s) for result set number 1, but the statement sent ${outputs.length} column(s) at run time.`,
      );
    const list = columns.map(
      ({ name, type }, index) => `CAST(c${index} AS ${postgresType(type)}) AS ${quoteName(name)}`,
    );
    return {
      sql: `SELECT ${list.join(', ')} FROM (${sql}) AS result (${columns.map((_, index) => `c${index}`).join(', ')})`,
      outputs: columns.map(({ name, type }) => ({ name, type, star: false })),
    };
  }

  async #describe(
    { verb, sql, outputs, used }: SqlStatement,
    take: (columns: readonly DescribedColumn[]) => void,
  ): Promise<void> {
    const { postgres, response, utf8 } = this.#state;
    const drained = (): Promise<void> => this.#sink.drained();
    const result = new ResultSet(postgres, response, {
      ...{ catalog: this.#catalog, outputs, utf8, drained },
      onColumns: take,
    });
    const parameters = this.#state.parameters(this.#variables, used);
    // What changes rows stands in WITH only; whoever asks for the description undoes it.
    const described =
      verb === 'select'
        ? `SELECT * FROM (${sql}) AS described LIMIT 0`
        : `WITH described AS (${sql}) SELECT * FROM described LIMIT 0`;
    await postgres.run(described, parameters, result);
    throw new BatchEnd();
  }

  /** Runs a query whose columns go into variables; no row leaves them as they were. */
  async store(query: SqlStatement): Promise<void> {
    const row = new LastRow();
    await this.#query(
      query,
      `SELECT ${query.assigns.map((_, index) => `c${index}::text`).join(', ')} FROM (${query.sql}) AS row (${query.assigns.map((_, index) => `c${index}`).join(', ')})`,
      row,
    );
    this.#state.rowCount = row.rows;
    if (row.values === undefined) return;
    for (const [index, name] of query.assigns.entries()) {
      const variable = this.#variables.get(name);
      if (variable === undefined) throw new SqlError(137, `Must declare the scalar variable "${name}".`, 15);
      variable.value = await this.#state.coerce(row.values[index] ?? null, variable.type);
    }
  }

  /** Whether the condition of an IF or WHILE holds. */
  async truth(condition: SqlStatement): Promise<boolean> {
    const row = new LastRow();
    await this.guard('if', () => this.#query(condition, `SELECT (${condition.sql})::text`, row), false);
    return row.values?.[0] === '1';
  }

  async #query(query: SqlStatement, sql: string, row: LastRow): Promise<void> {
    await this.#state.postgres.run(sql, this.#state.parameters(this.#variables, query.used), row);
  }

  /** PRINT and mild RAISERRORs inform; the rest is an error of the statement. */
  async say(said: Message): Promise<void> {
    if (said.kind === 'rethrow') {
      const outside = new SqlError(
        10704,
        'To rethrow an error, a THROW statement must be used inside a CATCH block.',
      );
      return this.guard('throw', () => Promise.reject(this.#state.caught ?? outside));
    }
    const parameters = this.#state.parameters(this.#variables, said.text.used);
    const rows = await this.#state.postgres.rows(`SELECT (${said.text.sql})::text`, parameters);
    const text = rows[0]?.[0] ?? '';
    if (said.kind === 'print' || (said.kind === 'raiserror' && said.severity <= 10)) {
      this.#state.response.info(said.number, text, said.severity);
      return;
    }
    const error = new SqlError(said.number, text, said.severity, said.state);
    await this.guard(said.kind, () => Promise.reject(error));
  }
}
