// What a whole factory demands: of every pipeline's parameters, of every activity's output, of every dataset's parameters.

import type { JsonObject, JsonValue } from '../../../src/core/json.ts';
import type { ActivitySnapshot, DatasetUse } from '../../../src/core/pipeline/snapshot.ts';
import { usesCaller } from '../../../src/definitions/check-expressions.ts';
import type { CompiledFactory, CompiledPipeline } from '../../../src/definitions/compile-factory.ts';
import { isObject } from '../../../src/definitions/factory.ts';
import { kindOfType } from '../columns.ts';
import { inferDeep, inferUntil, type ShapeScope } from './infer-expression.ts';
import { type Hint, Shape, settle } from './shape.ts';

/** The shapes of one pipeline. */
export interface PipelineShapes {
  /** An object of its parameters. */
  readonly parameters: Shape;
  readonly variables: Shape;
  /** By lower-case name: what `activity('x')` is. */
  readonly activities: Map<string, Shape>;
  readonly trigger: Shape;
  readonly triggerBody: Shape;
}

/** By lower-case name. */
export interface FactoryShapes {
  readonly pipelines: ReadonlyMap<string, PipelineShapes>;
  /** An object of the parameters of each. */
  readonly datasets: ReadonlyMap<string, Shape>;
  readonly linkedServices: ReadonlyMap<string, Shape>;
  readonly globals: Shape;
}

/** What a property of a dataset or linked service says of the value that goes into it. */
const PROPERTY_HINTS: Readonly<Record<string, Hint>> = {
  tablename: 'table',
  table: 'table',
  schema: 'schema',
  folderpath: 'folder',
  wildcardfolderpath: 'folder',
  filename: 'file',
  wildcardfilename: 'file',
  container: 'container',
  filesystem: 'container',
  bucketname: 'container',
  database: 'database',
  initialcatalog: 'database',
  server: 'server',
  datasource: 'server',
  url: 'url',
  serviceendpoint: 'url',
  sqlreaderquery: 'query',
  query: 'query',
  storedprocedurename: 'procedure',
  sqlreaderstoredprocedurename: 'procedure',
  translator: 'translator',
  modifieddatetimestart: 'date',
  modifieddatetimeend: 'date',
};

/** Infers the shapes of a factory. Pure; what cannot be parsed demands nothing. */
export function inferFactory(compiled: CompiledFactory): FactoryShapes {
  const builder = new Builder(compiled);
  for (const pipeline of compiled.pipelines) builder.pipeline(pipeline);
  const roots = [...builder.datasets.values(), ...builder.linkedServices.values(), builder.globals];
  for (const { parameters, variables, activities, trigger, triggerBody } of builder.pipelines.values())
    roots.push(parameters, variables, trigger, triggerBody, ...activities.values());
  settle([...roots, ...builder.loose]);
  return builder;
}

/** Types of parameters that take no text. */
const DECLARED: Readonly<Record<string, Shape['declared']>> = {
  ...{ int: 'integer', integer: 'integer', float: 'integer', double: 'integer', number: 'integer' },
  ...{ bool: 'boolean', boolean: 'boolean' },
};

class Builder implements FactoryShapes {
  readonly pipelines = new Map<string, PipelineShapes>();
  readonly datasets = new Map<string, Shape>();
  readonly linkedServices = new Map<string, Shape>();
  readonly globals = new Shape('globalParameters');
  /** Properties of datasets that speak of what only their user has, by lower-case name. */
  readonly #callersOwn = new Map<string, JsonObject>();
  /** Shapes that only edges lead to. */
  readonly loose: Shape[] = [];

