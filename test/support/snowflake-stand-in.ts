// Starts the Snowflake stand-in for a test and talks to it with the real snowflake-sdk.
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import snowflake, {
  type Connection,
  type ConnectionOptions,
  type RowStatement,
  type SnowflakeError,
  type StatementOption,
} from 'snowflake-sdk';
import { projectPath } from '../../dev/cache.ts';
import { ensurePython } from '../../dev/setup/python.ts';

snowflake.configure({ logLevel: 'OFF', additionalLogToConsole: false });

export type Row = Record<string, unknown>;
export interface Answer {
  rows: Row[];
  statement: RowStatement;
}

export const user = 'waybill';
export const password = 'correct horse';

/** A directory of its own with a key pair and room for the stand-in's data and local files. */
export function makeHome(): { directory: string; data: string; publicKey: string; privateKey: string } {
  const directory = mkdtempSync(join(tmpdir(), 'waybill-snowflake-'));
  const pair = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const publicKey = join(directory, 'key.pub');
  writeFileSync(publicKey, pair.publicKey);
  const data = join(directory, 'data');
  mkdirSync(data);
  return { directory, data, publicKey, privateKey: pair.privateKey };
}

export class StandIn {
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#process = child;
    this.port = port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  static async start(home: { data: string; publicKey: string }, ...flags: string[]): Promise<StandIn> {
    const { python } = await ensurePython(() => {});
    const child = spawn(
      python,
      [
        projectPath('dev', 'snowflake', 'main.py'),
        ...[
          '--port',
          '0',
          '--data-dir',
          home.data,
          '--user',
          user,
          '--password-env',
          'SNOWFLAKE_TEST_PASSWORD',
        ],
        ...['--public-key', home.publicKey, ...flags],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, SNOWFLAKE_TEST_PASSWORD: password } },
    );
    let log = '';
    child.stderr.on('data', (text: Buffer) => {
      log = (log + text.toString()).slice(-4000);
    });
    const lines = createInterface({ input: child.stdout });
    const [line] = (await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(() => {
        throw new Error(`the stand-in ended before it was ready:\n${log}`);
      }),
    ])) as [string];
    return new StandIn(child, (JSON.parse(line) as { port: number }).port);
  }

  /** Ends the process and returns its exit code (null after SIGKILL). */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return this.#process.exitCode;
    const exit = once(this.#process, 'exit');
    this.#process.kill(signal);
    const [code] = (await exit) as [number | null];
    return code;
  }

  connect(options: Partial<ConnectionOptions> = {}): Promise<Connection> {
    const connection = snowflake.createConnection({
      account: 'waybill',
      username: user,
      password,
      accessUrl: this.url,
      database: 'DB1',
      schema: 'PUBLIC',
      warehouse: 'WH',
      role: 'LOADER',
      representNullAsStringNull: false,
      sfRetryMaxLoginRetries: 1,
      ...options,
    });
    return new Promise((resolve, reject) => {
      connection.connect((error, connected) => (error ? reject(error) : resolve(connected)));
    });
  }
}

/** Runs one statement to its end. */
export function execute(
  connection: Connection,
  sqlText: string,
  options: Omit<StatementOption, 'sqlText' | 'complete'> & {
    onStatement?: (statement: RowStatement) => void;
  } = {},
): Promise<Answer> {
  const { onStatement, ...rest } = options;
  return new Promise((resolve, reject) => {
    const statement = connection.execute({
      sqlText,
      ...rest,
      complete: (error, done, rows) => {
        if (error) reject(error);
        else resolve({ rows: (rows ?? []) as Row[], statement: done });
      },
    });
    onStatement?.(statement);
  });
}

/** The rows of one statement. */
export async function rows(
  connection: Connection,
  sqlText: string,
  options: Omit<StatementOption, 'sqlText' | 'complete'> = {},
): Promise<Row[]> {
  return (await execute(connection, sqlText, options)).rows;
}

export function disconnect(connection: Connection): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.destroy((error) => (error ? reject(error) : resolve()));
  });
}

/** Matches a Snowflake error by its code (and SQL state): for assert.rejects. */
export function failsWith(
  code: string,
  sqlState?: string,
  message?: RegExp,
): (error: SnowflakeError) => boolean {
  return (error) => {
    const actual = `${error.code} ${error.sqlState} ${error.message}`;
    if (String(error.code) !== code) throw new Error(`expected code ${code}, got ${actual}`);
    if (sqlState && error.sqlState !== sqlState) throw new Error(`expected state ${sqlState}, got ${actual}`);
    if (message && !message.test(error.message)) throw new Error(`expected ${message}, got ${actual}`);
    return true;
  };
}

/** A running stand-in with database DB1 and one session, and what most tests need of them. */
export interface Fixture {
  readonly home: ReturnType<typeof makeHome>;
  readonly server: StandIn;
  readonly db: Connection;
  /** Writes a local file and PUTs it, replacing what is there; returns the status of the PUT. */
  put(name: string, content: string | Buffer, target: string, options?: string): Promise<unknown>;
  count(table: string, connection?: Connection): Promise<unknown>;
  stop(): Promise<void>;
}

export async function startFixture(...flags: string[]): Promise<Fixture> {
  const home = makeHome();
  const server = await StandIn.start(home, ...flags);
  const db = await server.connect();
  await execute(db, 'CREATE DATABASE IF NOT EXISTS DB1');
  return {
    home,
    server,
    db,
    async put(name, content, target, options = '') {
      const file = join(home.directory, name);
      writeFileSync(file, content);
      const [row] = await rows(db, `PUT 'file://${file}' ${target} OVERWRITE = TRUE ${options}`);
      return row?.['status'];
    },
    async count(table, connection = db) {
      const [row] = await rows(connection, `SELECT COUNT(*) AS N FROM ${table}`);
      return row?.['N'];
    },
    async stop() {
      await server.stop();
      rmSync(home.directory, { recursive: true, force: true });
    },
  };
}
