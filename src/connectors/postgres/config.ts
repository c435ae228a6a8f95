// Settings of a PostgreSQL linked service: PostgreSqlV2's fields, or the older connection string.
import { readFileSync } from 'node:fs';
import type pg from 'pg';
import { z } from 'zod';
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';

const properties = z.object({
  connectionString: z.string().optional(),
  server: z.string().optional(),
  port: z.union([z.number(), z.string()]).optional(),
  username: z.string().optional(),
  userName: z.string().optional(),
  password: z.string().optional(),
  database: z.string().optional(),
  /** 0 Disable, 1 Allow, 2 Prefer, 3 Require, 4 Verify-ca, 5 Verify-full; or the name. */
  sslMode: z.union([z.number(), z.string()]).optional(),
  /** waybill's own: a PEM file of the authority that signed the server's certificate. */
  caFile: z.string().optional(),
});

const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];

const connectionParts = (text: string | undefined): Map<string, string> =>
  new Map(
    (text ?? '')
      .split(';')
      .map((pair) => pair.split('='))
      .filter((pair) => pair.length >= 2)
      .map(([key = '', ...value]) => [key.trim().toLowerCase().replaceAll(' ', ''), value.join('=').trim()]),
  );

/** `require` verifies too: an encrypted connection to nobody in particular protects nothing. */
const tls = (mode: string, caFile: string | undefined): pg.ClientConfig['ssl'] => {
  if (mode === 'disable' || mode === 'allow' || mode === 'prefer') return false;
  return { rejectUnauthorized: true, ...(caFile === undefined ? {} : { ca: readFileSync(caFile, 'utf8') }) };
};

/** Reads the properties into what `pg` takes. TLS is verified unless sslMode says disable, allow or prefer. */
export const postgresConfig = (service: ConnectedLinkedService): pg.ClientConfig => {
  const parsed = properties.safeParse(service.properties);
  if (!parsed.success) {
    const keys = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${service.name}: bad value of ${keys}.`, {
      keys,
    });
  }
  const given = parsed.data;
  const string = connectionParts(given.connectionString);
  const need = (value: string | undefined, key: string): string => {
    if (value !== undefined && value !== '') return value;
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${service.name} lacks "${key}".`, { key });
  };
  const mode = String(given.sslMode ?? string.get('sslmode') ?? string.get('encryptionmethod') ?? 'require');
  const sslMode = /^\d$/.test(mode) ? (SSL_MODES[Number(mode)] ?? 'require') : mode.toLowerCase();
  const password = given.password ?? string.get('password');
  return {
    host: need(given.server ?? string.get('host') ?? string.get('server'), 'server'),
    port: Number(given.port ?? string.get('port') ?? 5432),
    user: need(given.username ?? given.userName ?? string.get('username') ?? string.get('uid'), 'username'),
    ...(password === undefined ? {} : { password }),
    database: need(given.database ?? string.get('database'), 'database'),
    ssl: tls(sslMode, given.caFile),
    application_name: 'waybill',
    connectionTimeoutMillis: 15_000,
    keepAlive: true,
  };
};
