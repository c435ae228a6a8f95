// Every engine of the world: killed, it is back with what it was given; stopped, it refuses; started, it is back again.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  EMRClient,
  ListClustersCommand,
  RunJobFlowCommand,
  TerminateJobFlowsCommand,
} from '@aws-sdk/client-emr';
import {
  CreateApplicationCommand,
  EMRServerlessClient,
  ListApplicationsCommand,
} from '@aws-sdk/client-emr-serverless';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { type BlockBlobClient, ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { Client, Connection } from '@temporalio/client';
import mysql from 'mysql2/promise';
import snowflake from 'snowflake-sdk';
import { connectSqlServer } from '../../dev/seed/sql-server.ts';
import { worldStartEngine, worldStatus, worldStopEngine } from '../../dev/world/lifecycle.ts';
import { type EngineName, engineNames } from '../../dev/world/state.ts';
import type { World } from '../../dev/world/world.ts';
import { sharedWorld } from '../support/world.ts';

/** How a client gives an engine something to keep, and sees whether it still has it. */
interface Keeping {
  readonly give: () => Promise<void>;
  readonly has: () => Promise<boolean>;
}

let world: World;
before(async () => {
  world = await sharedWorld();
});

const keeping: Record<Exclude<EngineName, 'postgres' | 'kafka'>, Keeping> = {
  temporal: {
    give: () =>
      withTemporal(
        async (client) =>
          void (await client.workflow.start('none', { taskQueue: 'none', workflowId: 'kept' })),
      ),
    has: () =>
      withTemporal(async (client) => {
        const { status } = await client.workflow.getHandle('kept').describe();
        return status.name === 'RUNNING';
      }),
  },
  mysql: {
    give: async () => {
      await inMysql('CREATE TABLE kept (n int)');
      await inMysql('INSERT INTO kept VALUES (42)');
    },
    has: async () => (await inMysql('SELECT n FROM kept'))[0]?.['n'] === 42,
  },
  sqlserver: {
    give: async () =>
      void (await sqlServer('CREATE TABLE dbo.kept (n int); INSERT INTO dbo.kept VALUES (42)')),
    has: async () => (await sqlServer('SELECT n FROM dbo.kept'))[0]?.['n'] === 42,
  },
  snowflake: {
    give: async () => {
      await inSnowflake('CREATE DATABASE IF NOT EXISTS KEPT');
      await inSnowflake('CREATE TABLE KEPT.PUBLIC.KEPT (N int)');
      await inSnowflake('INSERT INTO KEPT.PUBLIC.KEPT VALUES (42)');
    },
    has: async () => Number((await inSnowflake('SELECT N FROM KEPT.PUBLIC.KEPT'))[0]?.['N']) === 42,
  },
  s3: {
    give: async () => {
      await s3().send(new CreateBucketCommand({ Bucket: 'kept' }));
      await s3().send(new PutObjectCommand({ Bucket: 'kept', Key: 'a/b', Body: 'forty-two' }));
    },
    has: async () => {
      const { Body } = await s3().send(new GetObjectCommand({ Bucket: 'kept', Key: 'a/b' }));
      return (await Body?.transformToString()) === 'forty-two';
    },
  },
  'azure-blob': {
    give: async () => {
      await azureBlob().upload('forty-two', 9);
      // Azurite writes its catalogue every few seconds: what it has not written, a crash costs.
      const catalogue = join(world.directory, 'azure-blob', '__azurite_db_blob__.json');
      await until(() => readFileSync(catalogue, 'utf8').includes('"a/b"'));
    },
    has: async () => (await azureBlob().downloadToBuffer()).toString() === 'forty-two',
  },
  emr: {
    give: async () =>
      void (await emr().send(
        new RunJobFlowCommand({
          Name: 'kept',
          ReleaseLabel: 'emr-7.9.0',
          JobFlowRole: 'EMR_EC2_DefaultRole',
          ServiceRole: 'EMR_DefaultRole',
          Instances: {
            KeepJobFlowAliveWhenNoSteps: true,
            InstanceGroups: [{ InstanceRole: 'MASTER', InstanceType: 'm5.xlarge', InstanceCount: 1 }],
          },
        }),
      )),
    has: async () => {
      const { Clusters } = await emr().send(new ListClustersCommand({}));
      return (Clusters ?? []).filter(({ Name }) => Name === 'kept').length === 1;
    },
  },
  'emr-serverless': {
    give: async () => {
      const kept = { name: 'kept', releaseLabel: 'emr-7.10.0', type: 'SPARK' };
      await emrServerless().send(new CreateApplicationCommand(kept));
    },
    has: async () => {
      const { applications = [] } = await emrServerless().send(new ListApplicationsCommand({}));
      return applications.filter(({ name }) => name === 'kept').length === 1;
    },
  },
  databricks: {
    give: async () =>
      void (await databricks('POST', 'create', {
        name: 'kept',
        tasks: [{ task_key: 'main', notebook_task: { notebook_path: '/kept' } }],
      })),
    has: async () => {
      const { jobs } = await databricks('GET', 'list');
      return jobs?.filter(({ settings }) => settings.name === 'kept').length === 1;
    },
  },
};

for (const engine of engineNames.filter((name) => name !== 'postgres')) {
  test(`${engine} keeps what it was given`, async () => {
    const { give, has } = keeping[engine];
    await give();
    assert.ok(await has());

    const before = worldStatus(world.name)?.engines[engine]?.process;
    assert.ok(before);
    process.kill(before.pid, 'SIGKILL');
    await until(() => {
      const status = worldStatus(world.name)?.engines[engine];
      return status?.state === 'running' && status.process?.pid !== before.pid;
    });
    assert.ok(await has(), 'after SIGKILL and the restart');

    await worldStopEngine(world.name, engine);
    await assert.rejects(has(), `${engine} is stopped`);
    await worldStartEngine(world.name, engine);
    assert.ok(await has(), 'after stop and start');
  });
}

test('nothing of it costs anything in the end', async () => {
  const { Clusters } = await emr().send(new ListClustersCommand({}));
  const JobFlowIds = (Clusters ?? []).flatMap(({ Id, Name }) => (Id && Name === 'kept' ? [Id] : []));
  assert.equal(JobFlowIds.length, 1);
  await emr().send(new TerminateJobFlowsCommand({ JobFlowIds }));
});

function azureBlob(): BlockBlobClient {
  const { endpoint, container, accountKeyEnv } = world.azureBlob;
  const credential = new StorageSharedKeyCredential('waybill', world.env[accountKeyEnv] ?? '');
  const options = { retryOptions: { maxTries: 1 } };
  return new ContainerClient(`${endpoint}/${container}`, credential, options).getBlockBlobClient('a/b');
}

async function withTemporal<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address: world.temporal.address, connectTimeout: 5000 });
  try {
    return await work(new Client({ connection }));
  } finally {
    await connection.close();
  }
}

