// Remembers in Temporal which alerts have been told: a workflow of the alert's id that does nothing.
import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import { WorkflowIdReusePolicy } from '@temporalio/common';
import { alertWorkflowId } from '../core/workflow-ids.ts';

/** For as long as the namespace keeps workflows that have ended. */
export class TemporalToldAlerts {
  readonly #client: Client;
  readonly #taskQueue: string;

  constructor(client: Client, taskQueue: string) {
    this.#client = client;
    this.#taskQueue = taskQueue;
  }

  async has(fingerprint: string): Promise<boolean> {
    try {
      await this.#client.workflow.getHandle(alertWorkflowId(fingerprint)).describe();
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  }

  async remember(fingerprint: string): Promise<void> {
    try {
      await this.#client.workflow.start('rememberRequest', {
        workflowId: alertWorkflowId(fingerprint),
        taskQueue: this.#taskQueue,
        workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
        staticSummary: 'this alert has been told',
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }
}
