// Compiles a whole factory: every resource checked on its own, then everything that one resource says about another.
import type { ErrorCode } from '../core/errors.ts';
import type { JsonValue } from '../core/json.ts';
import { nearestName } from '../core/nearest-name.ts';
import type { DatasetSnapshot, ParameterSpecification, PipelineSnapshot } from '../core/pipeline/snapshot.ts';
import { checkExpressions, type ExpressionScope, usesCaller } from './check-expressions.ts';
import { compileActivities, type PipelineContext, type PipelineUse } from './compile-activity.ts';
import { type CompiledDataFlow, compileDataFlow } from './compile-dataflow.ts';
import {
  compileDataset,
  compileLinkedService,
  type LinkedServiceDefinition,
  type OverriddenKeys,
  specificationsOf,
  unsupportedStore,
} from './compile-store.ts';
import { checkTrigger } from './compile-trigger.ts';
import type { Factory } from './factory.ts';
import { globalParameters } from './global-parameters.ts';
import { compileLakehouse } from './lakehouse/check.ts';
import { compileMigration } from './migration/check.ts';
import { parseWith } from './parse-resource.ts';
import { didYouMean, Problems } from './problem.ts';
import { isObject, type Resource, type ResourceKind } from './resource.ts';
import { pipelineSchema } from './schemas.ts';
import { compileStream } from './streams/resolve.ts';
import { storeType } from './types.ts';

export interface CompiledPipeline {
  readonly resource: Resource;
  /** Absent where the file is not a pipeline at all. */
  readonly snapshot?: PipelineSnapshot;
  readonly parameters: Record<string, ParameterSpecification>;
  readonly activityTypes: readonly string[];
  /** The datasets it refers to. */
  readonly datasets: readonly Resource[];
  /** Everything it needs, directly or through others: its datasets, their linked services, pipelines it calls. */
  readonly needs: readonly Resource[];
  /** The data flows it runs itself. */
  readonly dataflows: readonly Resource[];
}

export interface CompiledFactory {
  readonly factory: Factory;
  readonly linkedServices: ReadonlyMap<Resource, LinkedServiceDefinition>;
  readonly datasets: ReadonlyMap<Resource, DatasetSnapshot>;
  /** The data flows that pipelines run. */
  readonly dataflows: ReadonlyMap<Resource, CompiledDataFlow>;
  readonly pipelines: readonly CompiledPipeline[];
}

interface Draft {
  readonly resource: Resource;
  readonly snapshot?: PipelineSnapshot;
  readonly parameters: Record<string, ParameterSpecification>;
  readonly context: PipelineContext;
}

/** Checks everything and never throws: what is wrong stands in the resources' `problems`. */
export function compileFactory(factory: Factory, overridden: OverriddenKeys): CompiledFactory {
  const linkedServices = new Map<Resource, LinkedServiceDefinition>();
  const datasets = new Map<Resource, DatasetSnapshot>();
  const globals = Object.keys(globalParameters(factory).values);
  const drafts = new Map<Resource, Draft>();
  for (const resource of factory.resources) {
    if (resource.kind === 'linkedService') {
      const compiled = compileLinkedService(resource, factory, overridden, globals);
      if (compiled !== undefined) linkedServices.set(resource, compiled);
    } else if (resource.kind === 'dataset') {
      const compiled = compileDataset(resource, factory, globals);
      if (compiled !== undefined) datasets.set(resource, compiled);
    } else if (resource.kind === 'pipeline') {
      drafts.set(resource, compileDraft(resource, globals));
    } else if (resource.kind === 'trigger') {
      checkTrigger(resource, factory, globals);
    } else if (resource.kind === 'lakehouse') {
      compileLakehouse(resource, factory.names('linkedService'));
    } else if (resource.kind === 'streams') {
      compileStream(resource);
    } else if (resource.kind === 'migration') {
      compileMigration(resource, factory);
    }
  }
  const linker = new Linker(factory, linkedServices, datasets, drafts);
  const pipelines = linker.link();
  return { factory, linkedServices, datasets, dataflows: linker.dataflows, pipelines };
}

