// Settings of a Snowflake linked service: SnowflakeV2's keys, and the older Snowflake type's connection strings.
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';
import { connectionStringPairs } from '../common/connection-string.ts';
import { textSetting } from '../common/settings.ts';
import { type Authentication, snowflakeAuthentication } from './authentication.ts';

export interface SnowflakeConfig {
  readonly account: string;
  /** Full URL of the account; the driver makes it from the account where absent. */
  readonly accessUrl: string | undefined;
  readonly authentication: Authentication;
  readonly database: string;
  readonly schema: string;
  readonly warehouse: string | undefined;
  readonly role: string | undefined;
}

const SUFFIX = /\.snowflakecomputing\.(?:com|cn)$/i;

/**
 * The older connection string in both its forms: "jdbc:snowflake://host/?user=..&db=..&warehouse=..&role=.." and
 * "account=..;user=..;db=..". Keys in lower case.
 */
const connectionParts = (text: string | undefined): ReadonlyMap<string, string> => {
  if (text === undefined) return new Map();
  const jdbc = /^(?:jdbc:)?snowflake:\/\/([^/?]+)\/?(?:\?(.*))?$/i.exec(text.trim());
  if (jdbc === null) return connectionStringPairs(text);
  const parts = [...new URLSearchParams(jdbc[2] ?? '')].map(
    ([key, value]) => [key.toLowerCase(), value] as const,
  );
  return new Map([['host', jdbc[1] ?? ''], ...parts]);
};

/** Reads the properties. Throws SETTINGS_INVALID naming the key, never its value. */
export const snowflakeConfig = (service: ConnectedLinkedService): SnowflakeConfig => {
  const { name, properties } = service;
  const string = connectionParts(textSetting(properties, 'connectionString'));
  const text = (key: string, ...older: string[]): string | undefined => {
    const given = properties[key];
    if (given !== null && typeof given === 'object') {
      throw new WaybillError('SETTINGS_INVALID', `Linked service ${name}: bad value of ${key}.`, { key });
    }
    return (
      textSetting(properties, key) ?? older.map((one) => string.get(one)).find((one) => one !== undefined)
    );
  };
  const need = (value: string | undefined, key: string): string => {
    if (value !== undefined && value !== '') return value;
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${name} lacks "${key}".`, { key });
  };
  const host = text('host', 'host', 'server');
  const account = text('accountIdentifier', 'account') ?? host?.replace(/^https?:\/\//i, '');
  return {
    // "org-name" or, of an older account, "locator.region.cloud": the driver makes the host of it.
    account: need(account, 'accountIdentifier')
      .replace(/[:/].*$/, '')
      .replace(SUFFIX, ''),
    accessUrl:
      host === undefined || host === '' ? undefined : /^https?:\/\//i.test(host) ? host : `https://${host}`,
    authentication: snowflakeAuthentication(service, string),
    database: need(text('database', 'db', 'database'), 'database'),
    schema: text('schema', 'schema') ?? 'PUBLIC',
    warehouse: text('warehouse', 'warehouse'),
    role: text('role', 'role'),
  };
};
