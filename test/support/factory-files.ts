// Writes a factory's JSON files into a directory of their own, for tests.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface TemporaryFactory {
  readonly directory: string;
  /** Writes further files, or others in place of those that are there. */
  write(files: Readonly<Record<string, unknown>>): void;
  remove(): void;
}

/** `files`: path such as "pipeline/pl_a.json" to content; objects are written as JSON, strings as they are. */
export function writeFactory(files: Readonly<Record<string, unknown>>): TemporaryFactory {
  const directory = mkdtempSync(join(tmpdir(), 'waybill-factory-'));
  const write = (more: Readonly<Record<string, unknown>>): void => {
    for (const [path, content] of Object.entries(more)) {
      const file = join(directory, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content, null, 2));
    }
  };
  write(files);
  return { directory, write, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

const dataset = (type: string, linkedService: string): unknown => ({
  properties: {
    type,
    linkedServiceName: { referenceName: linkedService, type: 'LinkedServiceReference' },
    parameters: { table: { type: 'string' } },
    typeProperties: { schema: 'dbo', table: { value: '@dataset().table', type: 'Expression' } },
  },
});

/** A SQL Server and a Snowflake, each with a dataset that takes a table name. */
export const STORES: Readonly<Record<string, unknown>> = {
  'linkedService/ls_sql.json': {
    name: 'ls_sql',
    properties: { type: 'SqlServer', typeProperties: { server: 'sql', database: 'db' } },
  },
  'linkedService/ls_snow.json': {
    name: 'ls_snow',
    properties: { type: 'SnowflakeV2', typeProperties: { accountIdentifier: 'a', database: 'D' } },
  },
  'dataset/ds_sql.json': { name: 'ds_sql', ...(dataset('SqlServerTable', 'ls_sql') as object) },
  'dataset/ds_snow.json': { name: 'ds_snow', ...(dataset('SnowflakeV2Table', 'ls_snow') as object) },
};

/** A Copy activity from SQL Server to Snowflake; `table` may be an expression. */
export const copyOf = (name: string, table: string, more: object = {}): object => ({
  name,
  type: 'Copy',
  typeProperties: {
    source: { type: 'SqlServerSource' },
    sink: {
      type: 'SnowflakeV2Sink',
      preCopyScript: `TRUNCATE TABLE ${table.startsWith('@') ? '@{item()}' : table}`,
    },
    enableStaging: true,
  },
  inputs: [{ referenceName: 'ds_sql', type: 'DatasetReference', parameters: { table } }],
  outputs: [{ referenceName: 'ds_snow', type: 'DatasetReference', parameters: { table } }],
  ...more,
});

export const pipelineOf = (activities: object[], more: object = {}): object => ({
  properties: { activities, ...more },
});
