// Alerts: what is told to people, where, and how it is told once.

export type AlertSeverity = 'info' | 'warning' | 'critical';

/** What an alert is about. */
export type AlertKind =
  | 'runFailed'
  | 'budget'
  | 'ingestDelay'
  | 'executorMemory'
  | 'spill'
  | 'failedStages'
  | 'idle'
  | 'hdfs'
  | 'streamLag';

export interface Alert {
  /** The same key is the same alert: told once in each channel, by whoever asks and however often. */
  readonly key: string;
  readonly kind: AlertKind;
  readonly severity: AlertSeverity;
  /** Workflow id of what it is about. */
  readonly run: string;
  /** One line. */
  readonly title: string;
  readonly text: string;
  /** ISO 8601. */
  readonly at: string;
  /** Names, counts and amounts. Never a secret. */
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

/** What became of an alert in one channel. */
export interface AlertReceipt {
  readonly channel: string;
  /** `repeated`: had been told before. */
  readonly outcome: 'sent' | 'repeated';
}

export interface AlertActivities {
  /**
   * Tells one channel: `[alerts.<channel>]` of the settings. Idempotent by the alert's key: repeated, nothing is sent.
   * A reply lost after sending may send it twice, under the same key. Throws SETTINGS_INVALID (no such channel),
   * SECRET_MISSING, CONNECTION_FAILED or WEB_FAILED.
   */
  raiseAlert(input: { channel: string; alert: Alert }): Promise<AlertReceipt>;
}
