// Finds everything that is wrong with a lakehouse definition, all of it at once, before anything runs.
import { z } from 'zod';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import { SPARK_PROFILES } from '../../core/lakehouse/spark-profiles.ts';
import { nearestName } from '../../core/nearest-name.ts';
import { checkExpressions } from '../check-expressions.ts';
import type { Resource } from '../factory.ts';
import { didYouMean, type Problems } from '../problem.ts';
import { type LakehouseDefinition, lakehouseSchema } from './schema.ts';

/** Parameters that every run has. */
export const BUILT_IN_PARAMETERS = ['window'];

export interface LakehouseSource {
  readonly content: JsonObject;
  readonly problems: Problems;
  /** Names of the factory's linked services; absent where they are not to be checked. */
  readonly linkedServices?: readonly string[];
}

/** The definition, or undefined when it has errors; they are in `problems`. */
export function checkLakehouse({
  content,
  problems,
  linkedServices,
}: LakehouseSource): LakehouseDefinition | undefined {
  const parsed = lakehouseSchema.safeParse(content);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) reportIssue(issue, content, problems, lakehouseSchema);
    return undefined;
  }
  const definition = parsed.data;
  const before = errors(problems);
  checkParameters(definition, problems);
  const parameters = [...Object.keys(definition.parameters), ...BUILT_IN_PARAMETERS];
  for (const part of ['storage', 'engine', 'stages', 'budget', 'monitoring']) {
    if (content[part] === undefined) continue;
    checkExpressions(content[part], [part], { parameters, trigger: false }, problems);
  }
  checkNames(definition, problems);
  checkJobSettings(definition, problems);
  checkProfiles(definition, problems);
  checkAttached(definition, problems);
  checkServerless(definition, problems);
  checkCheckTerms(definition, problems);
  if (linkedServices) checkLinkedServices(definition, linkedServices, problems);
  return errors(problems) === before ? definition : undefined;
}

/** Checks a resource of the factory; its problems say what is wrong. */
export function compileLakehouse(
  { properties, path, problems }: Resource,
  linkedServices: readonly string[],
): LakehouseDefinition | undefined {
  if (path.length > 0) {
    problems.error(
      path,
      'DEFINITION_INVALID',
      'A lakehouse file has no "properties".',
      'Put its content at the top level.',
    );
    return undefined;
  }
  return checkLakehouse({ content: properties, problems, linkedServices });
}

/** What a cluster costs and how idle it is cannot be said of one run on it. */
function checkAttached(definition: LakehouseDefinition, problems: Problems): void {
  if (definition.engine.attach === undefined) return;
  for (const part of ['budget', 'monitoring'] as const)
    if (definition[part] !== undefined)
      problems.error(
        [part],
        'DEFINITION_INVALID',
        `The cluster is one that runs already ("attach"), so a ${part} of this run alone cannot be kept.`,
        `Leave ${part} out, or give the run a cluster of its own.`,
      );
}

/** Settings that say where a job runs, which EMR Serverless decides. */
const PLACES = /^spark\.(master$|submit\.deployMode$|yarn\.)/;

/** What there is on clusters only. */
function checkServerless({ engine, stages, monitoring }: LakehouseDefinition, problems: Problems): void {
  if (engine.type !== 'emr-serverless') return;
  const refuse = (path: readonly PropertyKey[], reason: string, advice: string): void =>
    problems.error(path, 'DEFINITION_UNSUPPORTED', reason, advice);
  const checkSettings = (settings: Record<string, string>, path: readonly PropertyKey[]): void => {
    for (const key of Object.keys(settings).filter((name) => PLACES.test(name)))
      refuse([...path, 'configuration', key], `EMR Serverless decides where a job runs.`, 'Take it out.');
  };
  checkSettings(engine.configuration, ['engine']);
  for (const stage of ['process', 'optimize'] as const)
    stages[stage]?.jobs.forEach((job, index) => {
      checkSettings(job.configuration, ['stages', stage, 'jobs', index]);
    });
  if (monitoring?.resize !== undefined)
    refuse(
      ['monitoring', 'resize'],
      'An application of EMR Serverless is not resized: it grows by itself.',
      'Take it out; maximumCapacity says how far it may grow.',
    );
  if (monitoring?.cloudWatch === true)
    refuse(['monitoring', 'cloudWatch'], 'EMR Serverless has no HDFS to look for.', 'Take it out.');
}

