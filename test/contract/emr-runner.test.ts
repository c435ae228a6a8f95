// The EMR runner against the EMR stand-in, with answers lost and calls throttled on the way: whatever the network
// does, one cluster and one step.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import {
  DescribeClusterCommand,
  GetAutoTerminationPolicyCommand,
  GetManagedScalingPolicyCommand,
  ListInstanceFleetsCommand,
  ListInstanceGroupsCommand,
  paginateListClusters,
  paginateListSteps,
  SetTerminationProtectionCommand,
} from '@aws-sdk/client-emr';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { type Compute, createCompute } from '../../src/compute/registry.ts';
import type { SparkRunner } from '../../src/compute/spark-runner.ts';
import { WaybillError } from '../../src/core/errors.ts';
import { clusterCost } from '../../src/core/monitoring/cost.ts';
import { DEFAULT_PRICES } from '../../src/core/monitoring/prices.ts';
import type { OwnClusterRequest, SparkJobRequest } from '../../src/core/spark.ts';
import { clusterProfile, clusterRequest } from '../support/cluster-request.ts';
import { credentials, type EmrStandIn, eventually, startEmr } from '../support/emr-stand-in.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';

process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey;
process.env['AWS_REGION'] = 'us-east-1';

const THROTTLED = JSON.stringify({ __type: 'ThrottlingException', message: 'Rate exceeded' });
const job = (name: string): SparkJobRequest => ({
  name,
  main: 's3://lake/code/absent.py',
  pyFiles: [],
  arguments: ['silver', '--note', '$(touch /tmp/never); `x` "y"'],
  configuration: { 'spark.sql.shuffle.partitions': '4' },
});

const coded = (code: string, retryable: boolean) => (error: unknown) =>
  error instanceof WaybillError && error.code === code && error.retryable === retryable;

