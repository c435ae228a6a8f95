// The Databricks stand-in by its REST API: runs of real notebooks and Python files, graphs, retries, faults, restarts.
// No JVM: nothing here asks for a Spark session.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ensurePython, type PythonHome } from '../../dev/setup/python.ts';
import {
  clientId,
  clientSecret,
  type DatabricksStandIn,
  newCluster,
  type Run,
  startDatabricks,
} from '../support/databricks-stand-in.ts';
import { eventually } from '../support/emr-stand-in.ts';

interface Output {
  readonly notebook_output?: { readonly result?: string };
  readonly logs?: string;
  readonly error?: string;
  readonly error_trace?: string;
}

describe('Databricks stand-in', () => {
  let directory: string;
  let python: PythonHome;
  let server: DatabricksStandIn;

  const start = (): Promise<DatabricksStandIn> =>
    startDatabricks({ stateDirectory: join(directory, 'state'), python, flags: { 'idle-minute-ms': '20' } });
  const submit = async (body: Record<string, unknown>): Promise<number> =>
    (await server.call<{ run_id: number }>('POST', '2.2/jobs/runs/submit', body)).run_id;
  const notebook = (key: string, path: string, more: Record<string, unknown> = {}) => ({
    task_key: key,
    notebook_task: { notebook_path: path },
    new_cluster: newCluster,
    ...more,
  });
  const outputOf = async (run: Run, task = 0): Promise<Output> =>
    server.call<Output>('GET', '2.2/jobs/runs/get-output', { run_id: run.tasks[task]?.run_id });
  const put = (path: string, text: string): Promise<unknown> =>
    server.call('POST', '2.0/dbfs/put', {
      path,
      contents: Buffer.from(text).toString('base64'),
      overwrite: true,
    });

  const noClusterLeft = (): Promise<boolean> =>
    eventually('no cluster is left', async () => {
      const { clusters } = await server.call<{ clusters: { state: string }[] }>('GET', '2.1/clusters/list', {
        page_size: 100,
      });
      return clusters.every(({ state }) => state === 'TERMINATED') ? true : undefined;
    });

  before(async () => {
    python = await ensurePython(console.error);
    directory = await mkdtemp(join(tmpdir(), 'waybill-databricks-'));
    server = await start();
    await server.importNotebook('/ok', 'dbutils.notebook.exit("done")');
    await server.importNotebook('/bad', 'raise ValueError("kaput")');
    await server.importNotebook('/long', 'import time\ntime.sleep(120)');
  });
  after(async () => {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('runs a notebook: widgets, cells that share names, the exit value', async () => {
    await server.importNotebook(
      '/Shared/greet',
      [
        'dbutils.widgets.text("name", "nobody")',
        'dbutils.widgets.text("greeting", "Hello")',
        '# COMMAND ----------',
        '# MAGIC %md',
        '# MAGIC words',
        '# COMMAND ----------',
        'total = sum(range(10))',
        '# COMMAND ----------',
        "dbutils.notebook.exit(f\"{dbutils.widgets.get('greeting')} {getArgument('name')} {total}\")",
        '# COMMAND ----------',
        'raise RuntimeError("never reached")',
      ].join('\n'),
    );
    const task = notebook('main', '/Shared/greet');
    const id = await submit({
      run_name: 'greet',
      tasks: [{ ...task, notebook_task: { ...task.notebook_task, base_parameters: { name: 'Ada' } } }],
    });
    const run = await server.ended(id);
    assert.equal(run.state.result_state, 'SUCCESS', run.state.state_message);
    assert.equal(run.status.termination_details?.code, 'SUCCESS');
    assert.deepEqual((await outputOf(run)).notebook_output, { result: 'Hello Ada 45', truncated: false });
  });

  it('tells a notebook that fails from one that is missing, with the Python traceback', async () => {
    const failed = await server.ended(await submit({ tasks: [notebook('main', '/bad')] }));
    assert.deepEqual(
      [failed.state.life_cycle_state, failed.state.result_state, failed.status.termination_details?.code],
      ['TERMINATED', 'FAILED', 'RUN_EXECUTION_ERROR'],
    );
    const output = await outputOf(failed);
    assert.equal(output.error, 'ValueError: kaput');
    assert.match(output.error_trace ?? '', /Traceback[\s\S]*<cell 1>[\s\S]*kaput/);
    const missing = await server.ended(await submit({ tasks: [notebook('main', '/nowhere')] }));
    assert.equal(missing.state.life_cycle_state, 'INTERNAL_ERROR');
    assert.match(missing.state.state_message, /Unable to access the notebook "\/nowhere"/);
  });

  it('runs a Python file with its parameters and keeps what it printed', async () => {
    await put('/args.py', 'import sys\nprint(sys.argv[1:])\n');
    const id = await submit({
      tasks: [
        {
          task_key: 'main',
          spark_python_task: {
            python_file: 'dbfs:/args.py',
            parameters: ['a b', '{{task.run_id}}', '$(id)'],
          },
        },
      ],
    });
    const run = await server.ended(id);
    assert.match(
      (await outputOf(run)).logs ?? '',
      new RegExp(`\\['a b', '${run.tasks[0]?.run_id}', '\\$\\(id\\)'\\]`),
    );
  });

  it('follows the graph: run_if decides after a failure, leaves decide the result', async () => {
    const on = (...keys: string[]) => ({ depends_on: keys.map((task_key) => ({ task_key })) });
    const run = await server.ended(
      await submit({
        tasks: [
          notebook('a', '/ok'),
          notebook('b', '/bad', on('a')),
          notebook('c', '/ok', on('b')),
          notebook('d', '/ok', { ...on('b'), run_if: 'AT_LEAST_ONE_FAILED' }),
          notebook('e', '/ok', { ...on('a'), run_if: 'ALL_FAILED' }),
        ],
      }),
    );
    const results = Object.fromEntries(run.tasks.map((task) => [task.task_key, task.state.result_state]));
    assert.deepEqual(results, {
      a: 'SUCCESS',
      b: 'FAILED',
      c: 'UPSTREAM_FAILED',
      d: 'SUCCESS',
      e: 'EXCLUDED',
    });
    assert.equal(run.state.result_state, 'FAILED');
  });

  it('repeats a failed task as often as it may, and repairs a run by its failed tasks alone', async () => {
    await put(
      '/twice.py',
      'import os, sys\np = "' +
        directory +
        '/seen"\nif not os.path.exists(p):\n  open(p, "w").close()\n  sys.exit(3)\n',
    );
    const task = { task_key: 'main', spark_python_task: { python_file: 'dbfs:/twice.py' }, max_retries: 1 };
    const run = await server.ended(await submit({ tasks: [task] }));
    assert.equal(run.state.result_state, 'SUCCESS', run.state.state_message);
    assert.deepEqual(
      run.tasks.map((one) => one.attempt_number),
      [0, 1],
    );

    const two = await server.ended(await submit({ tasks: [notebook('a', '/ok'), notebook('b', '/later')] }));
    assert.equal(two.state.result_state, 'FAILED');
    await server.importNotebook('/later', 'pass');
    await server.call('POST', '2.2/jobs/runs/repair', { run_id: two.run_id, rerun_all_failed_tasks: true });
    const repaired = await server.ended(two.run_id);
    assert.equal(repaired.state.result_state, 'SUCCESS');
    assert.equal(repaired.tasks.filter(({ task_key }) => task_key === 'a').length, 1);
  });

  it('cancels a run, its processes and its cluster; a timeout does, too', async () => {
    const running = async (id: number): Promise<boolean> =>
      (await server.call<Run>('GET', '2.2/jobs/runs/get', { run_id: id })).tasks[0]?.state
        .life_cycle_state === 'RUNNING';
    const id = await submit({ tasks: [notebook('main', '/long')] });
    await eventually('it runs', async () => ((await running(id)) ? true : undefined));
    await server.call('POST', '2.2/jobs/runs/cancel', { run_id: id });
    assert.equal((await server.ended(id)).state.result_state, 'CANCELED');
    const late = await server.ended(await submit({ tasks: [notebook('main', '/long')], timeout_seconds: 1 }));
    assert.equal(late.state.result_state, 'TIMEDOUT');
    await noClusterLeft();
  });

  it('makes one run of a token, whatever happens to the answer', async () => {
    await server.fault({ operation: 'POST /jobs/runs/submit', kind: 'lost', times: 1 });
    const body = { run_name: 'once', idempotency_token: 'token-1', tasks: [notebook('main', '/ok')] };
    await assert.rejects(submit(body), /fetch failed/);
    const id = await submit(body);
    assert.equal(id, await submit(body));
    assert.equal((await server.requests('runs/submit')).filter(({ name }) => name === 'once').length, 1);
    await server.fault({ operation: 'GET /jobs/list', kind: 'throttled', times: 1 });
    await assert.rejects(server.call('GET', '2.2/jobs/list'), /429 REQUEST_LIMIT_EXCEEDED/);
  });

  it('keeps jobs, runs them with parameters, queues what is too many, pages its lists', async () => {
    await server.importNotebook('/day', 'dbutils.notebook.exit(dbutils.widgets.get("day"))');
    const { job_id } = await server.call<{ job_id: number }>('POST', '2.2/jobs/create', {
      name: 'daily',
      parameters: [{ name: 'day', default: '1' }],
      queue: { enabled: true },
      tasks: [notebook('main', '/day')],
    });
    const now = async (body: Record<string, unknown> = {}): Promise<number> =>
      (await server.call<{ run_id: number }>('POST', '2.2/jobs/run-now', { job_id, ...body })).run_id;
    const first = await now();
    const second = await now({ job_parameters: { day: '2' } });
    const queued = await server.call<Run>('GET', '2.2/jobs/runs/get', { run_id: second });
    assert.equal(queued.status.state, 'QUEUED');
    assert.equal((await outputOf(await server.ended(first))).notebook_output?.result, '1');
    assert.equal((await outputOf(await server.ended(second))).notebook_output?.result, '2');
    const list = (token?: string) =>
      server.call<{ runs: Run[]; next_page_token?: string }>('GET', '2.2/jobs/runs/list', {
        job_id,
        limit: 1,
        ...(token === undefined ? {} : { page_token: token }),
      });
    const page = await list();
    const next = await list(page.next_page_token);
    assert.deepEqual(
      [...page.runs, ...next.runs].map((run) => run.run_id),
      [second, first],
    );
    assert.equal(next.next_page_token, undefined);
  });

  it('refuses by name what it does not do', async () => {
    const task = { task_key: 'main', new_cluster: newCluster };
    const refused = async (more: Record<string, unknown>, message: RegExp): Promise<void> =>
      assert.rejects(submit({ tasks: [{ ...task, ...more }] }), message);
    await refused(
      { pipeline_task: { pipeline_id: 'x' } },
      /501 NOT_IMPLEMENTED: pipeline_task exists in Databricks/,
    );
    await refused({ sql_task: {} }, /400 .*sql_task.warehouse_id/);
    await refused({ notebook_task: { notebook_path: '/x.ipynb' } }, /501 NOT_IMPLEMENTED: .*ipynb/);
    await refused({ notebook_task: { notebook_path: '/ok' }, libraries: [{ maven: {} }] }, /501 .*maven/);
    await refused({}, /400 .*exactly one task type/);
    await assert.rejects(server.call('GET', '2.2/jobs/nonsense'), /404 ENDPOINT_NOT_FOUND/);
    const wrong = await fetch(`${server.endpoint}/api/2.2/jobs/list`, {
      headers: { authorization: 'Bearer no' },
    });
    assert.equal(wrong.status, 401);
  });

  it('gives a service principal a token', async () => {
    const response = await fetch(`${server.endpoint}/oidc/v1/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'all-apis' }),
    });
    const { access_token } = (await response.json()) as { access_token: string };
    const list = await fetch(`${server.endpoint}/api/2.2/jobs/list`, {
      headers: { authorization: `Bearer ${access_token}` },
    });
    assert.equal(list.status, 200);
  });

  it('ends an idle cluster by itself, and the task whose cluster is ended', async () => {
    const create = async (autotermination_minutes: number): Promise<string> =>
      (
        await server.call<{ cluster_id: string }>('POST', '2.1/clusters/create', {
          ...newCluster,
          cluster_name: 'own',
          autotermination_minutes,
        })
      ).cluster_id;
    const idle = await create(10);
    const reason = await eventually('the idle cluster has ended', async () => {
      const cluster = await server.call<{ state: string; termination_reason?: { code: string } }>(
        'GET',
        '2.1/clusters/get',
        { cluster_id: idle },
      );
      return cluster.state === 'TERMINATED' ? cluster.termination_reason?.code : undefined;
    });
    assert.equal(reason, 'INACTIVITY');
    const { new_cluster: _none, ...task } = notebook('main', '/long');
    const busy = await create(0);
    const id = await submit({ tasks: [{ ...task, existing_cluster_id: busy }] });
    await eventually('it runs', async () => {
      const run = await server.call<Run>('GET', '2.2/jobs/runs/get', { run_id: id });
      return run.tasks[0]?.state.life_cycle_state === 'RUNNING' ? true : undefined;
    });
    await server.call('POST', '2.1/clusters/delete', { cluster_id: busy });
    const run = await server.ended(id);
    assert.equal(run.status.termination_details?.code, 'CLUSTER_ERROR');
  });

  it('knows everything after a crash; a task that was running has failed', async () => {
    const id = await submit({
      tasks: [notebook('main', '/long')],
      run_name: 'crash',
      idempotency_token: 'crash',
    });
    await eventually('it runs', async () => {
      const run = await server.call<Run>('GET', '2.2/jobs/runs/get', { run_id: id });
      return run.tasks[0]?.state.life_cycle_state === 'RUNNING' ? true : undefined;
    });
    await server.stop('SIGKILL');
    server = await start();
    const run = await server.ended(id);
    assert.equal(run.state.life_cycle_state, 'INTERNAL_ERROR');
    assert.match(run.state.state_message, /driver was lost/);
    await noClusterLeft();
    assert.equal(await submit({ idempotency_token: 'crash', tasks: [notebook('main', '/ok')] }), id);
  });
});