function compileDraft(resource: Resource, globals: readonly string[]): Draft {
  const { problems, path } = resource;
  const parsed = parseWith(pipelineSchema, resource.properties, path, problems);
  const parameters = specificationsOf(parsed?.parameters ?? {});
  const variables = specificationsOf(parsed?.variables ?? {});
  const list = (parsed?.activities ?? []) as JsonValue[];
  const named: Named[] = [];
  collectNames(list, named);
  const names = named.map(({ name }) => name);
  const context: PipelineContext = {
    problems,
    variables: Object.keys(variables),
    scope: {
      parameters: Object.keys(parameters),
      globalParameters: globals,
      variables: Object.keys(variables),
      activities: names,
      trigger: true,
    },
    datasets: [],
    pipelines: [],
    linkedServices: [],
    dataflows: [],
    lakehouses: [],
    types: [],
  };
  checkNames(named, [...path, 'activities'], problems);
  if (parsed === undefined) return { resource, parameters, context };
  const activities = compileActivities(list, [...path, 'activities'], context);
  const concurrency = concurrencyOf(parsed.concurrency ?? null, path, problems);
  const snapshot: PipelineSnapshot = {
    name: resource.name,
    activities,
    variables,
    ...(concurrency === undefined ? {} : { concurrency }),
  };
  return { resource, parameters, context, snapshot };
}

/** How many runs may go on at a time; undefined for any number. */
function concurrencyOf(
  written: JsonValue,
  path: readonly PropertyKey[],
  problems: Resource['problems'],
): number | undefined {
  if (written === null) return undefined;
  const value = Number(written);
  if (Number.isInteger(value) && value > 0) return value;
  problems.warn(
    [...path, 'concurrency'],
    'PROPERTY_IGNORED',
    `${JSON.stringify(written)} is not a number of runs; any number may go on at a time.`,
    'Write a whole number from 1 on.',
  );
  return undefined;
}

/** The names of activities at every level: expressions may refer to any of them. */
/** An activity's name, and the list of activities that it stands in. */
interface Named {
  readonly name: string;
  readonly block: JsonValue;
}

/** Data Factory's editor keeps names apart by case, so a Copy "to dbo" may stand in a loop "TO DBO". */
function checkNames(named: readonly Named[], path: readonly PropertyKey[], problems: Problems): void {
  const seen = new Map<string, Named[]>();
  for (const entry of named) {
    const key = entry.name.toLowerCase();
    const others = seen.get(key) ?? [];
    seen.set(key, [...others, entry]);
    if (others.some(({ name, block }) => name === entry.name || block === entry.block))
      problems.error(
        path,
        'DEFINITION_INVALID',
        `Two activities are named "${entry.name}".`,
        'Activity names are unique within a pipeline, also across loops and branches.',
      );
    else if (others.length > 0)
      problems.warn(
        path,
        'SHAPE_TOLERATED',
        `Activities are named "${others[0]?.name}" and "${entry.name}", which differ by case only.`,
        'Expressions find the one that ended last: rename one of them.',
      );
  }
}

function collectNames(value: JsonValue, named: Named[]): void {
  if (Array.isArray(value)) {
    for (const entry of value) {
      if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) continue;
      if (typeof entry['name'] === 'string' && typeof entry['type'] === 'string')
        named.push({ name: entry['name'], block: value });
      const inner = entry['typeProperties'];
      if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) continue;
      for (const block of ['activities', 'ifTrueActivities', 'ifFalseActivities', 'defaultActivities'])
        collectNames(inner[block] ?? null, named);
      if (Array.isArray(inner['cases'])) {
        for (const branch of inner['cases'])
          if (typeof branch === 'object' && branch !== null && !Array.isArray(branch))
            collectNames(branch['activities'] ?? null, named);
      }
    }
  }
}

/** Resolves references between resources. */
class Linker {
  private readonly factory: Factory;
  private readonly linkedServices: ReadonlyMap<Resource, LinkedServiceDefinition>;
  private readonly datasets: ReadonlyMap<Resource, DatasetSnapshot>;
  private readonly drafts: ReadonlyMap<Resource, Draft>;
  /** Resources whose store type has been found unsupported: said once each. */
  private readonly reported = new Set<Resource>();
  readonly dataflows = new Map<Resource, CompiledDataFlow>();
  /** What each data flow reads and writes. */
  private readonly dataflowStores = new Map<Resource, Set<Resource>>();

  constructor(
    factory: Factory,
    linkedServices: ReadonlyMap<Resource, LinkedServiceDefinition>,
    datasets: ReadonlyMap<Resource, DatasetSnapshot>,
    drafts: ReadonlyMap<Resource, Draft>,
  ) {
    this.factory = factory;
    this.linkedServices = linkedServices;
    this.datasets = datasets;
    this.drafts = drafts;
  }

