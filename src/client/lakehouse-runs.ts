// Lakehouse runs as Temporal knows them: whether a window was run, how it ended, and how long it took.
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { sideRun } from '../core/migration/side-run.ts';
import type { FoundRun } from '../core/migration.ts';
import type { RunLakehouseOutput } from '../core/run.ts';

export class TemporalLakehouseRuns {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** The newest run of this id. */
  async find(workflowId: string): Promise<FoundRun> {
    const handle = this.#client.workflow.getHandle(workflowId);
    try {
      const { status, startTime, runId } = await handle.describe();
      const at = { startTime: startTime.toISOString() };
      if (status.name === 'RUNNING' || status.name === 'CONTINUED_AS_NEW') return { state: 'running', ...at };
      if (status.name !== 'COMPLETED') return { state: 'failed', ...at };
      const output = (await this.#client.workflow
        .getHandle(workflowId, runId)
        .result()) as RunLakehouseOutput;
      return { state: 'succeeded', ...at, run: sideRun(workflowId, output, false) };
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return { state: 'none' };
      throw error;
    }
  }
}
