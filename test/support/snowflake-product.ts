// The product's Snowflake connector against the stand-in: whole copies by the real activities, and its parts alone.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createCopyActivities } from '../../src/activities/copy.ts';
import type { SqlRow } from '../../src/connectors/common/sql-store.ts';
import { snowflakeConfig } from '../../src/connectors/snowflake/config.ts';
import { SnowflakeConnection } from '../../src/connectors/snowflake/connection.ts';
import type { ChunkResult, CopyActivities, PublishResult } from '../../src/core/copy/activities.ts';
import type { CopyEndpoint, CopyInput } from '../../src/core/copy.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';
import { password, user } from './snowflake-stand-in.ts';

/** For assert.rejects: a WaybillError of that code, with a message that matches. */
export const coded =
  (code: string, message?: RegExp) =>
  (error: unknown): boolean =>
    error instanceof WaybillError && error.code === code && (message?.test(error.message) ?? true);

export const snowflakeService = (url: string, properties: JsonObject = {}): ConnectedLinkedService => ({
  name: 'ls_snowflake',
  type: 'SnowflakeV2',
  properties: {
    host: url,
    accountIdentifier: 'waybill',
    user,
    password,
    database: 'DB1',
    ...properties,
  },
});

export interface Copied {
  readonly chunks: ChunkResult[];
  readonly published: PublishResult;
}

export class SnowflakeCopies {
  /** By name; may be changed between attempts, as secrets are. */
  readonly services: Record<string, ConnectedLinkedService> = {};
  readonly workDirectory: string;
  readonly #activities: CopyActivities;

  constructor(url: string, directory: string) {
    this.services['ls_snowflake'] = snowflakeService(url);
    this.workDirectory = join(directory, 'work');
    mkdirSync(this.workDirectory, { recursive: true });
    this.#activities = createCopyActivities({
      resolveLinkedService: async (name) => {
        const service = this.services[name];
        if (service === undefined) throw new WaybillError('REFERENCE_MISSING', name);
        return service;
      },
      workDirectory: this.workDirectory,
    });
  }

  table(name: string, settings: JsonObject = {}): CopyEndpoint {
    return {
      linkedService: 'ls_snowflake',
      datasetType: 'SnowflakeV2Table',
      dataset: { schema: 'PUBLIC', table: name },
      settings,
    };
  }

  input(copyId: string, source: CopyEndpoint, sink: CopyEndpoint, options: JsonObject = {}): CopyInput {
    return { copyId, pipeline: 'test', activity: copyId, source, sink, options };
  }

  run<A extends keyof CopyActivities>(
    name: A,
    argument: Parameters<CopyActivities[A]>[0],
    attempt = 1,
  ): Promise<Awaited<ReturnType<CopyActivities[A]>>> {
    const activity = this.#activities[name] as (
      argument: unknown,
    ) => Promise<Awaited<ReturnType<CopyActivities[A]>>>;
    return new MockActivityEnvironment({ attempt }).run(activity, argument);
  }

  /** A whole copy, cleaned up at the end. */
  async copy(
    copyId: string,
    source: CopyEndpoint,
    sink: CopyEndpoint,
    options: JsonObject = {},
  ): Promise<Copied> {
    const input = this.input(copyId, source, sink, options);
    const plan = await this.run('planCopy', input);
    const chunks: ChunkResult[] = [];
    for (let chunk = 0; chunk < plan.chunks; chunk++) {
      chunks.push(await this.run('copyChunk', { copy: input, chunk, epoch: plan.epoch }));
    }
    const published = await this.run('publishCopy', { copy: input, epoch: plan.epoch });
    await this.run('cleanUpCopy', input);
    return { chunks, published };
  }
}

export const openSession = (service: ConnectedLinkedService): Promise<SnowflakeConnection> =>
  SnowflakeConnection.open(snowflakeConfig(service), 'test', new AbortController().signal);

/** The rows of one query through the product's connection. */
export const ask = async (service: ConnectedLinkedService, sql: string): Promise<SqlRow[]> => {
  const connection = await openSession(service);
  try {
    return await connection.query(sql, 'asking');
  } finally {
    await connection.close();
  }
};
