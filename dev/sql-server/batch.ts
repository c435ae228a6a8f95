// Runs a batch of T-SQL: statement by statement, with variables, IF, WHILE, BEGIN...END, TRY...CATCH and transactions.
import { BulkLoad, insertBulk } from './bulk-load.ts';
import { Catalog, catalogFor } from './catalog.ts';
import { isTransactionError, notSupported, SqlError, toSqlError } from './errors.ts';
import { callProcedure } from './procedures.ts';
import { DoneStatus, Token } from './response.ts';
import { LastRow, ResultSet } from './result-set.ts';
import { declareInto } from './select-into.ts';
import type { SessionState, Variables } from './session-state.ts';
import { sessionSetting } from './settings.ts';
import { tokenize } from './translate/lexer.ts';
import { type Message, message } from './translate/messages.ts';
import {
  type SqlStatement,
  type Statement,
  scalar,
  statement,
  test,
  translatorFor,
} from './translate/statement.ts';
import type { Translator } from './translate/translator.ts';
import { dataType } from './translate/types.ts';

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
const MOST_NESTED_CALLS = 32;

/** Thrown to leave the batch: RETURN, or an error that was already reported. */
class BatchEnd extends Error {}

export interface BatchOptions {
  /** DONE for a batch; DONEINPROC inside a procedure call, where more always follows. */
  readonly doneToken: number;
  /** Resolves when the client has taken what was sent. */
  drained(): Promise<void>;
  /** Tells who runs a result set, so that an attention can stop it. */
  onResult(result: ResultSet | undefined): void;
  readonly depth?: number;
}

export class Batch {
  readonly #state: SessionState;
  readonly #variables: Variables;
  readonly #options: BatchOptions;
  #catalog = new Catalog(new Map(), new Map());
  #catalogStale = true;
  #pendingDone: { status: number; command: number; rows: number } | undefined;
  #catching = 0;
  #failed = false;

  constructor(state: SessionState, variables: Variables, options: BatchOptions) {
    this.#state = state;
    this.#variables = variables;
    this.#options = options;
  }

  /** Runs the text; errors are reported to the client. Returns whether all went well. */
  async run(sql: string): Promise<boolean> {
    try {
      const t = translatorFor(tokenize(sql), {
        database: this.#state.database,
        tables: new Map(),
        variableType: (name) => this.#state.variableType(this.#variables, name),
      });
      await this.#check(t);
      t.tokens.position = 0;
      while (!t.tokens.atEnd) await this.#next(t, true);
    } catch (error) {
      if (!(error instanceof BatchEnd)) this.#report(error, 'batch');
    }
    this.#finish();
    return !this.#failed;
  }

  /** SQL Server reads a whole batch before it runs any of it: a syntax error anywhere runs nothing. */
  async #check(t: Translator): Promise<void> {
    await this.#refresh(t);
    const declared = new Map(this.#variables);
    while (!t.tokens.atEnd) await this.#next(t, false);
    for (const name of this.#variables.keys()) if (!declared.has(name)) this.#variables.delete(name);
  }

  async #refresh(t: Translator): Promise<void> {
    if (!this.#catalogStale) return;
    this.#catalog = await catalogFor(this.#state.postgres, t.tokens.tokens);
    this.#catalogStale = false;
    t.context = { ...t.context, database: this.#state.database, tables: this.#catalog.tables };
  }

  // ---- tokens at the end of statements ----

  #done(status: number, command: number, rows: number): void {
    this.#flushDone(true);
    this.#pendingDone = { status: status | this.#state.transactions.doneStatus, command, rows };
  }

  #flushDone(more: boolean): void {
    const done = this.#pendingDone;
    if (done === undefined) return;
    const follows = more || this.#options.doneToken === Token.doneInProcedure ? DoneStatus.more : 0;
    this.#state.response.done(this.#options.doneToken, done.status | follows, done.command, done.rows);
    this.#pendingDone = undefined;
  }

  #finish(): void {
    if (this.#options.doneToken === Token.done && this.#pendingDone === undefined) this.#done(0, 0xfd, 0);
    this.#flushDone(false);
  }

