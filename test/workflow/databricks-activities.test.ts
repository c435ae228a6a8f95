// Databricks activities in real pipelines on a real Temporal server, against the Databricks stand-in: runs are submitted
// once, their results come back, and runs that nobody wants any more are cancelled.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ensurePython } from '../../dev/setup/python.ts';
import { createDatabricksActivities } from '../../src/activities/databricks.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { TaskInput } from '../../src/core/pipeline/task.ts';
import {
  clientId,
  clientSecret,
  type Run as DatabricksRun,
  type DatabricksStandIn,
  databricksToken,
  startDatabricks,
} from '../support/databricks-stand-in.ts';
import { pipelineOf } from '../support/factory-files.ts';
import {
  eventually,
  failureOf,
  type HarnessOptions,
  PipelineHarness,
  type Run,
} from '../support/pipeline-harness.ts';

const linkedServiceName = { referenceName: 'ls_dbx', type: 'LinkedServiceReference' };
const databricks = (type: string, typeProperties: object, policy: object = {}, name = 'It') => ({
  name,
  type,
  linkedServiceName,
  typeProperties,
  policy,
});
const notebook = (notebookPath: string, baseParameters: object = {}, policy: object = {}) =>
  databricks('DatabricksNotebook', { notebookPath, baseParameters }, policy);

