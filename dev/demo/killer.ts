// Kills the demo's worker at a random moment of a stage, waits a moment, starts another. The run must not care.
import { readFile } from 'node:fs/promises';
import type { Client } from '@temporalio/client';
import { SnapshotReader } from '../../src/client/snapshot.ts';
import type { WorkerProcess } from './worker-process.ts';

export interface Killing {
  /** What was going on when it was killed, for the report. */
  readonly moment: string;
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Kills once the run's copies have moved `share` (0 to 1) of the rows they plan to. */
export async function killDuringCopy(
  client: Client,
  workflowId: string,
  worker: WorkerProcess,
  share: number,
): Promise<Killing> {
  const reader = new SnapshotReader(client);
  for (;;) {
    const { copies, status } = await reader.read(workflowId);
    const total = copies.reduce((sum, copy) => sum + copy.progress.rowsTotal, 0);
    const moved = copies.reduce((sum, copy) => sum + copy.progress.rowsDone + copy.rowsInFlight, 0);
    const large = copies.some(
      (copy) => copy.progress.rowsTotal > 100_000 && copy.progress.state === 'copying',
    );
    if (large && moved >= share * total) {
      return replace(
        worker,
        `after ${moved.toLocaleString('en-US')} of ${total.toLocaleString('en-US')} rows`,
      );
    }
    if (status !== 'RUNNING') throw new Error(`the copy ended (${status}) before the worker could be killed`);
    await pause(100);
  }
}

/** Kills `delay` milliseconds after the EMR service has taken its `step`-th step of this run. */
export async function killDuringSteps(
  requestLog: string,
  since: number,
  worker: WorkerProcess,
  step: number,
  delay: number,
): Promise<Killing> {
  const deadline = Date.now() + 300_000;
  while (Date.now() < deadline) {
    const steps = (await readRequests(requestLog, since)).filter(
      (request) => request.operation === 'AddJobFlowSteps',
    );
    if (steps.length >= step) {
      await pause(delay);
      return replace(worker, `${(delay / 1000).toFixed(1)} s after step ${step} was submitted`);
    }
    await pause(100);
  }
  throw new Error('no Spark step was submitted within 5 minutes');
}

async function replace(worker: WorkerProcess, moment: string): Promise<Killing> {
  const dead = worker.pid;
  await worker.kill();
  await pause(1000);
  worker.start();
  return { moment: `worker ${dead} killed ${moment}; worker ${worker.pid} took over` };
}

/** One line of the EMR stand-in's request log. */
export interface EmrRequest {
  readonly at: string;
  readonly operation: string;
  /** Cluster's or steps' names. */
  readonly names: readonly string[];
}

/** Requests that changed something, from `since` (ms since epoch) on, oldest first. */
export async function readRequests(requestLog: string, since: number): Promise<EmrRequest[]> {
  const text = await readFile(requestLog, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(
      (line) =>
        JSON.parse(line) as { at: string; operation: string; name?: string | string[]; names?: string[] },
    )
    .filter((entry) => new Date(entry.at).getTime() >= since)
    .map(({ at, operation, name, names }) => ({ at, operation, names: names ?? [name ?? []].flat() }));
}