  #report(error: unknown, verb: string): SqlError {
    const shown = this.#asSqlError(error, verb);
    this.#failed = true;
    this.#flushDone(true);
    if (!this.#state.cancelled) this.#state.response.error(shown);
    this.#done(DoneStatus.error, 0xfd, 0);
    return shown;
  }

  #asSqlError(error: unknown, verb: string): SqlError {
    const { database, processId, transactions } = this.#state;
    return toSqlError(error, { verb, database, processId, snapshot: transactions.snapshot });
  }

  // ---- control of flow ----

  /** One statement of the language. With `live` false it is read but not run. */
  async #next(t: Translator, live: boolean): Promise<void> {
    const { tokens } = t;
    if (tokens.acceptSymbol(';')) return;
    if (live && this.#state.cancelled) throw new BatchEnd();
    if (tokens.accept('if')) return this.#if(t, live);
    if (tokens.accept('while')) return this.#while(t, live);
    if (tokens.isWord('begin') && !tokens.wordAt(1, 'tran', 'transaction', 'distributed'))
      return this.#block(t, live);
    if (tokens.accept('declare')) return this.#declare(t, live);
    if (tokens.isWord('set')) return this.#set(t, live);
    if (tokens.accept('return')) {
      if (live) throw new BatchEnd();
      return;
    }
    const said = message(t);
    if (said) return live ? this.#say(said) : undefined;
    if (tokens.isWord('begin', 'commit', 'rollback', 'save')) return this.#transaction(t, live);
    if (tokens.isWord('exec', 'execute')) return this.#execute(t, live);
    if (tokens.accept('insert', 'bulk')) return this.#bulk(t, live);
    if (live) await this.#refresh(t);
    const translated = statement(t);
    if (live)
      await this.#guard('verb' in translated ? translated.verb : translated.kind, () =>
        this.#perform(t, translated),
      );
  }

  async #if(t: Translator, live: boolean): Promise<void> {
    const { tokens } = t;
    if (live) await this.#refresh(t);
    const condition = test(t);
    const yes = live && (await this.#truth(condition));
    await this.#body(t, yes);
    while (tokens.isSymbol(';') && tokens.wordAt(1, 'else')) tokens.next();
    if (tokens.accept('else')) await this.#body(t, live && !yes);
  }

  async #body(t: Translator, live: boolean): Promise<void> {
    if (t.tokens.atEnd || t.tokens.isSymbol(';')) throw t.tokens.unexpected();
    await this.#next(t, live);
  }

  async #while(t: Translator, live: boolean): Promise<void> {
    const start = t.tokens.position;
    for (;;) {
      t.tokens.position = start;
      const condition = test(t);
      const yes = live && (await this.#truth(condition));
      await this.#body(t, yes);
      if (!yes) return;
    }
  }

  async #block(t: Translator, live: boolean): Promise<void> {
    const { tokens } = t;
    tokens.expect('begin');
    if (tokens.accept('try')) return this.#try(t, live);
    while (!tokens.isWord('end')) {
      if (tokens.atEnd) throw tokens.unexpected();
      await this.#next(t, live);
    }
    tokens.expect('end');
  }

  async #try(t: Translator, live: boolean): Promise<void> {
    const { tokens } = t;
    const start = tokens.position;
    let failure: SqlError | undefined;
    this.#catching++;
    try {
      await this.#until(t, live, 'try');
    } catch (error) {
      if (!live || error instanceof BatchEnd) throw error;
      failure = this.#asSqlError(error, 'batch');
      tokens.position = start;
    } finally {
      this.#catching--;
    }
    if (failure) await this.#until(t, false, 'try');
    tokens.expect('begin', 'catch');
    const before = this.#state.caught;
    this.#state.caught = failure;
    await this.#until(t, live && failure !== undefined, 'catch');
    this.#state.caught = before;
  }

  /** Statements up to END TRY or END CATCH. */
  async #until(t: Translator, live: boolean, word: string): Promise<void> {
    const { tokens } = t;
    while (!(tokens.isWord('end') && tokens.wordAt(1, word))) {
      if (tokens.atEnd) throw tokens.unexpected();
      await this.#next(t, live);
    }
    tokens.position += 2;
  }

  // ---- variables ----

  async #declare(t: Translator, live: boolean): Promise<void> {
    const { tokens } = t;
    do {
      const name = tokens.next();
      if (name.kind !== 'variable') {
        tokens.position--;
        throw tokens.unexpected();
      }
      tokens.accept('as');
      if (tokens.isWord('table', 'cursor'))
        throw notSupported(`DECLARE ... ${tokens.peek().text.toUpperCase()}`);
      const type = dataType(t);
      if (this.#variables.has(name.lower) && !live)
        throw new SqlError(134, `The variable name '${name.text}' has already been declared.`, 15);
      this.#variables.set(name.lower, { type, value: null });
      if (tokens.acceptSymbol('=')) await this.#assign(t, name.lower, live);
    } while (tokens.acceptSymbol(','));
  }

  async #assign(t: Translator, name: string, live: boolean): Promise<void> {
    if (live) await this.#refresh(t);
    const value = scalar(t, name);
    if (live) await this.#guard('set', () => this.#store(value), false);
  }

  async #set(t: Translator, live: boolean): Promise<void> {
    const { tokens } = t;
    tokens.expect('set');
    if (tokens.peek().kind !== 'variable') {
      const setting = sessionSetting(t);
      if (live) await this.#guard('set', () => setting(this.#state), false);
      return;
    }
    const name = tokens.next().lower;
    tokens.expectSymbol('=');
    await this.#assign(t, name, live);
  }

  /** Runs a query whose columns go into variables; no row leaves them as they were. */
  async #store(query: SqlStatement): Promise<void> {
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

  async #truth(condition: SqlStatement): Promise<boolean> {
    const row = new LastRow();
    await this.#guard('if', () => this.#query(condition, `SELECT (${condition.sql})::text`, row), false);
    return row.values?.[0] === '1';
  }

  async #query(query: SqlStatement, sql: string, row: LastRow): Promise<void> {
    await this.#state.postgres.run(sql, this.#state.parameters(this.#variables, query.used), row);
  }

  /** PRINT and mild RAISERRORs inform; the rest is an error of the statement. */
  async #say(said: Message): Promise<void> {
    if (said.kind === 'rethrow') {
      const outside = new SqlError(
        10704,
        'To rethrow an error, a THROW statement must be used inside a CATCH block.',
      );
      return this.#guard('throw', () => Promise.reject(this.#state.caught ?? outside));
    }
    const parameters = this.#state.parameters(this.#variables, said.text.used);
    const rows = await this.#state.postgres.rows(`SELECT (${said.text.sql})::text`, parameters);
    const text = rows[0]?.[0] ?? '';
    if (said.kind === 'print' || (said.kind === 'raiserror' && said.severity <= 10)) {
      this.#state.response.info(said.number, text, said.severity);
      return;
    }
    const error = new SqlError(said.number, text, said.severity, said.state);
    await this.#guard(said.kind, () => Promise.reject(error));
  }

  // ---- running ----

  /**
   * Runs one statement so that its failure undoes it alone: inside a transaction between a savepoint and its
   * release. The error is reported, or thrown to the TRY block around it; then the batch goes on or ends.
   */
  async #guard(verb: string, run: () => Promise<void>, savepoint = true): Promise<void> {
    const { transactions } = this.#state;
    const saved = savepoint && transactions.open && this.#state.postgres.transactionStatus === 'T';
    try {
      if (saved) await this.#state.postgres.simple('SAVEPOINT tsql_statement');
      await run();
      if (saved && transactions.open) await this.#state.postgres.simple('RELEASE tsql_statement');
      this.#state.errorNumber = 0;
    } catch (error) {
      if (error instanceof BatchEnd) throw error;
      const shown = this.#asSqlError(error, verb);
      this.#state.errorNumber = shown.number;
      this.#state.rowCount = 0;
      if (isTransactionError(shown) || (this.#state.abortOnError && transactions.open))
        await transactions.abort();
      else if (saved && transactions.open)
        await this.#state.postgres.simple('ROLLBACK TO tsql_statement; RELEASE tsql_statement');
      else if (transactions.open && this.#state.postgres.transactionStatus === 'E')
        await transactions.abort();
      if (this.#catching > 0) throw shown;
      this.#report(shown, verb);
      const continues =
        verb === 'raiserror' || (STATEMENT_ERRORS.has(shown.number) && !this.#state.abortOnError);
      if (!continues || this.#state.cancelled) throw new BatchEnd();
    }
  }

  async #perform(t: Translator, translated: Statement): Promise<void> {
    const { postgres, databases, transactions } = this.#state;
    switch (translated.kind) {
      case 'sql':
        return this.#runSql(translated);
      case 'script':
        this.#catalogStale = true;
        await postgres.simple(translated.script.join('; '));
        this.#done(0, 0xfd, 0);
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
        await this.#refresh(t);
        return;
      default:
    }
  }

  async #runSql(translated: SqlStatement): Promise<void> {
    const { postgres, response } = this.#state;
    if (translated.assigns.length > 0) return this.#store(translated);
    const { identityInsert } = translated;
    const overriding = identityInsert && this.#state.identityInsert === identityInsert.table.sql;
    const result = new ResultSet(postgres, response, {
      catalog: this.#catalog,
      outputs: translated.outputs,
      utf8: this.#state.utf8,
      drained: () => this.#options.drained(),
    });
    this.#flushDone(true);
    this.#options.onResult(result);
    let tag: string;
    try {
      tag = await postgres.run(
        overriding ? identityInsert.sql : translated.sql,
        this.#state.parameters(this.#variables, translated.used),
        result,
      );
    } catch (error) {
      throw result.failure ?? error;
    } finally {
      this.#options.onResult(undefined);
    }
    result.finish();
    if (translated.into) {
      await declareInto(postgres, this.#catalog, translated.into, translated.outputs);
      this.#catalogStale = true;
    }
    const affected = / (\d+)$/.exec(tag);
    const rows = result.hasColumns ? result.rows : Number(affected?.[1] ?? 0);
    this.#state.rowCount = rows;
    this.#done(
      this.#state.noCount && !result.hasColumns ? 0 : DoneStatus.count,
      COMMANDS[translated.verb] ?? 0xfd,
      rows,
    );
  }

  async #transaction(t: Translator, live: boolean): Promise<void> {
    const { tokens } = t;
    const verb = tokens.next().lower;
    if (
      !tokens.accept('tran') &&
      !tokens.accept('transaction') &&
      !tokens.accept('work') &&
      (verb === 'begin' || verb === 'save')
    ) {
      throw tokens.unexpected();
    }
    const name = tokens.isName() ? tokens.name() : '';
    if (!live) return;
    const { transactions } = this.#state;
    const act = (): Promise<void> => {
      if (verb === 'begin') return transactions.begin();
      if (verb === 'commit') return transactions.commit();
      return verb === 'save' ? transactions.save(name) : transactions.rollback(name);
    };
    this.#catalogStale = true;
    await this.#guard(verb, act, false);
  }

  async #execute(t: Translator, live: boolean): Promise<void> {
    t.tokens.next();
    if (live && (this.#options.depth ?? 0) >= MOST_NESTED_CALLS) {
      throw new SqlError(
        217,
        'Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).',
      );
    }
    t.beginStatement();
    const call = callProcedure(t);
    if (!live) return;
    this.#catalogStale = true;
    await this.#guard(
      'execute',
      () => call.run(this.#state, this.#variables, (sql, variables) => this.#nested(sql, variables)),
      false,
    );
  }

  async #nested(sql: string, variables: Variables): Promise<void> {
    this.#flushDone(true);
    const options = {
      ...this.#options,
      doneToken: Token.doneInProcedure,
      depth: (this.#options.depth ?? 0) + 1,
    };
    if (!(await new Batch(this.#state, variables, options).run(sql))) {
      this.#failed = true;
      throw new BatchEnd();
    }
  }

  async #bulk(t: Translator, live: boolean): Promise<void> {
    const target = insertBulk(t);
    if (!live) return;
    await this.#guard('insert bulk', async () => {
      await BulkLoad.prepare(this.#state.postgres, target);
      this.#state.bulk = target;
    });
  }
}