async function inMysql(statement: string): Promise<Record<string, unknown>[]> {
  const { server, port, user, passwordEnv, database } = world.mysql;
  const password = world.env[passwordEnv] ?? '';
  const connection = await mysql.createConnection({ host: server, port, user, password, database });
  try {
    return (await connection.query(statement))[0] as Record<string, unknown>[];
  } finally {
    await connection.end();
  }
}

async function sqlServer(text: string): Promise<Record<string, unknown>[]> {
  const pool = await connectSqlServer(world, 'master');
  try {
    return (await pool.query<Record<string, unknown>>(text)).recordset ?? [];
  } finally {
    await pool.close();
  }
}

async function inSnowflake(sqlText: string): Promise<Record<string, unknown>[]> {
  const { url, account, user, passwordEnv } = world.snowflake;
  snowflake.configure({ logLevel: 'OFF' });
  const connection = snowflake.createConnection({
    ...{ account, username: user, accessUrl: url, sfRetryMaxLoginRetries: 1 },
    password: world.env[passwordEnv] ?? '',
  });
  await connection.connectAsync();
  try {
    return await new Promise((resolve, reject) => {
      connection.execute({
        sqlText,
        complete: (error, _, rows) => (error ? reject(error) : resolve(rows ?? [])),
      });
    });
  } finally {
    await new Promise((done) => connection.destroy(done));
  }
}

const credentials = () => ({
  accessKeyId: world.env['AWS_ACCESS_KEY_ID'] ?? '',
  secretAccessKey: world.env['AWS_SECRET_ACCESS_KEY'] ?? '',
});
const s3 = () =>
  new S3Client({
    endpoint: world.s3.endpoint,
    region: world.s3.region,
    forcePathStyle: true,
    credentials: credentials(),
  });
const emr = () =>
  new EMRClient({ endpoint: world.emr.endpoint, region: world.s3.region, credentials: credentials() });
const emrServerless = () =>
  new EMRServerlessClient({
    endpoint: world.emrServerless.endpoint,
    region: world.s3.region,
    credentials: credentials(),
  });

async function databricks(method: string, operation: string, body?: object) {
  const { url, tokenEnv } = world.databricks;
  const response = await fetch(`${url}/api/2.2/jobs/${operation}`, {
    method,
    headers: { authorization: `Bearer ${world.env[tokenEnv]}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  assert.ok(response.ok);
  return (await response.json()) as { jobs?: { settings: { name: string } }[] };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'did not happen within a minute');
    await delay(50);
  }
}
