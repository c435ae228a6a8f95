// What the workflows of triggers ask of the world outside.

/** A run that a trigger has started. */
export interface RunOfTrigger {
  readonly workflowId: string;
  /** Absent: the newest of this workflow id. */
  readonly runId?: string;
}

export interface RunState {
  readonly status: 'Running' | 'Succeeded' | 'Failed' | 'Cancelled' | 'Missing';
  readonly runId: string;
}

/** Windows of a trigger that others wait for. ms since epoch, `to` not included. */
export interface WindowRange {
  readonly trigger: string;
  readonly from: number;
  readonly to: number;
}

export interface TriggerActivities {
  /** How the runs are doing, in their order. */
  runStates(runs: readonly RunOfTrigger[]): Promise<RunState[]>;
  /**
   * Whether all windows of each range have succeeded, in their order; false for a trigger that does not run yet. The
   * triggers tell `waiter` when that may have changed.
   */
  windowsSucceeded(input: {
    readonly waiter: string;
    readonly ranges: readonly WindowRange[];
  }): Promise<boolean[]>;
}
