// GET /healthz, /readyz and /metrics: for whoever watches the process. They need no key and tell nothing of runs, but
// /metrics tells readers with a key of runs, too.
import { requireReader } from './authorize.ts';
import type { Door } from './door.ts';
import { Refusal } from './refusal.ts';
import type { Answer, DoorRequest } from './request.ts';
import type { RunMetrics } from './run-metrics.ts';

/** Milliseconds. */
const PATIENCE = 3_000;

export const healthHandler = async (): Promise<Answer> => ({ status: 200, json: { status: 'ok' } });

/** Ready is who can reach Temporal. */
export async function readyHandler({ client }: Door): Promise<Answer> {
  try {
    await client.connection.withDeadline(Date.now() + PATIENCE, () =>
      client.workflowService.describeNamespace({ namespace: client.options.namespace }),
    );
    return { status: 200, json: { status: 'ready' } };
  } catch {
    return { status: 503, json: { status: 'waiting', reason: 'Temporal does not answer.' } };
  }
}

/** Without a key the process's own counters; with a reader's key also runs, their rows, bytes and cost, and streams. */
export async function metricsHandler(door: Door, request: DoorRequest): Promise<Answer> {
  const isReader = request.header('authorization') !== undefined || request.header('x-api-key') !== undefined;
  if (isReader) requireReader(request, Buffer.alloc(0), door.keys, Date.now());
  const runs = isReader ? await runsText(door.runMetrics) : '';
  return {
    status: 200,
    text: `${door.metrics.text()}${runs}`,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
  };
}

async function runsText(metrics: RunMetrics): Promise<string> {
  try {
    return await metrics.text(Date.now());
  } catch {
    throw new Refusal(503, 'CONNECTION_FAILED', 'Temporal does not answer: nothing is known of runs now.', {
      'retry-after': '5',
    });
  }
}
