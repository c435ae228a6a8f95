// Copies by calling the copy activities as a worker would, against the engines of a world.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { MockActivityEnvironment } from '@temporalio/testing';
import pg from 'pg';
import snowflake from 'snowflake-sdk';
import { connectSqlServer } from '../../dev/seed/sql-server.ts';
import type { World } from '../../dev/world/world.ts';
import { createCopyActivities } from '../../src/activities/copy.ts';
import type { ChunkResult, CopyActivities, CopyPlan, PublishResult } from '../../src/core/copy/activities.ts';
import type { CopyEndpoint, CopyInput } from '../../src/core/copy.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';

export const database = 'contract';
export const bucket = 'contract';

/** Every store the registry knows, by the linked-service type its harness uses. */
export const storeTypes = ['SqlServer', 'SnowflakeV2', 'PostgreSqlV2', 'AmazonS3'] as const;
export type StoreType = (typeof storeTypes)[number];

export interface CopyRun {
  readonly input: CopyInput;
  readonly plan: CopyPlan;
  readonly chunks: ChunkResult[];
  readonly published: PublishResult;
}

export class CopyHarness {
  readonly world: World;
  readonly postgres: pg.Client;
  readonly workDirectory: string;
  readonly #activities: CopyActivities;
  readonly #s3: S3Client;

