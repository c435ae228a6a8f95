// `npm run demo`: the main job on real engines from one command. Exit code 0 only when every check passed.
import '../../src/config/quiet-aws.ts';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { explainFailure, renderFailure } from '../../src/client/failure.ts';
import { formatDuration } from '../../src/client/format.ts';
import { createSchedule, scheduleId, triggerSchedule } from '../../src/client/schedule.ts';
import { copiesOf, dbtRunsOf, type RunSnapshot, SnapshotReader } from '../../src/client/snapshot.ts';
import { startRun } from '../../src/client/start.ts';
import { watchRun } from '../../src/client/watch.ts';
import type { CopyOutput } from '../../src/core/copy.ts';
import type { DbtProgress } from '../../src/core/dbt.ts';
import type { RunLakehouseOutput } from '../../src/core/run.ts';
import { DEFAULT_TASK_QUEUE } from '../../src/core/search-attributes.ts';
import { seedWorld } from '../seed/seed-world.ts';
import { worldDown, worldUp } from '../world/lifecycle.ts';
import type { World } from '../world/world.ts';
import { checkResults, countMarts } from './checks.ts';
import { killDuringCopy, killDuringSteps } from './killer.ts';
import { type DemoOptions, parseDemoOptions, seededRandom } from './options.ts';
import { type ReportedCopy, type ReportedDbt, renderReport } from './report.ts';
import { WorkerProcess } from './worker-process.ts';

const LAKEHOUSE = 'nycflights';
const WINDOW = '2013';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** The demo's runs are numbered per world: a run's key is its number, so no key is made from a clock. */
async function nextRunNumber(world: World): Promise<number> {
  const file = join(world.directory, 'demo-runs');
  const last = Number(await readFile(file, 'utf8').catch(() => '0'));
  await mkdir(world.directory, { recursive: true });
  await writeFile(file, String(last + 1));
  return last + 1;
}

class Demo {
  readonly #world: World;
  readonly #client: Client;
  readonly #worker: WorkerProcess;
  readonly #options: DemoOptions;
  readonly #random: () => number;
  readonly #copies: ReportedCopy[] = [];
  readonly #dbts: ReportedDbt[] = [];
  readonly #workflowIds: string[] = [];
  readonly #killings: string[] = [];

