// Settings of a SQL Server or Azure SQL linked service: ADF's own keys, either as fields or as a connection string.
import { z } from 'zod';
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';
import { connectionStringPairs } from '../common/connection-string.ts';
import { type Authentication, sqlServerAuthentication } from './authentication.ts';

const truth = z.union([z.boolean(), z.string()]).optional();
const count = z.union([z.number(), z.string()]).optional();

const properties = z.object({
  connectionString: z.string().optional(),
  /** "host", "host,port", "tcp:host,port". */
  server: z.string().optional(),
  database: z.string().optional(),
  encrypt: truth,
  trustServerCertificate: truth,
  hostNameInCertificate: z.string().optional(),
  applicationIntent: z.string().optional(),
  multiSubnetFailover: truth,
  packetSize: count,
  /** Seconds. */
  connectTimeout: count,
  connectRetryCount: count,
  /** Seconds. */
  connectRetryInterval: count,
  /** Seconds. */
  commandTimeout: count,
  /** waybill's own: a PEM file of the authority that signed the server's certificate. */
  caFile: z.string().optional(),
});

/** The connection as it will be made. `strict` is TDS 8.0: TLS before the first byte of TDS. */
export interface SqlServerConfig {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly authentication: Authentication;
  readonly encrypt: boolean | 'strict';
  readonly trustServerCertificate: boolean;
  readonly hostNameInCertificate: string | undefined;
  readonly caFile: string | undefined;
  readonly readOnly: boolean;
  readonly multiSubnetFailover: boolean;
  /** Bytes of a packet. */
  readonly packetSize: number;
  readonly connectMilliseconds: number;
  readonly connectRetries: number;
  readonly connectRetryMilliseconds: number;
  /** Until a statement's first answer; 0 waits for ever, as loads and streams always do. */
  readonly commandMilliseconds: number;
}

/** An encrypted connection may have 16,383 bytes a packet at most. */
const PACKET_BYTES = 16_000;
const LARGEST_PACKET = 16_383;
const SMALLEST_PACKET = 512;

const isTrue = (value: string | boolean | undefined, otherwise: boolean): boolean => {
  if (value === undefined || value === '') return otherwise;
  if (typeof value === 'boolean') return value;
  return ['true', 'yes', '1'].includes(value.toLowerCase());
};

/** ADF's encrypt is one of mandatory, optional, strict; connection strings say true, yes, false, no as well. */
const encryption = (value: string | boolean | undefined): boolean | 'strict' => {
  if (typeof value === 'string' && value.toLowerCase() === 'strict') return 'strict';
  if (typeof value === 'string' && value.toLowerCase() === 'mandatory') return true;
  return isTrue(value, true);
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
  const string = connectionStringPairs(given.connectionString ?? '');
  const pick = (...keys: string[]): string | undefined =>
    keys.map((key) => string.get(key)).find((value) => value !== undefined);
  const need = (value: string | undefined, key: string): string => {
    if (value !== undefined && value !== '') return value;
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${service.name} lacks "${key}".`, { key });
  };
  const whole = (value: number | string | undefined, key: string, otherwise: number): number => {
    if (value === undefined || value === '') return otherwise;
    const number = Number(value);
    if (Number.isInteger(number) && number >= 0) return number;
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${service.name}: bad value of ${key}.`, {
      keys: key,
    });
  };
  const server = need(given.server ?? pick('server', 'datasource', 'address', 'addr'), 'server');
  const [host = '', port = '1433'] = server
    .replace(/^tcp:/i, '')
    .split(',')
    .map((part) => part.trim());
  const intent = given.applicationIntent ?? pick('applicationintent') ?? '';
  return {
    host,
    port: Number(port),
    database: need(given.database ?? pick('database', 'initialcatalog'), 'database'),
    authentication: sqlServerAuthentication(service, string),
    encrypt: encryption(given.encrypt ?? pick('encrypt')),
    trustServerCertificate: isTrue(given.trustServerCertificate ?? pick('trustservercertificate'), false),
    hostNameInCertificate: given.hostNameInCertificate ?? pick('hostnameincertificate'),
    caFile: given.caFile,
    readOnly: intent.toLowerCase() === 'readonly',
    multiSubnetFailover: isTrue(given.multiSubnetFailover ?? pick('multisubnetfailover'), false),
    packetSize: Math.min(
      LARGEST_PACKET,
      Math.max(SMALLEST_PACKET, whole(given.packetSize ?? pick('packetsize'), 'packetSize', PACKET_BYTES)),
    ),
    connectMilliseconds:
      1000 *
      whole(
        given.connectTimeout ?? pick('connecttimeout', 'connectiontimeout', 'timeout'),
        'connectTimeout',
        15,
      ),
    connectRetries: whole(given.connectRetryCount ?? pick('connectretrycount'), 'connectRetryCount', 3),
    connectRetryMilliseconds: Math.max(
      500,
      1000 * whole(given.connectRetryInterval ?? pick('connectretryinterval'), 'connectRetryInterval', 1),
    ),
    commandMilliseconds: 1000 * whole(given.commandTimeout ?? pick('commandtimeout'), 'commandTimeout', 0),
  };
};