  link(): CompiledPipeline[] {
    const direct = new Map<
      Resource,
      { stores: Set<Resource>; datasets: Set<Resource>; calls: Set<Resource>; dataflows: Set<Resource> }
    >();
    for (const draft of this.drafts.values()) {
      const datasets = new Set<Resource>();
      const stores = new Set<Resource>();
      const calls = new Set<Resource>();
      const dataflows = new Set<Resource>();
      for (const { use, path, scope } of draft.context.datasets) {
        const used = this.linkDataset(
          draft,
          use.dataset,
          Object.keys(use.parameters),
          path,
          datasets,
          stores,
        );
        if (used !== undefined) checkWithin(draft.resource, use.dataset, used, path, scope);
      }
      for (const { name, path } of draft.context.linkedServices) {
        const found = this.find('linkedService', name, path, draft.resource);
        if (found !== undefined) this.useLinkedService(found, stores);
      }
      for (const { name, path } of draft.context.dataflows) {
        const found = this.find('dataflow', name, path, draft.resource);
        if (found === undefined) continue;
        stores.add(found);
        dataflows.add(found);
        for (const used of this.checkDataflow(found)) {
          stores.add(used);
          if (used.kind === 'dataset') datasets.add(used);
        }
      }
      for (const { name, path } of draft.context.lakehouses) {
        const found = this.find('lakehouse', name, path, draft.resource);
        if (found !== undefined) stores.add(found);
      }
      for (const use of draft.context.pipelines) {
        const found = this.find('pipeline', use.name, use.path, draft.resource);
        if (found !== undefined) {
          calls.add(found);
          this.checkCall(draft, found, use);
        }
      }
      direct.set(draft.resource, { stores, datasets, calls, dataflows });
    }
    return [...this.drafts.values()].map((draft) => {
      const needs = new Set<Resource>();
      const queue = [draft.resource];
      const called = new Set<Resource>();
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
        for (const store of direct.get(next)?.stores ?? []) needs.add(store);
        for (const call of direct.get(next)?.calls ?? []) {
          if (called.has(call)) continue;
          called.add(call);
          needs.add(call);
          queue.push(call);
        }
      }
      if (called.has(draft.resource))
        draft.resource.problems.error(
          [...draft.resource.path, 'activities'],
          'DEFINITION_INVALID',
          `Pipeline "${draft.resource.name}" ends up calling itself.`,
        );
      return {
        resource: draft.resource,
        ...(draft.snapshot === undefined ? {} : { snapshot: draft.snapshot }),
        parameters: draft.parameters,
        activityTypes: draft.context.types,
        datasets: [...(direct.get(draft.resource)?.datasets ?? [])],
        needs: [...needs],
        dataflows: [...(direct.get(draft.resource)?.dataflows ?? [])],
      };
    });
  }

  /** What `from` refers to; reports it where it is missing. */
  private find(
    kind: ResourceKind,
    name: string,
    path: readonly PropertyKey[],
    from: Resource,
  ): Resource | undefined {
    const found = this.factory.find(kind, name, from);
    if (found === undefined && from.fabricId !== undefined) {
      from.problems.error(
        path,
        'DEFINITION_UNSUPPORTED',
        `The item "${name}" of a Fabric workspace stands in no file here.`,
      );
    } else if (found === undefined) {
      const near = nearestName(name, this.factory.names(kind));
      const what = kind === 'linkedService' ? 'linked service' : kind === 'dataflow' ? 'data flow' : kind;
      from.problems.error(path, 'REFERENCE_MISSING', `There is no ${what} "${name}".`, didYouMean(near));
    }
    return found;
  }

  private linkDataset(
    draft: Draft,
    name: string,
    given: readonly string[],
    path: readonly PropertyKey[],
    datasets: Set<Resource>,
    stores: Set<Resource>,
  ): DatasetSnapshot | undefined {
    const resource = this.find('dataset', name, [...path, 'referenceName'], draft.resource);
    if (resource === undefined) return undefined;
    datasets.add(resource);
    stores.add(resource);
    const dataset = this.datasets.get(resource);
    if (dataset === undefined) return undefined;
    this.checkGiven(draft, `dataset "${resource.name}"`, dataset.parameters, given, [...path, 'parameters']);
    this.reportDataset(resource, dataset.type);
    const linkedService = this.factory.find('linkedService', dataset.linkedService, resource);
    if (linkedService !== undefined) this.useLinkedService(linkedService, stores);
    return dataset;
  }

  /** Checks a data flow with all that it refers to, once; returns its datasets and their linked services. */
  private checkDataflow(resource: Resource): ReadonlySet<Resource> {
    const checked = this.dataflowStores.get(resource);
    if (checked !== undefined) return checked;
    const stores = new Set<Resource>();
    this.dataflowStores.set(resource, stores);
    const visit = (value: JsonValue, path: readonly PropertyKey[]): void => {
      if (Array.isArray(value)) {
        value.forEach((entry, index) => {
          visit(entry, [...path, index]);
        });
      } else if (isObject(value)) {
        const { referenceName: name, type } = value;
        const kind = /^(dataset|linkedService|dataflow)Reference$/i
          .exec(typeof type === 'string' ? type : '')?.[1]
          ?.toLowerCase();
        const place = [...path, 'referenceName'];
        if (typeof name === 'string' && kind === 'dataset')
          this.dataflowDataset(resource, name, place, stores);
        else if (typeof name === 'string' && kind !== undefined) {
          const found = this.find(
            kind === 'linkedservice' ? 'linkedService' : 'dataflow',
            name,
            place,
            resource,
          );
          if (found?.kind === 'linkedService') this.useLinkedService(found, stores);
        }
        for (const [key, entry] of Object.entries(value)) visit(entry, [...path, key]);
      }
    };
    visit(resource.properties['typeProperties'] ?? null, [...resource.path, 'typeProperties']);
    const lookUp = (kind: ResourceKind, name: string, from: Resource): Resource | undefined =>
      this.factory.find(kind, name, from);
    const compiled = compileDataFlow(resource, {
      dataset: (name, from) => this.datasets.get(lookUp('dataset', name, from) ?? from),
      linkedService: (name, from) => this.linkedServices.get(lookUp('linkedService', name, from) ?? from),
    });
    if (compiled !== undefined) this.dataflows.set(resource, compiled);
    return stores;
  }

  private dataflowDataset(
    from: Resource,
    name: string,
    path: readonly PropertyKey[],
    stores: Set<Resource>,
  ): void {
    const found = this.find('dataset', name, path, from);
    if (found === undefined) return;
    stores.add(found);
    const dataset = this.datasets.get(found);
    if (dataset === undefined) return;
    this.reportDataset(found, dataset.type);
    const linkedService = this.factory.find('linkedService', dataset.linkedService, found);
    if (linkedService !== undefined) this.useLinkedService(linkedService, stores);
  }

  private reportDataset(resource: Resource, type: string): void {
    if (storeType('dataset', type).verdict !== 'unsupported' || this.reported.has(resource)) return;
    this.reported.add(resource);
    unsupportedStore('dataset', type, [...resource.path, 'type'], resource.problems);
  }

  private useLinkedService(resource: Resource, stores: Set<Resource>): void {
    stores.add(resource);
    const type = this.linkedServices.get(resource)?.type;
    if (type === undefined || this.reported.has(resource)) return;
    if (storeType('linkedService', type).verdict !== 'unsupported') return;
    this.reported.add(resource);
    unsupportedStore('linkedService', type, [...resource.path, 'type'], resource.problems);
  }

  private checkCall(draft: Draft, callee: Resource, use: PipelineUse): void {
    const declared = this.drafts.get(callee)?.parameters;
    if (declared === undefined) return;
    const path = [...use.path.slice(0, -2), 'parameters'];
    this.checkGiven(draft, `pipeline "${callee.name}"`, declared, use.parameters, path);
  }

  /**
   * Parameters that get no value are errors; values for parameters that do not exist have no effect. A pipeline that is
   * called may be published without them: its run fails, which Data Factory finds out only then.
   */
  private checkGiven(
    draft: Draft,
    owner: string,
    declared: Record<string, ParameterSpecification>,
    given: readonly string[],
    path: readonly PropertyKey[],
  ): void {
    const { problems } = draft.resource;
    const lower = new Set(given.map((name) => name.toLowerCase()));
    for (const [name, { defaultValue }] of Object.entries(declared)) {
      if (defaultValue !== undefined || lower.has(name.toLowerCase())) continue;
      const reason = `${owner} needs a value for "${name}".`;
      if (owner.startsWith('pipeline'))
        problems.warn(path, 'VALUE_MISSING', reason, 'Its run will fail: give it one, or declare a default.');
      else problems.error(path, 'PARAMETER_MISSING', reason);
    }
    const names = Object.keys(declared);
    for (const name of given) {
      if (names.some((other) => other.toLowerCase() === name.toLowerCase())) continue;
      problems.warn(
        [...path, name],
        'PROPERTY_IGNORED',
        `${owner} has no parameter "${name}".`,
        didYouMean(nearestName(name, names)),
      );
    }
  }
}

/** A dataset that speaks of its user's item(), activity() ...: reports at the user what is not there. */
function checkWithin(
  user: Resource,
  name: string,
  { typeProperties, linkedServiceParameters, parameters }: DatasetSnapshot,
  path: readonly PropertyKey[],
  scope: ExpressionScope,
): void {
  const parts = [typeProperties, linkedServiceParameters];
  if (!usesCaller(parts)) return;
  const found = new Problems(user.file);
  checkExpressions(parts, [], { ...scope, dataset: Object.keys(parameters) }, found);
  for (const { code, reason, advice } of found.list)
    user.problems.error(
      [...path, 'referenceName'],
      code as ErrorCode,
      `Dataset "${name}": ${reason}`,
      advice,
    );
}
