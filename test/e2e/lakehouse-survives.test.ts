// A lakehouse run whose worker is killed at the worst moments, whose service throttles, and which is itself terminated:
// one cluster, each step once, the same end, and nothing left. Real Temporal server, EMR and S3 stand-ins; the steps
// are plain Python, because who submits what is the question here, not what Spark makes of it.
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
  AddJobFlowStepsCommand,
  DescribeClusterCommand,
  ListClustersCommand,
  ListStepsCommand,
  RunJobFlowCommand,
  TerminateJobFlowsCommand,
} from '@aws-sdk/client-emr';
import { defineSearchAttributeKey } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode } from '@temporalio/worker';
import { projectPath } from '../../dev/cache.ts';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { temporalExecutable } from '../../dev/setup/temporal.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { RunLakehouseOutput } from '../../src/core/run.ts';
import { credentials, type EmrStandIn, eventually, startEmr } from '../support/emr-stand-in.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import type { LakehouseWorkerSettings } from '../support/lakehouse-worker.ts';

const FIXTURES = projectPath('test', 'fixtures', 'lakehouse');
const THROTTLED = JSON.stringify({ __type: 'ThrottlingException', message: 'Rate exceeded' });

describe('a lakehouse run', () => {
  let directory: string;
  let s3: RunningS3;
  let emr: EmrStandIn;
  let proxy: FaultProxy;
  let environment: TestWorkflowEnvironment;
  let settings: LakehouseWorkerSettings;
  const workers: ChildProcess[] = [];
  let number = 0;

  before(
    async () => {
      const python = await ensurePython(console.error);
      directory = await mkdtemp(join(tmpdir(), 'waybill-survives-'));
      s3 = await startS3({
        python: python.python,
        stateDirectory: join(directory, 's3'),
        buckets: ['lake', 'code', 'logs'],
        credentials,
      });
      emr = await startEmr({
        'state-dir': join(directory, 'emr'),
        'spark-home': join(FIXTURES, 'light-spark'),
        python: python.python,
        jars: directory,
        's3-endpoint': s3.endpoint,
        'provisioning-ms': '20',
      });
      proxy = await startFaultProxy(emr.endpoint);
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
        taskQueue: 'survives',
        bundle: join(directory, 'bundle.js'),
        emrEndpoint: proxy.endpoint,
        s3Endpoint: s3.endpoint,
        factoryDirectory: join(directory, 'factory'),
        jobsDirectory: join(FIXTURES, 'light-jobs'),
      };
      await writeDefinition(settings.factoryDirectory);
    },
    { timeout: 300_000 },
  );

  after(async () => {
    await environment?.teardown();
    await proxy?.stop();
    await emr?.stop();
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  afterEach(async () => {
    proxy.faults.length = 0;
    proxy.calls.length = 0;
    await Promise.all(workers.splice(0).map(kill));
  });

  /** The tiny pipeline with a step that takes a while, and no copies. */
  async function writeDefinition(factory: string, attached?: { attach: string }): Promise<void> {
    const text = await readFile(join(FIXTURES, 'tiny.json'), 'utf8');
    const { stages, ...rest } = JSON.parse(text) as JsonObject & { stages: Record<string, JsonObject> };
    const engine = attached ? { type: 'emr', name: 'shared', ...attached } : rest['engine'];
    const { process: processing, optimize } = stages;
    const [silver] = (processing?.['jobs'] ?? []) as JsonObject[];
    const job = { ...silver, arguments: { seconds: '4' } };
    const definition = {
      ...rest,
      engine,
      stages: { process: { ...processing, jobs: [job], checks: [] }, optimize },
    };
    await mkdir(join(factory, 'lakehouse'), { recursive: true });
    await writeFile(join(factory, 'lakehouse', 'tiny.json'), JSON.stringify(definition));
  }

  async function startWorker(): Promise<ChildProcess> {
    const program = fileURLToPath(new URL('../support/lakehouse-worker.js', import.meta.url));
    const child = spawn(process.execPath, [program, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', process.env['VERBOSE'] ? 'inherit' : 'ignore'],
      env: {
        ...process.env,
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      },
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

  const start = () => {
    number += 1;
    return environment.client.workflow.start('runLakehouse', {
      workflowId: `lakehouse/tiny/${number}`,
      taskQueue: settings.taskQueue,
      args: [{ name: 'tiny', window: `w${number}`, parameters: {}, trigger: 'client' }],
    });
  };

  const seen = (operation: string, count = 1): Promise<true> =>
    eventually(`${operation} was called ${count} times`, async () =>
      proxy.calls.filter(({ call }) => call.endsWith(`.${operation}`)).length >= count ? true : undefined,
    );

  /** Clusters of the newest run with state and steps, asked of EMR itself. */
  async function clustersOfRun(): Promise<{ state: string; steps: string[] }[]> {
    const { Clusters: all = [] } = await emr.client.send(new ListClustersCommand({}));
    const own = all.filter((cluster) => cluster.Name?.endsWith(` lakehouse/tiny/${number}`));
    return Promise.all(
      own.map(async ({ Id: ClusterId, Status }) => {
        const { Steps: steps = [] } = await emr.client.send(new ListStepsCommand({ ClusterId }));
        return {
          state: Status?.State ?? '',
          steps: steps.map((step) => `${step.Name?.split('#')[0]} ${step.Status?.State}`).reverse(),
        };
      }),
    );
  }

  const ONCE = [{ state: 'TERMINATED', steps: ['silver COMPLETED', 'compact COMPLETED'] }];

  for (const [moment, operation] of [
    ['while a cluster is being created', 'RunJobFlow'],
    ['while a step is being submitted', 'AddJobFlowSteps'],
    ['while the cluster is being ended', 'TerminateJobFlows'],
  ] as const) {
    it(`has one cluster and each step once when its worker is killed ${moment}`, {
      timeout: 180_000,
    }, async () => {
      // The answer never arrives: the worker dies with the call open, and nothing has recorded its effect.
      proxy.faults.push({ match: new RegExp(`\\.${operation}$`), kind: 'stalled', times: 1 });
      const first = await startWorker();
      const handle = await start();
      await seen(operation);
      await kill(first);
      await startWorker();
      const output = (await handle.result()) as RunLakehouseOutput;
      assert.equal(output.status, 'Succeeded');
      assert.deepEqual(await clustersOfRun(), ONCE);
    });
  }

  it('goes on when its worker is killed while a step runs', { timeout: 180_000 }, async () => {
    const first = await startWorker();
    const handle = await start();
    await eventually('silver runs', async () =>
      (await clustersOfRun())[0]?.steps.includes('silver RUNNING') ? true : undefined,
    );
    await kill(first);
    await startWorker();
    await handle.result();
    assert.deepEqual(await clustersOfRun(), ONCE);
  });

  it('waits while EMR throttles, and calls it no more than it must', { timeout: 180_000 }, async () => {
    proxy.faults.push({ match: /ElasticMapReduce/, kind: 'status', status: 400, body: THROTTLED, times: 6 });
    await startWorker();
    const handle = await start();
    await handle.result();
    assert.deepEqual(await clustersOfRun(), ONCE);
    assert.ok(
      proxy.calls.every(({ fault, call }) => fault !== undefined || call.includes('ElasticMapReduce')),
    );
    assert.equal(proxy.faults[0]?.times, 0);
  });

  it('uses a cluster that runs already, leaves steps of others and the cluster alone, also when cancelled', {
    timeout: 180_000,
  }, async () => {
    const Instances = {
      InstanceGroups: [{ InstanceRole: 'MASTER' as const, InstanceType: 'm6g.xlarge', InstanceCount: 1 }],
      KeepJobFlowAliveWhenNoSteps: true,
    };
    const shared = {
      Name: 'shared',
      ReleaseLabel: 'emr-7.10.0',
      JobFlowRole: 'r',
      ServiceRole: 's',
      Instances,
    };
    const { JobFlowId: id = '' } = await emr.client.send(
      new RunJobFlowCommand({ ...shared, Applications: [{ Name: 'Spark' }], StepConcurrencyLevel: 2 }),
    );
    await emr.client.send(
      new AddJobFlowStepsCommand({
        JobFlowId: id,
        Steps: [
          {
            Name: 'of others',
            ActionOnFailure: 'CONTINUE',
            HadoopJarStep: { Jar: 'command-runner.jar', Args: ['sleep', '600'] },
          },
        ],
      }),
    );
    await writeDefinition(settings.factoryDirectory, { attach: id });
    await startWorker();
    const output = (await (
      await start()
    )
      .result()
      .catch((error: Error) => assert.fail(String(error.cause)))) as RunLakehouseOutput;
    assert.equal(output.status, 'Succeeded');
    assert.equal(output.cluster?.id, id);
    const steps = async (): Promise<string[]> => {
      const { Steps: found = [] } = await emr.client.send(new ListStepsCommand({ ClusterId: id }));
      return found.map((step) => `${step.Name?.split('#')[0]} ${step.Status?.State}`).reverse();
    };
    assert.deepEqual(await steps(), ['of others RUNNING', 'silver COMPLETED', 'compact COMPLETED']);

    const second = await start();
    await eventually('silver runs', async () =>
      (await steps()).includes('silver RUNNING') ? true : undefined,
    );
    await second.cancel();
    await assert.rejects(second.result());
    assert.deepEqual((await steps()).slice(-1), ['silver CANCELLED']);
    assert.equal((await steps())[0], 'of others RUNNING');
    const { Cluster: cluster } = await emr.client.send(new DescribeClusterCommand({ ClusterId: id }));
    assert.equal(cluster?.Status?.State, 'RUNNING');

    await emr.client.send(new TerminateJobFlowsCommand({ JobFlowIds: [id] }));
    const gone = await (await start()).result().catch((error: Error) => String(error.cause));
    assert.match(String(gone), new RegExp(`${id}.*: USER_REQUEST`));
    await writeDefinition(settings.factoryDirectory);
  });

  it('leaves no cluster when it is terminated, which runs none of its code', {
    timeout: 180_000,
  }, async () => {
    await startWorker();
    const handle = await start();
    await eventually('silver runs', async () =>
      (await clustersOfRun())[0]?.steps.includes('silver RUNNING') ? true : undefined,
    );
    await handle.terminate('operator');
    await eventually('the cluster has gone', async () =>
      (await clustersOfRun())[0]?.state === 'TERMINATED' ? true : undefined,
    );
    assert.deepEqual(await clustersOfRun(), [{ state: 'TERMINATED', steps: ['silver CANCELLED'] }]);
  });

  it('stops the step and the cluster within ten seconds of a cancellation', {
    timeout: 180_000,
  }, async () => {
    await startWorker();
    const handle = await start();
    await eventually('silver runs', async () =>
      (await clustersOfRun())[0]?.steps.includes('silver RUNNING') ? true : undefined,
    );
    const asked = Date.now();
    await handle.cancel();
    await seen('CancelSteps');
    assert.ok(Date.now() - asked < 10_000);
    await assert.rejects(handle.result());
    assert.deepEqual(await clustersOfRun(), [{ state: 'TERMINATED', steps: ['silver CANCELLED'] }]);
  });
});
