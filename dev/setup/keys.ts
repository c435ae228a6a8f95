// Certificates and keys of the local world, made on this machine and trusted by nobody else.
import { X509Certificate } from 'node:crypto';
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import { buildOnce, isComplete } from './build-once.ts';
import { doneLine, type Report } from './report.ts';
import { runCommand } from './run-command.ts';

/** Paths of PEM files; the private ones are readable by their owner only. */
export interface Keys {
  readonly caCertificate: string;
  readonly serverCertificate: string;
  readonly serverKey: string;
  /** RSA pair for Snowflake's key-pair login: the client has the private one (PKCS #8), the server the public one. */
  readonly snowflakePrivateKey: string;
  readonly snowflakePublicKey: string;
}

/** Makes a certificate authority, a server certificate for localhost and 127.0.0.1, and the Snowflake key pair. */
export async function ensureKeys(report: Report): Promise<Keys> {
  const target = join(cacheDirectory(), 'keys-1');
  if (await isExpiring(target)) await rm(target, { recursive: true, force: true });
  await buildOnce({ target, label: 'keys', report, build: (directory) => makeKeys(directory, report) });
  return paths(target);
}

async function makeKeys(directory: string, report: Report): Promise<void> {
  const startedAt = Date.now();
  const keys = paths(directory);
  const authorityKey = join(directory, 'ca-key.pem');
  const request = join(directory, 'server.csr');
  const extensions = join(directory, 'server.ext');
  await writeFile(
    extensions,
    'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n',
  );
  const rsa = ['-newkey', 'rsa:2048', '-nodes'];
  await openssl(
    'req',
    '-x509',
    ...rsa,
    '-days',
    '825',
    '-subj',
    '/CN=waybill local world CA',
    '-keyout',
    authorityKey,
    '-out',
    keys.caCertificate,
  );
  await openssl('req', ...rsa, '-subj', '/CN=localhost', '-keyout', keys.serverKey, '-out', request);
  await openssl(
    ...['x509', '-req', '-in', request, '-CA', keys.caCertificate, '-CAkey', authorityKey, '-CAcreateserial'],
    ...['-days', '397', '-extfile', extensions, '-out', keys.serverCertificate],
  );
  await openssl(
    'genpkey',
    '-algorithm',
    'RSA',
    '-pkeyopt',
    'rsa_keygen_bits:2048',
    '-out',
    keys.snowflakePrivateKey,
  );
  await openssl('pkey', '-in', keys.snowflakePrivateKey, '-pubout', '-out', keys.snowflakePublicKey);
  // The authority has done its one job; without its key nobody can sign another certificate in its name.
  for (const spent of [authorityKey, request, extensions]) await rm(spent);
  for (const name of await readdir(directory)) await chmod(join(directory, name), 0o600);
  report(doneLine('keys', startedAt, 'TLS certificate for localhost, RSA pair for Snowflake'));
}

function openssl(...args: string[]): Promise<string> {
  return runCommand('openssl', args, {
    doing: 'making the local keys',
    advice: 'install the openssl program (Debian: apt-get install openssl) and run again.',
  });
}

async function isExpiring(target: string): Promise<boolean> {
  if (!(await isComplete(target))) return false;
  const weekAhead = Date.now() + 7 * 24 * 3600 * 1000;
  const certificate = new X509Certificate(await readFile(paths(target).serverCertificate));
  return new Date(certificate.validTo).getTime() < weekAhead;
}

function paths(directory: string): Keys {
  return {
    caCertificate: join(directory, 'ca.pem'),
    serverCertificate: join(directory, 'server.pem'),
    serverKey: join(directory, 'server-key.pem'),
    snowflakePrivateKey: join(directory, 'snowflake-key.p8'),
    snowflakePublicKey: join(directory, 'snowflake-key.pub'),
  };
}