const errors = (problems: Problems): number => problems.list.filter((one) => one.severity === 'error').length;

/** Says what is wrong where, and what was probably meant. */
export function reportIssue(
  issue: z.core.$ZodIssue,
  content: JsonObject,
  problems: Problems,
  root: z.ZodType,
): void {
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) {
      const near = nearestName(key, knownKeys(issue.path, root));
      problems.error(
        [...issue.path, key],
        'DEFINITION_INVALID',
        `"${key}" is not a property that belongs here.`,
        didYouMean(near) ?? 'Take it out, or correct its name.',
      );
    }
    return;
  }
  const missing = valueAt(content, issue.path) === undefined;
  const subject = issue.path.length === 0 ? 'The definition' : `"${String(issue.path.at(-1))}"`;
  const reason =
    missing && issue.code !== 'custom' ? `${subject} is missing.` : `${subject}: ${issue.message}.`;
  problems.error(issue.path, 'DEFINITION_INVALID', reason.replace(/\.\.$/, '.'));
}

function valueAt(content: JsonObject, path: readonly PropertyKey[]): JsonValue | undefined {
  let value: JsonValue | undefined = content;
  for (const segment of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as JsonObject)[String(segment)];
  }
  return value;
}

/** Names of the properties that may stand at a path. */
function knownKeys(path: readonly PropertyKey[], root: z.ZodType): string[] {
  let schema: unknown = root;
  for (const segment of path) schema = stepInto(schema, segment);
  return [...new Set(shapesOf(schema).flatMap((shape) => Object.keys(shape)))];
}

/** The properties of an object, or of each kind of it where there are several. */
function shapesOf(schema: unknown): Record<string, unknown>[] {
  if (Array.isArray(schema)) return schema.flatMap(shapesOf);
  const inner = unwrap(schema) as { shape?: Record<string, unknown>; options?: unknown[] } | undefined;
  return inner?.shape === undefined ? (inner?.options ?? []).flatMap(shapesOf) : [inner.shape];
}

function stepInto(schema: unknown, segment: PropertyKey): unknown {
  if (typeof segment === 'number') return (unwrap(schema) as { element?: unknown } | undefined)?.element;
  const found = shapesOf(schema).map((shape) => shape[String(segment)]);
  return found.length > 1 ? found : found[0];
}

/** Below optional() and default(), which can be unwrapped as arrays can. */
function unwrap(schema: unknown): unknown {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault) inner = inner.unwrap();
  return inner;
}

function checkParameters({ parameters }: LakehouseDefinition, problems: Problems): void {
  for (const [name, { type, defaultValue }] of Object.entries(parameters)) {
    if (BUILT_IN_PARAMETERS.includes(name)) {
      problems.error(
        ['parameters', name],
        'DEFINITION_INVALID',
        `"${name}" is a parameter that every run has already.`,
      );
    }
    if (defaultValue !== undefined && !hasType(defaultValue, type)) {
      problems.error(
        ['parameters', name, 'defaultValue'],
        'DEFINITION_INVALID',
        `The default is not of type ${type}.`,
      );
    }
  }
}

/** Whether a value is what a parameter's type asks for. */
export function hasType(value: JsonValue, type: string): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string';
    case 'int':
      return Number.isSafeInteger(value);
    case 'float':
      return typeof value === 'number';
    case 'bool':
      return typeof value === 'boolean';
    case 'array':
      return Array.isArray(value);
    default:
      return typeof value === 'object' && value !== null && !Array.isArray(value);
  }
}

type Stages = LakehouseDefinition['stages'];
interface Named {
  readonly name: string;
  readonly path: readonly PropertyKey[];
}

/** Copies, inputs and jobs, which share one space of names: names become workflow ids and check terms. */
function namedItems(stages: Stages): Named[] {
  const { ingest, process, load, serve, optimize } = stages;
  const of = (stage: string, list: string, items: readonly { name: string }[] | undefined): Named[] =>
    (items ?? []).map(({ name }, index) => ({ name, path: ['stages', stage, list, index, 'name'] }));
  return [
    ...of('ingest', 'copies', ingest?.copies),
    ...of('ingest', 'inputs', ingest?.inputs),
    ...of('process', 'jobs', process?.jobs),
    ...of('load', 'copies', load?.copies),
    ...of('serve', 'dbt', serve?.dbt),
    ...of('optimize', 'jobs', optimize?.jobs),
  ];
}

