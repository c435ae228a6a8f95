// One copy through the whole product: a worker process, a pipeline started by the client, ledger and checksums on.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { WorkerProcess } from '../../dev/demo/worker-process.ts';
import { startRun } from '../../src/client/start.ts';
import { DEFAULT_TASK_QUEUE } from '../../src/core/search-attributes.ts';
import type { Figures } from './figures.ts';
import { cpuOf, watchResident } from './processes.ts';

export interface WaybillRun {
  readonly client: Client;
  readonly env: NodeJS.ProcessEnv;
  readonly directory: string;
  readonly pipeline: string;
  readonly place: string;
  readonly verify: boolean;
  readonly key: string;
}

/** Starts a worker for this one copy, so that its memory is this copy's; its start is measured apart. */
export async function runWaybill(run: WaybillRun): Promise<Omit<Figures, 'serverCpu'>> {
  const worker = new WorkerProcess(run.env, join(run.directory, 'worker.log'));
  await rm(join(run.directory, 'worker.log'), { force: true });
  worker.start();
  try {
    await untilReady(worker);
    const pid = worker.pid ?? 0;
    const startCpu = await cpuOf(pid);
    const resident = watchResident(pid);
    const started = performance.now();
    const { handle } = await startRun(run.client, {
      kind: 'pipeline',
      name: run.pipeline,
      key: run.key,
      parameters: { place: run.place, verify: run.verify },
      trigger: 'bench',
      taskQueue: DEFAULT_TASK_QUEUE,
    });
    await Promise.race([handle.result(), worker.failure()]);
    const wall = (performance.now() - started) / 1000;
    const cpu = (await cpuOf(pid)) - startCpu;
    return { wall, cpu, rssMb: resident.stop(), startCpu };
  } finally {
    await worker.stop();
  }
}

async function untilReady(worker: WorkerProcess): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!/RUNNING|worker (is )?ready|polling/i.test(worker.lastLines(40))) {
    if (Date.now() > deadline) throw new Error(`the worker did not start:\n${worker.lastLines()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
