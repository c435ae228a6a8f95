// A lakehouse run as the child of another workflow: of a migration, or of a pipeline's activity.
import { defineSearchAttributeKey, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ChildWorkflowCancellationType,
  executeChild,
  ParentClosePolicy,
  proxyActivities,
  sleep,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import { sideRun } from '../core/migration/side-run.ts';
import type { MigrationActivities, SideRun } from '../core/migration.ts';
import type { RunLakehouseInput, RunLakehouseOutput } from '../core/run.ts';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';

const { findLakehouseRun } = proxyActivities<MigrationActivities>({
  startToCloseTimeout: '5m',
  retry: { initialInterval: '1s', maximumInterval: '30s', maximumAttempts: 10 },
});

const pipelineKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.pipeline, 'KEYWORD');
const triggerKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.trigger, 'KEYWORD');

/** ms between two looks at a run that is not ours. */
const LOOK = { least: 10_000, most: 300_000 };

/**
 * Runs a window, or takes the run there is; one that goes on is waited for, one that failed is done again.
 * `startTime` (ISO 8601) is that of a run that was there before. Fails with what the run fails with.
 */
export async function runOrFindLakehouse(
  workflowId: string,
  input: RunLakehouseInput,
): Promise<{ run: SideRun; startTime?: string }> {
  for (let wait = LOOK.least; ; wait = Math.min(wait * 2, LOOK.most)) {
    const found = await findLakehouseRun({ workflowId });
    if (found.state === 'succeeded' && found.run !== undefined)
      return {
        run: found.run,
        ...(found.startTime === undefined ? {} : { startTime: found.startTime }),
      };
    if (found.state !== 'running') {
      try {
        const output = await executeChild<(input: RunLakehouseInput) => Promise<RunLakehouseOutput>>(
          'runLakehouse',
          {
            workflowId,
            args: [input],
            parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
            cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
            workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            staticSummary: `lakehouse ${input.name} · ${input.window}${input.variant ? ' on Databricks' : ''}`,
            typedSearchAttributes: [
              { key: pipelineKey, value: input.name },
              { key: triggerKey, value: input.trigger },
            ],
          },
        );
        return { run: sideRun(workflowId, output, true) };
      } catch (error) {
        // Begun by someone else between our look and our start.
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      }
    }
    await sleep(wait);
  }
}