  constructor(world: World, client: Client, worker: WorkerProcess, options: DemoOptions) {
    this.#world = world;
    this.#client = client;
    this.#worker = worker;
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  /** Runs the whole job; true when every check passed. */
  async run(startedAt: number): Promise<boolean> {
    const number = await nextRunNumber(this.#world);
    const key = `demo-${number}`;
    const since = Date.now();
    await this.#pipeline('pl_sqlserver_to_snowflake', key, 'copy', true);
    const lakehouse = await this.#lakehouse(since);
    await this.#pipeline('pl_snowflake_to_sqlserver', key, 'back', false);
    const checks = await checkResults(this.#world, this.#client, {
      copies: this.#copies,
      lakehouse,
      since,
      scheduleId: scheduleId(LAKEHOUSE),
    });
    const report = renderReport(
      {
        copies: this.#copies,
        dbts: this.#dbts,
        martRows: await countMarts(this.#world),
        lakehouse,
        checks,
        workflowIds: this.#workflowIds,
        uiUrl: this.#world.temporal.uiUrl,
        namespace: this.#world.temporal.namespace,
        milliseconds: Date.now() - startedAt,
        killings: this.#killings,
      },
      process.stdout.isTTY === true,
    );
    for (const line of report) say(line);
    return checks.every((check) => check.passed);
  }

  async #pipeline(name: string, key: string, stage: string, killable: boolean): Promise<void> {
    const { handle, workflowId } = await startRun(this.#client, {
      kind: 'pipeline',
      name,
      key,
      parameters: {},
      trigger: 'client',
      taskQueue: DEFAULT_TASK_QUEUE,
    });
    const killing =
      this.#options.killWorker && killable
        ? killDuringCopy(this.#client, workflowId, this.#worker, 0.1 + 0.7 * this.#random())
        : undefined;
    await this.#follow(`pipeline ${name}`, workflowId, killing);
    await handle.result();
    await this.#collect(workflowId, stage);
  }

  /** The lakehouse pipeline runs the way it does in production: its schedule is created, triggered once, paused. */
  async #lakehouse(since: number): Promise<RunLakehouseOutput> {
    const created = await createSchedule(this.#client, {
      name: LAKEHOUSE,
      cron: '0 3 * * *',
      window: WINDOW,
      parameters: {},
      taskQueue: DEFAULT_TASK_QUEUE,
    });
    const workflowId = await triggerSchedule(this.#client, LAKEHOUSE);
    await this.#client.schedule.getHandle(scheduleId(LAKEHOUSE)).pause('the demo runs it once');
    say(
      `\n  schedule ${scheduleId(LAKEHOUSE)} ${created === 'created' ? 'created' : 'found'}, triggered, paused`,
    );
    const killing = this.#options.killWorker
      ? killDuringSteps(
          this.#world.emr.requestLog,
          since,
          this.#worker,
          1 + Math.floor(3 * this.#random()),
          Math.floor(8000 * this.#random()),
        )
      : undefined;
    await this.#follow(`lakehouse ${LAKEHOUSE}`, workflowId, killing);
    const output = (await this.#client.workflow.getHandle(workflowId).result()) as RunLakehouseOutput;
    await this.#collect(workflowId, 'lakehouse');
    return output;
  }

  async #follow(
    title: string,
    workflowId: string,
    killing: Promise<{ moment: string }> | undefined,
  ): Promise<void> {
    say(`\n▶ ${title.padEnd(46)} ${workflowId}`);
    this.#workflowIds.push(workflowId);
    const watching = watchRun(this.#client, workflowId, { stream: process.stdout });
    const [, killed] = await Promise.race([Promise.all([watching, killing]), this.#worker.failure()]);
    if (killed !== undefined) {
      this.#killings.push(killed.moment);
      say(`  ${killed.moment}`);
    }
  }

  /** The closed run's own account. A busy worker may miss a query's deadline; without an account nothing is checked. */
  async #progressOf(workflowId: string): Promise<NonNullable<RunSnapshot['progress']>> {
    for (let attempt = 0; attempt < 10; attempt++) {
      const { progress } = await new SnapshotReader(this.#client).read(workflowId);
      if (progress !== undefined) return progress;
    }
    throw new Error(`${workflowId} does not answer queries, so its copies cannot be checked`);
  }

  async #collect(workflowId: string, stage: string): Promise<void> {
    const progress = await this.#progressOf(workflowId);
    const stageOf = (id: string): string =>
      progress.kind === 'lakehouse'
        ? (progress.stages.find((one) => one.children.includes(id))?.stage ?? stage)
        : stage;
    for (const id of copiesOf(progress)) {
      const output = (await this.#client.workflow.getHandle(id).result()) as CopyOutput;
      this.#copies.push({ stage: stageOf(id), workflowId: id, output });
    }
    for (const id of dbtRunsOf(progress)) {
      const result = (await this.#client.workflow.getHandle(id).result()) as DbtProgress;
      this.#dbts.push({ stage: stageOf(id), progress: result });
    }
  }
}

async function main(): Promise<void> {
  const options = parseDemoOptions(process.argv);
  const startedAt = Date.now();
  say(`waybill demo${options.killWorker ? ` · the worker will be killed twice (seed ${options.seed})` : ''}`);
  const world = await worldUp({ name: options.world, report: say });
  let passed = false;
  // Secrets of the world reach this process, its client and its worker by environment only.
  Object.assign(process.env, world.env);
  const worker = new WorkerProcess(process.env, join(world.directory, 'logs', 'worker.log'));
  try {
    await seedWorld(world, say);
    worker.start();
    const connection = await Connection.connect({ address: world.temporal.address });
    try {
      const client = new Client({ connection, namespace: world.temporal.namespace });
      passed = await new Demo(world, client, worker, options).run(startedAt);
    } finally {
      await connection.close();
    }
  } catch (error) {
    for (const line of renderFailure(explainFailure(error))) say(line);
    say(
      `  worker's log: ${join(world.directory, 'logs', 'worker.log')} · Temporal UI: ${world.temporal.uiUrl} (with --keep)`,
    );
  } finally {
    if (options.keep) {
      say(
        `\nthe world stays up: Temporal UI ${world.temporal.uiUrl} · stop it with: node bin/waybill.js dev down --name ${options.world}`,
      );
      await worker.stop();
    } else {
      await worker.stop();
      await worldDown(options.world);
      say(
        `  world down · ${formatDuration(Date.now() - startedAt)} in all · look around: npm run demo -- --keep`,
      );
    }
  }
  process.exitCode = passed ? 0 : 1;
}

await main();
