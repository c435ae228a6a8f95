// One-shot activities of a pipeline as Temporal activities: the policy's timeout and retries are the workflow's own, so
// that every attempt is to be seen.
import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/common';
import { ActivityCancellationType, CancellationScope, proxyActivities, sleep } from '@temporalio/workflow';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { convertTo } from '../core/pipeline/parameters.ts';
import { opened, sealed } from '../core/pipeline/secure.ts';
import type { ActivitySnapshot } from '../core/pipeline/snapshot.ts';
import { holdsSecret, masked } from '../core/pipeline/snapshot-secrets.ts';
import type { TaskActivity, TaskInput } from '../core/pipeline/task.ts';
import { evaluateTask } from '../core/pipeline/task-input.ts';
import type { ActivityRun } from '../core/run.ts';
import { ActivityEndedError } from './pipeline-failure.ts';
import type { PipelineInterpreter } from './pipeline-interpreter.ts';
import { type BlockScope, labelOf } from './pipeline-scope.ts';
import { withTimeout } from './pipeline-timeout.ts';

export interface TaskOptions {
  /**
   * Whether doing it twice does no more than doing it once: such an attempt is made again where its worker died.
   * Anything else then fails with ATTEMPT_LOST, and the policy's retries decide. May look at the evaluated properties.
   */
  readonly repeatable: boolean | ((typeProperties: JsonObject) => boolean);
  /** What remains to be done in the workflow after the Temporal activity: waiting for what it set going. */
  readonly followUp?: FollowUp;
  /** Whether that has a time limit of its own: the policy's is then for the Temporal activity alone. */
  readonly ownLimit?: boolean;
}

/** Makes the output of an attempt from what its Temporal activity gave. Throwing makes the attempt fail. */
export type FollowUp = (attempt: {
  readonly interpreter: PipelineInterpreter;
  readonly input: TaskInput;
  readonly output: JsonObject;
  /** Runs the Temporal activity `perform<type>`, which may be repeated. */
  again(type: string, input: TaskInput): Promise<JsonObject>;
}) => Promise<JsonObject>;

/** A dead worker is known by its silence. A false alarm costs an attempt where it may not be repeated: more patience. */
const REPEATABLE_HEARTBEAT = '15s';
const ONCE_HEARTBEAT = '30s';
/** Longest text Temporal takes as a summary, in bytes; names may be of several bytes a character. */
const SUMMARY_CHARACTERS = 60;

/**
 * How the activities of one type are performed: by the Temporal activity `perform<Type>`, registered in src/worker.ts
 * by way of `asTask`. Gives ADF's output.
 */
export const taskActivity =
  (type: string, options: TaskOptions) =>
  async (
    interpreter: PipelineInterpreter,
    activity: ActivitySnapshot,
    scope: BlockScope,
    entry: ActivityRun,
  ): Promise<JsonValue> => {
    const { loaded, identity } = interpreter;
    const { secureInput, secureOutput } = activity.policy;
    const item = labelOf(scope);
    const evaluated = evaluateTask(activity, loaded.datasets, interpreter.context(scope));
    const { typeProperties } = evaluated;
    const { repeatable } = options;
    const once = !(typeof repeatable === 'boolean' ? repeatable : repeatable(typeProperties));
    const place = [identity.runId, activity.name, ...(item === undefined ? [] : [item])].join('/');
    // What another activity's secureOutput hides stays hidden here, whatever this one's policy says.
    const hidden = interpreter.secrets.within(evaluated as unknown as JsonObject);
    const input = {
      runId: identity.runId,
      pipelineWorkflowId: identity.workflowId,
      pipeline: loaded.pipeline.name,
      activity: activity.name,
      type: activity.type,
      ...(item === undefined ? {} : { item }),
      ...evaluated,
      typeProperties:
        secureInput || holdsSecret([activity]) || hidden.length > 0 ? sealed(typeProperties) : typeProperties,
      ...(hidden.length === 0 ? {} : { hidden: sealed(hidden) }),
      ...(secureInput ? { secureInput } : {}),
      ...(secureOutput ? { secureOutput } : {}),
    };
    interpreter.noteInput(activity, entry, masked(typeProperties));
    return withRetries(interpreter, activity, scope, (attempt) => {
      if (attempt > 1) interpreter.log.setRetryAttempt(entry, attempt - 1);
      const task = { ...input, attemptKey: `${place}/${attempt}` };
      const { followUp } = options;
      if (followUp === undefined) return perform(type, task, activity, { once, attempt });
      const whole = async (): Promise<JsonObject> =>
        followUp({
          interpreter,
          input: task,
          output: await perform(type, task, activity, { once, attempt }),
          again: (next, more) => perform(next, more, activity, { once: false, attempt }),
        });
      return options.ownLimit === true ? whole() : withTimeout(activity, activity.policy.timeout, whole);
    });
  };

/** Makes attempts until one ends well or the policy's retries are used up. `attempt` counts from 1. */
async function withRetries<T>(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  attempt: (number: number) => Promise<T>,
): Promise<T> {
  const { retry, retryIntervalSeconds } = activity.policy;
  const retries = Number(convertTo('Int', interpreter.evaluate(retry, scope)) ?? 0);
  for (let tried = 0; ; tried++) {
    try {
      return await attempt(tried + 1);
    } catch (error) {
      if (tried >= retries || CancellationScope.current().consideredCancelled) throw error;
      await sleep(retryIntervalSeconds * 1000, { summary: `${activity.name}: before the next attempt` });
    }
  }
}

async function perform(
  type: string,
  input: TaskInput,
  activity: ActivitySnapshot,
  { once, attempt }: { once: boolean; attempt: number },
): Promise<JsonObject> {
  const { timeout } = activity.policy;
  const activities = proxyActivities<Record<string, TaskActivity>>({
    // Both, so that neither waiting for a worker nor attempts in a row make it longer than the policy allows.
    startToCloseTimeout: timeout,
    scheduleToCloseTimeout: timeout,
    heartbeatTimeout: once ? ONCE_HEARTBEAT : REPEATABLE_HEARTBEAT,
    // How often a store that is away is asked again is the activity's own decision (asTask): worker deaths do not count.
    retry: once
      ? { maximumAttempts: 1 }
      : { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary: summaryOf(input, attempt),
  });
  const run = activities[`perform${type}`];
  if (run === undefined) throw new TypeError(`no activity perform${type}`);
  try {
    const { output } = await run(input);
    return opened(output) as JsonObject;
  } catch (error) {
    throw explained(error, activity);
  }
}

function summaryOf({ activity, item }: TaskInput, attempt: number): string {
  const name = item === undefined ? activity : `${activity} ${item}`;
  return `${name.slice(0, SUMMARY_CHARACTERS)}${attempt === 1 ? '' : ` (attempt ${attempt})`}`;
}

/** Temporal's time-outs in words of the definition; everything else as it is. */
function explained(error: unknown, activity: ActivitySnapshot): unknown {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  if (!(cause instanceof TimeoutFailure)) return error;
  if (cause.timeoutType === 'HEARTBEAT')
    return new ActivityEndedError(
      'ATTEMPT_LOST',
      `The worker that performed "${activity.name}" died or was cut off. What it asked for may have been done or not, so it is not repeated blindly.`,
    );
  const last = cause.cause instanceof ApplicationFailure ? ` Last: ${cause.cause.message}` : '';
  return new ActivityEndedError(
    'ACTIVITY_TIMEOUT',
    `"${activity.name}" ran longer than the ${Math.round(activity.policy.timeout / 1000)} s its timeout allows.${last}`,
  );
}
