// Activities that run something on Databricks: submitted once, looked at from time to time, cancelled where not wanted.
import { Context } from '@temporalio/activity';
import type { DatabricksClient } from '../compute/databricks/client.ts';
import {
  cancelRun,
  describeRun,
  type RunOutput,
  type RunStatus,
  readOutput,
  runEnded,
  startJob,
  submitRun,
} from '../compute/databricks/runs.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { LinkedServiceResolver } from '../core/linked-service.ts';
import { DATABRICKS_RUN, type DatabricksRun, databricksRun } from '../core/pipeline/databricks-run.ts';
import {
  requiredLinkedService,
  type TaskActivity,
  type TaskInput,
  type TaskResult,
} from '../core/pipeline/task.ts';
import { createWorkspaces } from './databricks/connections.ts';
import { startBody, submitBody } from './databricks/run-request.ts';
import { asTask } from './task.ts';

export interface DatabricksActivities {
  performDatabricksNotebook: TaskActivity;
  performDatabricksSparkPython: TaskActivity;
  performDatabricksSparkJar: TaskActivity;
  performDatabricksJob: TaskActivity;
  /** Looks once at a run that was set going. */
  performDatabricksStatus: TaskActivity;
  /** Asks for the end of a run that is no longer wanted. */
  performDatabricksCancel: TaskActivity;
}

/** Characters of a failed run's trace or log that go into the error. */
const TAIL = 3_000;

export function createDatabricksActivities(dependencies: {
  readonly resolveLinkedService: LinkedServiceResolver;
}): DatabricksActivities {
  const workspaceOf = createWorkspaces(dependencies.resolveLinkedService);
  const signal = (): { signal: AbortSignal } => ({ signal: Context.current().cancellationSignal });

  const submit = async (input: TaskInput): Promise<TaskResult> => {
    const { client, service } = await workspaceOf(requiredLinkedService(input));
    const { info, cancellationSignal } = Context.current();
    cancellationSignal.throwIfAborted();
    // Not to be cut off: a run whose number nobody learned could not be cancelled.
    const runId =
      input.type === 'DatabricksJob'
        ? await startJob(client, startBody(input))
        : await submitRun(client, submitBody(input, service, Math.ceil(info.startToCloseTimeoutMs / 1000)));
    if (cancellationSignal.aborted) {
      await cancelRun(client, runId);
      cancellationSignal.throwIfAborted();
    }
    const { pageUrl } = await describeRun(client, runId, signal());
    const run: DatabricksRun = { runId, pageUrl };
    return { output: { [DATABRICKS_RUN]: run as unknown as JsonObject } };
  };

  const look = async (input: TaskInput): Promise<TaskResult> => {
    const { client } = await workspaceOf(requiredLinkedService(input));
    const { runId } = requiredRun(input);
    const status = await describeRun(client, runId, signal());
    if (!runEnded(status)) return { output: { [DATABRICKS_RUN]: { runId, pageUrl: status.pageUrl } } };
    const output = await outputOf(client, status, signal());
    if (status.result === 'SUCCESS' || status.result === 'SUCCESS_WITH_FAILURES')
      return { output: activityOutput(status, output) };
    throw failure(input, status, output);
  };

  const cancel = async (input: TaskInput): Promise<TaskResult> => {
    const { client } = await workspaceOf(requiredLinkedService(input));
    const { runId } = requiredRun(input);
    await cancelRun(client, runId);
    return { output: { runId } };
  };

  return {
    performDatabricksNotebook: asTask(submit),
    performDatabricksSparkPython: asTask(submit),
    performDatabricksSparkJar: asTask(submit),
    performDatabricksJob: asTask(submit),
    performDatabricksStatus: asTask(look),
    performDatabricksCancel: asTask(cancel),
  };
}

function requiredRun(input: TaskInput): DatabricksRun {
  const run = databricksRun(input.typeProperties);
  if (run !== undefined) return run;
  throw new WaybillError('INTERNAL', `"${input.activity}" has no run to look at.`, {
    activity: input.activity,
  });
}

/** Output of the task that tells most: the one that failed, else the only one. */
async function outputOf(
  client: DatabricksClient,
  status: RunStatus,
  options: { signal: AbortSignal },
): Promise<RunOutput> {
  const failed = status.tasks.find(({ result }) => result === 'FAILED' || result === 'TIMEDOUT');
  const task = failed ?? (status.tasks.length === 1 ? status.tasks[0] : undefined);
  if (task === undefined) return {};
  try {
    return await readOutput(client, task.id, options);
  } catch (error) {
    // A kind of task whose output cannot be read: the run's own words must do.
    if (error instanceof WaybillError && error.code === 'COMPUTE_REFUSED') return {};
    throw error;
  }
}

/** Data Factory's output of the activity. */
function activityOutput(status: RunStatus, output: RunOutput): JsonObject {
  return {
    runId: status.id,
    runPageUrl: status.pageUrl,
    ...(output.result === undefined ? {} : { runOutput: exitValue(output.result) }),
    ...(output.error === undefined ? {} : { runError: output.error }),
    executionDuration: Math.max(0, Math.round((status.endedAt - status.startedAt) / 1000)),
  };
}

/** A JSON object or array is one in `runOutput`, so that expressions reach into it; anything else is text. */
function exitValue(text: string): JsonValue {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
}

function failure({ activity }: TaskInput, status: RunStatus, output: RunOutput): WaybillError {
  const cancelled = status.result === 'CANCELED';
  const what = status.result ?? status.life;
  const told = output.trace ?? output.logs ?? '';
  const lines = [
    `Databricks run ${status.id} of "${activity}" ended ${what}: ${output.error ?? status.message}`,
    output.error !== undefined && !told.includes(status.message) ? status.message : '',
    `Run page: ${status.pageUrl}`,
    told.length > TAIL ? `…${told.slice(-TAIL)}` : told,
  ];
  return new WaybillError(cancelled ? 'STEP_CANCELLED' : 'STEP_FAILED', lines.filter(Boolean).join('\n'), {
    activity,
    runId: status.id,
    runPageUrl: status.pageUrl,
    result: what,
    ...(status.code === undefined ? {} : { reason: status.code }),
  });
}
