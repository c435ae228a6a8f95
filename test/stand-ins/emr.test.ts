// The EMR stand-in as @aws-sdk/client-emr and boto3 see it: clusters, steps that are plain programs, policies, errors,
// restarts. Steps that are Spark jobs are in emr-spark.test.ts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import * as emr from '@aws-sdk/client-emr';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { projectPath } from '../../dev/cache.ts';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensurePython, type PythonHome } from '../../dev/setup/python.ts';
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
const WAIT = { minDelay: 1, maxDelay: 1, maxWaitTime: 60 };

describe('EMR stand-in', () => {
  let python: PythonHome;
  let directory: string;
  let s3: RunningS3;
  let objects: S3Client;
  let server: EmrStandIn;

  before(async () => {
    python = await ensurePython(console.error);
    directory = await mkdtemp(join(tmpdir(), 'waybill-emr-'));
    s3 = await startS3({
      python: python.python,
      stateDirectory: join(directory, 's3'),
      buckets: ['lake'],
      credentials,
    });
    objects = new S3Client({ endpoint: s3.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
    server = await start();
  });

  after(async () => {
    await server?.stop();
    objects?.destroy();
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const start = () =>
    startEmr({
      'state-dir': join(directory, 'emr'),
      'spark-home': python.sparkHome,
      python: python.python,
      // No Spark step runs here, so no jar is needed.
      jars: directory,
      's3-endpoint': s3.endpoint,
      'provisioning-ms': '50',
      'idle-second-ms': '10',
    });
  const run = async (name: string, more?: Partial<emr.RunJobFlowCommandInput>): Promise<string> => {
    const { JobFlowId } = await server.client.send(new emr.RunJobFlowCommand(clusterInput(name, more)));
    assert.match(JobFlowId ?? '', /^j-[A-Z0-9]{13}$/);
    return JobFlowId ?? '';
  };
  const addSteps = async (cluster: string, ...steps: emr.StepConfig[]): Promise<string[]> => {
    const { StepIds } = await server.client.send(
      new emr.AddJobFlowStepsCommand({ JobFlowId: cluster, Steps: steps }),
    );
    return StepIds ?? [];
  };
  const describeCluster = async (cluster: string): Promise<emr.Cluster> => {
    const { Cluster } = await server.client.send(new emr.DescribeClusterCommand({ ClusterId: cluster }));
    assert.ok(Cluster);
    return Cluster;
  };
  const clusterIn = (cluster: string, state: string) =>
    eventually(`cluster ${cluster} ${state}`, async () => {
      const found = await describeCluster(cluster);
      return found.Status?.State === state ? found : undefined;
    });
  const stateOf = async (cluster: string, id: string) =>
    (await server.client.send(new emr.DescribeStepCommand({ ClusterId: cluster, StepId: id }))).Step?.Status
      ?.State;
  const put = (Key: string, Body: string) =>
    objects.send(new PutObjectCommand({ Bucket: 'lake', Key, Body }));
  const log = async (uri: string): Promise<string> => {
    const Key = uri.replace(/^s3:\/\/lake\//, '');
    const { Body } = await objects.send(new GetObjectCommand({ Bucket: 'lake', Key }));
    assert.ok(Body);
    return gunzipSync(await Body.transformToByteArray()).toString();
  };
  const requests = () =>
    readFileSync(join(directory, 'emr', 'requests.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { operation: string; name: string; ids: string[]; at: string });

  it('runs a cluster of fleets from start to end, as the SDK waiters see it', {
    timeout: 120_000,
  }, async () => {
    const policy: emr.ManagedScalingPolicy = {
      ComputeLimits: { UnitType: 'InstanceFleetUnits', MinimumCapacityUnits: 2, MaximumCapacityUnits: 10 },
    };
    const cluster = await run('life', {
      ManagedScalingPolicy: policy,
      Tags: [{ Key: 'owner', Value: 'test' }],
    });
    const ClusterId = cluster;
    await emr.waitUntilClusterRunning({ client: server.client, ...WAIT }, { ClusterId });

    const [ok, bad] = await addSteps(
      cluster,
      step('ok', ['bash', '-c', 'echo "$0 $1"; echo to-stderr >&2', 'two words', '$HOME; `id`']),
      step('bad', ['bash', '-c', 'echo half way; echo "it broke" >&2; exit 3']),
    );
    await emr.waitUntilStepComplete({ client: server.client, ...WAIT }, { ClusterId, StepId: ok });
    assert.equal(await log(`s3://lake/logs/${cluster}/steps/${ok}/stdout.gz`), 'two words $HOME; `id`\n');
    assert.equal(await log(`s3://lake/logs/${cluster}/steps/${ok}/stderr.gz`), 'to-stderr\n');
    assert.match(await log(`s3://lake/logs/${cluster}/steps/${ok}/controller.gz`), /step ended COMPLETED/);

    const failed = await stepIn(server.client, cluster, bad ?? '', ENDED);
    assert.deepEqual(failed.Status?.FailureDetails, {
      Reason: 'Unknown Error.',
      Message: 'it broke',
      LogFile: `s3://lake/logs/${cluster}/steps/${bad}/stderr.gz`,
    });
    const { StartDateTime, EndDateTime } = failed.Status?.Timeline ?? {};
    assert.ok(StartDateTime instanceof Date && EndDateTime instanceof Date && StartDateTime <= EndDateTime);

    const { Steps } = await server.client.send(new emr.ListStepsCommand({ ClusterId }));
    assert.deepEqual(
      Steps?.map(({ Name, Status }) => [Name, Status?.State]),
      [
        ['bad', 'FAILED'],
        ['ok', 'COMPLETED'],
      ],
    );
    const got = await server.client.send(new emr.GetManagedScalingPolicyCommand({ ClusterId }));
    assert.deepEqual(got.ManagedScalingPolicy, policy);
    const fleets = await server.client.send(new emr.ListInstanceFleetsCommand({ ClusterId }));
    assert.deepEqual(
      fleets.InstanceFleets?.map((fleet) => [fleet.Status?.State, fleet.ProvisionedSpotCapacity]),
      [
        ['RUNNING', 0],
        ['RUNNING', 4],
      ],
    );
    const instances = await server.client.send(
      new emr.ListInstancesCommand({ ClusterId, InstanceFleetType: 'CORE' }),
    );
    assert.equal(instances.Instances?.length, 2, '4 units of weight 2');

    await server.client.send(new emr.TerminateJobFlowsCommand({ JobFlowIds: [cluster] }));
    await emr.waitUntilClusterTerminated({ client: server.client, ...WAIT }, { ClusterId });
    const ended = await describeCluster(cluster);
    assert.equal(ended.Status?.StateChangeReason?.Code, 'USER_REQUEST');
    assert.equal(ended.LogUri, 's3n://lake/logs/');
    const { CreationDateTime, ReadyDateTime, EndDateTime: end } = ended.Status?.Timeline ?? {};
    assert.ok(
      CreationDateTime && ReadyDateTime && end && CreationDateTime <= ReadyDateTime && ReadyDateTime <= end,
    );
    await assert.rejects(addSteps(cluster, step('late', ['true'])), {
      name: 'ValidationException',
      message: 'A job flow that is shutting down, terminated, or finished may not be modified.',
    });
    assert.deepEqual(
      requests()
        .filter(({ name }) => name === 'life')
        .map(({ operation, ids }) => [operation, ids]),
      [
        ['RunJobFlow', [cluster]],
        ['AddJobFlowSteps', [ok, bad]],
        ['TerminateJobFlows', [cluster]],
      ],
    );
  });

  it('runs a cluster of groups with its own steps and ends it when they are done', async () => {
    const cluster = await run('transient', {
      Steps: [step('a', ['true']), step('b', ['false'])],
      Instances: {
        InstanceFleets: [],
        KeepJobFlowAliveWhenNoSteps: false,
        InstanceGroups: [
          { InstanceRole: 'MASTER', InstanceType: 'm5.xlarge', InstanceCount: 1 },
          { InstanceRole: 'CORE', InstanceType: 'm5.xlarge', InstanceCount: 2, Market: 'SPOT' },
        ],
      },
    });
    const ended = await clusterIn(cluster, 'TERMINATED');
    assert.equal(ended.Status?.StateChangeReason?.Code, 'ALL_STEPS_COMPLETED');
    assert.equal(ended.Status?.StateChangeReason?.Message, 'Steps completed with errors');
    const groups = await server.client.send(new emr.ListInstanceGroupsCommand({ ClusterId: cluster }));
    assert.deepEqual(
      groups.InstanceGroups?.map((group) => [
        group.InstanceGroupType,
        group.Market,
        group.RequestedInstanceCount,
      ]),
      [
        ['MASTER', 'ON_DEMAND', 1],
        ['CORE', 'SPOT', 2],
      ],
    );
  });

  it('honours ActionOnFailure, protection and concurrency', { timeout: 120_000 }, async () => {
    const waits = await run('cancel-and-wait');
    const [, cancelled] = await addSteps(
      waits,
      step('bad', ['false'], 'CANCEL_AND_WAIT'),
      step('next', ['true']),
    );
    await stepIn(server.client, waits, cancelled ?? '', ['CANCELLED']);
    await clusterIn(waits, 'WAITING');

    const ends = await run('terminate-cluster', {
      Steps: [step('bad', ['false'], 'TERMINATE_CLUSTER'), step('next', ['true'])],
    });
    const ended = await clusterIn(ends, 'TERMINATED_WITH_ERRORS');
    assert.equal(ended.Status?.StateChangeReason?.Code, 'STEP_FAILURE');

    await server.client.send(
      new emr.SetTerminationProtectionCommand({ JobFlowIds: [waits], TerminationProtected: true }),
    );
    await assert.rejects(server.client.send(new emr.TerminateJobFlowsCommand({ JobFlowIds: [waits] })), {
      name: 'ValidationException',
      message: /termination protected/,
    });
    const [bad] = await addSteps(waits, step('bad', ['false'], 'TERMINATE_CLUSTER'));
    await stepIn(server.client, waits, bad ?? '', ['FAILED']);
    assert.equal(
      (await describeCluster(waits)).Status?.State,
      'WAITING',
      'protected and kept alive: it stays',
    );

    await server.client.send(new emr.ModifyClusterCommand({ ClusterId: waits, StepConcurrencyLevel: 2 }));
    await assert.rejects(addSteps(waits, step('x', ['true'], 'CANCEL_AND_WAIT')), {
      name: 'ValidationException',
    });
    const sleepers = await addSteps(waits, ...['1', '2', '3'].map((name) => step(name, ['sleep', '600'])));
    await stepIn(server.client, waits, sleepers[1] ?? '', ['RUNNING']);
    assert.deepEqual(await Promise.all(sleepers.map((id) => stateOf(waits, id))), [
      'RUNNING',
      'RUNNING',
      'PENDING',
    ]);

    await server.client.send(
      new emr.SetTerminationProtectionCommand({ JobFlowIds: [waits], TerminationProtected: false }),
    );
    await server.client.send(new emr.TerminateJobFlowsCommand({ JobFlowIds: [waits] }));
    await clusterIn(waits, 'TERMINATED');
    for (const id of sleepers) assert.equal(await stateOf(waits, id), 'CANCELLED');
  });

  it('cancels pending and running steps, with their whole process group', { timeout: 120_000 }, async () => {
    const cluster = await run('cancel');
    const marker = join(directory, 'grandchild.pid');
    // The shell ignores SIGTERM and leaves a child: only killing the group ends both.
    const [stubborn, pending] = await addSteps(
      cluster,
      step('stubborn', ['bash', '-c', `trap "" TERM; sleep 600 & echo $! > ${marker}; wait; sleep 600`]),
      step('pending', ['true']),
    );
    await eventually('the grandchild started', async () => existsSync(marker) || undefined);
    const pid = Number(
      await eventually('the grandchild pid', async () => readFileSync(marker, 'utf8').trim() || undefined),
    );
    const { CancelStepsInfoList } = await server.client.send(
      new emr.CancelStepsCommand({
        ClusterId: cluster,
        StepIds: [pending ?? '', stubborn ?? ''],
        StepCancellationOption: 'TERMINATE_PROCESS',
      }),
    );
    assert.deepEqual(
      CancelStepsInfoList?.map(({ Status }) => Status),
      ['SUBMITTED', 'SUBMITTED'],
    );
    await stepIn(server.client, cluster, stubborn ?? '', ['CANCELLED']);
    assert.equal(await stateOf(cluster, pending ?? ''), 'CANCELLED');
    await eventually('the grandchild is gone', async () => (isAlive(pid) ? undefined : true));
    const again = await server.client.send(
      new emr.CancelStepsCommand({ ClusterId: cluster, StepIds: [pending ?? ''] }),
    );
    assert.equal(again.CancelStepsInfoList?.[0]?.Status, 'FAILED');

    // The default way: the program is asked, and may tidy up.
    const tidied = join(directory, 'tidied');
    const [polite] = await addSteps(
      cluster,
      step('polite', [
        'bash',
        '-c',
        `trap "touch ${tidied}; exit 0" TERM; touch ${tidied}.on; sleep 600 & wait`,
      ]),
    );
    await eventually('the trap is set', async () => existsSync(`${tidied}.on`) || undefined);
    await server.client.send(new emr.CancelStepsCommand({ ClusterId: cluster, StepIds: [polite ?? ''] }));
    await stepIn(server.client, cluster, polite ?? '', ['CANCELLED']);
    assert.ok(existsSync(tidied));
    await server.client.send(new emr.TerminateJobFlowsCommand({ JobFlowIds: [cluster] }));
  });

  it('runs bootstrap actions from S3 and ends the cluster when one fails', async () => {
    await put('boot/ok.sh', `#!/bin/bash\necho "$1" > ${directory}/booted\n`);
    await put('boot/bad.sh', '#!/bin/bash\necho no luck >&2\nexit 9\n');
    const action = (script: string): emr.BootstrapActionConfig => ({
      Name: script,
      ScriptBootstrapAction: { Path: `s3://lake/boot/${script}.sh`, Args: ['an argument'] },
    });
    const good = await run('boots', { BootstrapActions: [action('ok')] });
    await clusterIn(good, 'WAITING');
    assert.equal(readFileSync(join(directory, 'booted'), 'utf8'), 'an argument\n');
    await server.client.send(new emr.TerminateJobFlowsCommand({ JobFlowIds: [good] }));

    const bad = await run('does not boot', { BootstrapActions: [action('ok'), action('bad')] });
    const { Status } = await clusterIn(bad, 'TERMINATED_WITH_ERRORS');
    assert.equal(Status?.StateChangeReason?.Code, 'BOOTSTRAP_FAILURE');
    assert.match(
      Status?.StateChangeReason?.Message ?? '',
      /bootstrap action 2 returned a non-zero return code/,
    );
    const missing = await run('boots from nothing', { BootstrapActions: [action('none')] });
    const { Status: none } = await clusterIn(missing, 'TERMINATED_WITH_ERRORS');
    assert.match(none?.StateChangeReason?.Message ?? '', /File does not exist: s3:\/\/lake\/boot\/none\.sh/);
  });

  it('ends an idle cluster by its auto-termination policy', async () => {
    // A second takes 10 ms here, so the policy's minute 600 ms: less than the step, which must not be cut short.
    const cluster = await run('idle', {
      AutoTerminationPolicy: { IdleTimeout: 60 },
      Steps: [step('busy', ['sleep', '1.5'])],
    });
    const got = await server.client.send(new emr.GetAutoTerminationPolicyCommand({ ClusterId: cluster }));
    assert.equal(got.AutoTerminationPolicy?.IdleTimeout, 60);
    const { Status } = await clusterIn(cluster, 'TERMINATED');
    assert.match(Status?.StateChangeReason?.Message ?? '', /idle/);
    const { Steps } = await server.client.send(new emr.ListStepsCommand({ ClusterId: cluster }));
    assert.equal(Steps?.[0]?.Status?.State, 'COMPLETED');
    const idle = Number(Status?.Timeline?.EndDateTime) - Number(Steps[0].Status.Timeline?.EndDateTime);
    assert.ok(idle >= 590, `it ended after ${idle} idle milliseconds`);
    await assert.rejects(run('bad policy', { AutoTerminationPolicy: { IdleTimeout: 5 } }), {
      name: 'ValidationException',
    });
  });

  it('fails steps it cannot run, and says why', async () => {
    const cluster = await run('unrunnable');
    const ids = await addSteps(
      cluster,
      step('copy', ['s3-dist-cp', '--src', 's3://lake/a', '--dest', 's3://lake/b']),
      step('nothing', ['no-such-program-here']),
      step('script', ['spark-submit', '--deploy-mode', 'cluster', 's3://lake/jobs/none.py']),
      { Name: 'jar', ActionOnFailure: 'CONTINUE', HadoopJarStep: { Jar: 's3://lake/a.jar' } },
    );
    const failures: (string | undefined)[] = [];
    for (const id of ids) {
      const { Status } = await stepIn(server.client, cluster, id, ENDED);
      assert.equal(Status?.State, 'FAILED');
      failures.push(Status?.FailureDetails?.Message);
    }
    assert.match(failures[0] ?? '', /Cannot run program "s3-dist-cp".*not installed/);
    assert.match(
      failures[1] ?? '',
      /Cannot run program "no-such-program-here": error=2, No such file or directory/,
    );
    assert.match(
      failures[2] ?? '',
      /FileNotFoundException: File does not exist: s3:\/\/lake\/jobs\/none\.py/,
    );
    assert.match(failures[3] ?? '', /hadoop jar/);
    await server.client.send(new emr.TerminateJobFlowsCommand({ JobFlowIds: [cluster] }));
  });

  it('answers wrong requests as EMR does', async () => {
    const send = (body: object, headers: Record<string, string>) =>
      fetch(server.endpoint, { method: 'POST', body: JSON.stringify(body), headers });
    const authorization = `AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/elasticmapreduce/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`;
    const type = async (response: Response) => ((await response.json()) as { __type: string }).__type;
    const target = (name: string) => ({ 'x-amz-target': `ElasticMapReduce.${name}` });

    assert.equal(await type(await send({}, target('ListClusters'))), 'MissingAuthenticationTokenException');
    assert.equal(
      await type(
        await send(
          {},
          { ...target('ListClusters'), authorization: authorization.replace('=local/', '=else/') },
        ),
      ),
      'UnrecognizedClientException',
    );
    const unknown = await send({}, { ...target('MakeCoffee'), authorization });
    assert.deepEqual([unknown.status, await type(unknown)], [400, 'UnknownOperationException']);
    const wrongType = await send({ Name: 5, Instances: {} }, { ...target('RunJobFlow'), authorization });
    assert.equal(await type(wrongType), 'SerializationException');
    const noName = await send({ Instances: {} }, { ...target('RunJobFlow'), authorization });
    assert.match(
      ((await noName.json()) as { message: string }).message,
      /1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null/,
    );

    await assert.rejects(server.client.send(new emr.ListStudiosCommand({})), {
      name: 'NotImplementedException',
      message: /ListStudios/,
    });
    await assert.rejects(describeCluster('j-NOSUCHCLUSTER'), {
      name: 'InvalidRequestException',
      message: "Cluster id 'j-NOSUCHCLUSTER' is not valid.",
    });
    await assert.rejects(addSteps('j-NOSUCHCLUSTER', step('x', ['true'])), {
      name: 'ValidationException',
      message: 'Specified job flow ID does not exist.',
    });
    const groups = [{ InstanceRole: 'MASTER' as const, InstanceType: 'm5.xlarge', InstanceCount: 1 }];
    await assert.rejects(run('both', { Instances: { InstanceGroups: groups } }), {
      message: /mutually exclusive/,
    });
    await assert.rejects(run('old', { ReleaseLabel: 'seven' }), {
      message: /release label is invalid: seven/,
    });
    await assert.rejects(run('role', { ServiceRole: undefined }), { message: /ServiceRole is required/ });
    const none = requests().filter(({ name }) => ['both', 'old', 'role', 'bad policy'].includes(name));
    assert.deepEqual(none, [], 'a refused request is not a request that made something');
  });

  it('pages lists, newest first', async () => {
    const cluster = await run('pages');
    const names = Array.from({ length: 120 }, (_, index) => `step ${index}`);
    const sleeper = step('sleeper', ['sleep', '600']);
    await addSteps(cluster, sleeper, ...names.map((name) => step(name, ['true'])));
    const listed: (string | undefined)[] = [];
    for await (const page of emr.paginateListSteps({ client: server.client }, { ClusterId: cluster })) {
      assert.ok((page.Steps?.length ?? 0) <= 50);
      listed.push(...(page.Steps ?? []).map(({ Name }) => Name));
    }
    assert.deepEqual(listed, [...names.toReversed(), 'sleeper']);
    await assert.rejects(addSteps(cluster, ...Array.from({ length: 136 }, () => step('more', ['true']))), {
      message: /Maximum number of active steps/,
    });
    await server.client.send(new emr.TerminateJobFlowsCommand({ JobFlowIds: [cluster] }));
    await clusterIn(cluster, 'TERMINATED');
    const { Clusters } = await server.client.send(
      new emr.ListClustersCommand({
        ClusterStates: ['TERMINATED'],
        CreatedAfter: new Date(Date.now() - 600_000),
      }),
    );
    assert.equal(Clusters?.[0]?.Id, cluster);
    const none = await server.client.send(new emr.ListClustersCommand({ CreatedBefore: new Date(0) }));
    assert.deepEqual(none.Clusters, []);
  });

  it('serves boto3, which checks answers against the service model', { timeout: 120_000 }, async () => {
    const script = projectPath('test', 'stand-ins', 'emr_boto3.py');
    const { stdout } = await promisify(execFile)(python.python, [script, server.endpoint]);
    assert.equal(stdout.trim().split('\n').at(-1), 'boto3 ok');
  });

  it('survives being killed: clusters and steps are kept, running steps become failed', {
    timeout: 120_000,
  }, async () => {
    const cluster = await run('survivor', { Tags: [{ Key: 'kept', Value: 'yes' }] });
    const pidFile = join(directory, 'running.pid');
    const [done, running, pending] = await addSteps(
      cluster,
      step('done', ['true']),
      step('running', ['bash', '-c', `echo $$ > ${pidFile}; sleep 600`]),
      step('pending', ['true']),
    );
    const pid = await eventually('the step runs', async () =>
      existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) || undefined : undefined,
    );
    server.process.kill('SIGKILL');
    await eventually('the stand-in is dead', async () =>
      isAlive(server.process.pid ?? 0) ? undefined : true,
    );
    assert.ok(isAlive(pid), 'the step outlives the stand-in, as a cluster outlives its API');
    server = await start();
    await eventually('the orphan is ended', async () => (isAlive(pid) ? undefined : true));
    assert.equal(await stateOf(cluster, done ?? ''), 'COMPLETED');
    const failed = await stepIn(server.client, cluster, running ?? '', ENDED);
    assert.equal(failed.Status?.State, 'FAILED');
    const { Message = '', LogFile = '' } = failed.Status?.FailureDetails ?? {};
    assert.match(Message, /stopped while the step was running/);
    const shipped = await eventually('its log is shipped', () => log(LogFile).catch(() => undefined));
    assert.match(shipped, /the stand-in was stopped while the step ran/);
    await stepIn(server.client, cluster, pending ?? '', ['COMPLETED']);
    assert.deepEqual((await describeCluster(cluster)).Tags, [{ Key: 'kept', Value: 'yes' }]);
  });

  it('ends its steps on SIGTERM and exits 0', async () => {
    const cluster = await run('stopped');
    const pidFile = join(directory, 'stopped.pid');
    await addSteps(cluster, step('long', ['bash', '-c', `echo $$ > ${pidFile}; sleep 600`]));
    const pid = await eventually('the step runs', async () =>
      existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) || undefined : undefined,
    );
    assert.equal(await server.stop(), 0);
    assert.ok(!isAlive(pid));
  });
});

/** True while the process exists and is more than a remnant waiting to be collected. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false;
  }
}
