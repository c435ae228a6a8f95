// Copies as Temporal remembers them: which ended uncleanly, what they were started with.
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { CopyInput } from '../core/copy.ts';
import { WaybillError } from '../core/errors.ts';
import { LEFT_BEHIND, SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';
import type { OrphanedCopy } from '../core/sweep.ts';

/** Runs that did not succeed, or said that their clean-up failed. */
const UNCLEAN =
  "WorkflowType = 'copyData' AND (ExecutionStatus IN ('Failed', 'Canceled', 'Terminated', 'TimedOut') " +
  `OR ${SEARCH_ATTRIBUTES.stage} = '${LEFT_BEHIND}')`;

export class TemporalCopyRuns {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async *unclean(instant: Date): AsyncGenerator<OrphanedCopy> {
    const query = `${UNCLEAN} AND CloseTime < '${instant.toISOString()}'`;
    for await (const { workflowId, runId } of this.#client.workflow.list({ query })) {
      yield { copyId: workflowId, runId };
    }
  }

  async isLast({ copyId, runId }: OrphanedCopy): Promise<boolean> {
    try {
      const last = await this.#client.workflow.getHandle(copyId).describe();
      if (last.status.name === 'RUNNING') return false;
      // A sweep that failed left what it found.
      return last.runId === runId || (last.type === 'removeOrphan' && last.status.name !== 'COMPLETED');
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  }

  async inputOf({ copyId, runId }: OrphanedCopy): Promise<CopyInput> {
    const { namespace, loadedDataConverter } = this.#client.options;
    const { history } = await this.#client.workflowService.getWorkflowExecutionHistory({
      namespace,
      execution: { workflowId: copyId, runId },
      maximumPageSize: 1,
    });
    const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
    const [input] = await decodeArrayFromPayloads(loadedDataConverter, started?.input?.payloads ?? []);
    if (input !== undefined) return input as CopyInput;
    throw new WaybillError('INTERNAL', `The history of ${copyId} does not say what it copied.`, { copyId });
  }
}
