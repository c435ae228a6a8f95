// Starts the SQL Server stand-in as its own program over a throw-away PostgreSQL, with a certificate of its own.
import { execFile, spawn } from 'node:child_process';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import sql from 'mssql';
import { sqlServerConfig } from '../../src/connectors/sql-server/config.ts';
import { SqlServerConnection } from '../../src/connectors/sql-server/connection.ts';
import type { JsonObject } from '../../src/core/json.ts';
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
  /** The private half of its certificate, for a test's own https server. */
  readonly keyFile: string;
  /** An access token as Entra ID would sign it for this server, valid for ten minutes unless `claims` say otherwise. */
  accessToken(claims?: Readonly<Record<string, unknown>>): string;
  /** A connected pool on a database; closed by `stop`. */
  pool(database?: string, changes?: Partial<sql.config>): Promise<sql.ConnectionPool>;
  config(database?: string, changes?: Partial<sql.config>): sql.config;
  stop(): Promise<void>;
}

/** `authority`: where it sends clients for access tokens. */
export async function startSqlServer(
  authority = 'https://login.microsoftonline.com/common',
): Promise<SqlServerUnderTest> {
  const postgres = await startTestPostgres();
  const directory = await mkdtemp(join(tmpdir(), 'waybill-sql-server-'));
  const keyFile = join(directory, 'key.pem');
  const certificateFile = join(directory, 'cert.pem');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile];
  await run('openssl', ['req', '-x509', ...key, '-out', certificateFile, '-days', '2', ...subject]);
  const tokenKeys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const tokenKeyFile = join(directory, 'token-key.pem');
  await writeFile(tokenKeyFile, tokenKeys.publicKey.export({ type: 'spki', format: 'pem' }));
  const flags = [
    ...['--token-key', tokenKeyFile, '--token-authority', authority],
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
    keyFile,
    accessToken(claims = {}) {
      const now = Math.floor(Date.now() / 1000);
      const payload = { aud: 'https://database.windows.net/', appid: 'test-app', nbf: now, exp: now + 600 };
      const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
      const signed = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode({ ...payload, ...claims })}`;
      return `${signed}.${createSign('RSA-SHA256').update(signed).sign(tokenKeys.privateKey, 'base64url')}`;
    },
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

/** The product's own connection; `properties` are a linked service's, and win over a SQL login by password. */
export const openProduct = (
  server: Pick<SqlServerUnderTest, 'port' | 'certificateFile'>,
  properties: JsonObject,
  type = 'SqlServer',
): Promise<SqlServerConnection> =>
  SqlServerConnection.open(
    sqlServerConfig({
      name: 'ls_test',
      type,
      properties: {
        server: `localhost,${server.port}`,
        database: 'master',
        caFile: server.certificateFile,
        ...('authenticationType' in properties ? {} : { userName: 'sa', password: PASSWORD }),
        ...properties,
      },
    }),
    new AbortController().signal,
  );
