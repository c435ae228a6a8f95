// The Databricks activities of a pipeline. One look at a run is a Temporal activity; waiting between looks is the
// workflow's own and holds no worker. A run that is no longer wanted is cancelled.
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { CancellationScope, sleep } from '@temporalio/workflow';
import type { JsonObject } from '../core/json.ts';
import {
  DATABRICKS_RUN,
  type DatabricksRun,
  databricksRun,
  nextDatabricksLook,
} from '../core/pipeline/databricks-run.ts';
import { opened, sealed } from '../core/pipeline/secure.ts';
import type { TaskInput } from '../core/pipeline/task.ts';
import { type FollowUp, taskActivity } from './pipeline-tasks.ts';

const untilEnded: FollowUp = async ({ input, output, again }) => {
  const began = Date.now();
  let seen = output;
  try {
    for (let run = databricksRun(seen); run !== undefined; run = databricksRun(seen)) {
      await sleep(Math.round(nextDatabricksLook((Date.now() - began) / 1000) * 1000), {
        summary: `${input.activity}: until the run is looked at`,
      });
      const last = seen;
      seen = await again('DatabricksStatus', withRun(input, run)).catch((error: unknown) => {
        // Databricks being away for an hour ends no run there: the policy's timeout says how long to go on asking.
        if (codeOf(error) === 'COMPUTE_BUSY') return last;
        throw error;
      });
    }
    return seen;
  } catch (error) {
    const run = databricksRun(seen);
    if (run !== undefined && !hasEnded(error))
      await CancellationScope.nonCancellable(() => again('DatabricksCancel', withRun(input, run))).catch(
        // What is told is why the run was given up; one that cannot be cancelled ends by its own timeout.
        () => undefined,
      );
    throw error;
  }
};

function codeOf(error: unknown): string | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  return cause instanceof ApplicationFailure ? (cause.type ?? undefined) : undefined;
}

/** Whether the failure is the run's own end. */
const hasEnded = (error: unknown): boolean => /^STEP_(FAILED|CANCELLED)$/.test(codeOf(error) ?? '');

function withRun(input: TaskInput, run: DatabricksRun): TaskInput {
  const properties = opened(input.typeProperties) as JsonObject;
  const more = { ...properties, [DATABRICKS_RUN]: run as unknown as JsonObject };
  return { ...input, typeProperties: properties === input.typeProperties ? more : sealed(more) };
}

/** Submitting has an idempotency token: doing it twice makes one run. */
const databricks = (type: string) => taskActivity(type, { repeatable: true, followUp: untilEnded });

export const databricksNotebook = databricks('DatabricksNotebook');
export const databricksSparkPython = databricks('DatabricksSparkPython');
export const databricksSparkJar = databricks('DatabricksSparkJar');
export const databricksJob = databricks('DatabricksJob');
