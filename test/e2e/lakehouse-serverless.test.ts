// A lakehouse run on EMR Serverless whose worker is killed at the worst moments, whose calls' answers are lost, which is
// cancelled, fails and is terminated: one application, each job run once, and nothing left. Real Temporal server, EMR
// Serverless and S3 stand-ins; the jobs are plain Python but for the last, which Spark runs.
import '../support/quiet-temporal.ts';
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  CancelJobRunCommand,
  CreateApplicationCommand,
  EMRServerlessClient,
  GetApplicationCommand,
  GetJobRunCommand,
  ListApplicationsCommand,
  ListJobRunsCommand,
  StartJobRunCommand,
} from '@aws-sdk/client-emr-serverless';
import { defineSearchAttributeKey } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode } from '@temporalio/worker';
import { projectPath } from '../../dev/cache.ts';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensureClassData } from '../../dev/setup/class-data.ts';
import { ensureJars } from '../../dev/setup/jars.ts';
import { ensurePython, type PythonHome } from '../../dev/setup/python.ts';
import { temporalExecutable } from '../../dev/setup/temporal.ts';
import { createCompute } from '../../src/compute/registry.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { RunLakehouseOutput } from '../../src/core/run.ts';
import { credentials, eventually, type RunningProgram, startProgram } from '../support/emr-stand-in.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import type { LakehouseWorkerSettings } from '../support/lakehouse-worker.ts';

process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey;
process.env['AWS_REGION'] = 'us-east-1';

const FIXTURES = projectPath('test', 'fixtures', 'lakehouse');
const THROTTLED = JSON.stringify({ __type: 'ThrottlingException', message: 'Rate exceeded' });
const ROLE = 'arn:aws:iam::000000000000:role/lake-jobs';
const CALLS = {
  CreateApplication: /^POST \/applications $/,
  StartJobRun: /^POST \/applications\/\w+\/jobruns $/,
  StopApplication: /^POST \/applications\/\w+\/stop $/,
  DeleteApplication: /^DELETE \/applications\/\w+ $/,
  CancelJobRun: /^DELETE \/applications\/\w+\/jobruns\/\w+ $/,
};

