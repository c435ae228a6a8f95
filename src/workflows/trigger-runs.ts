// Starts the runs of triggers as children that outlive the workflow that starts them.
import {
  defineSearchAttributeKey,
  type SearchAttributePair,
  type WorkflowIdReusePolicy,
} from '@temporalio/common';
import {
  ChildWorkflowCancellationType,
  type ChildWorkflowHandle,
  ParentClosePolicy,
  startChild,
  uuid4,
} from '@temporalio/workflow';
import type { RunPipelineInput, RunPipelineOutput } from '../core/run.ts';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';
import type { Chance } from '../core/trigger/start-values.ts';
import { pipelineWorkflowId } from '../core/workflow-ids.ts';

const pipelineKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.pipeline, 'KEYWORD');
const triggerKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.trigger, 'KEYWORD');
const windowStartKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.windowStart, 'DATETIME');

type RunPipeline = (input: RunPipelineInput) => Promise<RunPipelineOutput>;

/** A workflow's own time, ids and random numbers, so that a replay repeats them. */
export const workflowChance: Chance = { now: () => Date.now(), guid: uuid4, random: () => Math.random() };

/**
 * Starts a run once under its key, and resolves when Temporal has. Throws WorkflowExecutionAlreadyStartedError where the
 * reuse policy does not allow another.
 */
export function startTriggeredRun(
  input: RunPipelineInput,
  reuse: WorkflowIdReusePolicy,
): Promise<ChildWorkflowHandle<RunPipeline>> {
  const attributes: SearchAttributePair[] = [
    { key: pipelineKey, value: input.pipeline },
    { key: triggerKey, value: input.trigger },
  ];
  if (input.windowStart !== undefined)
    attributes.push({ key: windowStartKey, value: new Date(input.windowStart) });
  return startChild<RunPipeline>('runPipeline', {
    workflowId: pipelineWorkflowId(input.pipeline, input.key),
    args: [input],
    staticSummary: `pipeline ${input.pipeline} · ${input.key}`,
    workflowIdReusePolicy: reuse,
    // A trigger that is stopped, removed or continued as new leaves its runs alone.
    parentClosePolicy: ParentClosePolicy.ABANDON,
    cancellationType: ChildWorkflowCancellationType.ABANDON,
    typedSearchAttributes: attributes,
  });
}
