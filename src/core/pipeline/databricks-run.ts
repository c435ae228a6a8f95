// A Databricks run that an activity of a pipeline set going, on its way through history, and when to look at it again.
import type { JsonObject } from '../json.ts';

/** Property of an output that is none yet, and of the input that looks again. Never seen by a definition. */
export const DATABRICKS_RUN = '$databricksRun';

export interface DatabricksRun {
  readonly runId: number;
  readonly pageUrl: string;
}

export function databricksRun(value: JsonObject): DatabricksRun | undefined {
  const run = value[DATABRICKS_RUN];
  return typeof run === 'object' && run !== null && !Array.isArray(run)
    ? (run as unknown as DatabricksRun)
    : undefined;
}

/**
 * Seconds until the next look at a run that has lasted `waited` seconds: a twentieth of that, at most a minute for six
 * hours, then ever longer, so that a run of a week is some 1,700 looks and stays within one history.
 */
export const nextDatabricksLook = (waited: number): number =>
  Math.max(1, Math.min(waited / 20, 60), waited / 360);
