// Starts the pipelines of the triggers that events fire: one run per event, trigger and pipeline, however often delivered.
import { createHash, randomInt, randomUUID } from 'node:crypto';
import { startRun } from '../client/start.ts';
import { WaybillError } from '../core/errors.ts';
import { type Delivery, eventIdentity, type IncomingEvent } from '../core/events/incoming-event.ts';
import { firesTrigger, triggerContext } from '../core/events/match-trigger.ts';
import { evaluateDeep } from '../core/expression/evaluate.ts';
import type { JsonObject } from '../core/json.ts';
import { runRoots } from '../core/pipeline/roots.ts';
import { type Door, withDeadline } from './door.ts';
import type { CatalogTrigger, TriggeredPipeline } from './factory-catalog.ts';
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
  readonly start: TriggeredPipeline;
  readonly key: string;
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
  const states = await Promise.all(candidates.map((trigger) => door.states.isStarted(trigger)));
  return candidates.filter((_, index) => states[index]);
}

/** A trigger may start one pipeline several times, with other parameters each time. */
function firingsOf(trigger: CatalogTrigger, event: IncomingEvent): Firing[] {
  const key = keyOf(trigger, event);
  const seen = new Map<string, number>();
  return trigger.pipelines.map((start) => {
    const times = seen.get(start.pipeline.toLowerCase()) ?? 0;
    seen.set(start.pipeline.toLowerCase(), times + 1);
    return { trigger, event, start, key: times === 0 ? key : `${key}-${times + 1}` };
  });
}

/** Readable in front, unambiguous at the end: names may hold anything, so only their hash identifies. */
function keyOf(trigger: CatalogTrigger, event: IncomingEvent): string {
  const hash = createHash('sha256').update(eventIdentity(event)).digest('hex').slice(0, 32);
  const name = event.object?.path.split('/').at(-1) ?? event.type;
  const readable = name.replace(/[^A-Za-z0-9._-]+/g, '_').slice(-40);
  return `${trigger.name}/${readable}-${hash}`;
}

/** Whether this delivery began the run. */
async function fire(door: Door, { trigger, event, start, key }: Firing): Promise<boolean> {
  const context = triggerContext(trigger, event, new Date().toISOString());
  const parameters = parametersOf(door, trigger, start, context);
  const { isNew } = await withDeadline(door, () =>
    startRun(door.client, {
      kind: 'pipeline',
      name: door.catalog.pipeline(start.pipeline)?.name ?? start.pipeline,
      key,
      parameters,
      trigger: trigger.name,
      triggerContext: context,
      once: true,
      taskQueue: door.settings.taskQueue,
    }),
  );
  return isNew;
}

/** The parameters that a trigger passes on: what its expressions make of the event. */
function parametersOf(
  door: Door,
  trigger: CatalogTrigger,
  start: TriggeredPipeline,
  context: JsonObject,
): JsonObject {
  const { dataFactory, values } = door.catalog.globals();
  const roots = runRoots({
    pipeline: start.pipeline,
    dataFactory,
    runId: '',
    groupId: '',
    parameters: {},
    globalParameters: values,
    trigger: trigger.name,
    triggerContext: context,
    startTime: String(context['startTime']),
  });
  return evaluateDeep(start.parameters, {
    roots,
    now: () => Date.now(),
    guid: () => randomUUID(),
    random: () => randomInt(2 ** 32) / 2 ** 32,
  }) as JsonObject;
}

function failureOf(
  door: Door,
  { trigger, event, start }: Firing,
  error: unknown,
): { trigger: string; pipeline: string; reason: string } {
  const known = error instanceof WaybillError;
  const reason = known ? `${error.code}: ${error.message}` : 'Something unforeseen went wrong.';
  door.warn('an event started no run', {
    trigger: trigger.name,
    pipeline: start.pipeline,
    event: event.id,
    reason: known ? reason : String(error),
  });
  return { trigger: trigger.name, pipeline: start.pipeline, reason };
}
