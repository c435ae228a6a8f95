// The SQL warehouse's one Spark session: started by the first statement, ended when another process needs its metastore.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { projectPath } from '../cache.ts';
import { parseSparkSubmit, type SparkInstallation, sparkSubmitArguments } from '../emr/spark-submit.ts';
import { tailOf } from './files.ts';

export interface Parameter {
  readonly name: string;
  readonly type?: string;
  readonly value?: string;
}

export interface StatementRequest {
  readonly statement: string;
  readonly schema?: string;
  readonly parameters: readonly Parameter[];
  /** Most rows of the answer. */
  readonly limit?: number;
}

export interface Column {
  readonly name: string;
  readonly position: number;
  readonly type_name: string;
  readonly type_text: string;
}

export interface StatementAnswer {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly (string | null)[])[];
  readonly truncated: boolean;
}

/** A statement that Spark refused or could not end. */
export class StatementError extends Error {
  readonly sqlState: string | undefined;

  constructor(message: string, sqlState?: string) {
    super(message);
    this.sqlState = sqlState;
  }
}

type Answer = Partial<StatementAnswer> & {
  readonly ready?: boolean;
  readonly id?: string;
  readonly error?: string;
  readonly sqlState?: string | null;
};

interface Session {
  readonly process: ChildProcess;
  readonly ready: Promise<void>;
}

/** Started to work as one process group, ended as one. */
export class Warehouse {
  readonly #directory: string;
  readonly #spark: SparkInstallation;
  #session: Session | undefined;
  #waiting = new Map<string, (answer: Answer) => void>();
  /** What has the metastore now; the next waits for it. */
  #turn: Promise<unknown> = Promise.resolve();
  #last = 0;

  constructor(directory: string, spark: SparkInstallation) {
    this.#directory = directory;
    this.#spark = spark;
  }

  /**
   * Runs a statement once those before it have ended. Aborting ends it, or takes it out of the queue.
   * @throws StatementError
   */
  execute(request: StatementRequest, signal: AbortSignal): Promise<StatementAnswer> {
    return this.#inTurn(() => this.#ask(request, signal));
  }

  /** Gives the metastore to another process while `body` runs; statements wait. `environment` is what Spark needs there. */
  lend<T>(body: (environment: Readonly<Record<string, string>>) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      await this.close();
      return body(this.#environment());
    });
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (session?.process.pid === undefined) return;
    const { process: child } = session;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    kill(child);
    await ended;
  }

  #inTurn<T>(body: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(body);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #ask(request: StatementRequest, signal: AbortSignal): Promise<StatementAnswer> {
    if (signal.aborted) throw new StatementError('The statement was canceled.');
    this.#session ??= this.#start();
    const { process: child, ready } = this.#session;
    await ready;
    const id = String(++this.#last);
    const cancel = (): void => void child.stdin?.write(`${JSON.stringify({ cancel: id })}\n`);
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const answer = await new Promise<Answer>((resolve) => {
        this.#waiting.set(id, resolve);
        child.stdin?.write(`${JSON.stringify({ id, ...request })}\n`);
      });
      if (answer.error !== undefined) throw new StatementError(answer.error, answer.sqlState ?? undefined);
      return { columns: answer.columns ?? [], rows: answer.rows ?? [], truncated: answer.truncated === true };
    } finally {
      this.#waiting.delete(id);
      signal.removeEventListener('abort', cancel);
    }
  }

  #environment(): Record<string, string> {
    const metastore = join(this.#directory, 'metastore');
    const conf = [
      ['spark.sql.warehouse.dir', join(this.#directory, 'tables')],
      ['spark.hadoop.javax.jdo.option.ConnectionURL', `jdbc:derby:;databaseName=${metastore};create=true`],
      ['spark.hadoop.datanucleus.schema.autoCreateAll', 'true'],
      ['spark.hadoop.hive.metastore.schema.verification', 'false'],
      ['spark.driver.extraJavaOptions', `-Dderby.stream.error.file=${join(this.#directory, 'derby.log')}`],
      ['spark.log.level', 'ERROR'],
    ].flatMap(([name, value]) => ['--conf', `${name}=${value}`]);
    const args = sparkSubmitArguments(parseSparkSubmit(conf, []), this.#spark);
    return {
      SPARK_HOME: this.#spark.sparkHome,
      SPARK_LOCAL_IP: '127.0.0.1',
      PYSPARK_PYTHON: this.#spark.python,
      PYSPARK_SUBMIT_ARGS: `${args.map((one) => `'${one.replaceAll("'", "'\\''")}'`).join(' ')} pyspark-shell`,
    };
  }

  #start(): Session {
    mkdirSync(this.#directory, { recursive: true });
    const log = join(this.#directory, 'session.log');
    const out = openSync(log, 'a');
    const passed = Object.entries(process.env).filter(([name]) =>
      /^(PATH|HOME|LANG|LC_\w+|TZ|JAVA_HOME|AWS_\w+)$/.test(name),
    );
    const child = spawn(this.#spark.python, [projectPath('dev', 'databricks', 'sql_session.py')], {
      cwd: this.#directory,
      stdio: ['pipe', out, out, 'pipe'],
      env: { ...Object.fromEntries(passed), ...this.#environment(), PYTHONUNBUFFERED: '1' },
      detached: true,
    });
    closeSync(out);
    child.stdin?.on('error', () => {});
    let tell: (answer: Answer) => void = () => {};
    const ready = new Promise<void>((resolve, reject) => {
      tell = (answer) => (answer.error === undefined ? resolve() : reject(new StatementError(answer.error)));
    });
    ready.catch(() => {});
    createInterface({ input: child.stdio[3] as Readable }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer;
      if (answer.ready === true) tell(answer);
      else this.#waiting.get(answer.id ?? '')?.(answer);
    });
    child.once('exit', (code, signal) => {
      if (this.#session?.process === child) this.#session = undefined;
      // Its JVM is in the same group, and goes with it.
      kill(child);
      const error = `The warehouse ended (${code ?? signal}): ${tailOf(log, 500).text.trim()}`;
      tell({ error });
      for (const answer of this.#waiting.values()) answer({ error });
    });
    child.once('error', (error) => tell({ error: String(error) }));
    return { process: child, ready };
  }
}

function kill(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group has ended by itself.
  }
}
