// Settings of a SQL Server or Azure SQL linked service: ADF's own keys, either as fields or as a connection string.
import { z } from 'zod';
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';

const truth = z.union([z.boolean(), z.string()]).optional();

const properties = z.object({
  connectionString: z.string().optional(),
  /** "host", "host,port", "tcp:host,port". */
  server: z.string().optional(),
  database: z.string().optional(),
  userName: z.string().optional(),
  password: z.string().optional(),
  encrypt: truth,
  trustServerCertificate: truth,
  hostNameInCertificate: z.string().optional(),
  /** waybill's own: a PEM file of the authority that signed the server's certificate. */
  caFile: z.string().optional(),
});

export interface SqlServerConfig {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly encrypt: boolean;
  readonly trustServerCertificate: boolean;
  readonly hostNameInCertificate: string | undefined;
  readonly caFile: string | undefined;
}

/** Keys of a connection string, lower case without blanks; quoted values keep their semicolons. */
const parseConnectionString = (text: string): Map<string, string> => {
  const pairs = new Map<string, string>();
  for (const match of text.matchAll(
    /\s*([^=;]+?)\s*=\s*(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)'|([^;]*))\s*(?:;|$)/g,
  )) {
    const key = (match[1] ?? '').toLowerCase().replaceAll(' ', '');
    const value =
      match[2]?.replaceAll('""', '"') ?? match[3]?.replaceAll("''", "'") ?? match[4]?.trim() ?? '';
    pairs.set(key, value);
  }
  return pairs;
};

const isTrue = (value: string | boolean | undefined, otherwise: boolean): boolean => {
  if (value === undefined || value === '') return otherwise;
  if (typeof value === 'boolean') return value;
  // ADF's encrypt is one of mandatory, optional, strict; connection strings say true, yes.
  return ['true', 'yes', 'mandatory', 'strict', '1'].includes(value.toLowerCase());
};

/** Reads the properties; encryption is on and certificates are verified unless the definition says otherwise. */
export const sqlServerConfig = (service: ConnectedLinkedService): SqlServerConfig => {
  const parsed = properties.safeParse(service.properties);
  if (!parsed.success) {
    const keys = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${service.name}: bad value of ${keys}.`, {
      keys,
    });
  }
  const given = parsed.data;
  const string = parseConnectionString(given.connectionString ?? '');
  const pick = (...keys: string[]): string | undefined =>
    keys.map((key) => string.get(key)).find((v) => v !== undefined);
  const need = (value: string | undefined, key: string): string => {
    if (value !== undefined && value !== '') return value;
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${service.name} lacks "${key}".`, { key });
  };
  const server = need(given.server ?? pick('server', 'datasource', 'address', 'addr'), 'server');
  const [host = '', port = '1433'] = server
    .replace(/^tcp:/i, '')
    .split(',')
    .map((part) => part.trim());
  return {
    host,
    port: Number(port),
    database: need(given.database ?? pick('database', 'initialcatalog'), 'database'),
    user: need(given.userName ?? pick('userid', 'uid', 'user'), 'userName'),
    password: need(given.password ?? pick('password', 'pwd'), 'password'),
    encrypt: isTrue(given.encrypt ?? pick('encrypt'), true),
    trustServerCertificate: isTrue(given.trustServerCertificate ?? pick('trustservercertificate'), false),
    hostNameInCertificate: given.hostNameInCertificate ?? pick('hostnameincertificate'),
    caFile: given.caFile,
  };
};
