// The EMR Serverless stand-in as boto3 sees it, and over restarts. A job run that is a real Spark job is in
// emr-serverless-spark.test.ts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import {
  CreateApplicationCommand,
  EMRServerlessClient,
  GetApplicationCommand,
  GetJobRunCommand,
  StartJobRunCommand,
} from '@aws-sdk/client-emr-serverless';
import { projectPath } from '../../dev/cache.ts';
import { utilization } from '../../dev/emr-serverless/spark-command.ts';
import type { ApplicationRecord, RunRecord } from '../../dev/emr-serverless/state.ts';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensurePython, type PythonHome } from '../../dev/setup/python.ts';
import { createApplicationInput, startJobRunInput } from '../../src/compute/emr-serverless/requests.ts';
import { applicationRequest, serverlessJob } from '../support/cluster-request.ts';
import { credentials, eventually, type RunningProgram, startProgram } from '../support/emr-stand-in.ts';

describe('EMR Serverless stand-in', () => {
  let python: PythonHome;
  let directory: string;
  let s3: RunningS3;
  let server: RunningProgram;

  before(async () => {
    python = await ensurePython(console.error);
    directory = await mkdtemp(join(tmpdir(), 'waybill-emr-serverless-'));
    s3 = await startS3({
      python: python.python,
      stateDirectory: join(directory, 's3'),
      buckets: ['lake'],
      credentials,
    });
    server = await start();
  });

  after(async () => {
    await server?.stop();
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const start = (more: Record<string, string> = {}) =>
    startProgram('emr-serverless', {
      'state-dir': join(directory, 'emr-serverless'),
      'spark-home': python.sparkHome,
      python: python.python,
      // No job gets as far as a JVM here, so no jar is needed.
      jars: directory,
      's3-endpoint': s3.endpoint,
      'provisioning-ms': '50',
      ...more,
    });
  const clientOf = ({ endpoint }: RunningProgram) =>
    new EMRServerlessClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 });

  const created = (client: EMRServerlessClient, applicationId: string | undefined) =>
    eventually('the application is created', async () => {
      const { application } = await client.send(new GetApplicationCommand({ applicationId }));
      return application?.state === 'CREATED' ? true : undefined;
    });

  it('serves boto3, which checks answers against the service model', { timeout: 120_000 }, async () => {
    const script = projectPath('test', 'stand-ins', 'emr_serverless_boto3.py');
    const { stdout } = await promisify(execFile)(python.python, [script, server.endpoint]);
    assert.equal(stdout.trim().split('\n').at(-1), 'boto3 ok');
    const requests = readFileSync(join(directory, 'emr-serverless', 'requests.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { operation: string }).operation);
    assert.deepEqual(requests, [
      'CreateApplication',
      'StartJobRun',
      'StopApplication',
      'StartJobRun',
      'CancelJobRun',
      'StopApplication',
      'DeleteApplication',
    ]);
  });

  it('stops an application that has had no job for its idle time', async () => {
    const quick = await start({ 'state-dir': join(directory, 'idle'), 'minute-ms': '10' });
    try {
      const client = clientOf(quick);
      const request = applicationRequest('idle');
      assert.ok(request.engine === 'emr-serverless');
      const { applicationId } = await client.send(
        new CreateApplicationCommand(createApplicationInput(request)),
      );
      await created(client, applicationId);
      await client.send(new StartJobRunCommand(startJobRunInput(applicationId ?? '', serverlessJob('a#1'))));
      const stopped = await eventually('it is stopped', async () => {
        const { application } = await client.send(new GetApplicationCommand({ applicationId }));
        return application?.state === 'STOPPED' ? application : undefined;
      });
      assert.match(stopped.stateDetails ?? '', /15 idle minutes/);
    } finally {
      await quick.stop();
    }
  });

  it('goes on after SIGKILL: a token still makes nothing twice, and a waiting job run runs', async () => {
    // No job run begins, so that it is waiting when the stand-in dies.
    const flags = { 'state-dir': join(directory, 'killed') };
    const first = await start({ ...flags, 'concurrent-runs': '0' });
    const request = applicationRequest('killed');
    assert.ok(request.engine === 'emr-serverless');
    const create = createApplicationInput(request);
    const { applicationId = '' } = await clientOf(first).send(new CreateApplicationCommand(create));
    const run = startJobRunInput(applicationId, serverlessJob('a#1'));
    await created(clientOf(first), applicationId);
    const { jobRunId } = await clientOf(first).send(new StartJobRunCommand(run));
    const died = once(first.process, 'exit');
    first.process.kill('SIGKILL');
    await died;

    const second = await start(flags);
    try {
      const client = clientOf(second);
      const again = await client.send(new CreateApplicationCommand(create));
      assert.equal(again.applicationId, applicationId);
      assert.equal((await client.send(new StartJobRunCommand(run))).jobRunId, jobRunId);
      await eventually('the job run has ended', async () => {
        const { jobRun } = await client.send(new GetJobRunCommand({ applicationId, jobRunId }));
        return jobRun?.state === 'FAILED' && /absent\.py/.test(jobRun.stateDetails ?? '') ? true : undefined;
      });
    } finally {
      await second.stop();
    }
  });

  it('refuses requests that are not signed for it', async () => {
    const answer = await fetch(`${server.endpoint}/applications`);
    assert.equal(answer.status, 400);
    assert.equal(answer.headers.get('x-amzn-errortype'), 'MissingAuthenticationTokenException');
  });

  it('reckons what workers of the sizes asked for would have used', () => {
    const view = { runtimeConfiguration: [] } as unknown as ApplicationRecord['view'];
    const settings = [
      '--conf spark.executor.instances=10 --conf spark.executor.cores=8 --conf spark.executor.memory=40g',
      '--conf spark.driver.cores=4 --conf spark.driver.memory=10g',
      '--conf spark.emr-serverless.executor.disk=120g',
    ];
    const sparkSubmit = { entryPoint: 'a.py', sparkSubmitParameters: settings.join(' ') };
    const run = { view: { jobDriver: { sparkSubmit } } } as unknown as RunRecord;
    const { total, billed } = utilization({ view } as ApplicationRecord, run, 3600);
    // 10 executors of 8 and a driver of 4; memory with a tenth more; 120 GB each, of which 20 are free.
    assert.deepEqual(total, { vCPUHour: 84, memoryGBHour: 451, storageGBHour: 1220 });
    assert.deepEqual(billed, { vCPUHour: 84, memoryGBHour: 451, storageGBHour: 1000 });
    assert.equal(utilization({ view } as ApplicationRecord, run, 1).billed.vCPUHour, 1.4);
  });
});
