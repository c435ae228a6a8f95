// A lakehouse definition resolved for one run: parameters bound, every expression evaluated, the result checked again.
import { randomUUID } from 'node:crypto';
import { WaybillError } from '../../core/errors.ts';
import type { EvaluationContext } from '../../core/expression/context.ts';
import { evaluateDeep } from '../../core/expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import { parseTimespan } from '../../core/lakehouse/duration.ts';
import { expandEmrCluster } from '../../core/lakehouse/emr-cluster-profiles.ts';
import { sparkProfile } from '../../core/lakehouse/spark-profiles.ts';
import type {
  LakehouseCopy,
  LakehouseDbt,
  LakehouseJob,
  LakehousePlan,
  LakehouseVariant,
  StagePolicy,
} from '../../core/lakehouse.ts';
import { nearestName } from '../../core/nearest-name.ts';
import type {
  DatabricksClusterProfile,
  EmrClusterProfile,
  EmrServerlessApplication,
  EmrServerlessJobRuns,
  SparkEngine,
} from '../../core/spark.ts';
import { readFactory } from '../factory.ts';
import { didYouMean, type Problem, Problems } from '../problem.ts';
import { checkLakehouse, compileLakehouse, hasType } from './check.ts';
import { budgetOf, monitoringOf } from './monitoring-schema.ts';
import type { LakehouseDefinition } from './schema.ts';
import { applyVariant, relocate } from './variant.ts';

export interface LakehouseRun {
  readonly name: string;
  readonly window: string;
  /** The workflow id. */
  readonly runId: string;
  readonly trigger: string;
  /** ISO 8601. */
  readonly triggerTime: string;
  readonly parameters: JsonObject;
  readonly variant?: LakehouseVariant;
}

/**
 * Reads `lakehouse/<name>.json` of the factory and resolves it. Throws REFERENCE_MISSING (no such definition),
 * DEFINITION_INVALID (with the first problem's file, pointer and advice, and how many more there are),
 * PARAMETER_MISSING or EXPRESSION_INVALID.
 */
export function resolveLakehouse(factoryDirectory: string, run: LakehouseRun): LakehousePlan {
  const factory = readFactory(factoryDirectory);
  const resource = factory.find('lakehouse', run.name);
  if (resource === undefined) {
    const near = didYouMean(nearestName(run.name, factory.names('lakehouse')));
    throw new WaybillError('REFERENCE_MISSING', `There is no lakehouse "${run.name}". ${near ?? ''}`.trim(), {
      name: run.name,
    });
  }
  const { variant } = run;
  const definition = compileLakehouse(
    variant === undefined
      ? resource
      : { ...resource, properties: applyVariant(resource.properties, variant) },
    factory.names('linkedService'),
  );
  if (definition === undefined) throw asError(resource.problems.list);
  return resolveDefinition(definition, resource.file, run);
}

/** The plan of one run. `definition` has been checked. */
export function resolveDefinition(
  definition: LakehouseDefinition,
  file: string,
  run: LakehouseRun,
): LakehousePlan {
  const parameters = bindParameters(definition, run);
  const context = evaluationContext(run, parameters);
  const evaluated: JsonObject = {
    name: definition.name,
    parameters: definition.parameters as unknown as JsonObject,
    storage: evaluateDeep(definition.storage as JsonValue, context),
    engine: evaluateDeep(definition.engine as unknown as JsonValue, context),
    stages: relocate(
      evaluateDeep(definition.stages as unknown as JsonValue, context),
      run.variant?.locations ?? [],
    ),
  };
  for (const part of ['budget', 'monitoring'] as const)
    if (definition[part] !== undefined)
      evaluated[part] = evaluateDeep(definition[part] as unknown as JsonValue, context);
  // Values that came from expressions must fit as those written in the file do.
  const problems = new Problems(file);
  const checked = checkLakehouse({ content: evaluated, problems });
  if (checked === undefined) throw asError(problems.list);
  return planOf(checked, run.window, parameters);
}

