// One pipeline on its way through a simulation: its values, and evaluating with them as a run would.
import type { EvaluationContext } from '../../../src/core/expression/context.ts';
import { evaluateDeep } from '../../../src/core/expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';
import { resolveLegacyLocation } from '../../../src/core/pipeline/legacy-location.ts';
import type { DatasetSnapshot } from '../../../src/core/pipeline/snapshot.ts';
import type { CompiledFactory, CompiledPipeline } from '../../../src/definitions/compile-factory.ts';
import type { LinkedServiceDefinition } from '../../../src/definitions/compile-store.ts';
import { globalParameters } from '../../../src/definitions/global-parameters.ts';
import { type FactoryShapes, inferFactory, type PipelineShapes } from '../infer/infer-factory.ts';
import { chance, valueFor } from '../infer/values.ts';
import { localService } from '../linked-services.ts';
import { isDatabase, type Needs, type StoreKind, type StoreRef, storeKey } from '../needs.ts';

/** A factory with all that is known of it before anything runs. */
export interface Stage {
  readonly compiled: CompiledFactory;
  readonly shapes: FactoryShapes;
  readonly dataFactory: string;
  readonly globals: JsonObject;
  readonly seed: number;
  /** Milliseconds since the epoch: what utcNow() says while simulating. */
  readonly now: number;
  /** Parameters with which other pipelines were seen to call a pipeline, by lower-case name. */
  readonly seenParameters: Map<string, JsonObject>;
}

/** Infers the factory once for all of its pipelines. */
export function setStage(compiled: CompiledFactory, seed: number, now: number): Stage {
  const { dataFactory, values } = globalParameters(compiled.factory);
  return {
    ...{ compiled, dataFactory, seed, now, globals: values },
    shapes: inferFactory(compiled),
    seenParameters: new Map(),
  };
}

/** One pipeline within a simulation. */
export class Frame {
  readonly stage: Stage;
  readonly pipeline: CompiledPipeline;
  readonly shapes: PipelineShapes;
  readonly needs: Needs;
  readonly parameters: JsonObject;
  readonly trigger: JsonObject;
  readonly variables = new Map<string, JsonValue>();
  readonly outputs = new Map<string, JsonObject>();
  readonly returned: JsonObject = {};
  readonly depth: number;
  item: JsonValue | undefined;

  constructor(given: {
    stage: Stage;
    pipeline: CompiledPipeline;
    shapes: PipelineShapes;
    needs: Needs;
    parameters: JsonObject;
    trigger: JsonObject;
    depth: number;
  }) {
    this.stage = given.stage;
    this.pipeline = given.pipeline;
    this.shapes = given.shapes;
    this.needs = given.needs;
    this.parameters = given.parameters;
    this.trigger = given.trigger;
    this.depth = given.depth;
  }

  /** The value as a run would have it; undefined where it cannot be told before the run. */
  evaluate(value: JsonValue | undefined, more: EvaluationContext['roots'] = {}): JsonValue | undefined {
    if (value === undefined) return undefined;
    try {
      return evaluateDeep(value, this.#context(more));
    } catch {
      return undefined;
    }
  }

  /** Every property that can be told. */
  evaluateEach(value: JsonObject, more: EvaluationContext['roots'] = {}): JsonObject {
    const result: JsonObject = {};
    for (const [key, entry] of Object.entries(value)) {
      const evaluated = this.evaluate(entry, more);
      if (evaluated !== undefined) result[key] = evaluated;
    }
    return result;
  }

  #context(more: EvaluationContext['roots']): EvaluationContext {
    const pipeline: JsonObject = {
      Pipeline: this.pipeline.resource.name,
      DataFactory: this.stage.dataFactory,
      RunId: '00000000-0000-4000-8000-000000000000',
      GroupId: '00000000-0000-4000-8000-000000000000',
      TriggerId: 'rehearsal',
      TriggerName: 'rehearsal',
      TriggerType: 'Manual',
      TriggerTime: new Date(this.stage.now).toISOString(),
      parameters: this.parameters,
      globalParameters: this.stage.globals,
      TriggeredByPipelineName: null,
      TriggeredByPipelineRunId: null,
    };
    const { trigger, item } = this;
    const outputs = trigger['outputs'] as JsonObject | undefined;
    return {
      roots: {
        pipeline: () => pipeline,
        trigger: () => trigger,
        triggerbody: () => outputs?.['body'] ?? null,
        variables: ([name]) => {
          const found = this.variables.get(String(name).toLowerCase());
          if (found === undefined) throw new Error(`no variable ${String(name)}`);
          return found;
        },
        activity: ([name]) => {
          const found = this.outputs.get(String(name).toLowerCase());
          if (found === undefined) throw new Error(`no activity ${String(name)}`);
          return found;
        },
        ...(item === undefined ? {} : { item: () => item }),
        ...more,
      },
      now: () => this.stage.now,
      guid: () => '00000000-0000-4000-8000-000000000001',
      random: () => chance(this.stage.seed, 'rand'),
    };
  }

