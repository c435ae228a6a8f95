// The activities that are workflows of their own: Copy and Execute Pipeline.
import {
  ApplicationFailure,
  ChildWorkflowFailure,
  defineSearchAttributeKey,
  type SearchAttributePair,
} from '@temporalio/common';
import {
  CancellationScope,
  ChildWorkflowCancellationType,
  executeChild,
  ParentClosePolicy,
  sleep,
  startChild,
} from '@temporalio/workflow';
import type { CopyInput, CopyOutput } from '../core/copy.ts';
import { copyWorkflowType } from '../core/delta.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { evaluateCopy } from '../core/pipeline/copy-input.ts';
import { convertTo } from '../core/pipeline/parameters.ts';
import { sealed } from '../core/pipeline/secure.ts';
import type { ActivitySnapshot } from '../core/pipeline/snapshot.ts';
import type { ActivityRun, FailedActivity, RunPipelineInput, RunPipelineOutput } from '../core/run.ts';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';
import { childPipelineWorkflowId, copyWorkflowId } from '../core/workflow-ids.ts';
import { ActivityEndedError } from './pipeline-failure.ts';
import type { PipelineInterpreter } from './pipeline-interpreter.ts';
import { type BlockScope, labelOf } from './pipeline-scope.ts';
import { withTimeout } from './pipeline-timeout.ts';

const pipelineKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.pipeline, 'KEYWORD');
const triggerKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.trigger, 'KEYWORD');
const windowStartKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.windowStart, 'DATETIME');
const stageKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.stage, 'KEYWORD');

/** The search attributes of a child that works for a pipeline's run. */
export function searchAttributes(
  pipeline: string,
  input: RunPipelineInput,
  stage?: string,
): SearchAttributePair[] {
  const start = input.windowStart === undefined ? undefined : new Date(input.windowStart);
  return [
    { key: pipelineKey, value: pipeline },
    { key: triggerKey, value: input.trigger },
    ...(stage === undefined ? [] : [{ key: stageKey, value: stage }]),
    ...(start === undefined || Number.isNaN(start.getTime()) ? [] : [{ key: windowStartKey, value: start }]),
  ];
}

/** One Copy as the child workflow `copyData`, under the activity's policy. A further attempt resumes the same copy. */
export async function copyActivity(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): Promise<JsonValue> {
  const { input: run, identity } = interpreter;
  const copyId = copyWorkflowId(identity.workflowId, activity.name, labelOf(scope));
  const evaluated = evaluateCopy(activity, interpreter.loaded.datasets, interpreter.context(scope));
  const { source, sink, options } = evaluated;
  const { policy } = activity;
  const hidden =
    policy.secureInput || interpreter.secrets.within(evaluated as unknown as JsonObject).length > 0;
  interpreter.noteInput(activity, entry, { source: source.settings, sink: sink.settings, ...options });
  const input: CopyInput = {
    copyId,
    pipeline: interpreter.loaded.pipeline.name,
    activity: activity.name,
    ...evaluated,
    ...(hidden ? { secure: sealed(true) } : {}),
    trigger: run.trigger,
    ...(run.windowStart === undefined ? {} : { windowStart: run.windowStart }),
  };
  interpreter.log.setWorkflowId(entry, copyId);
  interpreter.show();
  const attempt = (): Promise<CopyOutput> =>
    executeChild<(input: CopyInput) => Promise<CopyOutput>>(copyWorkflowType(input), {
      workflowId: copyId,
      args: [input],
      ...(hidden
        ? {}
        : { staticSummary: `${describe(evaluated.source.dataset)} → ${describe(evaluated.sink.dataset)}` }),
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      typedSearchAttributes: searchAttributes(input.pipeline, run, 'copy'),
    });
  const retries = Number(convertTo('Int', interpreter.evaluate(activity.policy.retry, scope)) ?? 0);
  const output = await withPolicy(activity, retries, (tried) => {
    if (tried > 0) interpreter.log.setRetryAttempt(entry, tried);
    return attempt();
  });
  return output as unknown as JsonObject;
}