  constructor(compiled: CompiledFactory) {
    for (const [resource, definition] of compiled.linkedServices) {
      const parameters = new Shape(resource.name);
      this.linkedServices.set(resource.name.toLowerCase(), parameters);
      this.#properties(definition.typeProperties, scopeOf({ linkedservice: parameters }));
    }
    for (const [resource, dataset] of compiled.datasets) {
      const parameters = new Shape(resource.name);
      this.datasets.set(resource.name.toLowerCase(), parameters);
      const scope = scopeOf({ dataset: parameters });
      this.#properties(dataset.typeProperties, scope);
      if (usesCaller(dataset.typeProperties))
        this.#callersOwn.set(resource.name.toLowerCase(), dataset.typeProperties);
      const service = this.linkedServices.get(dataset.linkedService.toLowerCase());
      this.#give(dataset.linkedServiceParameters, scope, service);
    }
    for (const { resource } of compiled.pipelines) {
      const key = resource.name.toLowerCase();
      if (this.pipelines.has(key)) continue;
      this.pipelines.set(key, {
        parameters: new Shape('parameters'),
        variables: new Shape('variables'),
        activities: new Map(),
        trigger: new Shape('trigger'),
        triggerBody: new Shape('triggerBody'),
      });
    }
  }

  pipeline({ resource, snapshot, parameters }: CompiledPipeline): void {
    const shapes = this.pipelines.get(resource.name.toLowerCase());
    if (snapshot === undefined || shapes === undefined) return;
    for (const [name, { type }] of Object.entries(parameters)) {
      const declared = DECLARED[type.toLowerCase()];
      if (declared !== undefined) shapes.parameters.property(name).declared = declared;
    }
    const own = new Shape('pipeline');
    own.alias('parameters', shapes.parameters);
    own.alias('globalParameters', this.globals);
    shapes.trigger.property('outputs').alias('body', shapes.triggerBody);
    const scope: ShapeScope = {
      roots: { pipeline: own, trigger: shapes.trigger, triggerbody: shapes.triggerBody },
      variable: (name) => shapes.variables.property(name),
      activity: (name) => activityOf(shapes, name),
    };
    prepare(snapshot.activities, shapes);
    this.#block(snapshot.activities, scope, shapes);
  }

