// The EMR Serverless runner against its stand-in, with answers lost and calls throttled on the way: whatever the network
// does, one application and one job run.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import {
  CreateApplicationCommand,
  EMRServerlessClient,
  GetApplicationCommand,
  GetJobRunCommand,
  ListApplicationsCommand,
} from '@aws-sdk/client-emr-serverless';
import { projectPath } from '../../dev/cache.ts';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { applicationName, createApplicationInput } from '../../src/compute/emr-serverless/requests.ts';
import { createCompute } from '../../src/compute/registry.ts';
import type { SparkRunner } from '../../src/compute/spark-runner.ts';
import { WaybillError } from '../../src/core/errors.ts';
import { clusterCost } from '../../src/core/monitoring/cost.ts';
import { DEFAULT_PRICES } from '../../src/core/monitoring/prices.ts';
import type { JobStatus, SparkJobRequest } from '../../src/core/spark.ts';
import { applicationRequest, serverlessJob } from '../support/cluster-request.ts';
import { credentials, eventually, type RunningProgram, startProgram } from '../support/emr-stand-in.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';

process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey;
process.env['AWS_REGION'] = 'us-east-1';

const THROTTLED = JSON.stringify({ __type: 'ThrottlingException', message: 'Rate exceeded' });
const CREATE = /^POST \/applications $/;
const START = /^POST \/applications\/[^/]+\/jobruns $/;

const coded = (code: string, retryable: boolean) => (error: unknown) =>
  error instanceof WaybillError && error.code === code && error.retryable === retryable;