/** A dataset in a few words: "dbo.flights", or the file's place. */
function describe(dataset: JsonObject): string {
  const { schema, table, tableName, location } = dataset;
  if (table !== undefined) return [schema, table].filter(Boolean).join('.');
  if (typeof tableName === 'string') return tableName;
  if (typeof location !== 'object' || location === null || Array.isArray(location)) return 'query';
  const parts = ['bucketName', 'container', 'fileSystem', 'folderPath', 'fileName'].map(
    (key) => location[key],
  );
  return parts.filter((part) => typeof part === 'string' && part !== '').join('/');
}

/** Makes attempts under the activity's timeout until one ends well or its retries are used up. */
export async function withPolicy<T>(
  activity: ActivitySnapshot,
  retries: number,
  attempt: (tried: number) => Promise<T>,
): Promise<T> {
  const { timeout, retryIntervalSeconds } = activity.policy;
  for (let tried = 0; ; tried++) {
    try {
      return await withTimeout(activity, timeout, () => attempt(tried));
    } catch (error) {
      if (tried >= retries || CancellationScope.current().consideredCancelled) throw error;
      await sleep(retryIntervalSeconds * 1000);
    }
  }
}

/** Another pipeline as a child workflow. Without `waitOnCompletion` it goes on alone. */
export async function executePipelineActivity(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): Promise<JsonValue> {
  const { input: run, identity, loaded } = interpreter;
  const properties = activity.typeProperties;
  const pipeline = String((properties['pipeline'] as JsonObject)['referenceName']);
  const parameters = interpreter.evaluate(properties['parameters'] ?? {}, scope) as JsonObject;
  const workflowId = childPipelineWorkflowId(identity.workflowId, activity.name, labelOf(scope));
  const waits =
    convertTo('Bool', interpreter.evaluate(properties['waitOnCompletion'] ?? false, scope)) === true;
  interpreter.noteInput(activity, entry, {
    pipeline: { referenceName: pipeline, type: 'PipelineReference' },
    parameters,
    waitOnCompletion: waits,
  });
  const input: RunPipelineInput = {
    pipeline,
    key: labelOf(scope) ?? activity.name,
    parameters,
    trigger: run.trigger,
    ...(run.triggerContext === undefined ? {} : { triggerContext: run.triggerContext }),
    ...(run.windowStart === undefined ? {} : { windowStart: run.windowStart }),
    invokedBy: { pipeline: loaded.pipeline.name, runId: identity.runId, workflowId: identity.workflowId },
  };
  const child = await startChild<(input: RunPipelineInput) => Promise<RunPipelineOutput>>('runPipeline', {
    workflowId,
    args: [input],
    staticSummary: `pipeline ${pipeline}`,
    parentClosePolicy: waits ? ParentClosePolicy.REQUEST_CANCEL : ParentClosePolicy.ABANDON,
    cancellationType: waits
      ? ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED
      : ChildWorkflowCancellationType.ABANDON,
    typedSearchAttributes: searchAttributes(pipeline, run),
  });
  interpreter.log.setWorkflowId(entry, workflowId);
  interpreter.show();
  const started = { pipelineName: pipeline, pipelineRunId: child.firstExecutionRunId };
  if (!waits) return started;
  try {
    const { returnValue } = await child.result();
    return { ...started, pipelineReturnValue: returnValue };
  } catch (error) {
    throw asOperationFailure(error);
  }
}

/** The called pipeline's failure as Data Factory tells it: "Operation on target Copy1 failed: ...". */
function asOperationFailure(error: unknown): unknown {
  const cause = error instanceof ChildWorkflowFailure ? error.cause : undefined;
  if (!(cause instanceof ApplicationFailure) || cause.type !== 'ACTIVITY_FAILED') return error;
  const failed = (cause.details?.[0] ?? {}) as Partial<FailedActivity>;
  if (failed.activity === undefined || failed.reason === undefined) return error;
  return new ActivityEndedError(
    failed.errorCode ?? 'ACTIVITY_FAILED',
    `Operation on target ${failed.activity} failed: ${failed.reason}`,
  );
}
