// The program: a SQL Server stand-in (TDS 7.4) over PostgreSQL. Prints one JSON line when it is ready.

import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { parseArgs } from 'node:util';
import { Databases } from './databases.ts';
import { SqlServer } from './server.ts';

const USAGE = `Usage: main.js --postgres HOST:PORT --password-env NAME [--port 0] [--postgres-user postgres] [--user sa] [--tls-key FILE --tls-cert FILE] [--token-key FILE --token-authority URL --token-resource URL]`;

function log(event: string, details: Readonly<Record<string, unknown>>): void {
  process.stderr.write(
    `${JSON.stringify({ time: new Date().toISOString(), service: 'sql-server', event, ...details })}\n`,
  );
}

function fail(reason: string): never {
  process.stderr.write(`${reason}\n${USAGE}\n`);
  process.exit(2);
}

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    postgres: { type: 'string' },
    'postgres-user': { type: 'string', default: 'postgres' },
    user: { type: 'string', default: 'sa' },
    'password-env': { type: 'string' },
    'tls-key': { type: 'string' },
    'tls-cert': { type: 'string' },
    // The public key that signs access tokens, where clients get them, and what they must be for.
    'token-key': { type: 'string' },
    'token-authority': { type: 'string', default: 'https://login.microsoftonline.com/common' },
    'token-resource': { type: 'string', default: 'https://database.windows.net/' },
  },
});

const [host, postgresPort] = (values.postgres ?? '').split(':');
if (!host || !postgresPort) fail('--postgres HOST:PORT is required.');
const password = process.env[values['password-env'] ?? ''];
if (!password) fail('--password-env must name an environment variable that holds the password.');
const { 'tls-key': key, 'tls-cert': cert } = values;
if ((key === undefined) !== (cert === undefined)) fail('--tls-key and --tls-cert go together.');

const address = { host, port: Number(postgresPort), user: values['postgres-user'] };
const server = new SqlServer({
  address,
  user: values.user,
  password,
  // TDS 7.x wraps the handshake in packets; with TLS 1.3 it would not end where the client expects.
  tls:
    key && cert
      ? createSecureContext({ key: readFileSync(key), cert: readFileSync(cert), maxVersion: 'TLSv1.2' })
      : undefined,
  tokens: values['token-key']
    ? {
        key: createPublicKey(readFileSync(values['token-key'])),
        authority: values['token-authority'],
        resource: values['token-resource'],
      }
    : undefined,
  databases: new Databases(address),
  log,
});

let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    void server.close().then(() => process.exit(0));
  });
}

try {
  const port = await server.listen(Number(values.port));
  process.stdout.write(`${JSON.stringify({ ready: true, port })}\n`);
} catch (error) {
  log('start-failed', { error: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