  /** A dataset as an activity uses it, evaluated. */
  dataset(name: string, given: JsonValue | undefined): EvaluatedDataset | undefined {
    const { compiled } = this.stage;
    const resource = compiled.factory.find('dataset', name);
    const snapshot = resource === undefined ? undefined : compiled.datasets.get(resource);
    if (resource === undefined || snapshot === undefined) return undefined;
    const values = typeof given === 'object' && given !== null && !Array.isArray(given) ? given : {};
    const parameters = this.#values(snapshot, resource.name, values);
    const roots = { dataset: () => parameters };
    const service = this.linkedService(
      snapshot.linkedService,
      this.evaluateEach(snapshot.linkedServiceParameters, roots),
    );
    const properties = resource.properties;
    return {
      name: resource.name,
      type: snapshot.typeProperties['formatless'] === true ? 'DelimitedText' : snapshot.type,
      properties: resolveLegacyLocation(this.evaluateEach(snapshot.typeProperties, roots)),
      ...(service === undefined ? {} : { store: service }),
      schema: properties['schema'] ?? properties['structure'] ?? null,
    };
  }

  #values(snapshot: DatasetSnapshot, name: string, given: JsonObject): JsonObject {
    const shape = this.stage.shapes.datasets.get(name.toLowerCase());
    const values: JsonObject = {};
    const byName = new Map(Object.entries(given).map(([key, value]) => [key.toLowerCase(), value]));
    for (const [key, { type, defaultValue }] of Object.entries(snapshot.parameters)) {
      const written = byName.get(key.toLowerCase());
      const value = written === undefined ? defaultValue : this.evaluate(written);
      const property = shape?.property(key);
      values[key] =
        value ??
        (property === undefined ? '' : valueFor(property, key, { seed: this.stage.seed, index: 0 }, type));
    }
    return values;
  }

  /** Where a linked service's stand-in keeps its data; undefined for kinds without a store. */
  linkedService(name: string, given: JsonObject): StoreRef | undefined {
    const { compiled } = this.stage;
    const resource = compiled.factory.find('linkedService', name);
    const definition = resource === undefined ? undefined : compiled.linkedServices.get(resource);
    if (definition === undefined) return undefined;
    const store = storeOf(definition, given, (value, parameters) =>
      this.evaluate(value, { linkedservice: () => parameters }),
    );
    if (store !== undefined) this.needs.stores.set(storeKey(store), store);
    return store;
  }
}

export interface EvaluatedDataset {
  readonly name: string;
  readonly type: string;
  readonly properties: JsonObject;
  readonly store?: StoreRef;
  /** The dataset's `schema` or `structure` as it was written. */
  readonly schema: JsonValue;
}

function storeOf(
  definition: LinkedServiceDefinition,
  given: JsonObject,
  evaluate: (value: JsonValue, parameters: JsonObject) => JsonValue | undefined,
): StoreRef | undefined {
  const local = localService(definition);
  const kind = local.kind as StoreKind;
  if (!isDatabase(kind) && kind !== 's3' && kind !== 'azure-blob' && kind !== 'folder') return undefined;
  const parameters: JsonObject = {};
  const byName = new Map(Object.entries(given).map(([key, value]) => [key.toLowerCase(), value]));
  for (const [key, { defaultValue }] of Object.entries(definition.parameters))
    parameters[key] = byName.get(key.toLowerCase()) ?? defaultValue ?? 'rehearsal';
  const text = (value: string): string => {
    const evaluated = evaluate(value, parameters);
    return typeof evaluated === 'string' && evaluated !== '' ? evaluated : 'rehearsal';
  };
  return {
    kind,
    linkedService: definition.name,
    database: isDatabase(kind) ? text(local.database) : '',
    schema: local.schema === '' ? '' : text(local.schema),
  };
}