function checkNames({ stages }: LakehouseDefinition, problems: Problems): void {
  const seen = new Set<string>();
  for (const { name, path } of namedItems(stages)) {
    if (seen.has(name)) {
      problems.error(
        path,
        'DEFINITION_INVALID',
        `"${name}" is the name of another copy, input or job.`,
        'Rename one.',
      );
    }
    seen.add(name);
  }
}

/** Databricks takes Spark settings with the cluster alone. */
function checkJobSettings({ engine, stages }: LakehouseDefinition, problems: Problems): void {
  if (engine.type !== 'databricks') return;
  for (const stage of ['process', 'optimize'] as const) {
    stages[stage]?.jobs.forEach((job, index) => {
      const given = Object.keys(job.configuration).length > 0 ? 'configuration' : 'profile';
      if (given === 'profile' && job.profile === undefined) return;
      problems.error(
        ['stages', stage, 'jobs', index, given],
        'DEFINITION_UNSUPPORTED',
        `Databricks takes no Spark settings with a job on a cluster.`,
        'Put them into "sparkConf" of the cluster or "configuration" of the engine.',
      );
    });
  }
}

/** Profiles that exist; one that is an expression is looked up when the run is resolved. */
function checkProfiles({ engine, stages }: LakehouseDefinition, problems: Problems): void {
  checkProfile(engine.profile, ['engine'], problems);
  for (const stage of ['process', 'optimize'] as const)
    stages[stage]?.jobs.forEach((job, index) => {
      checkProfile(job.profile, ['stages', stage, 'jobs', index], problems);
    });
}

/** Refuses a Spark profile that there is not, at `<path>/profile`. */
export function checkProfile(
  name: string | undefined,
  path: readonly PropertyKey[],
  problems: Problems,
): void {
  if (name === undefined || name.includes('@') || SPARK_PROFILES.some((known) => known === name)) return;
  problems.error(
    [...path, 'profile'],
    'REFERENCE_MISSING',
    `There is no Spark profile "${name}".`,
    didYouMean(nearestName(name, SPARK_PROFILES)) ?? `Profiles: ${SPARK_PROFILES.join(', ')}.`,
  );
}

/** A check may use what this stage and those before it counted. */
function checkCheckTerms({ stages }: LakehouseDefinition, problems: Problems): void {
  const known = new Set<string>();
  for (const stage of ['ingest', 'process', 'load', 'serve', 'optimize'] as const) {
    const policy = stages[stage];
    for (const { name, path } of namedItems(stages)) if (path[1] === stage) known.add(name);
    policy?.checks.forEach((check, index) => {
      for (const side of ['sum', 'equals'] as const) {
        check[side].forEach((term, at) => {
          const owner = term.split(':', 1)[0] ?? '';
          if (known.has(owner) && /^[^:]+:.+$/.test(term)) return;
          problems.error(
            ['stages', stage, 'checks', index, side, at],
            'REFERENCE_MISSING',
            `"${term}" names no copy or job of this stage or one before it.`,
            didYouMean(nearestName(owner, known)) ?? 'Write "<copy>:sink" or "<job>:<table>.rows".',
          );
        });
      }
    });
  }
}

function checkLinkedServices(
  { stages }: LakehouseDefinition,
  linkedServices: readonly string[],
  problems: Problems,
): void {
  const check = (name: string, path: readonly PropertyKey[]): void => {
    if (name.includes('@') || linkedServices.some((other) => other.toLowerCase() === name.toLowerCase()))
      return;
    problems.error(
      path,
      'REFERENCE_MISSING',
      `There is no linked service "${name}".`,
      didYouMean(nearestName(name, linkedServices)),
    );
  };
  for (const stage of ['ingest', 'load'] as const) {
    stages[stage]?.copies.forEach((copy, index) => {
      for (const end of ['source', 'sink'] as const)
        check(copy[end].linkedService, ['stages', stage, 'copies', index, end, 'linkedService']);
    });
  }
  stages.serve?.dbt.forEach(({ linkedService }, index) => {
    if (linkedService !== undefined) check(linkedService, ['stages', 'serve', 'dbt', index, 'linkedService']);
  });
}
