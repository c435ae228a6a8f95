// Starts the pipelines of the triggers that events fire: one run per event, trigger and pipeline, however often delivered.
import { randomInt, randomUUID } from 'node:crypto';
import { eventKey } from '../activities/event-key.ts';
import { startRun } from '../client/start.ts';
import { WaybillError } from '../core/errors.ts';
import type { Delivery, IncomingEvent } from '../core/events/incoming-event.ts';
import { firesTrigger, triggerContext } from '../core/events/match-trigger.ts';
import type { JsonObject } from '../core/json.ts';
import {
  type Chance,
  evaluateParameters,
  triggeredKey,
  triggeredRuns,
} from '../core/trigger/start-values.ts';
import { type Door, withDeadline } from './door.ts';
import type { CatalogTrigger } from './factory-catalog.ts';
import { isUnavailable, Refusal } from './refusal.ts';

/** What became of a delivery. */
export interface FireReport {
  readonly events: number;
  /** Runs that began with this delivery. */
  readonly started: number;
  /** Runs that an earlier delivery of the same events had started. */
  readonly repeated: number;
  /** Events that fire no started trigger. */
  readonly unmatched: number;
  /** Entries that are no event of a known kind. */
  readonly ignored: number;
  readonly failed: readonly {
    readonly trigger: string;
    readonly pipeline: string;
    readonly reason: string;
  }[];
}

interface Firing {
  readonly trigger: CatalogTrigger;
  readonly event: IncomingEvent;
  readonly run: ReturnType<typeof triggeredRuns>[number];
  readonly context: JsonObject;
}

/** Starts of one delivery that are under way at once. */
const LANES = 16;

/**
 * Fires triggers: all that are started, or the one that the delivery is addressed to. Throws 404 for a trigger that does
 * not exist, and 503 where Temporal did not take every start: the sender delivers again, which starts nothing twice.
 */
export async function fireEvents(
  door: Door,
  delivery: Delivery,
  address: string | undefined,
): Promise<FireReport> {
  const triggers = await listeningTriggers(door, address);
  const options = { addressed: address !== undefined };
  let unmatched = 0;
  const firings: Firing[] = [];
  for (const event of delivery.events) {
    const fired = triggers.filter((trigger) => firesTrigger(trigger, event, options));
    if (fired.length === 0) unmatched++;
    for (const trigger of fired) firings.push(...firingsOf(trigger, event));
  }
  const failed: { trigger: string; pipeline: string; reason: string }[] = [];
  let [started, repeated, next] = [0, 0, 0];
  let unavailable: unknown;
  const lane = async (): Promise<void> => {
    while (next < firings.length && unavailable === undefined) {
      const firing = firings[next++] as Firing;
      try {
        if (await fire(door, firing)) started++;
        else repeated++;
      } catch (error) {
        if (isUnavailable(error)) unavailable = error;
        else failed.push(failureOf(door, firing, error));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, firings.length) }, lane));
  const counts = { started, repeated, unmatched, ignored: delivery.ignored.length, failed: failed.length };
  for (const [outcome, count] of Object.entries(counts))
    door.metrics.add('waybill_events_total', { outcome }, count);
  if (unavailable !== undefined) throw unavailable;
  return {
    events: delivery.events.length,
    started,
    repeated,
    unmatched,
    ignored: delivery.ignored.length,
    failed,
  };
}

async function listeningTriggers(door: Door, address: string | undefined): Promise<CatalogTrigger[]> {
  const all = door.catalog.triggers();
  const named =
    address === undefined ? all : all.filter(({ name }) => name.toLowerCase() === address.toLowerCase());
  if (address !== undefined && named.length === 0)
    throw new Refusal(404, 'REFERENCE_MISSING', `There is no trigger "${address.slice(0, 200)}".`);
  const candidates = named.filter(({ type }) => /^(blob|custom)eventstrigger$/i.test(type));
  const states = await withDeadline(door, () =>
    Promise.all(candidates.map((trigger) => door.states.isStarted(trigger))),
  );
  return candidates.filter((_, index) => states[index]);
}

/** A trigger may start several pipelines, and one of them several times. */
function firingsOf(trigger: CatalogTrigger, event: IncomingEvent): Firing[] {
  const context = triggerContext(trigger, event, new Date().toISOString());
  const key = triggeredKey(trigger.name, eventKey(event));
  return triggeredRuns(trigger, key, context, undefined).map((run) => ({ trigger, event, run, context }));
}

/** Whether this delivery began the run. */
async function fire(door: Door, { trigger, run, context }: Firing): Promise<boolean> {
  const { dataFactory, values } = door.catalog.globals();
  const facts = { dataFactory, globalParameters: values };
  const { isNew } = await withDeadline(door, async () =>
    startRun(door.client, {
      kind: 'pipeline',
      name: door.catalog.pipeline(run.pipeline)?.name ?? run.pipeline,
      key: run.key,
      parameters: evaluateParameters(run.written, context, facts, CHANCE),
      trigger: trigger.name,
      triggerContext: context,
      once: true,
      taskQueue: door.settings.taskQueue,
    }),
  );
  return isNew;
}

const CHANCE: Chance = {
  now: () => Date.now(),
  guid: () => randomUUID(),
  random: () => randomInt(2 ** 32) / 2 ** 32,
};

function failureOf(
  door: Door,
  { trigger, event, run }: Firing,
  error: unknown,
): { trigger: string; pipeline: string; reason: string } {
  const known = error instanceof WaybillError;
  const reason = known ? `${error.code}: ${error.message}` : 'Something unforeseen went wrong.';
  door.warn('an event started no run', {
    trigger: trigger.name,
    pipeline: run.pipeline,
    event: event.id,
    reason: known ? reason : String(error),
  });
  return { trigger: trigger.name, pipeline: run.pipeline, reason };
}
