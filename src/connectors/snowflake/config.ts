// Settings of a Snowflake linked service: SnowflakeV2's keys, and the older Snowflake type's connection string.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';

const properties = z.object({
  /** The older type: "jdbc:snowflake://host/?user=..&db=..&warehouse=..&role=..". */
  connectionString: z.string().optional(),
  accountIdentifier: z.string().optional(),
  /** A bare host or a full URL; the account's own address where absent. */
  host: z.string().optional(),
  database: z.string().optional(),
  schema: z.string().optional(),
  warehouse: z.string().optional(),
  role: z.string().optional(),
  user: z.string().optional(),
  password: z.string().optional(),
  authenticationType: z.string().optional(),
  privateKey: z.string().optional(),
  /** waybill's own: a PEM file instead of the key itself. */
  privateKeyFile: z.string().optional(),
  privateKeyPassphrase: z.string().optional(),
});

export interface SnowflakeConfig {
  readonly account: string;
  readonly accessUrl: string | undefined;
  readonly user: string;
  readonly password: string | undefined;
  readonly privateKey: string | undefined;
  readonly privateKeyPassphrase: string | undefined;
  readonly database: string;
  readonly schema: string;
  readonly warehouse: string | undefined;
  readonly role: string | undefined;
}

const connectionParts = (text: string | undefined): Record<string, string> => {
  if (text === undefined) return {};
  const match = /^(?:jdbc:snowflake:\/\/)?([^/?]+)\/?\??(.*)$/.exec(text);
  const parts = Object.fromEntries(new URLSearchParams(match?.[2] ?? ''));
  return { host: match?.[1] ?? '', ...parts };
};

const readKey = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new WaybillError('SETTINGS_INVALID', `privateKeyFile ${path} cannot be read.`, {
      key: 'privateKeyFile',
    });
  }
};

/** Reads the properties. Throws SETTINGS_INVALID naming the key, never its value. */
export const snowflakeConfig = (service: ConnectedLinkedService): SnowflakeConfig => {
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
  const host = given.host ?? string['host'];
  const keyPair = given.authenticationType?.toLowerCase() === 'keypair';
  const privateKey =
    given.privateKey ?? (given.privateKeyFile === undefined ? undefined : readKey(given.privateKeyFile));
  return {
    account: need(
      given.accountIdentifier ?? host?.replace(/^https?:\/\//, '').split('.')[0],
      'accountIdentifier',
    ),
    accessUrl:
      host === undefined || host === '' ? undefined : /^https?:\/\//.test(host) ? host : `https://${host}`,
    user: need(given.user ?? string['user'], 'user'),
    password: keyPair ? undefined : need(given.password ?? string['password'], 'password'),
    privateKey: keyPair ? need(privateKey, 'privateKey') : undefined,
    privateKeyPassphrase: given.privateKeyPassphrase,
    database: need(given.database ?? string['db'], 'database'),
    schema: given.schema ?? string['schema'] ?? 'PUBLIC',
    warehouse: given.warehouse ?? string['warehouse'],
    role: given.role ?? string['role'],
  };
};