describe('EMR runner', () => {
  let directory: string;
  let s3: RunningS3;
  let emr: EmrStandIn;
  let proxy: FaultProxy;
  let runner: SparkRunner;
  /** Waits long enough before it looks again for a test to do something meanwhile. */
  let patientRunner: SparkRunner;
  let storage: Compute['storage'];

  before(async () => {
    const python = await ensurePython(console.error);
    directory = await mkdtemp(join(tmpdir(), 'waybill-emr-runner-'));
    s3 = await startS3({
      python: python.python,
      stateDirectory: join(directory, 's3'),
      buckets: ['lake'],
      credentials,
    });
    emr = await startEmr({
      'state-dir': join(directory, 'emr'),
      'spark-home': python.sparkHome,
      python: python.python,
      jars: directory,
      's3-endpoint': s3.endpoint,
      'provisioning-ms': '20',
    });
    proxy = await startFaultProxy(emr.endpoint);
    const options = {
      region: 'us-east-1',
      emrEndpoint: proxy.endpoint,
      s3Endpoint: s3.endpoint,
      lookAgainAfter: 50,
      logWait: 5_000,
    };
    const compute = createCompute(options);
    patientRunner = createCompute({ ...options, lookAgainAfter: 3_000 }).runners.emr;
    runner = compute.runners.emr;
    storage = compute.storage;
  });

  after(async () => {
    await proxy?.stop();
    await emr?.stop();
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  afterEach(() => {
    proxy.faults.length = 0;
    proxy.calls.length = 0;
  });

  async function clustersOf(owner: string): Promise<string[]> {
    const ids: string[] = [];
    for await (const page of paginateListClusters({ client: emr.client }, {})) {
      for (const cluster of page.Clusters ?? [])
        if (cluster.Name?.endsWith(owner)) ids.push(cluster.Id ?? '');
    }
    return ids;
  }

  async function stepsOf(clusterId: string): Promise<string[]> {
    const names: string[] = [];
    for await (const page of paginateListSteps({ client: emr.client }, { ClusterId: clusterId })) {
      names.push(...(page.Steps ?? []).map((step) => step.Name ?? ''));
    }
    return names;
  }

  const sent = (operation: string): number =>
    proxy.calls.filter(({ call }) => call.endsWith(`.${operation}`)).length;

  it('asks for the cluster that the profile describes', async () => {
    const { id } = await runner.openCluster(clusterRequest('lakehouse/profile/1'));
    const ClusterId = id;
    const { Cluster: cluster } = await emr.client.send(new DescribeClusterCommand({ ClusterId }));
    assert.equal(cluster?.ReleaseLabel, 'emr-7.10.0');
    assert.equal(cluster?.AutoTerminate, false);
    assert.deepEqual(
      new Map(cluster?.Tags?.map((tag) => [tag.Key, tag.Value])),
      new Map([
        ['team', 'lake'],
        ['waybill:owner', 'lakehouse/profile/1'],
        ['waybill:generation', '1'],
      ]),
    );
    const { InstanceFleets: fleets } = await emr.client.send(new ListInstanceFleetsCommand({ ClusterId }));
    const core = fleets?.find((fleet) => fleet.InstanceFleetType === 'CORE');
    assert.equal(core?.TargetSpotCapacity, 4);
    assert.equal(core?.LaunchSpecifications?.SpotSpecification?.TimeoutAction, 'SWITCH_TO_ON_DEMAND');
    const scaling = await emr.client.send(new GetManagedScalingPolicyCommand({ ClusterId }));
    assert.equal(scaling.ManagedScalingPolicy?.ComputeLimits?.MaximumCapacityUnits, 8);
    const idle = await emr.client.send(new GetAutoTerminationPolicyCommand({ ClusterId }));
    assert.equal(idle.AutoTerminationPolicy?.IdleTimeout, 1_800);
  });

  it('asks for instance groups that scale, three masters among them, and ends them though EMR protects them', async () => {
    const { instanceFleets: _, managedScaling: __, ...rest } = clusterProfile;
    const machine = { type: 'r6g.2xlarge', market: 'ON_DEMAND' } as const;
    const rule = {
      name: 'short',
      metric: 'YARNMemoryAvailablePercentage',
      comparison: 'LESS_THAN',
      threshold: 15,
      periods: 1,
      adjustment: 5,
      cooldownSeconds: 300,
    } as const;
    const request: OwnClusterRequest = {
      engine: 'emr',
      name: 'demo',
      owner: 'lakehouse/groups/1',
      generation: 1,
      profile: {
        ...rest,
        logEncryptionKmsKeyId: 'arn:aws:kms:us-east-1:000000000000:key/logs',
        instanceGroups: [
          { ...machine, name: 'master', role: 'MASTER', count: 3 },
          { ...machine, name: 'core', role: 'CORE', count: 1 },
          {
            ...{
              name: 'task',
              role: 'TASK',
              type: 'r6g.2xlarge',
              market: 'SPOT',
              bidPercentage: 50,
              count: 2,
            },
            autoScaling: { minimum: 1, maximum: 100, rules: [rule] },
          },
        ],
      },
    };
    const { id: ClusterId } = await runner.openCluster(request);
    const { Cluster: cluster } = await emr.client.send(new DescribeClusterCommand({ ClusterId }));
    assert.equal(cluster?.AutoScalingRole, 'EMR_AutoScaling_DefaultRole');
    const { InstanceGroups: groups = [] } = await emr.client.send(
      new ListInstanceGroupsCommand({ ClusterId }),
    );
    const task = groups.find(({ InstanceGroupType: type }) => type === 'TASK');
    assert.equal(groups.find(({ InstanceGroupType: type }) => type === 'MASTER')?.RequestedInstanceCount, 3);
    assert.deepEqual(task?.AutoScalingPolicy?.Constraints, { MinCapacity: 1, MaxCapacity: 100 });
    assert.equal(task?.AutoScalingPolicy?.Rules?.[0]?.Trigger?.CloudWatchAlarmDefinition?.Threshold, 15);
    const JobFlowIds = [ClusterId];
    await emr.client.send(new SetTerminationProtectionCommand({ JobFlowIds, TerminationProtected: true }));
    await runner.terminateCluster(ClusterId);
    await eventually('no cluster is left', async () =>
      (await runner.findClusters(request)).length === 0 ? true : undefined,
    );
  });

  it('has one cluster when the answer to RunJobFlow is lost', async () => {
    const owner = 'lakehouse/lost/1';
    proxy.faults.push({ match: /RunJobFlow/, kind: 'lost', times: 3 });
    const first = await runner.openCluster(clusterRequest(owner));
    const again = await runner.openCluster(clusterRequest(owner), { repeated: true });
    assert.equal(again.id, first.id);
    assert.deepEqual(await clustersOf(owner), [first.id]);
    assert.equal(sent('RunJobFlow'), 1);
  });

  it('finds the cluster of an attempt that died before it learned the answer', async () => {
    const owner = 'lakehouse/died/1';
    // The second attempt looks and finds nothing; while it waits, the first one's cluster comes to light.
    const second = patientRunner.openCluster(clusterRequest(owner), { repeated: true });
    await eventually('the second attempt has looked', async () =>
      sent('ListClusters') > 0 ? true : undefined,
    );
    const first = await runner.openCluster(clusterRequest(owner));
    assert.equal((await second).id, first.id);
    assert.deepEqual(await clustersOf(owner), [first.id]);
  });

  it('reports throttling as something to try again, and creates nothing', async () => {
    const owner = 'lakehouse/throttled/1';
    proxy.faults.push({ match: /RunJobFlow/, kind: 'status', status: 400, body: THROTTLED, times: 1 });
    await assert.rejects(runner.openCluster(clusterRequest(owner)), coded('COMPUTE_BUSY', true));
    assert.equal(sent('RunJobFlow'), 1);
    assert.deepEqual(await clustersOf(owner), []);
    const { id } = await runner.openCluster(clusterRequest(owner), { repeated: true });
    assert.deepEqual(await clustersOf(owner), [id]);
  });

  it('keeps generations and owners apart', async () => {
    const first = await runner.openCluster(clusterRequest('lakehouse/apart/1', 1));
    const second = await runner.openCluster(clusterRequest('lakehouse/apart/1', 2));
    const other = await runner.openCluster(clusterRequest('lakehouse/apart/12', 1));
    assert.equal(new Set([first.id, second.id, other.id]).size, 3);
    const found = await runner.findClusters(clusterRequest('lakehouse/apart/1'));
    assert.deepEqual(new Set(found.map(({ id }) => id)), new Set([first.id, second.id]));
  });

  it('adds a step once when the answer to AddJobFlowSteps is lost, and when it is asked again', async () => {
    const { id } = await runner.openCluster(clusterRequest('lakehouse/steps/1'));
    proxy.faults.push({ match: /AddJobFlowSteps/, kind: 'lost', times: 3 });
    const step = await runner.submit(id, job('silver#a.1'));
    const again = await runner.submit(id, job('silver#a.1'), { repeated: true });
    assert.equal(again.id, step.id);
    assert.deepEqual(await stepsOf(id), ['silver#a.1']);
    assert.equal(sent('AddJobFlowSteps'), 1);
  });

  it('sees every step of a cluster that has more than a page of them', async () => {
    const { id } = await runner.openCluster(clusterRequest('lakehouse/pages/1'));
    for (let index = 0; index < 55; index++) await runner.submit(id, job(`step#${index}`));
    assert.equal((await runner.submit(id, job('step#0'))).name, 'step#0');
    const { jobs } = await runner.snapshot(id);
    assert.deepEqual(
      jobs.map(({ name }) => name),
      Array.from({ length: 55 }, (_, index) => `step#${index}`),
    );
  });

  it('tells why a step failed, and where its log is', async () => {
    const { id } = await runner.openCluster(clusterRequest('lakehouse/logs/1'));
    const { id: stepId } = await runner.submit(id, job('absent#a.1'));
    const failed = await eventually('the step has failed', async () => {
      const status = await runner.describe(id, stepId);
      return status.state === 'failed' ? status : undefined;
    });
    assert.match(failed.reason, /absent\.py/);
    const logs = await runner.logs(id, stepId);
    assert.equal(logs.address, `s3://lake/logs/${id}/steps/${stepId}/`);
    assert.match(logs.tail, /\[stderr\]\n.*absent\.py/s);
    assert.ok(logs.tail.split('\n').length <= 42);
    assert.ok(await storage.exists(`${logs.address}stderr.gz`));
  });

  it('ends a cluster, and takes an ended or unknown one for what it is', async () => {
    const request = clusterRequest('lakehouse/end/1');
    const { id } = await runner.openCluster(request);
    await runner.terminateCluster(id);
    await eventually('no cluster is left', async () =>
      (await runner.findClusters(request)).length === 0 ? true : undefined,
    );
    const { cluster } = await runner.snapshot(id);
    assert.equal(cluster.state, 'terminated');
    assert.ok(cluster.endedAt && cluster.createdAt && cluster.endedAt >= cluster.createdAt);
    await assert.rejects(runner.submit(id, job('late#a.1')), coded('COMPUTE_REFUSED', false));
    assert.equal((await runner.snapshot('j-NEVERWAS')).cluster.state, 'failed');
  });

  it('tells which machines there were, by market and time, while they are there and afterwards', async () => {
    const { id } = await runner.openCluster(clusterRequest('usage'));
    const now = await eventually('machines are ready', async () => {
      const usage = await runner.usage(id);
      return usage.machines.length === 2 ? usage : undefined;
    });
    const shown = now.machines.map(({ role, type, market, count }) => `${count} ${role} ${type} ${market}`);
    assert.deepEqual(shown, ['1 MASTER m6g.xlarge onDemand', '2 CORE r6g.2xlarge spot']);
    assert.ok(
      now.machines.every(({ from, to }) => to === undefined && Math.abs(Date.now() - from) < 600_000),
    );
    await runner.terminateCluster(id);
    const past = await eventually('they have ended', async () => {
      const usage = await runner.usage(id);
      return usage.machines.every(({ to }) => to !== undefined) ? usage : undefined;
    });
    assert.deepEqual(
      past.machines.map(({ count }) => count),
      [1, 2],
    );
    const cost = clusterCost(past, DEFAULT_PRICES, Date.now());
    assert.deepEqual(cost.unpriced, []);
    assert.ok(cost.onDemand > 0 && cost.spot > 0 && cost.service > 0);
    assert.ok(cost.prices.estimate);
    const unknown = await runner.usage('j-NONEATALL0000');
    assert.deepEqual([unknown.machines, unknown.approximate], [[], true]);
  });

  it('makes a cluster larger by its managed scaling, and to the same size when asked again', async () => {
    const { id } = await runner.openCluster(clusterRequest('larger'));
    const capacity = await runner.capacity(id);
    assert.deepEqual(capacity, { kind: 'managedScaling', size: 8 });
    for (let round = 0; round < 2; round++) await runner.resize(id, { kind: 'managedScaling', size: 12 });
    const { ManagedScalingPolicy: policy } = await emr.client.send(
      new GetManagedScalingPolicyCommand({ ClusterId: id }),
    );
    assert.equal(policy?.ComputeLimits?.MaximumCapacityUnits, 12);
    assert.equal(policy?.ComputeLimits?.MinimumCapacityUnits, 2);
    await runner.terminateCluster(id);
  });

  it('makes a cluster of instance groups larger by its task machines', async () => {
    const request = clusterRequest('groups');
    if (request.engine !== 'emr') return assert.fail();
    const { instanceFleets: _fleets, managedScaling: _scaling, ...profile } = request.profile;
    const { id } = await runner.openCluster({
      ...request,
      profile: {
        ...profile,
        instanceGroups: [
          { name: 'master', role: 'MASTER', type: 'm6g.xlarge', count: 1, market: 'ON_DEMAND' },
          { name: 'task', role: 'TASK', type: 'r6g.2xlarge', count: 3, market: 'SPOT' },
        ],
      },
    });
    const capacity = await runner.capacity(id);
    assert.equal(capacity?.kind, 'group');
    assert.equal(capacity.size, 3);
    await runner.resize(id, { ...capacity, size: 5 });
    assert.equal((await runner.capacity(id))?.size, 5);
    const usage = await eventually('five machines are ready', async () => {
      const { machines } = await runner.usage(id);
      return machines.find(({ role }) => role === 'TASK')?.count === 5 ? machines : undefined;
    });
    assert.equal(usage.find(({ role }) => role === 'TASK')?.market, 'spot');
    await runner.terminateCluster(id);
  });

  it('says COMPUTE_BUSY when EMR is out of reach, and AUTHENTICATION_FAILED when it refuses the key', async () => {
    proxy.faults.push({ match: /ListClusters/, kind: 'refused', times: 2 });
    await assert.rejects(runner.openCluster(clusterRequest('lakehouse/away/1')), coded('COMPUTE_BUSY', true));
    const denied = JSON.stringify({
      __type: 'UnrecognizedClientException',
      message: 'The security token is invalid.',
    });
    proxy.faults.push({ match: /RunJobFlow/, kind: 'status', status: 400, body: denied, times: 1 });
    await assert.rejects(
      runner.openCluster(clusterRequest('lakehouse/away/1')),
      coded('AUTHENTICATION_FAILED', false),
    );
    assert.deepEqual(await clustersOf('lakehouse/away/1'), []);
  });
});
