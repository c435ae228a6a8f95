// What a run's history says without any worker: what it was started with, and how it ended.
import type { Client } from '@temporalio/client';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js';

/** How a workflow ended. Exactly one is set; none where it was cancelled, terminated or timed out. */
export interface Ending {
  readonly result?: unknown;
  readonly failure?: Error;
}

/** The first argument that a run was started with. Throws what Temporal answers for a run that it does not know. */
export async function inputOf<Input>(
  client: Client,
  run: { readonly workflowId: string; readonly runId: string },
): Promise<Input> {
  const { namespace, loadedDataConverter } = client.options;
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace,
    execution: run,
    maximumPageSize: 1,
  });
  const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  const [input] = await decodeArrayFromPayloads(loadedDataConverter, started?.input?.payloads ?? []);
  return input as Input;
}

/** The result or failure of a run that has closed. */
export async function endingOf(
  client: Client,
  run: { readonly workflowId: string; readonly runId: string },
): Promise<Ending> {
  const { namespace, loadedDataConverter } = client.options;
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace,
    execution: run,
    maximumPageSize: 1,
    // HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT: the last event only.
    historyEventFilterType: 2,
  });
  const event = history?.events?.at(-1);
  const failed = event?.workflowExecutionFailedEventAttributes?.failure;
  if (failed) {
    const failure = await decodeOptionalFailureToOptionalError(loadedDataConverter, failed);
    return failure === undefined ? {} : { failure };
  }
  const completed = event?.workflowExecutionCompletedEventAttributes?.result?.payloads;
  if (!completed) return {};
  const [result] = await decodeArrayFromPayloads(loadedDataConverter, completed);
  return { result };
}