describe('a lakehouse run on EMR Serverless', () => {
  let directory: string;
  let python: PythonHome;
  let s3: RunningS3;
  let standIn: RunningProgram;
  let client: EMRServerlessClient;
  let proxy: FaultProxy;
  let environment: TestWorkflowEnvironment;
  let settings: LakehouseWorkerSettings;
  const workers: ChildProcess[] = [];
  let number = 0;

  before(
    async () => {
      python = await ensurePython(console.error);
      directory = await mkdtemp(join(tmpdir(), 'waybill-serverless-'));
      s3 = await startS3({
        python: python.python,
        stateDirectory: join(directory, 's3'),
        buckets: ['lake', 'code', 'logs'],
        credentials,
      });
      standIn = await start('light', { 'spark-home': join(FIXTURES, 'light-spark'), jars: directory });
      client = clientOf(standIn);
      proxy = await startFaultProxy(standIn.endpoint);
      environment = await TestWorkflowEnvironment.createLocal({
        server: {
          executable: await temporalExecutable(),
          searchAttributes: [defineSearchAttributeKey('WaybillStage', 'KEYWORD')],
        },
      });
      const { code } = await bundleWorkflowCode({
        workflowsPath: fileURLToPath(new URL('../support/lakehouse-workflows.js', import.meta.url)),
      });
      await writeFile(join(directory, 'bundle.js'), code);
      settings = {
        address: environment.address,
        taskQueue: 'serverless',
        bundle: join(directory, 'bundle.js'),
        emrServerlessEndpoint: proxy.endpoint,
        s3Endpoint: s3.endpoint,
        factoryDirectory: join(directory, 'factory'),
        jobsDirectory: join(FIXTURES, 'light-jobs'),
      };
      await writeDefinition();
    },
    { timeout: 300_000 },
  );

  after(async () => {
    await environment?.teardown();
    await proxy?.stop();
    client?.destroy();
    await standIn?.stop();
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  afterEach(async () => {
    proxy.faults.length = 0;
    proxy.calls.length = 0;
    await Promise.all(workers.splice(0).map(kill));
  });

  const start = (state: string, flags: Record<string, string>) =>
    startProgram('emr-serverless', {
      'state-dir': join(directory, state),
      python: python.python,
      's3-endpoint': s3.endpoint,
      'provisioning-ms': '50',
      ...flags,
    });
  const clientOf = ({ endpoint }: RunningProgram) =>
    new EMRServerlessClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 });

  /** The tiny pipeline with a job that takes a while, and no copies. */
  async function writeDefinition(change: (parts: Parts) => void = () => undefined): Promise<void> {
    const read = async (name: string): Promise<JsonObject> =>
      JSON.parse(await readFile(join(FIXTURES, name), 'utf8')) as JsonObject;
    const { stages, ...rest } = (await read('tiny.json')) as JsonObject & {
      stages: Record<string, JsonObject>;
    };
    const { process: processing, optimize } = stages;
    const [silver] = (processing?.['jobs'] ?? []) as JsonObject[];
    const parts: Parts = {
      engine: await read('serverless-engine.json'),
      process: { ...processing, jobs: [{ ...silver, arguments: { seconds: '4' } }], checks: [] },
      ...(optimize === undefined ? {} : { optimize }),
    };
    change(parts);
    const { engine, ...kept } = parts;
    await mkdir(join(directory, 'factory', 'lakehouse'), { recursive: true });
    const definition = JSON.stringify({ ...rest, engine, stages: kept });
    await writeFile(join(directory, 'factory', 'lakehouse', 'tiny.json'), definition);
  }

  async function startWorker(more: Partial<LakehouseWorkerSettings> = {}): Promise<ChildProcess> {
    const program = fileURLToPath(new URL('../support/lakehouse-worker.js', import.meta.url));
    const child = spawn(process.execPath, [program, JSON.stringify({ ...settings, ...more })], {
      stdio: ['ignore', 'pipe', process.env['VERBOSE'] ? 'inherit' : 'ignore'],
    });
    workers.push(child);
    assert.ok(child.stdout);
    await once(createInterface({ input: child.stdout }), 'line');
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  const run = () => {
    number += 1;
    return environment.client.workflow.start('runLakehouse', {
      workflowId: `lakehouse/tiny/${number}`,
      taskQueue: settings.taskQueue,
      args: [{ name: 'tiny', window: `w${number}`, parameters: {}, trigger: 'client' }],
    });
  };

  const seen = (call: keyof typeof CALLS): Promise<true> =>
    eventually(`${call} was called`, async () =>
      proxy.calls.some((one) => CALLS[call].test(one.call)) ? true : undefined,
    );

  /** Applications of the newest run with state and job runs, asked of the service itself. */
  async function ofRun(asked = client): Promise<{ state: string; jobs: string[] }[]> {
    const { applications = [] } = await asked.send(new ListApplicationsCommand({}));
    const own: { state: string; jobs: string[] }[] = [];
    for (const { id: applicationId, state = '' } of applications) {
      const { application } = await asked.send(new GetApplicationCommand({ applicationId }));
      if (application?.tags?.['waybill:owner'] !== `lakehouse/tiny/${number}`) continue;
      own.push({ state, jobs: await jobsOf(applicationId, asked) });
    }
    return own;
  }
  async function jobsOf(applicationId: string | undefined, asked = client): Promise<string[]> {
    const { jobRuns = [] } = await asked.send(new ListJobRunsCommand({ applicationId }));
    return jobRuns.map((one) => `${one.name?.split('#')[0]} ${one.state}`).reverse();
  }
  const silverRuns = () =>
    eventually('silver runs', async () =>
      (await ofRun())[0]?.jobs.includes('silver RUNNING') ? true : undefined,
    );

  const ONCE = [{ state: 'TERMINATED', jobs: ['silver SUCCESS', 'compact SUCCESS'] }];

  for (const [moment, call] of [
    ['while the application is being created', 'CreateApplication'],
    ['while a job run is being started', 'StartJobRun'],
    ['while the application is being deleted', 'DeleteApplication'],
  ] as const) {
    it(`has one application and each job run once when its worker is killed ${moment}`, {
      timeout: 180_000,
    }, async () => {
      // The answer never arrives: the worker dies with the call open, and nothing has recorded its effect.
      proxy.faults.push({ match: CALLS[call], kind: 'stalled', times: 1 });
      const first = await startWorker();
      const handle = await run();
      await seen(call);
      await kill(first);
      await startWorker();
      const output = (await handle.result()) as RunLakehouseOutput;
      assert.equal(output.status, 'Succeeded');
      assert.deepEqual(await ofRun(), ONCE);
    });
  }

  it('has each once when answers are lost and calls are throttled, and tells what it cost', {
    timeout: 180_000,
  }, async () => {
    proxy.faults.push({ match: CALLS.CreateApplication, kind: 'lost', times: 1 });
    proxy.faults.push({ match: CALLS.StartJobRun, kind: 'lost', times: 1 });
    proxy.faults.push({ match: /^(GET|DELETE)/, kind: 'status', status: 429, body: THROTTLED, times: 5 });
    await startWorker();
    const output = (await (await run()).result()) as RunLakehouseOutput;
    assert.deepEqual(await ofRun(), ONCE);
    assert.ok(proxy.faults.every(({ times }) => times === 0));
    const { cost } = output;
    assert.ok(cost && cost.service > 0 && cost.amount === cost.service, JSON.stringify(cost));
    assert.deepEqual([cost.unpriced, cost.instanceHours, cost.clusters], [[], 0, [output.cluster?.id]]);
  });

  it('goes on when its worker is killed while a job runs', { timeout: 180_000 }, async () => {
    const first = await startWorker();
    const handle = await run();
    await silverRuns();
    await kill(first);
    await startWorker();
    await handle.result();
    assert.deepEqual(await ofRun(), ONCE);
  });

  it('stops the job within ten seconds of a cancellation, and leaves no application', {
    timeout: 180_000,
  }, async () => {
    await startWorker();
    const handle = await run();
    await silverRuns();
    const asked = Date.now();
    await handle.cancel();
    await seen('CancelJobRun');
    assert.ok(Date.now() - asked < 10_000);
    await assert.rejects(handle.result());
    assert.deepEqual(await ofRun(), [{ state: 'TERMINATED', jobs: ['silver CANCELLED'] }]);
  });

  it('leaves no application when it is terminated, which runs none of its code', {
    timeout: 180_000,
  }, async () => {
    await startWorker();
    const handle = await run();
    await silverRuns();
    await handle.terminate('operator');
    await eventually('the application has gone', async () =>
      (await ofRun())[0]?.state === 'TERMINATED' ? true : undefined,
    );
    assert.deepEqual(await ofRun(), [{ state: 'TERMINATED', jobs: ['silver CANCELLED'] }]);
  });

  it('uses an application that is there, leaves it and the jobs of others, also when cancelled', {
    timeout: 180_000,
  }, async () => {
    const { applicationId } = await client.send(
      new CreateApplicationCommand({ name: 'shared', releaseLabel: 'emr-7.10.0', type: 'SPARK' }),
    );
    await eventually('it is there', async () => {
      const { application } = await client.send(new GetApplicationCommand({ applicationId }));
      return application?.state === 'CREATED' ? true : undefined;
    });
    const main = 's3://code/others.py';
    const compute = createCompute({ region: 'us-east-1', s3Endpoint: s3.endpoint });
    await compute.storage.write(main, Buffer.from('import time; time.sleep(600)\n'), 'text/x-python');
    const { jobRunId: others } = await client.send(
      new StartJobRunCommand({
        applicationId,
        name: 'of others',
        executionRoleArn: ROLE,
        jobDriver: { sparkSubmit: { entryPoint: main } },
      }),
    );
    await writeDefinition((parts) => {
      const { application: _, ...rest } = parts.engine;
      parts.engine = { ...rest, attach: applicationId ?? '' };
    });
    await startWorker();
    const output = (await (await run()).result()) as RunLakehouseOutput;
    assert.equal(output.cluster?.id, applicationId);
    assert.ok(output.cost && output.cost.service > 0);
    const done = ['of others RUNNING', 'silver SUCCESS', 'compact SUCCESS'];
    assert.deepEqual(await jobsOf(applicationId), done);

    const second = await run();
    await eventually('silver runs', async () =>
      (await jobsOf(applicationId)).includes('silver RUNNING') ? true : undefined,
    );
    await second.cancel();
    await assert.rejects(second.result());
    assert.deepEqual(await jobsOf(applicationId), [...done, 'silver CANCELLED']);
    const { application } = await client.send(new GetApplicationCommand({ applicationId }));
    assert.equal(application?.state, 'STARTED');
    await client.send(new CancelJobRunCommand({ applicationId, jobRunId: others }));
    await writeDefinition();
  });

  it('runs a real Spark job, and tells the end of the log of one that fails', {
    timeout: 600_000,
  }, async () => {
    const jars = await ensureJars(console.error, Promise.resolve(python));
    const classData = await ensureClassData(console.error, python, jars);
    const spark = await start('spark', {
      'spark-home': python.sparkHome,
      jars,
      ...(classData && { 'class-data': classData }),
    });
    const asked = clientOf(spark);
    try {
      const compute = createCompute({ region: 'us-east-1', s3Endpoint: s3.endpoint });
      const lines = Array.from({ length: 10 }, (_, id) => JSON.stringify({ id, v: id * 1.5 }));
      await compute.storage.write('s3://lake/in/rows.json', Buffer.from(lines.join('\n')), 'text/plain');
      await writeDefinition((parts) => {
        parts.process['retries'] = 0;
        parts.process['jobs'] = [
          { name: 'silver', job: 'delta', arguments: { from: 's3://lake/in/', to: 's3://lake/real/silver' } },
        ];
        delete parts.optimize;
      });
      const jobsDirectory = join(FIXTURES, 'spark-jobs');
      await startWorker({ emrServerlessEndpoint: spark.endpoint, jobsDirectory });
      const output = (await (await run()).result()) as RunLakehouseOutput;
      assert.deepEqual(output.stages[0]?.tables, [{ table: 'silver/a', rows: 10 }]);
      assert.deepEqual(await ofRun(asked), [{ state: 'TERMINATED', jobs: ['silver SUCCESS'] }]);
      assert.ok(await compute.storage.exists(`s3://lake/real/silver/_delta_log/${'0'.repeat(20)}.json`));
      const { jobRuns = [] } = await asked.send(
        new ListJobRunsCommand({ applicationId: output.cluster?.id }),
      );
      const { jobRun } = await asked.send(
        new GetJobRunCommand({ applicationId: output.cluster?.id, jobRunId: jobRuns[0]?.id }),
      );
      assert.ok((jobRun?.totalResourceUtilization?.vCPUHour ?? 0) > 0);
      // The profile's settings reached the session: the job says what it saw.
      const log = `s3://logs/serverless/applications/${output.cluster?.id}/jobs/${jobRuns[0]?.id}/SPARK_DRIVER/stdout.gz`;
      assert.ok(await compute.storage.exists(log));

      await compute.storage.remove(['s3://lake/in/rows.json']);
      const failure = await (await run()).result().then(
        () => assert.fail('it succeeded'),
        (error: Error) => error.cause as Error & { type?: string },
      );
      assert.equal(failure.type, 'STEP_FAILED');
      assert.match(failure.message, /SPARK_DRIVER\/\n\[std(out|err)\]\n.*(PATH_NOT_FOUND|does not exist)/s);
      assert.deepEqual(await ofRun(asked), [{ state: 'TERMINATED', jobs: ['silver FAILED'] }]);
    } finally {
      asked.destroy();
      await spark.stop();
      await writeDefinition();
    }
  });
});

interface Parts {
  engine: JsonObject;
  process: JsonObject;
  optimize?: JsonObject;
}
