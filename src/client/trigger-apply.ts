// Brings the factory's triggers to Temporal, as publishing does in Data Factory: definitions change, states stay.
import { WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { compileTrigger } from '../core/trigger/compile.ts';
import type { CompiledTrigger, FactoryFacts } from '../core/trigger/trigger.ts';
import { readFactory } from '../definitions/factory.ts';
import { globalParameters } from '../definitions/global-parameters.ts';
import type { KeptTrigger, TriggerKeeper } from './trigger-keeper.ts';

export interface Difference {
  /** "maxConcurrency", "recurrence.interval". */
  readonly path: string;
  readonly from?: JsonValue;
  readonly to?: JsonValue;
}

export interface TriggerChange {
  readonly name: string;
  readonly type: string;
  readonly change: 'created' | 'changed' | 'same' | 'removed' | 'refused' | 'ignored';
  readonly started?: boolean;
  readonly differences: readonly Difference[];
  readonly reasons: readonly string[];
}

/** Applies every trigger, or those named. One that is refused does not keep the others from being applied. */
export async function applyTriggers(
  keeper: TriggerKeeper,
  directory: string,
  options: { names: readonly string[]; prune: boolean; dryRun: boolean },
): Promise<TriggerChange[]> {
  const factory = readFactory(directory, ['pipeline', 'trigger', 'factory']);
  const { dataFactory, values } = globalParameters(factory);
  const facts: FactoryFacts = { dataFactory, globalParameters: values };
  const wanted = options.names.map((name) => name.toLowerCase());
  const changes: TriggerChange[] = [];
  for (const { kind, name, properties } of factory.resources) {
    if (kind !== 'trigger' || (wanted.length > 0 && !wanted.includes(name.toLowerCase()))) continue;
    const { trigger, faults } = compileTrigger(name, properties);
    const reasons = [
      ...faults.map(({ path, reason }) => `/properties/${path.join('/')}: ${reason}`),
      ...(trigger?.pipelines ?? [])
        .filter(({ pipeline }) => factory.find('pipeline', pipeline) === undefined)
        .map(({ pipeline }) => `there is no pipeline "${pipeline}"`),
    ];
    const type = String(properties['type']);
    changes.push(
      trigger === undefined || reasons.length > 0
        ? { name, type, change: 'refused', differences: [], reasons }
        : await applyOne(keeper, exactNames(trigger, factory.find), facts, options.dryRun),
    );
  }
  for (const name of options.names)
    if (factory.find('trigger', name) === undefined)
      throw new WaybillError('REFERENCE_MISSING', `There is no trigger "${name}" in ${directory}.`, {
        trigger: name,
      });
  if (options.prune)
    for (const kept of await keeper.list()) {
      if (factory.find('trigger', kept.trigger.name) !== undefined) continue;
      if (!options.dryRun) await keeper.remove(kept);
      const { name, type } = kept.trigger;
      changes.push({ name, type, change: 'removed', differences: [], reasons: [] });
    }
  return changes;
}

/** References find their pipelines whatever their case; ids are made of the pipelines' own names. */
function exactNames(
  trigger: CompiledTrigger,
  find: (kind: 'pipeline', name: string) => { readonly name: string } | undefined,
): CompiledTrigger {
  const pipelines = trigger.pipelines.map((entry) => ({
    ...entry,
    pipeline: find('pipeline', entry.pipeline)?.name ?? entry.pipeline,
  }));
  return { ...trigger, pipelines };
}

async function applyOne(
  keeper: TriggerKeeper,
  trigger: CompiledTrigger,
  facts: FactoryFacts,
  dryRun: boolean,
): Promise<TriggerChange> {
  const { name, type } = trigger;
  if (type === 'RerunTumblingWindowTrigger') {
    const reasons = [`it is done by: waybill triggers rerun ${trigger.parentTrigger} --from ... --to ...`];
    return { name, type, change: 'ignored', differences: [], reasons };
  }
  const kept = await keeper.find(name);
  const differences = kept === undefined ? [] : differencesOf(kept, trigger, facts);
  const changes = differences.length > 0 || (kept !== undefined && keeper.moves(trigger, kept));
  const change = kept === undefined ? 'created' : changes ? 'changed' : 'same';
  const started = kept?.started ?? trigger.runtimeState === 'Started';
  try {
    if (change !== 'same' && !dryRun) await keeper.put(trigger, facts, kept);
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error;
    return { name, type, change: 'refused', started, differences, reasons: [error.message] };
  }
  return { name, type, change, started, differences, reasons: [] };
}

function differencesOf(kept: KeptTrigger, trigger: CompiledTrigger, facts: FactoryFacts): Difference[] {
  const definition = ({ runtimeState: _, ...rest }: CompiledTrigger): JsonObject =>
    JSON.parse(JSON.stringify(rest)) as JsonObject;
  const found: Difference[] = [];
  compare(definition(kept.trigger), definition(trigger), [], found);
  compare(kept.facts as unknown as JsonObject, facts as unknown as JsonObject, ['factory'], found);
  return found;
}

function compare(
  from: JsonValue | undefined,
  to: JsonValue | undefined,
  path: string[],
  found: Difference[],
): void {
  if (isObject(from) && isObject(to)) {
    for (const key of new Set([...Object.keys(from), ...Object.keys(to)]))
      compare(from[key], to[key], [...path, key], found);
  } else if (JSON.stringify(from) !== JSON.stringify(to)) {
    found.push({
      path: path.join('.'),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    });
  }
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
