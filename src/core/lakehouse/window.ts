// The logical window of a lakehouse run: given, or the time a Temporal Schedule started it for.

/** A window is a folder name and part of ids: nothing that Hadoop, S3 or a shell would read otherwise. */
export const WINDOW_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

const SCHEDULED_SUFFIX = /-(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$/;

export interface LakehouseWindow {
  readonly window: string;
  /** ISO 8601 instant, where the window is a time. */
  readonly start?: string;
}

/**
 * The window to run: `given`, or when that is empty or "schedule" the scheduled time as 20261122T200500Z (without the
 * colons, which Hadoop paths refuse). Undefined when there is neither.
 *
 * @param scheduledAt value of the search attribute TemporalScheduledStartTime
 * @param workflowId Temporal appends the scheduled time to a schedule's workflow ids
 */
export function windowOf(
  given: string,
  scheduledAt: Date | undefined,
  workflowId: string,
): LakehouseWindow | undefined {
  if (given !== '' && given !== 'schedule') return { window: given };
  const suffix = SCHEDULED_SUFFIX.exec(workflowId)?.[1];
  const start = scheduledAt ?? (suffix === undefined ? undefined : new Date(suffix));
  if (start === undefined) return undefined;
  const instant = `${start.toISOString().slice(0, 19)}Z`;
  return { window: instant.replace(/[-:]/g, ''), start: instant };
}
