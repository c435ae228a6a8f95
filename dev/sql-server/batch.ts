// Reads a batch of T-SQL and runs it as it goes: variables, IF, WHILE, BEGIN...END, TRY...CATCH, transactions, EXECUTE.
import { BatchAnswer } from './batch-answer.ts';
import { BulkLoad, insertBulk } from './bulk-load.ts';
import { notSupported, SqlError } from './errors.ts';
import { callProcedure, type NestedOptions } from './procedures.ts';
import { Token as AnswerToken } from './response.ts';
import type { SessionState, Variables } from './session-state.ts';
import { sessionSetting } from './settings.ts';
import { BatchEnd, type ResultSink, StatementRunner } from './statement-runner.ts';
import { definesProcedure, procedureDefinition, saveProcedure } from './stored-procedures.ts';
import { dropTableValue } from './table-types.ts';
import { tableDefinition } from './translate/ddl.ts';
import { type Token, tokenize } from './translate/lexer.ts';
import { message } from './translate/messages.ts';
import { scalar, statement, test, translatorFor } from './translate/statement.ts';
import type { Translator } from './translate/translator.ts';
import { dataType } from './translate/types.ts';

const MOST_NESTED_CALLS = 32;

/** What tables that are variables are called begins so; a number follows. */
const TABLE_VARIABLE = '#@';
let tableVariables = 0;

export interface BatchOptions extends ResultSink {
  /** DONE for a batch; DONEINPROC inside a procedure call, where more always follows. */
  readonly doneToken: number;
  readonly depth?: number;
}

export class Batch {
  readonly #state: SessionState;
  readonly #variables: Variables;
  readonly #options: BatchOptions;
  readonly #answer: BatchAnswer;
  readonly #runner: StatementRunner;
  #text = '';
  /** Variables that are tables. */
  readonly #tables = new Set<string>();

  constructor(state: SessionState, variables: Variables, options: BatchOptions) {
    this.#state = state;
    this.#variables = variables;
    this.#options = options;
    this.#answer = new BatchAnswer(state, options.doneToken);
    this.#runner = new StatementRunner(state, variables, options, this.#answer);
  }