/** The values of a definition's parameters, `window` among them. */
export function bindParameters(
  { parameters, name }: Pick<LakehouseDefinition, 'parameters' | 'name'>,
  run: LakehouseRun,
): JsonObject {
  const bound: JsonObject = {};
  for (const [key, { type, defaultValue }] of Object.entries(parameters)) {
    const given = run.parameters[key];
    const value = given === undefined ? defaultValue : fromText(given, type);
    if (value === undefined) {
      throw new WaybillError('PARAMETER_MISSING', `${name} needs a value for parameter ${key}.`, {
        parameter: key,
      });
    }
    if (!hasType(value, type)) {
      throw new WaybillError('DEFINITION_INVALID', `Parameter ${key} must be of type ${type}.`, {
        parameter: key,
      });
    }
    bound[key] = value;
  }
  for (const key of Object.keys(run.parameters)) {
    if (key in bound) continue;
    const near = didYouMean(nearestName(key, Object.keys(parameters)));
    throw new WaybillError('REFERENCE_MISSING', `${name} has no parameter ${key}. ${near ?? ''}`.trim(), {
      parameter: key,
    });
  }
  return { ...bound, window: run.window };
}

/** A command line gives every value as text. */
function fromText(value: JsonValue, type: string): JsonValue {
  if (typeof value !== 'string' || type === 'string') return value;
  try {
    return JSON.parse(value) as JsonValue;
  } catch {
    return value;
  }
}

/** What the expressions of a definition see. */
export function evaluationContext(run: LakehouseRun, parameters: JsonObject): EvaluationContext {
  const pipeline: JsonObject = {
    parameters,
    Pipeline: run.name,
    RunId: run.runId,
    TriggerName: run.trigger,
    TriggerTime: run.triggerTime,
  };
  const now = Date.parse(run.triggerTime);
  return { roots: { pipeline: () => pipeline }, now: () => now, guid: randomUUID, random: Math.random };
}

/** The first problem as an error, with how many more there are. */
export function asError(problems: readonly Problem[]): WaybillError {
  const errors = problems.filter((problem) => problem.severity === 'error');
  const [first] = errors;
  const more = errors.length > 1 ? ` (${errors.length - 1} more; \`waybill validate\` lists all)` : '';
  const advice = first?.advice ? ` ${first.advice}` : '';
  const message = first
    ? `${first.file}#${first.pointer}: ${first.reason}${advice}${more}`
    : 'The definition is invalid.';
  return new WaybillError('DEFINITION_INVALID', message, {
    file: first?.file ?? '',
    pointer: first?.pointer ?? '',
    problems: errors.length,
  });
}

function planOf(
  { name, storage, engine, stages, budget, monitoring }: LakehouseDefinition,
  window: string,
  parameters: JsonObject,
): LakehousePlan {
  const { ingest, process, load, serve, optimize } = stages;
  return {
    name,
    window,
    parameters,
    storage,
    engine: engineOf(engine),
    ...(budget === undefined ? {} : { budget: budgetOf(budget) }),
    ...(monitoring === undefined ? {} : { monitoring: monitoringOf(monitoring) }),
    stages: {
      ...(ingest === undefined
        ? {}
        : {
            ingest: {
              ...policyOf(ingest),
              copies: ingest.copies.map(copyOf),
              inputs: ingest.inputs.map((input) => ({ ...input, minimumFiles: Number(input.minimumFiles) })),
              compensation: ingest.compensation,
            },
          }),
      ...(process === undefined
        ? {}
        : {
            process: {
              ...policyOf(process),
              jobs: process.jobs.map((job) => jobOf(job, engine.type)),
              compensation: process.compensation,
            },
          }),
      ...(load === undefined
        ? {}
        : { load: { ...policyOf(load), copies: load.copies.map(copyOf), compensation: load.compensation } }),
      ...(serve === undefined
        ? {}
        : { serve: { ...policyOf(serve), dbt: serve.dbt.map(dbtOf), compensation: serve.compensation } }),
      ...(optimize === undefined
        ? {}
        : {
            optimize: {
              ...policyOf(optimize),
              jobs: optimize.jobs.map((job) => jobOf(job, engine.type)),
              ...(optimize.lifecycle === undefined
                ? {}
                : {
                    lifecycle: optimize.lifecycle as NonNullable<
                      LakehousePlan['stages']['optimize']
                    >['lifecycle'] &
                      object,
                  }),
              compensation: optimize.compensation,
            },
          }),
    },
  };
}

