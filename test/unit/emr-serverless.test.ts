// What EMR Serverless is asked for, what its states are taken for, and what its workers cost.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { splitWords } from '../../dev/emr-serverless/spark-command.ts';
import {
  applicationName,
  createApplicationInput,
  startJobRunInput,
  tagValue,
} from '../../src/compute/emr-serverless/requests.ts';
import { applicationStatus, jobRunStatus } from '../../src/compute/emr-serverless/statuses.ts';
import { workerUse } from '../../src/compute/emr-serverless/usage.ts';
import { readPrices } from '../../src/config/prices.ts';
import { type ClusterUsage, clusterCost, runCost } from '../../src/core/monitoring/cost.ts';
import { DEFAULT_PRICES } from '../../src/core/monitoring/prices.ts';
import type { OwnClusterRequest } from '../../src/core/spark.ts';
import { applicationRequest, serverlessJob } from '../support/cluster-request.ts';

type ApplicationRequest = Extract<OwnClusterRequest, { engine: 'emr-serverless' }>;
const request = (more: Partial<ApplicationRequest> = {}): ApplicationRequest => ({
  ...(applicationRequest('lakehouse/nycflights/2013') as ApplicationRequest),
  ...more,
});

test('a name is one that the service takes, the same for an owner and another for another', () => {
  const form = /^[A-Za-z0-9._/#-]{1,64}$/;
  for (const name of ['demo', 'a'.repeat(80), 'über/all *'])
    assert.match(applicationName(request({ name })), form);
  assert.equal(applicationName(request({ generation: 2 })), applicationName(request()));
  assert.notEqual(applicationName(request({ owner: 'another' })), applicationName(request()));
});

test('a token is of the form the service takes, and another for another generation or run', () => {
  const token = (more: Partial<ApplicationRequest> = {}) => createApplicationInput(request(more)).clientToken;
  assert.match(token() ?? '', /^[A-Za-z0-9._-]{1,64}$/);
  assert.equal(token(), token());
  const others = [{ generation: 2 }, { run: 'ffffffff' }, { owner: 'o' }, { name: 'n' }].map(token);
  assert.equal(new Set([token(), ...others]).size, 5);
  const job = (application: string, name: string) =>
    startJobRunInput(application, serverlessJob(name)).clientToken;
  assert.equal(new Set([job('a', 'x#1.1'), job('a', 'x#1.2'), job('b', 'x#1.1')]).size, 3);
});

test('tags hold the characters that the service takes, and no more than it takes', () => {
  assert.equal(tagValue('lakehouse/a b/2013-01-01T00:00:00Z'), 'lakehouse/a b/2013-01-01T00:00:00Z');
  assert.equal(tagValue('ü"<é>'), '_____');
  assert.equal(tagValue('x'.repeat(300)).length, 256);
});

test('settings go with the command, those that would need quotes beside it', () => {
  const configuration = {
    'spark.executor.memory': '8g',
    'spark.driver.extraJavaOptions': '-Da=b -Dc=d',
    'spark.app.note': `it's "x"`,
    'spark.app.dollar': '$HOME',
    'spark.app.empty': '',
  };
  const input = startJobRunInput('00f', { ...serverlessJob('a#1.1'), configuration });
  const given = input.jobDriver && 'sparkSubmit' in input.jobDriver ? input.jobDriver.sparkSubmit : undefined;
  const parameters = given?.sparkSubmitParameters ?? '';
  assert.equal(parameters, '--conf spark.executor.memory=8g --py-files s3://lake/code/waybill_jobs.zip');
  const [defaults] = input.configurationOverrides?.applicationConfiguration ?? [];
  const { 'spark.executor.memory': _, ...quoted } = configuration;
  assert.deepEqual(defaults, { classification: 'spark-defaults', properties: quoted });
  const bare = startJobRunInput('00f', { ...serverlessJob('a#1.1'), configuration: {}, pyFiles: [] });
  assert.deepEqual(bare.jobDriver, {
    sparkSubmit: {
      entryPoint: 's3://lake/code/absent.py',
      entryPointArguments: serverlessJob('a').arguments,
    },
  });
  assert.equal(bare.configurationOverrides?.applicationConfiguration, undefined);
});

test('the stand-in splits parameters at blanks that are not quoted', () => {
  assert.deepEqual(splitWords(`--conf a=b  --conf 'c=d e' --conf f="g 'h'"\n-v`), [
    ...['--conf', 'a=b', '--conf', 'c=d e', '--conf', "f=g 'h'", '-v'],
  ]);
  assert.deepEqual(splitWords(' '), []);
});

const times = { createdAt: new Date(1_000), updatedAt: new Date(5_000) };

test('a stopped application takes jobs, a deleted one does not, and an unknown state is no guess', () => {
  const state = (name: string) =>
    applicationStatus({
      ...times,
      applicationId: 'a',
      arn: 'a',
      releaseLabel: 'r',
      type: 'Spark',
      state: name as 'STARTED',
    }).state;
  assert.deepEqual(['CREATING', 'CREATED', 'STARTING', 'STARTED', 'STOPPING', 'STOPPED'].map(state), [
    ...['starting', 'waiting', 'starting', 'running', 'running', 'waiting'],
  ]);
  assert.equal(state('TERMINATED'), 'terminated');
  assert.throws(
    () => state('HIBERNATING'),
    /state of an application that waybill does not know: HIBERNATING/,
  );
});

test('a job run tells its reason when it did not end well, and its times', () => {
  const run = (state: string) =>
    jobRunStatus({
      ...times,
      applicationId: 'a',
      id: 'r',
      name: 'x#1.1',
      arn: 'a',
      createdBy: 'b',
      executionRole: 'e',
      state: state as 'RUNNING',
      stateDetails: 'why',
      releaseLabel: 'l',
    });
  assert.deepEqual(run('QUEUED'), { id: 'r', name: 'x#1.1', state: 'pending', reason: '', startedAt: 1_000 });
  assert.equal(run('CANCELLING').state, 'running');
  assert.deepEqual(run('SUCCESS'), {
    ...{ id: 'r', name: 'x#1.1', state: 'completed', reason: '', startedAt: 1_000, endedAt: 5_000 },
  });
  assert.deepEqual([run('FAILED').reason, run('CANCELLED').reason], ['why', 'why']);
  assert.throws(() => run('PAUSED'), /state of a job run that waybill does not know: PAUSED/);
});

const usage = (workers: NonNullable<ClusterUsage['workers']>): ClusterUsage => ({
  clusterId: '00f',
  engine: 'emr-serverless',
  machines: [],
  workers,
});

test('workers cost by vCPU, memory and storage hours of their architecture', () => {
  const hours = { vcpuHours: 100, memoryGbHours: 800, storageGbHours: 1000 };
  const cost = clusterCost(usage({ architecture: 'ARM64', ...hours }), DEFAULT_PRICES, 0);
  assert.deepEqual(
    cost.lines.map(({ charge, role, quantity, amount }) => [charge, role, quantity, amount]),
    [
      ['emrServerless', 'VCPU', 100, 4.2094],
      ['emrServerless', 'MEMORY_GB', 800, 3.7024],
      ['emrServerless', 'STORAGE_GB', 1000, 0.111],
    ],
  );
  assert.deepEqual([cost.amount, cost.service, cost.onDemand, cost.spot], [8.0228, 8.0228, 0, 0]);
  const { serverless: _, ...without } = DEFAULT_PRICES;
  const unpriced = clusterCost(usage({ architecture: 'X86_64', ...hours }), without, 0);
  assert.deepEqual([unpriced.amount, unpriced.unpriced], [0, ['EMR Serverless X86_64']]);
  assert.equal(runCost([cost, unpriced])?.estimate, true);
});

test('what is billed counts before what was used; a run that goes on, or workers kept ready, make it an estimate', () => {
  const application = { architecture: 'ARM64' } as Parameters<typeof workerUse>[0];
  type Run = Parameters<typeof workerUse>[1][number];
  const used = { vCPUHour: 1, memoryGBHour: 2, storageGBHour: 3 };
  const billed = { vCPUHour: 10, memoryGBHour: 20, storageGBHour: 0 };
  const done = { totalResourceUtilization: used, billedResourceUtilization: billed } as Run;
  const workers = { architecture: 'ARM64', vcpuHours: 20, memoryGbHours: 40, storageGbHours: 0 };
  assert.deepEqual(workerUse(application, [done, done]), { workers });
  assert.equal(workerUse(application, [{ totalResourceUtilization: used } as Run]).workers?.vcpuHours, 1);
  assert.equal(workerUse(application, [done, {} as Run]).approximate, true);
  const ready = { ...application, initialCapacity: { DRIVER: { workerCount: 1 } } };
  assert.equal(workerUse(ready, [done]).approximate, true);
});

test('a price table may have prices of workers, and names a wrong one', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waybill-prices-'));
  const file = join(directory, 'prices.json');
  const read = (serverless: object) => {
    writeFileSync(file, JSON.stringify({ asOf: '2026-11-01', currency: 'EUR', instances: {}, serverless }));
    return readPrices(file);
  };
  try {
    const price = { vcpu: 0.05, memoryGb: 0.005, storageGb: 0 };
    assert.deepEqual(read({ ARM64: price }).serverless, { ARM64: price });
    assert.throws(() => read({ ARM64: { ...price, vcpu: -1 } }), /serverless\.ARM64\.vcpu/);
    assert.throws(() => read({ RISCV: price }), /serverless/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
