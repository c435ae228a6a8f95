// Copies between the engines of a world, as pipelines a worker can die in: their factory, their targets, and what the
// stores themselves say about a copy: its committed chunks, its rows, whatever is left behind.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { World } from '../../dev/world/world.ts';
import { copyKey } from '../../src/connectors/common/identifier.ts';
import { mysqlStore } from '../contract/stores/mysql.ts';
import { postgresStore } from '../contract/stores/postgres.ts';
import { sqlServerStore } from '../contract/stores/sql-server.ts';
import type { Store } from '../contract/stores/store.ts';
import { type CopiedRows, mysqlRows, postgresRows, ROWS, sqlServerRows } from './copied-rows.ts';
import { type TemporaryFactory, writeFactory } from './factory-files.ts';
import { azurePlace, type FilePlace, s3Place } from './file-places.ts';

/** Chunks by number: the attempt that committed each, and what would change if it were committed again. */
export type Committed = Map<number, { readonly attempt: number; readonly stamp: string }>;

/** One pipeline of one Copy activity; every run has a target of its own. */
export interface MortalCopy {
  readonly pipeline: string;
  /** Makes the target as it is before the copy. */
  prepare(target: string): Promise<void>;
  /** Committed chunks. */
  committed(copyId: string, target: string): Promise<Committed>;
  /** Rows in the target, by the store's own count. */
  rows(target: string): Promise<CopiedRows>;
  /** What the target has before the copy. */
  readonly untouched: CopiedRows;
  /** Files or staging tables that no published copy owns. */
  leftovers(target: string): Promise<string[]>;
}

/** A generation is a planning's epoch times this, and the attempt. */
const ATTEMPTS_PER_EPOCH = 100_000;

const GONE: CopiedRows = { rows: 0, keys: 0, wrong: 0 };
/** Rows that a target has before the copy; all are wrong, and the copy puts them right. */
const OLD = 500;

const dataset = (type: string, linkedService: string, typeProperties: object): object => ({
  properties: {
    type,
    linkedServiceName: { referenceName: linkedService, type: 'LinkedServiceReference' },
    parameters: { place: { type: 'string' } },
    typeProperties,
  },
});
const place = { value: '@dataset().place', type: 'Expression' };
const pipeline = (source: string, sourceType: string, sink: string, sinkSettings: object, more = {}) => ({
  properties: {
    parameters: { target: { type: 'string' } },
    activities: [
      {
        name: 'Copy it',
        type: 'Copy',
        inputs: [{ referenceName: source, type: 'DatasetReference', parameters: { place: 'mortal' } }],
        outputs: [
          {
            referenceName: sink,
            type: 'DatasetReference',
            parameters: { place: { value: '@pipeline().parameters.target', type: 'Expression' } },
          },
        ],
        typeProperties: { source: { type: sourceType }, sink: sinkSettings, parallelCopies: 2, ...more },
      },
    ],
  },
});

const numbers = (row: Record<string, unknown> | undefined): CopiedRows => ({
  rows: Number(row?.['rows']),
  keys: Number(row?.['keys']),
  wrong: Number(row?.['wrong']),
});

export class MortalCopies {
  readonly all: readonly MortalCopy[];
  readonly #world: World;
  readonly #name = `mortal_${process.pid}`;
  readonly #postgres = postgresStore();
  readonly #mysql = mysqlStore();
  readonly #sqlServer = sqlServerStore();
  readonly #s3 = s3Place('mortal');
  readonly #azure = azurePlace('mortal');
  #factory: TemporaryFactory | undefined;

