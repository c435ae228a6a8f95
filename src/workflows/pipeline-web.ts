// The activities that call HTTP endpoints. One request is a Temporal activity; waiting for what it set going is the
// workflow's own, and holds no worker.
import { condition, defineSignal, setHandler, sleep } from '@temporalio/workflow';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { convertTo } from '../core/pipeline/parameters.ts';
import { opened, sealed } from '../core/pipeline/secure.ts';
import type { TaskInput } from '../core/pipeline/task.ts';
import { parseTimeSpan } from '../core/pipeline/time-span.ts';
import { CALLBACK_SIGNAL, callbackOutcome, type WebHookCallback } from '../core/pipeline/web-hook.ts';
import { nextLook, PENDING, pendingRequest } from '../core/pipeline/web-request.ts';
import { ActivityEndedError } from './pipeline-failure.ts';
import type { PipelineInterpreter } from './pipeline-interpreter.ts';
import { type FollowUp, taskActivity } from './pipeline-tasks.ts';

/** HTTP says that these do the same when they are done twice. */
const repeatable = (properties: JsonObject): boolean =>
  /^(get|head|options|put|delete)$/i.test(String(properties['method'] ?? ''));

/** Asks again, ever less often, until an answer is more than "accepted". Data Factory waits 7 days: so does the policy. */
const untilAnswered: FollowUp = async ({ input, output, again }) => {
  const began = Date.now();
  let answer = output;
  for (let pending = pendingRequest(answer); pending !== undefined; pending = pendingRequest(answer)) {
    const seconds = nextLook(pending, (Date.now() - began) / 1000);
    await sleep(Math.round(seconds * 1000), {
      summary: `${input.activity}: until it is asked how far it is`,
    });
    answer = await again(
      `${input.type}Status`,
      withProperty(input, PENDING, pending as unknown as JsonObject),
    );
  }
  return answer;
};

function withProperty(input: TaskInput, key: string, value: JsonValue): TaskInput {
  const properties = opened(input.typeProperties) as JsonObject;
  const more = { ...properties, [key]: value };
  return { ...input, typeProperties: properties === input.typeProperties ? more : sealed(more) };
}

export const webActivity = taskActivity('WebActivity', { repeatable, followUp: untilAnswered });

export const azureFunctionActivity = taskActivity('AzureFunctionActivity', {
  repeatable,
  followUp: untilAnswered,
});

/** Data Factory's default. */
const DEFAULT_CALLBACK_TIMEOUT = 10 * 60_000;

const callbackSignal = defineSignal<[WebHookCallback]>(CALLBACK_SIGNAL);

/** What was called back to a run, by attempt. Temporal keeps calls that come before anybody waits. */
const received = new WeakMap<PipelineInterpreter, Map<string, JsonValue>>();

function callbacksOf(interpreter: PipelineInterpreter): ReadonlyMap<string, JsonValue> {
  const known = received.get(interpreter);
  if (known !== undefined) return known;
  const callbacks = new Map<string, JsonValue>();
  received.set(interpreter, callbacks);
  setHandler(callbackSignal, ({ attemptKey, body }) => {
    // The first call counts, however often it is repeated.
    if (!callbacks.has(attemptKey)) callbacks.set(attemptKey, opened(body));
  });
  return callbacks;
}

const untilCalledBack: FollowUp = async ({ interpreter, input }) => {
  const properties = opened(input.typeProperties) as JsonObject;
  const written = properties['timeout'];
  const timeout =
    (typeof written === 'string' ? parseTimeSpan(written) : undefined) ?? DEFAULT_CALLBACK_TIMEOUT;
  const callbacks = callbacksOf(interpreter);
  const { attemptKey, activity } = input;
  if (!(await condition(() => callbacks.has(attemptKey), timeout)))
    throw new ActivityEndedError(
      'ACTIVITY_TIMEOUT',
      `"${activity}" was not called back within the ${Math.round(timeout / 1000)} s of its timeout.`,
    );
  const reports = convertTo('Bool', properties['reportStatusOnCallBack'] ?? false) === true;
  const outcome = callbackOutcome(callbacks.get(attemptKey) ?? null, reports);
  if ('error' in outcome) throw new ActivityEndedError(outcome.error.errorCode, outcome.error.message);
  return outcome.output;
};

/** Calls an endpoint and waits, for weeks if need be, until the HTTP door passes on that the callBackUri was called. */
export const webHook = taskActivity('WebHook', {
  repeatable: false,
  followUp: untilCalledBack,
  ownLimit: true,
});