  private constructor(world: World, postgres: pg.Client, workDirectory: string) {
    this.world = world;
    this.postgres = postgres;
    this.workDirectory = workDirectory;
    this.#activities = createCopyActivities({
      resolveLinkedService: async (name) => this.service(name),
      workDirectory,
    });
    this.#s3 = new S3Client({
      endpoint: world.s3.endpoint,
      region: world.s3.region,
      forcePathStyle: true,
      credentials: this.#awsCredentials,
    });
  }

  /** Makes the databases and the bucket that the tests copy between. */
  static async start(world: World): Promise<CopyHarness> {
    const { host, port, user } = world.postgres;
    const admin = new pg.Client({ host, port, user, database: 'postgres' });
    await admin.connect();
    const name = `${database}_${process.pid}`;
    await admin.query(`CREATE DATABASE ${name}`);
    await admin.end();
    const postgres = new pg.Client({ host, port, user, database: name });
    await postgres.connect();
    await postgres.query("SET timezone = 'UTC'");
    const harness = new CopyHarness(world, postgres, await mkdtemp(join(tmpdir(), 'waybill-copy-')));
    await harness.sqlServer(`CREATE DATABASE ${harness.sqlServerDatabase}`, 'master');
    await harness.snowflake(`CREATE DATABASE IF NOT EXISTS ${name}`);
    await harness.snowflake(`CREATE SCHEMA IF NOT EXISTS ${name}.PUBLIC`);
    await harness.#s3.send(new CreateBucketCommand({ Bucket: bucket })).catch(() => undefined);
    return harness;
  }

  async stop(): Promise<void> {
    await this.postgres.end();
    this.#s3.destroy();
    await rm(this.workDirectory, { recursive: true, force: true });
  }

  /** The SQL Server stand-in keeps its databases in the same PostgreSQL: a name of its own. */
  get sqlServerDatabase(): string {
    return `${this.name}_tsql`;
  }

  /** The database's name in PostgreSQL and Snowflake. */
  get name(): string {
    return `${database}_${process.pid}`;
  }

  service(type: string): ConnectedLinkedService {
    const { sqlServer, snowflake: sf, postgres, s3, env } = this.world;
    const properties: Record<StoreType, JsonObject> = {
      SqlServer: {
        server: `${sqlServer.server},${sqlServer.port}`,
        database: this.sqlServerDatabase,
        userName: sqlServer.user,
        password: env[sqlServer.passwordEnv] ?? '',
        caFile: sqlServer.caFile,
      },
      SnowflakeV2: {
        host: sf.url,
        accountIdentifier: sf.account,
        user: sf.user,
        password: env[sf.passwordEnv] ?? '',
        database: this.name.toUpperCase(),
        schema: 'PUBLIC',
      },
      PostgreSqlV2: {
        server: postgres.host,
        port: postgres.port,
        username: postgres.user,
        database: this.name,
        sslMode: 'disable',
      },
      AmazonS3: { serviceUrl: s3.endpoint, region: s3.region, ...this.#awsCredentials },
    };
    return { name: type, type, properties: properties[type as StoreType] };
  }

  /** A table (or, on S3, a folder) of that name as one end of a copy. */
  endpoint(type: StoreType, name: string, settings: JsonObject = {}): CopyEndpoint {
    const schema: Record<StoreType, string> = {
      SqlServer: 'dbo',
      SnowflakeV2: 'PUBLIC',
      PostgreSqlV2: 'public',
      AmazonS3: '',
    };
    const dataset: JsonObject =
      type === 'AmazonS3'
        ? {
            location: { type: 'AmazonS3Location', bucketName: bucket, folderPath: name },
            firstRowAsHeader: true,
            compressionCodec: 'gzip',
          }
        : { schema: schema[type], table: type === 'SnowflakeV2' ? name.toUpperCase() : name };
    return {
      linkedService: type,
      datasetType: type === 'AmazonS3' ? 'DelimitedText' : `${type}Table`,
      dataset,
      settings: { type: `${type}Source`, ...settings },
    };
  }

  input(copyId: string, source: CopyEndpoint, sink: CopyEndpoint, options: JsonObject = {}): CopyInput {
    return {
      copyId: `${this.name}/${copyId}`,
      pipeline: 'contract',
      activity: copyId,
      source,
      sink,
      options,
    };
  }

  /** Runs one activity as an attempt of a worker would. */
  run<A extends keyof CopyActivities>(
    name: A,
    argument: Parameters<CopyActivities[A]>[0],
    attempt = 1,
  ): Promise<Awaited<ReturnType<CopyActivities[A]>>> {
    const environment = new MockActivityEnvironment({ attempt });
    const activity = this.#activities[name] as (
      argument: unknown,
    ) => Promise<Awaited<ReturnType<CopyActivities[A]>>>;
    return environment.run(activity, argument);
  }

  /** A whole copy, chunk after chunk. */
  async copy(
    copyId: string,
    source: CopyEndpoint,
    sink: CopyEndpoint,
    options: JsonObject = {},
  ): Promise<CopyRun> {
    const input = this.input(copyId, source, sink, options);
    const plan = await this.run('planCopy', input);
    const chunks: ChunkResult[] = [];
    for (let chunk = 0; chunk < plan.chunks; chunk++) {
      chunks.push(await this.run('copyChunk', { copy: input, chunk, epoch: plan.epoch }));
    }
    const published = await this.run('publishCopy', { copy: input, epoch: plan.epoch });
    await this.run('cleanUpCopy', input);
    return { input, plan, chunks, published };
  }

  async sqlServer(
    statement: string,
    inDatabase = this.sqlServerDatabase,
  ): Promise<Record<string, unknown>[]> {
    const pool = await connectSqlServer(this.world, inDatabase);
    try {
      return (await pool.request().batch<Record<string, unknown>>(statement)).recordset ?? [];
    } finally {
      await pool.close();
    }
  }

  async snowflake(statement: string): Promise<Record<string, unknown>[]> {
    const { url, account, user, passwordEnv } = this.world.snowflake;
    snowflake.configure({ logLevel: 'OFF', additionalLogToConsole: false });
    const connection = snowflake.createConnection({
      account,
      accessUrl: url,
      username: user,
      password: this.world.env[passwordEnv] ?? '',
      database: this.name.toUpperCase(),
      schema: 'PUBLIC',
    });
    await connection.connectAsync();
    try {
      return await new Promise((resolve, reject) => {
        connection.execute({
          sqlText: statement,
          complete: (error, _statement, rows) =>
            error ? reject(error) : resolve((rows ?? []) as Record<string, unknown>[]),
        });
      });
    } finally {
      await new Promise((done) => connection.destroy(done));
    }
  }

  /** How many rows the store's own client finds in a table. */
  async count(type: StoreType, name: string): Promise<number> {
    const sql = `SELECT COUNT(*) AS n FROM ${type === 'SnowflakeV2' ? name.toUpperCase() : name}`;
    const rows =
      type === 'SqlServer'
        ? await this.sqlServer(sql)
        : type === 'SnowflakeV2'
          ? await this.snowflake(sql)
          : (await this.postgres.query(sql)).rows;
    return Number(rows[0]?.['n'] ?? rows[0]?.['N']);
  }

  /** Names of tables that look like staging. */
  async stagingTables(type: StoreType): Promise<string[]> {
    const sql =
      "SELECT TABLE_NAME AS t FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME LIKE '%#_#_wb#_%' ESCAPE '#'";
    const rows =
      type === 'SqlServer'
        ? await this.sqlServer(sql)
        : type === 'SnowflakeV2'
          ? await this.snowflake(sql)
          : (await this.postgres.query(sql)).rows;
    return rows.map((row) => String(row['t'] ?? row['T']));
  }

  async keys(prefix: string): Promise<string[]> {
    const found = await this.#s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
    return (found.Contents ?? []).map((one) => one.Key ?? '');
  }

  async openUploads(): Promise<number> {
    const found = await this.#s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    return found.Uploads?.length ?? 0;
  }

  get #awsCredentials(): { accessKeyId: string; secretAccessKey: string } {
    return {
      accessKeyId: this.world.env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: this.world.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    };
  }
}