  constructor(world: World) {
    this.#world = world;
    const truncate = {
      type: 'PostgreSqlV2Sink',
      preCopyScript: 'TRUNCATE TABLE @{pipeline().parameters.target}',
    };
    this.all = [
      this.#intoTable('postgres_to_postgres', this.#postgres, 'swap', OLD),
      this.#intoTable('postgres_to_mysql', this.#mysql, 'upsert', OLD),
      this.#intoFiles('sqlserver_to_parquet', this.#s3, 'parquet'),
      this.#intoTable('mysql_to_postgres', this.#postgres, 'insert', 0),
      this.#intoFiles('postgres_to_csv', this.#azure, 'csv'),
    ];
    this.#factoryFiles = {
      'dataset/pg.json': dataset('PostgreSqlV2Table', 'ls_pg', { schema: 'public', table: place }),
      'dataset/my.json': dataset('MySqlTable', 'ls_my', { tableName: place }),
      'dataset/ms.json': dataset('SqlServerTable', 'ls_ms', { schema: 'dbo', table: place }),
      'dataset/s3.json': dataset('Parquet', 'ls_s3', {
        location: { type: 'AmazonS3Location', bucketName: 'mortal', folderPath: place },
      }),
      'dataset/az.json': dataset('DelimitedText', 'ls_az', {
        location: { type: 'AzureBlobStorageLocation', container: 'mortal', folderPath: place },
        firstRowAsHeader: true,
      }),
      'pipeline/postgres_to_postgres.json': pipeline('pg', 'PostgreSqlV2Source', 'pg', truncate),
      'pipeline/postgres_to_mysql.json': pipeline('pg', 'PostgreSqlV2Source', 'my', {
        type: 'MySqlSink',
        writeBehavior: 'upsert',
        upsertSettings: { keys: ['id'] },
      }),
      'pipeline/sqlserver_to_parquet.json': pipeline('ms', 'SqlServerSource', 's3', { type: 'ParquetSink' }),
      'pipeline/mysql_to_postgres.json': pipeline(
        'my',
        'MySqlSource',
        'pg',
        { type: 'PostgreSqlV2Sink' },
        { incremental: { watermarkColumn: 'moment' } },
      ),
      'pipeline/postgres_to_csv.json': pipeline('pg', 'PostgreSqlV2Source', 'az', {
        type: 'DelimitedTextSink',
      }),
    };
  }

  readonly #factoryFiles: Readonly<Record<string, object>>;

  /** Fills the sources; returns the settings file for workers. */
  async start(): Promise<string> {
    const world = this.#world;
    const { postgres, mysql, sqlServer, s3, azureBlob } = world;
    await Promise.all([
      ...[this.#postgres, this.#mysql, this.#sqlServer].map((store) => store.start(world, this.#name)),
      ...[this.#s3, this.#azure].map((files) => files.start(world)),
    ]);
    const fill = async (store: Store, rows: Pick<typeof postgresRows, 'columns' | 'insert'>) => {
      await store.sql?.(`CREATE TABLE mortal (${rows.columns})`);
      await store.sql?.(rows.insert('mortal', 1, ROWS));
    };
    await Promise.all([
      fill(this.#postgres, postgresRows),
      fill(this.#mysql, mysqlRows),
      fill(this.#sqlServer, sqlServerRows),
    ]);
    const services: Record<string, [string, Record<string, string | number | { env: string }>]> = {
      ls_pg: [
        'PostgreSqlV2',
        {
          server: postgres.host,
          port: postgres.port,
          username: postgres.user,
          database: this.#name,
          sslMode: 'disable',
        },
      ],
      ls_my: [
        'MySql',
        {
          ...{ server: mysql.server, port: mysql.port, username: mysql.user, database: this.#name },
          ...{ password: { env: mysql.passwordEnv }, caFile: mysql.caFile },
        },
      ],
      ls_ms: [
        'SqlServer',
        {
          ...{ server: `${sqlServer.server},${sqlServer.port}`, database: `${this.#name}_tsql` },
          ...{ userName: sqlServer.user, password: { env: sqlServer.passwordEnv }, caFile: sqlServer.caFile },
        },
      ],
      ls_s3: ['AmazonS3', { region: s3.region, serviceUrl: s3.endpoint }],
      ls_az: [
        'AzureBlobStorage',
        { serviceEndpoint: azureBlob.endpoint, accountKey: { env: azureBlob.accountKeyEnv } },
      ],
    };
    this.#factory = writeFactory({
      ...this.#factoryFiles,
      ...Object.fromEntries(
        Object.entries(services).map(([name, [type]]) => [
          `linkedService/${name}.json`,
          { properties: { type, typeProperties: {} } },
        ]),
      ),
    });
    const { directory } = this.#factory;
    const lines = [`factoryDirectory = ${JSON.stringify(directory)}`];
    for (const [name, [, settings]] of Object.entries(services)) {
      lines.push(`[linkedService.${name}]`);
      for (const [key, value] of Object.entries(settings)) {
        const toml =
          typeof value === 'object' ? `{ env = ${JSON.stringify(value.env)} }` : JSON.stringify(value);
        lines.push(`${key} = ${toml}`);
      }
    }
    const file = join(directory, 'waybill.toml');
    await writeFile(file, `${lines.join('\n')}\n`);
    return file;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#s3.stop(), this.#azure.stop()]);
    this.#factory?.remove();
  }

  /** More rows in MySQL: `ties` of them at the highest watermark so far, `later` above it. Returns how many. */
  async addToMysql(rows: number): Promise<number> {
    // Row 60,000 begins a second of its own: 60,001 and on are ties with it, and 60,100 is the next second.
    await this.#mysql.sql?.(mysqlRows.insert('mortal', ROWS + 1, ROWS + rows));
    return ROWS + rows;
  }

  /** Takes them away again. */
  async takeFromMysql(): Promise<void> {
    await this.#mysql.sql?.(`DELETE FROM mortal WHERE id > ${ROWS}`);
  }

  /** Transactions that nobody goes on with. */
  async openTransactions(): Promise<string[]> {
    const idle = await this.#postgres.sql?.(
      "SELECT datname, pid, left(query, 100) AS query FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' " +
        `AND datname LIKE '${this.#name}%'`,
    );
    const open = await this.#mysql.sql?.(
      'SELECT t.trx_mysql_thread_id AS id FROM information_schema.INNODB_TRX t ' +
        `JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id WHERE p.DB = '${this.#name}'`,
    );
    return [...(idle ?? []), ...(open ?? [])].map((row) => `open transaction ${JSON.stringify(row)}`);
  }

  #intoTable(name: string, store: Store, how: string, old: number): MortalCopy {
    const rules = store === this.#mysql ? mysqlRows : postgresRows;
    const sql = async (statement: string) => (await store.sql?.(statement)) ?? [];
    return {
      pipeline: name,
      untouched: { rows: old, keys: old, wrong: old },
      prepare: async (target) => {
        await sql(`CREATE TABLE ${target} (${rules.columns})`);
        if (old === 0) return;
        await sql(rules.insert(target, 1, old));
        await sql(`UPDATE ${target} SET name = '${how}: old'`);
      },
      committed: async (copyId) => {
        const ledger = await sql(
          `SELECT 1 AS there FROM information_schema.tables WHERE table_name = '_waybill_ledger' AND table_schema IN ('public', '${this.#name}')`,
        );
        // Nothing was ever copied into this store.
        if (ledger.length === 0) return new Map();
        const found = await sql(
          `SELECT chunk, generation, committed_at FROM _waybill_ledger WHERE copy_id = '${copyId}' AND chunk >= 0 AND state = 'committed'`,
        );
        return new Map(
          found.map((row) => [
            Number(row['chunk']),
            {
              attempt: Number(row['generation']) % ATTEMPTS_PER_EPOCH,
              stamp: `${row['generation']} at ${row['committed_at']}`,
            },
          ]),
        );
      },
      rows: async (target) => numbers((await sql(rules.check(target)))[0]),
      leftovers: async (target) => (await store.leftovers()).filter((table) => table.startsWith(target)),
    };
  }

  #intoFiles(name: string, files: FilePlace, kind: 'parquet' | 'csv'): MortalCopy {
    const manifest = async (target: string): Promise<string[]> => {
      if (!(await files.keys(`${target}/`)).includes(`${target}/manifest.json`)) return [];
      const content = JSON.parse((await files.content(`${target}/manifest.json`)).toString()) as {
        files: { path: string }[];
      };
      return content.files.map(({ path }) => `${target}/${path}`);
    };
    return {
      pipeline: name,
      untouched: GONE,
      prepare: async () => undefined,
      committed: async (copyId, target) => {
        const receipts = (await files.keys(`${target}/_waybill/${copyKey(copyId)}/chunk-`)).sort();
        const chunks: Committed = new Map();
        for (const key of receipts) {
          const chunk = Number(/\/chunk-(\d+)/.exec(key)?.[1]);
          if (chunks.has(chunk)) throw new Error(`chunk ${chunk} of ${target} has two receipts`);
          const content = await files.content(key).catch(() => undefined);
          if (content === undefined) continue;
          const stamp = content.toString();
          const [file] = (JSON.parse(stamp) as { files: { key: string }[] }).files;
          const generation = Number(/-(\d+)\.[a-z.]+$/.exec(file?.key ?? '')?.[1]);
          chunks.set(chunk, { attempt: generation % ATTEMPTS_PER_EPOCH, stamp });
        }
        return chunks;
      },
      rows: async (target) => {
        const published = await manifest(target);
        return published.length === 0 ? GONE : this.#readFiles(files, kind, published);
      },
      leftovers: async (target) => {
        const published = new Set(await manifest(target));
        const keys = await files.keys(`${target}/`);
        const kept = (key: string) =>
          published.has(key) ||
          (published.size > 0 &&
            (key.endsWith('/manifest.json') || /\/_waybill\/\w+\/(plan|chunk-)/.test(key)));
        return [
          ...keys.filter((key) => !kept(key)),
          ...(await files.uploads(`${target}/`)).map((key) => `upload of ${key}`),
        ];
      },
    };
  }

  async #readFiles(files: FilePlace, kind: string, keys: readonly string[]): Promise<CopiedRows> {
    const folder = await mkdtemp(join(tmpdir(), 'waybill-mortal-'));
    try {
      const paths = keys.map((_, i) => join(folder, `${i}.${kind}`));
      for (const [i, key] of keys.entries()) await writeFile(paths[i] as string, await files.content(key));
      const script = new URL('../../../test/support/copied_files.py', import.meta.url).pathname;
      const { stdout } = await promisify(execFile)(this.#world.python, [script, kind, ...paths]);
      return numbers(JSON.parse(stdout) as Record<string, unknown>);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}