  #block(activities: readonly ActivitySnapshot[], scope: ShapeScope, shapes: PipelineShapes): void {
    for (const activity of activities) this.#activity(activity, scope, shapes);
  }

  #activity(activity: ActivitySnapshot, scope: ShapeScope, shapes: PipelineShapes): void {
    const { typeProperties: properties, type } = activity;
    const output = activityOf(shapes, activity.name).property('output');
    for (const use of [...(activity.inputs ?? []), ...(activity.outputs ?? [])]) this.#use(use, scope);
    const dataset = properties['dataset'];
    if (isObject(dataset) && typeof dataset['referenceName'] === 'string') {
      const parameters = isObject(dataset['parameters']) ? dataset['parameters'] : {};
      this.#use({ dataset: dataset['referenceName'], parameters }, scope);
    }
    let inner = scope;
    switch (type) {
      case 'ForEach':
      case 'Filter': {
        const items = inferDeep(properties['items'], scope);
        items.hints.add('array');
        this.loose.push(items);
        inner = { ...scope, roots: { ...scope.roots, item: items.element() } };
        if (type === 'Filter') {
          inferDeep(properties['condition'], inner).hints.add('boolean');
          // What is read of the kept items is read of the items.
          items.element().flowsTo(output.property('Value').element());
        }
        break;
      }
      case 'IfCondition':
        inferDeep(properties['expression'], scope).hints.add('boolean');
        break;
      case 'Until':
        inferUntil(properties['expression'], scope).hints.add('boolean');
        break;
      case 'Switch': {
        const on = inferDeep(properties['on'], scope);
        const goal = new Shape();
        for (const block of Object.keys(activity.blocks ?? {}))
          if (block.startsWith('case ')) goal.literals.add(block.slice('case '.length));
        on.flowsTo(goal);
        this.loose.push(on);
        break;
      }
      case 'SetVariable':
        this.#setVariable(properties, scope, shapes);
        break;
      case 'AppendVariable': {
        const value = inferDeep(properties['value'], scope);
        value.flowsTo(shapes.variables.property(String(properties['variableName'])).element());
        this.loose.push(value);
        break;
      }
      case 'ExecutePipeline': {
        const reference = properties['pipeline'];
        const name = isObject(reference) ? String(reference['referenceName']) : '';
        const callee = this.pipelines.get(name.toLowerCase());
        this.#give(properties['parameters'], scope, callee?.parameters);
        break;
      }
      case 'Wait':
        inferDeep(properties['waitTimeInSeconds'], scope).hints.add('integer');
        break;
      default:
        this.#properties(properties, scope);
    }
    for (const block of Object.values(activity.blocks ?? {})) this.#block(block, inner, shapes);
  }

  #setVariable(properties: JsonObject, scope: ShapeScope, shapes: PipelineShapes): void {
    const { variableName, value } = properties;
    const shape = inferDeep(value, scope);
    this.loose.push(shape);
    if (properties['setSystemVariable'] !== true)
      shape.flowsTo(shapes.variables.property(String(variableName)));
  }

  #use(use: DatasetUse, scope: ShapeScope): void {
    const within = this.#callersOwn.get(use.dataset.toLowerCase());
    const parameters = this.datasets.get(use.dataset.toLowerCase());
    // Such a dataset speaks of its user's item() and activity().
    if (within !== undefined && parameters !== undefined)
      this.#properties(within, { ...scope, roots: { ...scope.roots, dataset: parameters } });
    this.#give(use.parameters, scope, this.datasets.get(use.dataset.toLowerCase()));
  }

  /** Values given to parameters flow into them. */
  #give(values: JsonValue | undefined, scope: ShapeScope, parameters: Shape | undefined): void {
    if (!isObject(values)) return;
    for (const [name, value] of Object.entries(values)) {
      const shape = inferDeep(value, scope);
      if (parameters !== undefined) shape.flowsTo(parameters.property(name));
      this.loose.push(shape);
    }
  }

  /** Infers properties; where one's name says what its value is, an expression that is all of it hears so. */
  #properties(value: JsonValue | undefined, scope: ShapeScope): void {
    if (Array.isArray(value)) for (const entry of value) this.#properties(entry, scope);
    if (!isObject(value)) {
      inferDeep(value, scope);
      return;
    }
    const typed =
      typeof value['type'] === 'string' && 'value' in value ? hintOfType(value['type']) : undefined;
    for (const [key, entry] of Object.entries(value)) {
      const hint = key === 'value' ? typed : PROPERTY_HINTS[key.toLowerCase()];
      const dynamic = typeof entry === 'string' || (isObject(entry) && entry['type'] === 'Expression');
      if (dynamic) {
        const shape = inferDeep(entry, scope);
        this.loose.push(shape);
        if (hint !== undefined) {
          const goal = new Shape();
          goal.hints.add(hint);
          shape.flowsTo(goal);
        }
      } else this.#properties(entry, scope);
    }
  }
}

/** What the declared type of a procedure's or statement's parameter says. */
function hintOfType(type: string): Hint | undefined {
  switch (kindOfType(type)) {
    case 'guid':
      return 'guid';
    case 'integer':
      return 'integer';
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'date':
      return 'date';
    default:
      return undefined;
  }
}

const scopeOf = (roots: ShapeScope['roots']): ShapeScope => ({
  roots,
  variable: () => new Shape(),
  activity: () => new Shape(),
});

function activityOf(shapes: PipelineShapes, name: string): Shape {
  const key = name.toLowerCase();
  let found = shapes.activities.get(key);
  if (found === undefined) {
    found = new Shape(name);
    shapes.activities.set(key, found);
  }
  return found;
}

/** A Lookup's first row and its rows have the same columns. */
function prepare(activities: readonly ActivitySnapshot[], shapes: PipelineShapes): void {
  for (const activity of activities) {
    if (activity.type === 'Lookup') {
      const output = activityOf(shapes, activity.name).property('output');
      const row = output.property('firstRow');
      output.property('value').setElement(row);
    }
    for (const block of Object.values(activity.blocks ?? {})) prepare(block, shapes);
  }
}