describe('Databricks activities', { timeout: 300_000 }, () => {
  let directory: string;
  let server: DatabricksStandIn;
  let harness: PipelineHarness;
  let identity: JsonObject = { accessToken: databricksToken };

  const options = (): HarnessOptions => ({
    files: {
      'linkedService/ls_dbx.json': {
        name: 'ls_dbx',
        properties: { type: 'AzureDatabricks', typeProperties: { domain: server.endpoint } },
      },
    },
    activities: createDatabricksActivities({
      resolveLinkedService: async (name) => ({
        name,
        type: 'AzureDatabricks',
        properties: {
          domain: server.endpoint,
          ...identity,
          newClusterVersion: '17.3.x-scala2.13',
          newClusterNodeType: 'Standard_DS3_v2',
          newClusterNumOfWorker: '1:4',
          newClusterSparkEnvVars: { GREETING: 'Hi' },
        },
      }),
    }),
  });
  const runOf = <T>(activities: object[], body: (run: Run) => Promise<T>, more: object = {}): Promise<T> => {
    const { files, activities: own } = options();
    const all = { ...(files && { files }), activities: { ...own, ...more } };
    return harness.withRun({ pl: pipelineOf(activities) }, all, body);
  };
  const runsNamed = async (activity: string): Promise<DatabricksRun[]> => {
    const { runs } = await server.call<{ runs: DatabricksRun[] }>('GET', '2.2/jobs/runs/list', { limit: 25 });
    return runs.filter(({ run_name }) => run_name.startsWith(`waybill pl / ${activity} [`));
  };
  const clustersLeft = async (): Promise<number> => {
    const { clusters } = await server.call<{ clusters: { state: string }[] }>('GET', '2.1/clusters/list', {
      page_size: 100,
    });
    return clusters.filter(({ state }) => state !== 'TERMINATED').length;
  };
  const clean = (): Promise<void> =>
    eventually('no cluster is left', async () => (await clustersLeft()) === 0);

  before(async () => {
    const python = await ensurePython(console.error);
    directory = await mkdtemp(join(tmpdir(), 'waybill-databricks-'));
    server = await startDatabricks({ stateDirectory: join(directory, 'state'), python });
    harness = await PipelineHarness.start('real');
    await server.importNotebook(
      '/Shared/etl',
      [
        'import json, os',
        'dbutils.widgets.text("day", "")',
        'dbutils.notebook.exit(json.dumps({"rows": 3, "day": dbutils.widgets.get("day"), "greeting": os.environ["GREETING"]}))',
      ].join('\n'),
    );
    await server.importNotebook('/Shared/broken', 'def load():\n    raise KeyError("no such day")\nload()');
    await server.importNotebook('/Shared/long', 'import time\ntime.sleep(300)');
  });
  after(async () => {
    await harness?.stop();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('runs a notebook and takes over what it exits with', async () => {
    const activities = [
      notebook('/Shared/etl', { day: { value: "@concat('2026-', '01')", type: 'Expression' } }),
      {
        name: 'Keep',
        type: 'SetVariable',
        dependsOn: [{ activity: 'It', dependencyConditions: ['Succeeded'] }],
        typeProperties: {
          variableName: 'pipelineReturnValue',
          setSystemVariable: true,
          value: [
            { key: 'rows', value: { type: 'Expression', content: "@activity('It').output.runOutput.rows" } },
            { key: 'all', value: { type: 'Expression', content: "@activity('It').output" } },
          ],
        },
      },
    ];
    const { returnValue } = await runOf(activities, (run) => run.result());
    const { rows, all } = returnValue as { rows: number; all: JsonObject };
    assert.equal(rows, 3);
    assert.deepEqual(all['runOutput'], { rows: 3, day: '2026-01', greeting: 'Hi' });
    assert.match(String(all['runPageUrl']), /^http:\/\/127\.0\.0\.1:\d+\/jobs\/\d+\/runs\/\d+$/);
    assert.match(String(all['effectiveIntegrationRuntime']), /^waybill/);
    assert.equal(typeof all['executionDuration'], 'number');
    await clean();
  });

  it('tells why a notebook failed, and makes a new run for each attempt of the policy', async () => {
    const before = (await runsNamed('It')).length;
    const failure = await runOf(
      [notebook('/Shared/broken', {}, { retry: 1, retryIntervalInSeconds: 30 })],
      failureOf,
    );
    assert.match(failure.message, /KeyError: 'no such day'/);
    assert.match(JSON.stringify(failure), /STEP_FAILED/);
    assert.match(failure.message, /Run page: http/);
    assert.match(failure.message, /<cell 1>", line 2, in load/);
    assert.equal((await runsNamed('It')).length - before, 2);
    await clean();
  });

  it('makes one run though the answer to runs/submit is lost and the service throttles', async () => {
    await server.fault(
      { operation: 'POST /jobs/runs/submit', kind: 'lost', times: 2 },
      { operation: 'GET /jobs/runs/get', kind: 'throttled', times: 2 },
      { operation: 'GET /jobs/runs/get', kind: 'busy', times: 1 },
    );
    const before = (await server.requests('runs/submit')).length;
    const { status } = await runOf([notebook('/Shared/etl')], (run) => run.result());
    assert.equal(status, 'Succeeded');
    assert.equal((await server.requests('runs/submit')).length - before, 1);
  });

  it('finds its run again after an attempt that submitted it and then died', async () => {
    let deaths = 0;
    const real = options().activities as ReturnType<typeof createDatabricksActivities>;
    const more = {
      performDatabricksNotebook: async (task: TaskInput) => {
        const result = await real.performDatabricksNotebook(task);
        if (deaths++ === 0)
          throw new WaybillError('CONNECTION_FAILED', 'nobody learned that it was submitted');
        return result;
      },
    };
    const before = (await server.requests('runs/submit')).length;
    const { status } = await runOf([notebook('/Shared/etl')], (run) => run.result(), more);
    assert.equal(status, 'Succeeded');
    assert.equal(deaths, 2);
    assert.equal((await server.requests('runs/submit')).length - before, 1);
  });

  it('goes on asking where Databricks is away for longer than the client waits', async () => {
    let looks = 0;
    const real = options().activities as ReturnType<typeof createDatabricksActivities>;
    const more = {
      performDatabricksStatus: async (task: TaskInput) => {
        looks += 1;
        if (looks <= 2) throw new WaybillError('COMPUTE_BUSY', 'away', {}, { retryable: false });
        return real.performDatabricksStatus(task);
      },
    };
    const { status } = await runOf([notebook('/Shared/etl')], (run) => run.result(), more);
    assert.equal(status, 'Succeeded');
    assert.ok(looks > 2);
  });

  it('cancels the run when the pipeline is cancelled, and when its time is up', async () => {
    const running = async (): Promise<boolean> => {
      const [last] = await runsNamed('It');
      return last?.state.life_cycle_state === 'RUNNING';
    };
    await runOf([notebook('/Shared/long')], async ({ handle }) => {
      await eventually('the notebook runs', running);
      const asked = Date.now();
      await handle.cancel();
      await assert.rejects(handle.result());
      assert.ok(Date.now() - asked < 10_000, 'reached the service within 10 s');
    });
    const [cancelled] = await runsNamed('It');
    assert.equal((await server.ended(cancelled?.run_id ?? 0)).state.result_state, 'CANCELED');
    const failure = await runOf([notebook('/Shared/long', {}, { timeout: '0.00:00:05' })], failureOf);
    assert.match(failure.message, /longer than the 5 s/);
    const [late] = await runsNamed('It');
    assert.match((await server.ended(late?.run_id ?? 0)).state.result_state ?? '', /CANCELED|TIMEDOUT/);
    await clean();
  });

  it('runs Python files and jobs as a service principal', async () => {
    identity = { clientId, clientSecret };
    const contents = Buffer.from('import sys\nassert sys.argv[1:] == ["a", "7"], sys.argv\n').toString(
      'base64',
    );
    await server.call('POST', '2.0/dbfs/put', { path: '/jobs/a.py', contents, overwrite: true });
    const job = await server.call<{ job_id: number }>('POST', '2.2/jobs/create', {
      name: 'etl',
      tasks: [{ task_key: 'a', notebook_task: { notebook_path: '/Shared/etl' }, job_cluster_key: 'c' }],
      job_clusters: [
        {
          job_cluster_key: 'c',
          new_cluster: {
            spark_version: '17',
            node_type_id: 'x',
            num_workers: 1,
            spark_env_vars: { GREETING: 'Yo' },
          },
        },
      ],
    });
    const { status } = await runOf(
      [
        databricks(
          'DatabricksSparkPython',
          { pythonFile: 'dbfs:/jobs/a.py', parameters: ['a', 7] },
          {},
          'Python',
        ),
        databricks('DatabricksJob', { jobId: String(job.job_id), jobParameters: { day: 'x' } }, {}, 'Job'),
        databricks(
          'DatabricksSparkPython',
          { pythonFile: 'dbfs:/jobs/a.py', parameters: ['b'] },
          {},
          'Wrong',
        ),
        {
          name: 'Caught',
          type: 'Wait',
          typeProperties: { waitTimeInSeconds: 0 },
          dependsOn: [
            { activity: 'Wrong', dependencyConditions: ['Failed'] },
            { activity: 'Python', dependencyConditions: ['Succeeded'] },
            { activity: 'Job', dependencyConditions: ['Succeeded'] },
          ],
        },
      ],
      (run) => run.result(),
    );
    assert.equal(status, 'Succeeded');
    identity = { accessToken: 'no-such-token' };
    const failure = await runOf([notebook('/Shared/etl')], failureOf);
    assert.match(failure.message, /Databricks refused the credentials for jobs\/runs\/submit/);
    await clean();
  });
});