  /** Runs the text; errors are reported to the client. Returns whether all went well. */
  async run(sql: string): Promise<boolean> {
    this.#text = sql;
    try {
      const t = translatorFor(tokenize(sql), {
        database: this.#state.database,
        tables: new Map(),
        variableType: (name) => this.#state.variableType(this.#variables, name),
        tableVariable: (name) => this.#tableVariable(name),
      });
      await this.#check(t);
      t.tokens.position = 0;
      while (!t.tokens.atEnd) await this.#next(t, true);
    } catch (error) {
      if (!(error instanceof BatchEnd)) this.#answer.report(error, 'batch');
    }
    for (const table of this.#tables) await dropTableValue(this.#state.postgres, table);
    this.#answer.finish();
    return !this.#answer.failed;
  }

  /** SQL Server reads a whole batch before it runs any of it: a syntax error anywhere runs nothing. */
  async #check(t: Translator): Promise<void> {
    await this.#runner.refresh(t);
    const declared = new Map(this.#variables);
    while (!t.tokens.atEnd) await this.#next(t, false);
    for (const name of this.#variables.keys()) if (!declared.has(name)) this.#variables.delete(name);
  }

  #tableVariable(name: string): string | undefined {
    const variable = this.#variables.get(name);
    return variable?.type.name === 'table' ? (variable.value ?? undefined) : undefined;
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
      if (['number', 'variable'].includes(tokens.peek().kind) || tokens.isSymbol('-')) t.expression();
      if (live) throw new BatchEnd();
      return;
    }
    const said = message(t);
    if (said) return live ? this.#runner.say(said) : undefined;
    if (tokens.isWord('begin', 'commit', 'rollback', 'save')) return this.#transaction(t, live);
    if (tokens.isWord('exec', 'execute')) return this.#execute(t, live);
    if (tokens.accept('waitfor', 'delay')) return this.#wait(t, live);
    if (tokens.accept('insert', 'bulk')) return this.#bulk(t, live);
    if (definesProcedure(t)) return this.#procedure(t, live);
    if (live) await this.#runner.refresh(t);
    const translated = statement(t);
    if (live)
      await this.#runner.guard('verb' in translated ? translated.verb : translated.kind, () =>
        this.#runner.perform(t, translated),
      );
  }

  async #if(t: Translator, live: boolean): Promise<void> {
    const { tokens } = t;
    if (live) await this.#runner.refresh(t);
    const condition = test(t);
    const yes = live && (await this.#runner.truth(condition));
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
      const yes = live && (await this.#runner.truth(condition));
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
    this.#runner.catching++;
    try {
      await this.#until(t, live, 'try');
    } catch (error) {
      if (!live || error instanceof BatchEnd) throw error;
      failure = this.#answer.shown(error, 'batch');
      tokens.position = start;
    } finally {
      this.#runner.catching--;
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
      const at = tokens.position;
      const name = tokens.next();
      if (name.kind !== 'variable' && !name.text.startsWith(TABLE_VARIABLE)) {
        tokens.position--;
        throw tokens.unexpected();
      }
      tokens.accept('as');
      if (tokens.isWord('cursor')) throw notSupported('DECLARE ... CURSOR');
      if (tokens.accept('table')) {
        await this.#declareTable(t, at, live);
        continue;
      }
      const type = dataType(t);
      if (this.#variables.has(name.lower) && !live)
        throw new SqlError(134, `The variable name '${name.text}' has already been declared.`, 15);
      this.#variables.set(name.lower, { type, value: null });
      if (tokens.acceptSymbol('=')) await this.#assign(t, name.lower, live);
    } while (tokens.acceptSymbol(','));
  }

  /** DECLARE @name TABLE (...): a temporary table of this batch, under whose name the rest of the text speaks of it. */
  async #declareTable(t: Translator, at: number, live: boolean): Promise<void> {
    const { tokens } = t;
    const named = (): Token => tokens.tokens[at] as Token;
    if (named().kind === 'variable') tokens.renameVariable(at, `${TABLE_VARIABLE}${++tableVariables}`);
    const table = t.tableName([named().text]);
    const script = tableDefinition(t, table);
    // In a loop it is declared once.
    if (!live || this.#tables.has(table.sql)) return;
    this.#tables.add(table.sql);
    const create = (): Promise<void> => this.#runner.perform(t, { kind: 'script', verb: 'create', script });
    await this.#runner.guard('create', create);
  }

  async #assign(t: Translator, name: string, live: boolean, operator?: string): Promise<void> {
    if (live) await this.#runner.refresh(t);
    const value = scalar(t, name, operator);
    if (live) await this.#runner.guard('set', () => this.#runner.store(value), false);
  }

  async #set(t: Translator, live: boolean): Promise<void> {
    const { tokens } = t;
    tokens.expect('set');
    if (tokens.peek().kind !== 'variable') {
      const setting = sessionSetting(t);
      if (live) await this.#runner.guard('set', () => setting(this.#state), false);
      return;
    }
    const name = tokens.next().lower;
    const operator = /^([-+*/%&|^])=$/.exec(tokens.peek().text)?.[1];
    if (operator === undefined) tokens.expectSymbol('=');
    else tokens.next();
    await this.#assign(t, name, live, operator);
  }

  // ---- other statements ----

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
    this.#runner.catalogChanged();
    await this.#runner.guard(verb, act, false);
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
    this.#runner.catalogChanged();
    await this.#runner.guard(
      'execute',
      () =>
        call.run(this.#state, this.#variables, (sql, variables, options) =>
          this.#nested(sql, variables, options),
        ),
      false,
    );
  }

  async #nested(sql: string, variables: Variables, more: NestedOptions = {}): Promise<void> {
    this.#answer.flush(true);
    const options = {
      ...this.#options,
      ...more,
      doneToken: AnswerToken.doneInProcedure,
      depth: (this.#options.depth ?? 0) + 1,
    };
    const batch = new Batch(this.#state, variables, options);
    if (!(await this.#state.scoped(() => batch.run(sql)))) {
      this.#answer.failed = true;
      throw new BatchEnd();
    }
  }

  /** WAITFOR DELAY 'hh:mm:ss'. */
  async #wait(t: Translator, live: boolean): Promise<void> {
    const delay = t.tokens.next();
    if (delay.kind !== 'string' || !/^[\d:.]+$/.test(delay.text))
      throw new SqlError(148, `Incorrect time syntax in time string '${delay.text}' used with WAITFOR.`, 15);
    const sql = `SELECT pg_sleep_for('${delay.text}'::interval)`;
    if (live)
      await this.#runner.guard('waitfor', () => this.#state.postgres.simple(sql).then(() => {}), false);
  }

  async #procedure(t: Translator, live: boolean): Promise<void> {
    const definition = procedureDefinition(t, this.#text);
    if (live) await this.#runner.guard('create', () => saveProcedure(this.#state.postgres, definition));
  }

  async #bulk(t: Translator, live: boolean): Promise<void> {
    const target = insertBulk(t);
    if (!live) return;
    await this.#runner.guard('insert bulk', async () => {
      await BulkLoad.prepare(this.#state.postgres, target);
      this.#state.bulk = target;
    });
  }
}