describe('EMR Serverless runner', () => {
  let directory: string;
  let s3: RunningS3;
  let standIn: RunningProgram;
  let client: EMRServerlessClient;
  let proxy: FaultProxy;
  let runner: SparkRunner;

  before(async () => {
    const python = await ensurePython(console.error);
    directory = await mkdtemp(join(tmpdir(), 'waybill-emr-serverless-runner-'));
    s3 = await startS3({
      python: python.python,
      stateDirectory: join(directory, 's3'),
      buckets: ['lake'],
      credentials,
    });
    standIn = await startProgram('emr-serverless', {
      'state-dir': join(directory, 'emr-serverless'),
      // Jobs are plain Python here: who asks for what is the question.
      'spark-home': projectPath('test', 'fixtures', 'lakehouse', 'light-spark'),
      python: python.python,
      jars: directory,
      's3-endpoint': s3.endpoint,
      'provisioning-ms': '200',
    });
    const { endpoint } = standIn;
    client = new EMRServerlessClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 });
    proxy = await startFaultProxy(endpoint);
    const compute = createCompute({
      region: 'us-east-1',
      emrServerlessEndpoint: proxy.endpoint,
      s3Endpoint: s3.endpoint,
      lookAgainAfter: 50,
      logWait: 5_000,
    });
    runner = compute.runners['emr-serverless'];
    const code = Buffer.from('import sys, time; print("args", sys.argv[1:]); time.sleep(float(sys.argv[1]))');
    await compute.storage.write('s3://lake/code/sleeps.py', code, 'text/x-python');
    await compute.storage.write('s3://lake/code/waybill_jobs.zip', Buffer.from('none'), 'application/zip');
  });

  after(async () => {
    await proxy?.stop();
    client?.destroy();
    await standIn?.stop();
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  afterEach(() => {
    proxy.faults.length = 0;
    proxy.calls.length = 0;
  });

  const sent = (call: RegExp): number => proxy.calls.filter((one) => call.test(one.call)).length;
  const applicationsOf = async (owner: string): Promise<string[]> => {
    const { applications = [] } = await client.send(new ListApplicationsCommand({}));
    const name = applicationName(applicationRequest(owner));
    return applications.filter((one) => one.name === name).map(({ id }) => id ?? '');
  };
  const jobIn = (application: string, id: string, states: string[]): Promise<JobStatus> =>
    eventually(`the job is ${states.join(' or ')}`, async () => {
      const status = await runner.describe(application, id);
      return states.includes(status.state) ? status : undefined;
    });

  it('asks for the application and the job run that the definition describes', async () => {
    const request = applicationRequest('lakehouse/profile/1');
    const { id: applicationId } = await runner.openCluster(request);
    const { application } = await client.send(new GetApplicationCommand({ applicationId }));
    assert.equal(application?.releaseLabel, 'emr-7.10.0');
    assert.equal(application?.architecture, 'ARM64');
    assert.deepEqual(application?.autoStopConfiguration, { enabled: true, idleTimeoutMinutes: 15 });
    assert.deepEqual(application?.maximumCapacity, { cpu: '400 vCPU', memory: '3000 GB' });
    assert.deepEqual(application?.tags, {
      team: 'lake',
      'waybill:owner': 'lakehouse/profile/1',
      'waybill:generation': '1',
    });
    const { id: jobRunId } = await runner.submit(applicationId, serverlessJob('silver#a.1'));
    const { jobRun } = await client.send(new GetJobRunCommand({ applicationId, jobRunId }));
    assert.equal(jobRun?.executionTimeoutMinutes, 90);
    assert.equal(jobRun?.retryPolicy?.maxAttempts, 1);
    assert.equal(jobRun?.tags?.['waybill:owner'], 'lakehouse/job/1');
    assert.deepEqual(jobRun?.jobDriver?.sparkSubmit?.entryPointArguments, [
      'silver',
      '--note',
      '$(touch /tmp/never); `x` "y"',
    ]);
    assert.equal(
      jobRun?.jobDriver?.sparkSubmit?.sparkSubmitParameters,
      '--conf spark.sql.shuffle.partitions=4 --py-files s3://lake/code/waybill_jobs.zip',
    );
    assert.deepEqual(jobRun?.configurationOverrides?.applicationConfiguration, [
      { classification: 'spark-defaults', properties: { 'spark.driver.extraJavaOptions': '-Da=b -Dc=d' } },
    ]);
  });

  it('has one application when the answer to CreateApplication is lost, and one more for the next generation', async () => {
    const owner = 'lakehouse/lost/1';
    proxy.faults.push({ match: CREATE, kind: 'lost', times: 3 });
    const first = await runner.openCluster(applicationRequest(owner));
    const again = await runner.openCluster(applicationRequest(owner), { repeated: true });
    assert.equal(again.id, first.id);
    assert.deepEqual(await applicationsOf(owner), [first.id]);
    assert.equal(sent(CREATE), 1);
    proxy.faults.length = 0;
    const second = await runner.openCluster(applicationRequest(owner, 2));
    assert.notEqual(second.id, first.id);
    const found = await runner.findClusters(applicationRequest(owner));
    assert.deepEqual(new Set(found.map(({ id }) => id)), new Set([first.id, second.id]));
  });

  it('is told of the first application by its token where the list does not show it yet', async () => {
    const request = applicationRequest('lakehouse/token/1');
    if (request.engine !== 'emr-serverless') return assert.fail();
    const { id } = await runner.openCluster(request);
    const asked = createApplicationInput(request);
    const again = await client.send(new CreateApplicationCommand(asked));
    assert.equal(again.applicationId, id);
    await assert.rejects(
      client.send(new CreateApplicationCommand({ ...asked, releaseLabel: 'emr-7.11.0' })),
      (error: Error) => error.name === 'ConflictException',
    );
    const later = createApplicationInput({ ...request, run: 'another' });
    assert.notEqual(later.clientToken, asked.clientToken);
    assert.equal(later.name, asked.name);
  });

  it('starts a job once when the answer to StartJobRun is lost, and when it is asked again', async () => {
    const { id } = await runner.openCluster(applicationRequest('lakehouse/jobs/1'));
    await eventually('it is created', async () =>
      (await runner.snapshot(id)).cluster.state === 'waiting' ? true : undefined,
    );
    proxy.faults.push({ match: START, kind: 'lost', times: 3 });
    const job = await runner.submit(id, serverlessJob('silver#a.1'));
    const again = await runner.submit(id, serverlessJob('silver#a.1'), { repeated: true });
    assert.equal(again.id, job.id);
    assert.equal(sent(START), 1);
    const { jobs } = await runner.snapshot(id);
    assert.deepEqual(
      jobs.map(({ name }) => name),
      ['silver#a.1'],
    );
  });

  it('reports throttling as something to try again, and creates nothing', async () => {
    const owner = 'lakehouse/throttled/1';
    proxy.faults.push({ match: CREATE, kind: 'status', status: 429, body: THROTTLED, times: 1 });
    await assert.rejects(runner.openCluster(applicationRequest(owner)), coded('COMPUTE_BUSY', true));
    assert.equal(sent(CREATE), 1);
    assert.deepEqual(await applicationsOf(owner), []);
    const { id } = await runner.openCluster(applicationRequest(owner), { repeated: true });
    assert.deepEqual(await applicationsOf(owner), [id]);
  });

  it('tells why a job failed, where its log is, and what all jobs used', async () => {
    const { id } = await runner.openCluster(applicationRequest('lakehouse/logs/1'));
    const { id: jobId } = await runner.submit(id, serverlessJob('absent#a.1'));
    const failed = await jobIn(id, jobId, ['failed']);
    assert.match(failed.reason, /absent\.py/);
    const logs = await runner.logs(id, jobId);
    assert.equal(logs.address, `s3://lake/logs/applications/${id}/jobs/${jobId}/SPARK_DRIVER/`);
    assert.match(logs.tail, /\[stderr\]\n.*absent\.py/s);
    // It never ran, so nothing is told of what it used.
    const usage = await runner.usage(id);
    assert.deepEqual(usage.workers, {
      architecture: 'ARM64',
      vcpuHours: 0,
      memoryGbHours: 0,
      storageGbHours: 0,
    });
    assert.equal(clusterCost(usage, DEFAULT_PRICES, Date.now()).amount, 0);
  });

  const sleeps = (name: string, seconds: string): SparkJobRequest => ({
    ...serverlessJob(name),
    main: 's3://lake/code/sleeps.py',
    arguments: [seconds, '$(touch /tmp/never); `x` "y"'],
  });

  it('runs a job with its arguments as they are, and tells what it used, of all jobs or of one run', async () => {
    const { id } = await runner.openCluster(applicationRequest('lakehouse/runs/1'));
    const { id: jobId } = await runner.submit(id, sleeps('silver#a.1', '0.1'));
    const done = await jobIn(id, jobId, ['completed', 'failed']);
    assert.equal(done.state, 'completed', done.reason);
    assert.ok(done.startedAt && done.endedAt && done.endedAt > done.startedAt);
    const { tail } = await runner.logs(id, jobId);
    assert.match(tail, /args \['0\.1', '\$\(touch \/tmp\/never\); `x` "y"'\]/);
    const usage = await runner.usage(id);
    // A driver and three executors of four vCPUs, the service's own sizes, for the minute that is the least billed.
    assert.equal(usage.workers?.vcpuHours, 0.266667);
    assert.equal(usage.approximate, undefined);
    const cost = clusterCost(usage, DEFAULT_PRICES, Date.now());
    assert.ok(cost.amount > 0 && cost.amount === cost.service, JSON.stringify(cost));
    assert.equal((await runner.usage(id, { jobMark: '#b.' })).workers?.vcpuHours, 0);
    assert.equal((await runner.usage(id, { jobMark: '#a.' })).workers?.vcpuHours, 0.266667);
  });

  it('cancels a job that runs, and leaves one that has ended as it is', async () => {
    const { id } = await runner.openCluster(applicationRequest('lakehouse/cancel/1'));
    const { id: jobId } = await runner.submit(id, sleeps('silver#a.1', '600'));
    await jobIn(id, jobId, ['running']);
    await runner.cancel(id, jobId);
    const ended = await jobIn(id, jobId, ['cancelled', 'failed', 'completed']);
    assert.equal(ended.state, 'cancelled');
    await runner.cancel(id, jobId);
    assert.deepEqual(await runner.describe(id, jobId), ended);
  });

  it('sees every job of an application that has more than a page of them, and those of a run alone', async () => {
    const { id } = await runner.openCluster(applicationRequest('lakehouse/pages/1'));
    for (let index = 0; index < 55; index++) await runner.submit(id, serverlessJob(`job#${index}`));
    const { jobs } = await runner.snapshot(id);
    assert.deepEqual(
      jobs.map(({ name }) => name),
      Array.from({ length: 55 }, (_, index) => `job#${index}`),
    );
    assert.equal((await runner.snapshot(id, { since: Date.now() + 3_600_000 })).jobs.length, 0);
  });

  it('cancels its jobs, stops and deletes an application, asked until it has gone', async () => {
    const request = applicationRequest('lakehouse/end/1');
    const { id } = await runner.openCluster(request);
    const { id: jobId } = await runner.submit(id, serverlessJob('late#a.1'));
    await eventually('no application is left', async () => {
      const [found] = await runner.findClusters(request);
      // The state may change between a look and a request; that is said to be tried again.
      if (found) await runner.terminateCluster(id).catch(assertBusy);
      return found === undefined ? true : undefined;
    });
    const { cluster, jobs } = await runner.snapshot(id);
    assert.equal(cluster.state, 'terminated');
    assert.ok(cluster.endedAt && cluster.createdAt && cluster.endedAt >= cluster.createdAt);
    assert.ok(jobs.every(({ state }) => state === 'cancelled' || state === 'failed'));
    await runner.cancel(id, jobId);
    await assert.rejects(runner.submit(id, serverlessJob('late#a.2')), coded('COMPUTE_REFUSED', false));
    assert.equal((await runner.snapshot('00fneverwas')).cluster.state, 'terminated');
    assert.equal((await runner.usage('00fneverwas')).approximate, true);
  });

  it('says COMPUTE_BUSY when the service is out of reach, and AUTHENTICATION_FAILED when it refuses the key', async () => {
    proxy.faults.push({ match: /^GET \/applications\?/, kind: 'refused', times: 2 });
    await assert.rejects(
      runner.openCluster(applicationRequest('lakehouse/away/1')),
      coded('COMPUTE_BUSY', true),
    );
    const denied = JSON.stringify({ __type: 'AccessDeniedException', message: 'not authorized' });
    proxy.faults.push({ match: CREATE, kind: 'status', status: 403, body: denied, times: 1 });
    await assert.rejects(
      runner.openCluster(applicationRequest('lakehouse/away/1')),
      coded('AUTHENTICATION_FAILED', false),
    );
    assert.deepEqual(await applicationsOf('lakehouse/away/1'), []);
  });

  function assertBusy(error: unknown): void {
    assert.ok(coded('COMPUTE_BUSY', true)(error), String(error));
  }
});
