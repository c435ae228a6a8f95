// Steps of the EMR stand-in that are real Spark jobs: JSON to Delta over s3://, a job that fails, one that is cancelled.
// Three JVMs in all.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import * as emr from '@aws-sdk/client-emr';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { projectPath } from '../../dev/cache.ts';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensureClassData } from '../../dev/setup/class-data.ts';
import { ensureJars } from '../../dev/setup/jars.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import {
  clusterInput,
  credentials,
  type EmrStandIn,
  eventually,
  startEmr,
  step,
  stepIn,
} from '../support/emr-stand-in.ts';

const ENDED = ['COMPLETED', 'FAILED', 'CANCELLED'];

describe('EMR stand-in with Spark', () => {
  let directory: string;
  let s3: RunningS3;
  let objects: S3Client;
  let server: EmrStandIn;
  let cluster: string;

  before(
    async () => {
      const installing = ensurePython(console.error);
      const [python, jars] = await Promise.all([installing, ensureJars(console.error, installing)]);
      const classData = await ensureClassData(console.error, python, jars);
      directory = await mkdtemp(join(tmpdir(), 'waybill-emr-spark-'));
      s3 = await startS3({
        python: python.python,
        stateDirectory: join(directory, 's3'),
        buckets: ['lake'],
        credentials,
      });
      objects = new S3Client({
        endpoint: s3.endpoint,
        region: 'us-east-1',
        forcePathStyle: true,
        credentials,
      });
      server = await startEmr({
        'state-dir': join(directory, 'emr'),
        'spark-home': python.sparkHome,
        python: python.python,
        jars,
        's3-endpoint': s3.endpoint,
        'provisioning-ms': '50',
        ...(classData && { 'class-data': classData }),
      });
      const { JobFlowId } = await server.client.send(
        new emr.RunJobFlowCommand(
          clusterInput('spark', {
            Configurations: [
              {
                Classification: 'spark-defaults',
                Properties: {
                  'spark.sql.shuffle.partitions': '7',
                  'spark.databricks.delta.snapshotPartitions': '3',
                  'spark.driver.memory': '64g',
                  'spark.yarn.appMasterEnv.JOB_VARIABLE': 'from the cluster',
                },
              },
            ],
          }),
        ),
      );
      cluster = JobFlowId ?? '';
      for (const name of ['to_delta.py', 'fails.py', 'sleeps.py']) {
        await put(`jobs/${name}`, await readFile(projectPath('test', 'stand-ins', 'jobs', name), 'utf8'));
      }
    },
    { timeout: 600_000 },
  );

  after(async () => {
    await server?.stop();
    objects?.destroy();
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const put = (Key: string, Body: string) =>
    objects.send(new PutObjectCommand({ Bucket: 'lake', Key, Body }));
  const keys = async (Prefix: string) =>
    ((await objects.send(new ListObjectsV2Command({ Bucket: 'lake', Prefix }))).Contents ?? []).map(
      ({ Key }) => Key,
    );
  const addStep = async (config: emr.StepConfig): Promise<string> => {
    const { StepIds } = await server.client.send(
      new emr.AddJobFlowStepsCommand({ JobFlowId: cluster, Steps: [config] }),
    );
    return StepIds?.[0] ?? '';
  };
  const log = async (id: string, name: string): Promise<string> => {
    const Key = `logs/${cluster}/steps/${id}/${name}.gz`;
    const { Body } = await objects.send(new GetObjectCommand({ Bucket: 'lake', Key }));
    assert.ok(Body);
    return gunzipSync(await Body.transformToByteArray()).toString();
  };

  it('runs a PySpark job on s3:// data, with its files, settings and arguments', {
    timeout: 300_000,
  }, async () => {
    await put('in/a.json', [1, 2, 3].map((id) => JSON.stringify({ id, v: id / 2 })).join('\n'));
    await put('in/b.json', JSON.stringify({ id: 4, v: 10 }));
    await put('jobs/helper.py', 'def doubled(x):\n    return 2 * x\n');
    await put('jobs/words.txt', 'some words');
    const text = 'two words, "quotes" $HOME `id` ; --conf x=y s3://lake/jobs/helper.py';
    const id = await addStep(
      step('to delta', [
        'spark-submit',
        '--master',
        'yarn',
        '--deploy-mode=cluster',
        '--conf',
        'spark.sql.shuffle.partitions=9',
        '--conf',
        'spark.dynamicAllocation.enabled=true',
        '--py-files',
        's3://lake/jobs/helper.py',
        '--files',
        's3://lake/jobs/words.txt',
        's3://lake/jobs/to_delta.py',
        's3://lake/in/',
        's3://lake/out/table',
        text,
        'words.txt',
      ]),
    );
    const ended = await stepIn(server.client, cluster, id, ENDED, 240);
    const stdout = await log(id, 'stdout');
    assert.equal(ended.Status?.State, 'COMPLETED', `${JSON.stringify(ended.Status)}\n${stdout}`);
    assert.deepEqual(JSON.parse(/^REPORT (.*)$/m.exec(stdout)?.[1] ?? '{}'), {
      rows: 4,
      sum: 26,
      text,
      file: 'some words',
      'file in working directory': true,
      master: 'local[2]',
      shuffle: '9',
      discovery: '2',
      snapshot: '3',
      zone: 'UTC',
      variable: 'from the cluster',
      'secrets in configuration': [],
    });
    assert.ok(
      (await keys('out/table/_delta_log/')).includes('out/table/_delta_log/00000000000000000000.json'),
    );
    const controller = await log(id, 'controller');
    assert.match(controller, /left out spark\.dynamicAllocation\.enabled/);
    assert.match(controller, /spark\.driver\.memory 64g became 2048m/);
    assert.ok(!controller.includes(credentials.secretAccessKey));
    assert.deepEqual(
      (await keys(`logs/${cluster}/steps/${id}/`)).map((key) => key?.split('/').at(-1)),
      ['controller.gz', 'stderr.gz', 'stdout.gz', 'syslog.gz'],
    );
  });

  it('reports why a job failed', { timeout: 300_000 }, async () => {
    const id = await addStep(step('fails', ['spark-submit', 's3://lake/jobs/fails.py']));
    const { Status } = await stepIn(server.client, cluster, id, ENDED, 240);
    assert.equal(Status?.State, 'FAILED');
    const { Message, LogFile } = Status?.FailureDetails ?? {};
    assert.match(
      Message ?? '',
      /AnalysisException: \[(DELTA_TABLE_NOT_FOUND|DELTA_PATH_DOES_NOT_EXIST|PATH_NOT_FOUND)\]/,
    );
    const name = /\/(stdout|stderr)\.gz$/.exec(LogFile ?? '')?.[1];
    assert.ok(name, `${LogFile}`);
    assert.match(await log(id, name), /Traceback \(most recent call last\)/);
  });

  it('ends a cancelled job with all its processes', { timeout: 300_000 }, async () => {
    const id = await addStep(
      step('sleeps', ['spark-submit', 's3://lake/jobs/sleeps.py', 's3://lake/out/up']),
    );
    await eventually('Spark works', async () => (await keys('out/up/_SUCCESS')).length || undefined, 240);
    assert.ok(processesOf(id).length >= 2, 'a JVM and a Python at least');
    await server.client.send(new emr.CancelStepsCommand({ ClusterId: cluster, StepIds: [id] }));
    await stepIn(server.client, cluster, id, ['CANCELLED'], 60);
    await eventually('no process is left', async () => (processesOf(id).length ? undefined : true));
  });
});

/** Ids of the processes that carry the step's mark. */
function processesOf(stepId: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return (
        /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`EMR_STEP_ID=${stepId}`)
      );
    } catch {
      return false;
    }
  });
}
