// POST /pipelines/<name>/runs: starts a run for whoever signs the request, once per signature and once per key.
import { createHash } from 'node:crypto';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { WorkflowIdReusePolicy } from '@temporalio/common';
import { startRun } from '../client/start.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { nearestName } from '../core/nearest-name.ts';
import { resolveParameters } from '../core/pipeline/parameters.ts';
import { requestWorkflowId } from '../core/workflow-ids.ts';
import { requireSignature, SIGNATURE_WINDOW } from './authorize.ts';
import { type Door, withDeadline } from './door.ts';
import { Refusal } from './refusal.ts';
import { type Answer, type DoorRequest, parseJson, requireType } from './request.ts';

/** Bytes. */
export const MAX_BODY = 1024 * 1024;

/** Keys are the last part of a workflow id, below which its children's ids lie: no slash. */
const KEY = /^[A-Za-z0-9._:@+=-]{1,200}$/;

export async function startRunHandler(door: Door, request: DoorRequest): Promise<Answer> {
  const body = await request.body(MAX_BODY);
  const signature = requireSignature(request, body, door.keys.signing, Date.now());
  requireType(request, ['application/json']);
  const { parameters, key: written } = readRequest(parseJson(body));
  const pipeline = door.catalog.pipeline(request.path['name'] ?? '');
  if (pipeline === undefined)
    throw new Refusal(404, 'REFERENCE_MISSING', `There is no pipeline "${request.path['name']}".`);
  resolveParameters(`pipeline "${pipeline.name}"`, pipeline.parameters, parameters, { ignoreUnknown: false });
  const fingerprint = createHash('sha256').update(signature).digest('hex').slice(0, 40);
  const key = keyOf(written ?? request.header('idempotency-key')) ?? `http-${fingerprint}`;
  return withDeadline(door, async () => {
    await rememberRequest(door, fingerprint);
    const run = await startRun(door.client, {
      kind: 'pipeline',
      name: pipeline.name,
      key,
      parameters,
      trigger: 'http',
      triggerContext: { type: 'Manual', name: 'http', startTime: new Date().toISOString() },
      taskQueue: door.settings.taskQueue,
    });
    const runId = run.runId ?? (await runIdOf(door, run.workflowId));
    return {
      status: 202,
      headers: { location: `/pipelineruns/${runId}` },
      json: { runId, workflowId: run.workflowId, pipeline: pipeline.name, key, isNew: run.isNew },
    };
  });
}

function readRequest(value: JsonValue): { parameters: JsonObject; key: JsonValue | undefined } {
  const invalid = (message: string): Refusal => new Refusal(400, 'REQUEST_INVALID', message);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('The body is an object: {"parameters": {...}, "key": "..."}.');
  const { parameters = {}, key, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    const near = nearestName(unknown, ['parameters', 'key']);
    throw invalid(
      `The body has no "${unknown.slice(0, 80)}".${near === undefined ? ' It has "parameters" and "key".' : ` Did you mean "${near}"?`}`,
    );
  }
  if (typeof parameters !== 'object' || parameters === null || Array.isArray(parameters))
    throw invalid('"parameters" is an object.');
  return { parameters, key };
}

function keyOf(written: JsonValue | undefined): string | undefined {
  if (written === undefined) return undefined;
  if (typeof written === 'string' && KEY.test(written)) return written;
  throw new Refusal(400, 'REQUEST_INVALID', 'A key has 1 to 200 of: letters, digits and . _ : @ + = -');
}

/**
 * Sees to it that a signature counts once, also after a restart and for every server of this installation: Temporal
 * starts no second workflow of an id. Throws 401 for one that has been used.
 */
async function rememberRequest({ client, settings }: Door, fingerprint: string): Promise<void> {
  try {
    await client.workflow.start('rememberRequest', {
      workflowId: requestWorkflowId(fingerprint),
      taskQueue: settings.taskQueue,
      args: [],
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      // Nothing is lost where no worker ever completes it: that it was started is what counts.
      workflowExecutionTimeout: 4 * SIGNATURE_WINDOW * 1000,
      staticSummary: 'a signature that has been used',
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw new Refusal(
      401,
      'REQUEST_UNAUTHORIZED',
      'This signature has been used. Sign every request anew, also a repeated one.',
    );
  }
}

/** The run that a workflow id stands for, by the id that the run's first part has. */
async function runIdOf({ client }: Door, workflowId: string): Promise<string> {
  const { runId, raw } = await client.workflow.getHandle(workflowId).describe();
  return raw.workflowExecutionInfo?.firstRunId || runId;
}
