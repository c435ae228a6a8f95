// Starts the SQL Server stand-in as its own program over a throw-away PostgreSQL, with a certificate of its own.
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import sql from 'mssql';
import { startTestPostgres, type TestPostgres } from './postgres-for-tests.ts';

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, '../../dev/sql-server/main.js');
export const PASSWORD = 'Waybill-test-1';

export interface SqlServerUnderTest {
  readonly port: number;
  readonly postgres: TestPostgres;
  /** The certificate that signs the server's: its own. */
  readonly certificate: string;
  readonly certificateFile: string;
  /** A connected pool on a database; closed by `stop`. */
  pool(database?: string, changes?: Partial<sql.config>): Promise<sql.ConnectionPool>;
  config(database?: string, changes?: Partial<sql.config>): sql.config;
  stop(): Promise<void>;
}

export async function startSqlServer(): Promise<SqlServerUnderTest> {
  const postgres = await startTestPostgres();
  const directory = await mkdtemp(join(tmpdir(), 'waybill-sql-server-'));
  const keyFile = join(directory, 'key.pem');
  const certificateFile = join(directory, 'cert.pem');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile];
  await run('openssl', ['req', '-x509', ...key, '-out', certificateFile, '-days', '2', ...subject]);
  const flags = [
    '--port',
    '0',
    '--postgres',
    `127.0.0.1:${postgres.port}`,
    '--user',
    'sa',
    '--password-env',
    'TEST_SA_PASSWORD',
  ];
  const server = spawn(
    process.execPath,
    [MAIN, ...flags, '--tls-key', keyFile, '--tls-cert', certificateFile],
    {
      env: { ...process.env, TEST_SA_PASSWORD: PASSWORD },
      stdio: ['ignore', 'pipe', process.env['SQL_SERVER_LOG'] ? 'inherit' : 'ignore'],
    },
  );
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: server.stdout }).once('line', (line) =>
      resolve((JSON.parse(line) as { port: number }).port),
    );
    void ended.then(() => reject(new Error('the SQL Server stand-in did not start')));
  });
  const pools: sql.ConnectionPool[] = [];
  const config = (database = 'master', changes: Partial<sql.config> = {}): sql.config => ({
    server: 'localhost',
    port,
    user: 'sa',
    password: PASSWORD,
    database,
    requestTimeout: 60_000,
    connectionTimeout: 30_000,
    pool: { max: 8 },
    ...changes,
    options: { encrypt: false, trustServerCertificate: true, ...changes.options },
  });
  return {
    port,
    postgres,
    certificate: await readFile(certificateFile, 'utf8'),
    certificateFile,
    config,
    async pool(database, changes) {
      const pool = new sql.ConnectionPool(config(database, changes));
      // tedious says "No event 'socketError'" here after a connection was lost; requests tell it better.
      pool.on('error', () => {});
      pools.push(await pool.connect());
      return pool;
    },
    async stop() {
      await Promise.all(pools.map((pool) => pool.close().catch(() => undefined)));
      server.kill('SIGTERM');
      await ended;
      await postgres.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
