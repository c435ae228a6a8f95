// The Databricks runner against the stand-in: created once whatever is lost, found again, its jobs told apart, cancelled.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { ensurePython } from '../../dev/setup/python.ts';
import { DatabricksClient } from '../../src/compute/databricks/client.ts';
import { DatabricksRunner } from '../../src/compute/databricks/databricks-runner.ts';
import { personalToken } from '../../src/compute/databricks/tokens.ts';
import { WaybillError } from '../../src/core/errors.ts';
import { clusterCost } from '../../src/core/monitoring/cost.ts';
import { DEFAULT_PRICES } from '../../src/core/monitoring/prices.ts';
import type { JobStatus, OwnClusterRequest, SparkJobRequest } from '../../src/core/spark.ts';
import { jobEnded } from '../../src/core/spark.ts';
import { type DatabricksStandIn, databricksToken, startDatabricks } from '../support/databricks-stand-in.ts';
import { eventually } from '../support/emr-stand-in.ts';

describe('Databricks runner', { timeout: 120_000 }, () => {
  let directory: string;
  let server: DatabricksStandIn;
  let runner: DatabricksRunner;
  let owners = 0;
  let owner = '';

  before(async () => {
    const python = await ensurePython(console.error);
    directory = await mkdtemp(join(tmpdir(), 'waybill-databricks-runner-'));
    server = await startDatabricks({ stateDirectory: join(directory, 'state'), python });
    const client = new DatabricksClient({ host: server.endpoint, token: personalToken(databricksToken) });
    runner = new DatabricksRunner({ client, lookAgainAfter: 50 });
    const put = (path: string, text: string): Promise<unknown> =>
      server.call('POST', '2.0/dbfs/put', { path, contents: Buffer.from(text).toString('base64') });
    await put('/ok.py', 'import sys\nprint("got", sys.argv[1:])\n');
    await put('/bad.py', 'print("before")\nraise RuntimeError("no luck")\n');
    await put('/long.py', 'import time\ntime.sleep(120)\n');
  });
  beforeEach(() => {
    owner = `lakehouse/test/${++owners}`;
  });
  after(async () => {
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const request = (generation = 1): OwnClusterRequest => ({
    engine: 'databricks',
    name: 'demo',
    owner,
    generation,
    profile: {
      sparkVersion: '17.3.x-scala2.13',
      nodeTypeId: 'i3.xlarge',
      workers: 1,
      autoterminationMinutes: 10,
      runtimeEngine: 'STANDARD',
      dataSecurityMode: 'SINGLE_USER',
      sparkConf: {},
      sparkEnvVars: {},
      tags: {},
      initScripts: [],
    },
  });
  const job = (file: string, name = `${file}#1.1`): SparkJobRequest => ({
    name,
    main: `dbfs:/${file}.py`,
    pyFiles: [],
    arguments: ['a b', '--x'],
    configuration: {},
  });
  const ended = (clusterId: string, id: string): Promise<JobStatus> =>
    eventually('the job has ended', async () => {
      const status = await runner.describe(clusterId, id);
      return jobEnded(status.state) ? status : undefined;
    });
  const created = async (): Promise<number> =>
    (await server.requests('clusters/create')).filter(({ name }) => name.endsWith(owner)).length;

  it('creates one cluster though the answer is lost, and finds it again by owner and generation', async () => {
    await server.fault({ operation: 'POST /clusters/create', kind: 'lost', times: 1 });
    const { id } = await runner.openCluster(request());
    assert.equal((await runner.openCluster(request(), { repeated: true })).id, id);
    assert.equal(await created(), 1);
    const next = await runner.openCluster(request(2));
    assert.notEqual(next.id, id);
    assert.deepEqual(
      (await runner.findClusters(request())).map((one) => one.id).sort(),
      [id, next.id].sort(),
    );
    for (const one of [id, next.id]) await runner.terminateCluster(one);
    await eventually('none is found', async () =>
      (await runner.findClusters(request())).length === 0 ? true : undefined,
    );
    const { cluster } = await runner.snapshot(id);
    assert.equal(cluster.state, 'terminated');
    assert.match(cluster.reason, /USER_REQUEST/);
    assert.ok((cluster.endedAt ?? 0) > (cluster.createdAt ?? 0));
  });

  it('submits a job once, shows it in the snapshot, and reads its log', async () => {
    const { id } = await runner.openCluster(request());
    await server.fault(
      { operation: 'POST /jobs/runs/submit', kind: 'lost', times: 1 },
      { operation: 'POST /jobs/runs/submit', kind: 'throttled', times: 1 },
    );
    const first = await runner.submit(id, job('ok'));
    assert.equal((await runner.submit(id, job('ok'), { repeated: true })).id, first.id);
    const second = await runner.submit(id, job('bad'));
    assert.equal((await ended(id, first.id)).state, 'completed');
    const failed = await ended(id, second.id);
    assert.equal(failed.state, 'failed');
    assert.match(failed.reason, /Task main failed/);
    const { jobs, cluster } = await runner.snapshot(id);
    assert.equal(cluster.state, 'running');
    assert.deepEqual(
      jobs.map(({ name, state }) => [name, state]),
      [
        ['ok#1.1', 'completed'],
        ['bad#1.1', 'failed'],
      ],
    );
    const logs = await runner.logs(id, second.id);
    assert.match(logs.tail, /^before\n[\s\S]*RuntimeError: no luck$/);
    assert.match(logs.address, /^http.*\/runs\/\d+$/);
    assert.match((await runner.logs(id, first.id)).tail, /got \['a b', '--x'\]/);
    await runner.terminateCluster(id);
  });

  it('cancels a job, and tells one that lost its cluster from one that failed', async () => {
    const { id } = await runner.openCluster(request());
    const running = async (jobId: string): Promise<void> =>
      void (await eventually('it runs', async () =>
        (await runner.describe(id, jobId)).state === 'running' ? true : undefined,
      ));
    const unwanted = await runner.submit(id, job('long', 'long#1.1'));
    await running(unwanted.id);
    await runner.cancel(id, unwanted.id);
    assert.equal((await ended(id, unwanted.id)).state, 'cancelled');
    const bereft = await runner.submit(id, job('long', 'long#1.2'));
    await running(bereft.id);
    await runner.terminateCluster(id);
    const status = await ended(id, bereft.id);
    assert.equal(status.state, 'cancelled');
    assert.match(status.reason, /was terminated during the run/);
    assert.match((await runner.snapshot(id)).cluster.state, /terminat/);
  });

  it('says what was refused, and that a cluster is not known', async () => {
    const { cluster, jobs } = await runner.snapshot('0101-000000-nowhere');
    assert.deepEqual([cluster.state, jobs], ['failed', []]);
    const wrong = request();
    assert.ok(wrong.engine === 'databricks');
    const refused = runner.openCluster({
      ...wrong,
      profile: { ...wrong.profile, autoterminationMinutes: 3 },
    });
    await assert.rejects(refused, (error: unknown) => {
      assert.ok(error instanceof WaybillError);
      assert.equal(error.code, 'COMPUTE_REFUSED');
      assert.match(error.message, /autotermination_minutes must be 0 or between 10 and 10000/);
      return true;
    });
  });

  it('tells machines and DBUs of a cluster, and makes it larger', async () => {
    const { id } = await runner.openCluster(request());
    await eventually('it runs', async () =>
      (await runner.snapshot(id)).cluster.state === 'running' ? true : undefined,
    );
    const { machines } = await runner.usage(id);
    assert.deepEqual(
      machines.map(({ role, type, market, count }) => `${count} ${role} ${type} ${market}`),
      ['1 DRIVER i3.xlarge onDemand', '1 WORKER i3.xlarge onDemand'],
    );
    const cost = clusterCost(await runner.usage(id), DEFAULT_PRICES, Date.now() + 3_600_000);
    assert.ok(cost.dbus >= 2 && cost.dbus < 2.2, String(cost.dbus));
    assert.deepEqual(await runner.capacity(id), { kind: 'workers', size: 1 });
    await runner.resize(id, { kind: 'workers', size: 3 });
    await eventually('it is larger', async () =>
      (await runner.capacity(id))?.size === 3 ? true : undefined,
    );
    await runner.terminateCluster(id);
    await eventually('it has ended', async () =>
      (await runner.usage(id)).machines.every(({ to }) => to !== undefined) ? true : undefined,
    );
  });
});