/** The engine, checked after evaluation, when no number is an expression any more. */
function engineOf(engine: LakehouseDefinition['engine']): LakehousePlan['engine'] {
  const { name } = engine;
  const configuration = withProfile(engine.profile, engine.type, engine.configuration);
  if (engine.type === 'emr-serverless') {
    const common = {
      type: engine.type,
      name,
      configuration,
      jobRuns: engine.jobRuns as EmrServerlessJobRuns,
    };
    return engine.attach === undefined
      ? { ...common, application: engine.application as EmrServerlessApplication }
      : { ...common, attach: engine.attach };
  }
  if (engine.attach !== undefined) {
    // A Databricks cluster that runs has its Spark settings.
    const own = engine.type === 'emr' ? configuration : {};
    return { type: engine.type, name, configuration: own, attach: engine.attach };
  }
  if (engine.type === 'emr')
    return {
      type: 'emr',
      name,
      configuration,
      cluster: expandEmrCluster(engine.cluster ?? {}) as EmrClusterProfile,
    };
  const cluster = engine.cluster as DatabricksClusterProfile;
  // Databricks takes Spark settings when the cluster is made, and never with a run on it.
  const sparkConf = { ...configuration, ...cluster.sparkConf };
  return { type: 'databricks', name, configuration: {}, cluster: { ...cluster, sparkConf } };
}

/** A profile's settings below those written out. */
export const withProfile = (
  profile: string | undefined,
  engine: SparkEngine,
  configuration: Record<string, string>,
): Record<string, string> => ({
  ...(profile === undefined ? {} : sparkProfile(profile, engine)),
  ...configuration,
});

/** On Databricks a job has no settings: the check refuses them. */
const jobOf = ({ profile, configuration, ...job }: DefinedJob, engine: SparkEngine): LakehouseJob => ({
  ...job,
  configuration: withProfile(profile, engine, configuration),
});

type DefinedJob = NonNullable<LakehouseDefinition['stages']['process']>['jobs'][number];

type Policy = NonNullable<LakehouseDefinition['stages']['load']>;

const policyOf = (
  stage: Pick<Policy, 'timeout' | 'retries' | 'retryIntervalInSeconds' | 'pivot' | 'checks'>,
): StagePolicy => ({
  timeout: parseTimespan(stage.timeout) ?? 0,
  retries: Number(stage.retries),
  retryInterval: Number(stage.retryIntervalInSeconds) * 1000,
  pivot: stage.pivot === true,
  checks: stage.checks,
});

const copyOf = ({ name, source, sink, options }: Policy['copies'][number]): LakehouseCopy => ({
  name,
  source: endpointOf(source),
  sink: endpointOf(sink),
  options: options as JsonObject,
});

const dbtOf = (dbt: NonNullable<LakehouseDefinition['stages']['serve']>['dbt'][number]): LakehouseDbt => ({
  name: dbt.name,
  target: dbt.target,
  vars: dbt.vars as JsonObject,
  ...(dbt.linkedService === undefined ? {} : { linkedService: dbt.linkedService }),
  ...(dbt.schema === undefined ? {} : { schema: dbt.schema }),
  steps: dbt.steps.map(({ command, select, exclude, fullRefresh }) => ({
    command,
    ...(select === undefined ? {} : { select }),
    ...(exclude === undefined ? {} : { exclude }),
    ...(fullRefresh === true ? { fullRefresh: true } : {}),
  })),
});

function endpointOf(end: Policy['copies'][number]['source']): LakehouseCopy['source'] {
  return {
    linkedService: end.linkedService,
    ...(end.linkedServiceParameters === undefined
      ? {}
      : { linkedServiceParameters: end.linkedServiceParameters as JsonObject }),
    datasetType: end.dataset.type,
    dataset: end.dataset.typeProperties as JsonObject,
    settings: end.settings as JsonObject,
  };
}
