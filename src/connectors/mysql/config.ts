// Settings of a MySQL linked service: MySql's and AzureMySql's fields, or the older connection string.
import { readFileSync } from 'node:fs';
import type { ConnectionOptions, SslOptions } from 'mysql2';
import { z } from 'zod';
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';
import { connectionStringPairs } from '../common/connection-string.ts';

const flag = z.union([z.boolean(), z.string(), z.number()]).optional();

const properties = z.object({
  connectionString: z.string().optional(),
  server: z.string().optional(),
  host: z.string().optional(),
  port: z.union([z.number(), z.string()]).optional(),
  username: z.string().optional(),
  userName: z.string().optional(),
  password: z.string().optional(),
  database: z.string().optional(),
  /** 0 DISABLED, 1 PREFERRED, 2 REQUIRED, 3 VERIFY_CA, 4 VERIFY_IDENTITY; or the name. */
  sslMode: z.union([z.number(), z.string()]).optional(),
  /** PEM text, or the path of a PEM file, of a client certificate and its key. */
  sslCert: z.string().optional(),
  sslKey: z.string().optional(),
  /** waybill's own: a PEM file of the authority that signed the server's certificate. */
  caFile: z.string().optional(),
  /** Seconds. */
  connectionTimeout: z.union([z.number(), z.string()]).optional(),
  convertZeroDateTime: flag,
  allowZeroDateTime: flag,
  treatTinyAsBoolean: flag,
  guidFormat: z.union([z.string(), z.number()]).optional(),
});

/** What becomes of 0000-00-00, which no calendar has. */
export type ZeroDates = 'refuse' | 'null' | 'text';

/** How values of this linked service are read; ADF's connection properties decide it. */
export interface ValueRules {
  readonly zeroDates: ZeroDates;
  /** Whether tinyint(1) is a Boolean. */
  readonly tinyAsBoolean: boolean;
}

export interface MysqlConfig {
  readonly connection: ConnectionOptions & { readonly database: string };
  /** Whether to go on without encryption where the server offers none. */
  readonly plainAllowed: boolean;
  readonly values: ValueRules;
}

const SSL_MODES = ['disabled', 'preferred', 'required', 'verify-ca', 'verify-identity'];
/** Formats in which a GUID is a text as it is stored. */
const TEXT_GUIDS = ['', 'none', 'default', 'char36', '0', '1', '2'];

const isTrue = (value: unknown): boolean => /^(true|1|yes)$/i.test(String(value ?? ''));

const pem = (given: string, key: string): string => {
  if (given.includes('-----BEGIN')) return given;
  try {
    return readFileSync(given, 'utf8');
  } catch {
    throw new WaybillError('SETTINGS_INVALID', `${key} cannot be read.`, { key });
  }
};

/** REQUIRED verifies too: an encrypted connection to nobody in particular protects nothing. */
const tls = (mode: string, given: z.infer<typeof properties>): SslOptions | undefined => {
  if (mode === 'disabled' || mode === 'none') return undefined;
  const verified = mode !== 'preferred' && mode !== 'prefered';
  return {
    rejectUnauthorized: verified,
    verifyIdentity: verified && mode !== 'verify-ca',
    ...(given.caFile === undefined ? {} : { ca: pem(given.caFile, 'caFile') }),
    ...(given.sslCert === undefined ? {} : { cert: pem(given.sslCert, 'sslCert') }),
    ...(given.sslKey === undefined ? {} : { key: pem(given.sslKey, 'sslKey') }),
  };
};

/** Reads the properties. TLS is verified unless sslMode says otherwise. Throws SETTINGS_INVALID, never with a value. */
export const mysqlConfig = (service: ConnectedLinkedService): MysqlConfig => {
  const parsed = properties.safeParse(service.properties);
  if (!parsed.success) {
    const keys = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${service.name}: bad value of ${keys}.`, {
      keys,
    });
  }
  const given = parsed.data;
  const string = connectionStringPairs(given.connectionString ?? '');
  const either = (own: unknown, ...names: string[]): string | undefined => {
    if (own !== undefined && own !== '') return String(own);
    return names.map((name) => string.get(name)).find((value) => value !== undefined && value !== '');
  };
  const need = (value: string | undefined, key: string): string => {
    if (value !== undefined) return value;
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${service.name} lacks "${key}".`, { key });
  };
  const number = (value: string | undefined, otherwise: number, key: string): number => {
    if (value === undefined) return otherwise;
    if (/^\d+$/.test(value)) return Number(value);
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${service.name}: "${key}" is no number.`, {
      key,
    });
  };
  const mode = (either(given.sslMode, 'sslmode', 'usessl') ?? 'required').toLowerCase().replaceAll('_', '-');
  const sslMode = /^\d$/.test(mode) ? (SSL_MODES[Number(mode)] ?? 'required') : named(mode);
  const guids = (either(given.guidFormat, 'guidformat') ?? '').toLowerCase();
  if (!TEXT_GUIDS.includes(guids)) {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `Linked service ${service.name}: guidFormat other than Char36 is not supported; convert in the source query.`,
      { key: 'guidFormat' },
    );
  }
  const ssl = tls(sslMode, given);
  const password = either(given.password, 'pwd', 'password');
  const nullZero = either(given.convertZeroDateTime, 'convertzerodatetime');
  const textZero = either(given.allowZeroDateTime, 'allowzerodatetime');
  return {
    connection: {
      host: need(either(given.server ?? given.host, 'server', 'host', 'datasource'), 'server'),
      port: number(either(given.port, 'port'), 3306, 'port'),
      user: need(either(given.username ?? given.userName, 'uid', 'user', 'userid', 'username'), 'username'),
      ...(password === undefined ? {} : { password }),
      database: need(either(given.database, 'database', 'initialcatalog'), 'database'),
      ...(ssl === undefined ? {} : { ssl }),
      connectTimeout:
        1_000 *
        number(
          either(given.connectionTimeout, 'connectiontimeout', 'connecttimeout'),
          15,
          'connectionTimeout',
        ),
    },
    plainAllowed: sslMode === 'preferred',
    values: {
      zeroDates: isTrue(nullZero) ? 'null' : isTrue(textZero) ? 'text' : 'refuse',
      tinyAsBoolean: isTrue(either(given.treatTinyAsBoolean, 'treattinyasboolean') ?? 'true'),
    },
  };
};

/** Other spellings that drivers take: "VerifyFull", "none", "Prefered". */
const named = (mode: string): string => {
  const plain = mode.replaceAll('-', '');
  if (plain === 'none' || plain === 'false' || plain === 'disable') return 'disabled';
  if (plain === 'verifyfull') return 'verify-identity';
  return (
    SSL_MODES.find((known) => known.replaceAll('-', '') === plain) ??
    (plain.startsWith('prefer') ? 'preferred' : 'required')
  );
};
