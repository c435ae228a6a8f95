// Starts pipelines and lakehouse pipelines: logical ids, search attributes, one run per key.
import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowHandle,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { defineSearchAttributeKey, TypedSearchAttributes, WorkflowIdReusePolicy } from '@temporalio/common';
import type { JsonObject } from '../core/json.ts';
import type { RunLakehouseInput, RunPipelineInput } from '../core/run.ts';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';
import { lakehouseWorkflowId, pipelineWorkflowId } from '../core/workflow-ids.ts';

export interface StartRequest {
  readonly kind: 'pipeline' | 'lakehouse';
  readonly name: string;
  /** The run's logical key; for a lakehouse pipeline, its window. */
  readonly key: string;
  readonly parameters: JsonObject;
  readonly trigger: string;
  readonly windowStart?: string;
  /** What `@trigger()` and `@triggerBody()` show: `{ type, scheduledTime, startTime, outputs: { body } }`. */
  readonly triggerContext?: JsonObject;
  /** Never start it again, not even after it failed: an event that is delivered again is no new event. */
  readonly once?: boolean;
  readonly taskQueue: string;
}

export interface StartedRun {
  readonly handle: WorkflowHandle;
  readonly workflowId: string;
  /** Id of the new run; absent where `isNew` is false. */
  readonly runId?: string;
  /** False when a run under this key was already there; it is running, or it has succeeded. */
  readonly isNew: boolean;
}

/** The search attributes every run starts with. */
export function searchAttributesFor(request: {
  name: string;
  trigger: string;
  windowStart?: string;
}): TypedSearchAttributes {
  const attributes = new TypedSearchAttributes([
    { key: defineSearchAttributeKey(SEARCH_ATTRIBUTES.pipeline, 'KEYWORD'), value: request.name },
    { key: defineSearchAttributeKey(SEARCH_ATTRIBUTES.trigger, 'KEYWORD'), value: request.trigger },
  ]);
  if (request.windowStart === undefined) return attributes;
  const key = defineSearchAttributeKey(SEARCH_ATTRIBUTES.windowStart, 'DATETIME');
  return attributes.updateCopy([{ key, value: new Date(request.windowStart) }]);
}

/**
 * Starts a run under its logical id. A run that failed may be started again under the same id, where its copies go on or begin anew; one that runs or has succeeded is returned as it is, with `isNew` false.
 */
export async function startRun(client: Client, request: StartRequest): Promise<StartedRun> {
  const isPipeline = request.kind === 'pipeline';
  const workflowId = isPipeline
    ? pipelineWorkflowId(request.name, request.key)
    : lakehouseWorkflowId(request.name, request.key);
  const input: RunPipelineInput | RunLakehouseInput = isPipeline
    ? {
        pipeline: request.name,
        key: request.key,
        parameters: request.parameters,
        trigger: request.trigger,
        ...(request.windowStart === undefined ? {} : { windowStart: request.windowStart }),
        ...(request.triggerContext === undefined ? {} : { triggerContext: request.triggerContext }),
      }
    : { name: request.name, window: request.key, parameters: request.parameters, trigger: request.trigger };
  const options: WorkflowStartOptions = {
    workflowId,
    taskQueue: request.taskQueue,
    args: [input],
    workflowIdReusePolicy:
      request.once === true
        ? WorkflowIdReusePolicy.REJECT_DUPLICATE
        : WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
    typedSearchAttributes: searchAttributesFor(request),
    staticSummary: `${request.kind} ${request.name} · ${request.key}`,
  };
  try {
    const handle = await client.workflow.start(isPipeline ? 'runPipeline' : 'runLakehouse', options);
    return { handle, workflowId, runId: handle.firstExecutionRunId, isNew: true };
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    return { handle: client.workflow.getHandle(workflowId), workflowId, isNew: false };
  }
}
