// What triggers' workflows ask of Temporal: how runs are doing, which windows of other triggers have succeeded.
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { RunOfTrigger, RunState, TriggerActivities, WindowRange } from '../core/trigger/activities.ts';
import { HAVE_SUCCEEDED, WATCH_WINDOWS } from '../core/trigger/messages.ts';
import { triggerId } from '../core/trigger/trigger.ts';

const STATUS: Readonly<Record<string, RunState['status']>> = {
  RUNNING: 'Running',
  CONTINUED_AS_NEW: 'Running',
  COMPLETED: 'Succeeded',
  CANCELLED: 'Cancelled',
  TERMINATED: 'Cancelled',
};

export class TemporalTriggerRuns implements TriggerActivities {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async runStates(runs: readonly RunOfTrigger[]): Promise<RunState[]> {
    return Promise.all(runs.map((run) => this.#stateOf(run)));
  }

  async #stateOf({ workflowId, runId }: RunOfTrigger): Promise<RunState> {
    try {
      const found = await this.#client.workflow.getHandle(workflowId, runId).describe();
      // Where it went on as new, its later executions decide.
      if (found.status.name === 'CONTINUED_AS_NEW' && runId !== undefined)
        return this.#stateOf({ workflowId });
      return { status: STATUS[found.status.name] ?? 'Failed', runId: runId ?? found.runId };
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return { status: 'Missing', runId: runId ?? '' };
      throw error;
    }
  }

  async windowsSucceeded(input: { waiter: string; ranges: readonly WindowRange[] }): Promise<boolean[]> {
    const answers: boolean[] = input.ranges.map(() => false);
    for (const trigger of new Set(input.ranges.map((range) => range.trigger))) {
      const places = input.ranges.flatMap((range, at) => (range.trigger === trigger ? [at] : []));
      const handle = this.#client.workflow.getHandle(triggerId(trigger));
      try {
        // First the wish to be told, then the question: what happens between the two is told.
        await handle.signal(WATCH_WINDOWS, input.waiter);
        const spans = places.map((at) => ({ from: input.ranges[at]?.from, to: input.ranges[at]?.to }));
        const found = await handle.query<boolean[], [typeof spans]>(HAVE_SUCCEEDED, spans);
        for (const [index, at] of places.entries()) answers[at] = found[index] === true;
      } catch (error) {
        // It is not applied yet, or is of a kind that has no windows.
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    }
    return answers;
  }
}
