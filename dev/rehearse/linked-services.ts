// Which part of the local world stands in for a linked service, and the definition that leads there and nowhere else.

import { connectionStringPairs } from '../../src/connectors/common/connection-string.ts';
import { isDynamic } from '../../src/core/expression/parse.ts';
import type { JsonObject, JsonValue } from '../../src/core/json.ts';
import type { LinkedServiceDefinition } from '../../src/definitions/compile-store.ts';
import { isObject } from '../../src/definitions/factory.ts';
import type { StoreKind } from './needs.ts';

/** What a linked service becomes. Its database and schema may be expressions over its own parameters. */
export interface LocalService {
  readonly kind: StoreKind | 'function' | 'databricks' | 'vault' | 'web' | 'none';
  readonly database: string;
  readonly schema: string;
}

const KINDS: Readonly<Record<string, LocalService['kind']>> = {
  sqlserver: 'sql-server',
  azuresqldatabase: 'sql-server',
  azuresqlmi: 'sql-server',
  azuresqldw: 'sql-server',
  amazonrdsforsqlserver: 'sql-server',
  snowflake: 'snowflake',
  snowflakev2: 'snowflake',
  postgresql: 'postgres',
  postgresqlv2: 'postgres',
  azurepostgresql: 'postgres',
  mysql: 'mysql',
  azuremysql: 'mysql',
  mariadb: 'mysql',
  amazons3: 's3',
  amazons3compatible: 's3',
  azureblobstorage: 'azure-blob',
  azurestorage: 'azure-blob',
  azureblobfs: 'azure-blob',
  fileserver: 'folder',
  azurefunction: 'function',
  azuredatabricks: 'databricks',
  azuredatabricksdeltalake: 'databricks',
  azurekeyvault: 'vault',
  httpserver: 'web',
  restservice: 'web',
  web: 'web',
};

/** Where each kind keeps names that give no schema. */
const SCHEMAS: Readonly<Record<string, string>> = {
  'sql-server': 'dbo',
  postgres: 'public',
  snowflake: 'PUBLIC',
  mysql: '',
};

/** Finds the stand-in of the same kind; `none` for a kind that the local world has not. */
export function localService(definition: LinkedServiceDefinition): LocalService {
  const kind = KINDS[definition.type.toLowerCase()] ?? 'none';
  if (!(kind in SCHEMAS)) return { kind, database: '', schema: '' };
  const properties = byLowerCase(definition.typeProperties);
  const pairs = pairsOf(properties.get('connectionstring'));
  const database =
    textOf(properties.get('database')) ??
    pairs.get('database') ??
    pairs.get('initialcatalog') ??
    pairs.get('db');
  const schema = textOf(properties.get('schema')) ?? pairs.get('schema') ?? pairs.get('searchpath');
  return {
    kind,
    database: database === undefined || database === '' ? plainName(definition.name) : database,
    schema: schema === undefined || schema === '' ? (SCHEMAS[kind] ?? '') : schema,
  };
}

const byLowerCase = (properties: JsonObject): Map<string, JsonValue> =>
  new Map(Object.entries(properties).map(([key, value]) => [key.toLowerCase(), value]));

/** A text or an expression as text; secrets and objects are none. */
function textOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (isObject(value) && value['type'] === 'Expression' && typeof value['value'] === 'string')
    return value['value'];
  return undefined;
}

/** The parts of a connection string, also of one that is kept as a SecureString or in JDBC's form. */
function pairsOf(value: JsonValue | undefined): Map<string, string> {
  const text = textOf(value) ?? (isObject(value) && typeof value['value'] === 'string' ? value['value'] : '');
  if (/^(jdbc:)?snowflake:/i.test(text)) {
    const query = text.slice(text.indexOf('?') + 1);
    return new Map([...new URLSearchParams(query)].map(([key, entry]) => [key.toLowerCase(), entry]));
  }
  if (text.startsWith('@') && !text.startsWith('@{')) return new Map();
  return connectionStringPairs(text);
}

const plainName = (name: string): string => name.replaceAll(/\W+/g, '_').slice(0, 50) || 'rehearsal';

/** Names of databases that are the engines' own. */
export const safeDatabase = (kind: StoreKind, name: string): string => {
  // One PostgreSQL server carries its own databases and those of the SQL Server stand-in.
  if (kind === 'postgres') return `pg_${name}`;
  const own = {
    mysql: /^(mysql|sys|information_schema|performance_schema)$/i,
    'sql-server': /^(postgres|template[01])$/i,
  }[kind as string];
  return own?.test(name) ? `my_${name}` : name;
};

/** The local database's name, where it is an expression: one that gives the local name. */
export function localDatabase(kind: StoreKind, name: string): string {
  if (!isDynamic(name)) return safeDatabase(kind, name);
  if (kind !== 'postgres') return name;
  return name.startsWith('@') && !name.startsWith('@{') ? `pg_@{${name.slice(1)}}` : `pg_${name}`;
}
