// GET /healthz, /readyz and /metrics: for whoever watches the process. They need no key and tell nothing of runs.
import type { Door } from './door.ts';
import type { Answer } from './request.ts';

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

export const metricsHandler = async ({ metrics }: Door): Promise<Answer> => ({
  status: 200,
  text: metrics.text(),
  headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
});
