// What the handlers of the HTTP door share.
import type { Client } from '@temporalio/client';
import type { Settings } from '../config/settings.ts';
import type { FactoryCatalog } from './factory-catalog.ts';
import type { Metrics } from './metrics.ts';
import type { RunMetrics } from './run-metrics.ts';

export interface DoorKeys {
  readonly signing: readonly string[];
  readonly event: readonly string[];
  readonly api: readonly string[];
}

/** Which triggers are started: only those fire. */
export interface TriggerStates {
  isStarted(trigger: { readonly name: string; readonly runtimeState: string | undefined }): Promise<boolean>;
}

export interface Door {
  readonly settings: Settings;
  readonly client: Client;
  readonly keys: DoorKeys;
  readonly catalog: FactoryCatalog;
  readonly states: TriggerStates;
  readonly metrics: Metrics;
  readonly runMetrics: RunMetrics;
  readonly warn: (message: string, facts: Readonly<Record<string, string | number>>) => void;
}

/** Milliseconds that Temporal has for an answer: senders do not wait for ever, and come again. */
const PATIENCE = 5_000;

/** Runs calls to Temporal with a deadline. */
export const withDeadline = <T>({ client }: Door, use: () => Promise<T>): Promise<T> =>
  client.connection.withDeadline(Date.now() + PATIENCE, use);
