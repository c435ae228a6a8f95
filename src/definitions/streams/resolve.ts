// A stream's definition, checked whole and resolved: parameters bound, every expression evaluated, the result checked again.
import { WaybillError } from '../../core/errors.ts';
import { evaluateDeep } from '../../core/expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import { parseTimespan } from '../../core/lakehouse/duration.ts';
import { expandEmrCluster } from '../../core/lakehouse/emr-cluster-profiles.ts';
import { nearestName } from '../../core/nearest-name.ts';
import type { ClusterProfile, DatabricksClusterProfile, EmrClusterProfile } from '../../core/spark.ts';
import type { StreamPlan } from '../../core/streams.ts';
import { checkExpressions } from '../check-expressions.ts';
import { readFactory } from '../factory.ts';
import { checkProfile, reportIssue } from '../lakehouse/check.ts';
import { asError, bindParameters, evaluationContext, withProfile } from '../lakehouse/resolve.ts';
import { didYouMean, Problems } from '../problem.ts';
import type { Resource } from '../resource.ts';
import { type StreamDefinition, streamSchema } from './schema.ts';

const EVALUATED = [
  'storage',
  'engine',
  'job',
  'restart',
  'lag',
  'drainTimeout',
  'leaseInMinutes',
  'alerts',
] as const;

/** The definition, or undefined when it has errors; they are in `problems`. */
export function checkStream(content: JsonObject, problems: Problems): StreamDefinition | undefined {
  const parsed = streamSchema.safeParse(content);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) reportIssue(issue, content, problems, streamSchema);
    return undefined;
  }
  const before = problems.list.length;
  const parameters = Object.keys(parsed.data.parameters);
  for (const part of EVALUATED)
    checkExpressions(content[part], [part], { parameters, trigger: false }, problems);
  checkProfile(parsed.data.engine.profile, ['engine'], problems);
  checkProfile(parsed.data.job.profile, ['job'], problems);
  return problems.list.slice(before).some(({ severity }) => severity === 'error') ? undefined : parsed.data;
}

/** Checks a resource of the factory; its problems say what is wrong. */
export function compileStream({ properties, path, problems }: Resource): StreamDefinition | undefined {
  if (path.length === 0) return checkStream(properties, problems);
  problems.error(
    path,
    'DEFINITION_INVALID',
    'A stream’s file has no "properties".',
    'Put its content at the top level.',
  );
  return undefined;
}

export interface StreamRun {
  readonly name: string;
  readonly parameters: JsonObject;
  /** The workflow id. */
  readonly runId: string;
}

/**
 * Reads `streams/<name>.json` of the factory and resolves it. Throws REFERENCE_MISSING, DEFINITION_INVALID (with the first
 * problem's file, pointer and advice), PARAMETER_MISSING or EXPRESSION_INVALID.
 */
export function resolveStream(factoryDirectory: string, run: StreamRun): StreamPlan {
  const factory = readFactory(factoryDirectory, ['streams']);
  const resource = factory.find('streams', run.name);
  if (resource === undefined) {
    const near = didYouMean(nearestName(run.name, factory.names('streams')));
    throw new WaybillError('REFERENCE_MISSING', `There is no stream "${run.name}". ${near ?? ''}`.trim(), {
      name: run.name,
    });
  }
  const definition = compileStream(resource);
  if (definition === undefined) throw asError(resource.problems.list);
  const asRun = { ...run, window: '', trigger: 'client', triggerTime: new Date().toISOString() };
  const context = evaluationContext(asRun, bindParameters(definition, asRun));
  const evaluated: JsonObject = { name: definition.name };
  for (const part of EVALUATED)
    evaluated[part] = evaluateDeep(definition[part] as unknown as JsonValue, context);
  // Values that came from expressions must fit as those written in the file do.
  const problems = new Problems(resource.file);
  const checked = checkStream(evaluated, problems);
  if (checked === undefined) throw asError(problems.list);
  return planOf(checked);
}

function planOf({ name, storage, engine, job, restart, lag, ...rest }: StreamDefinition): StreamPlan {
  const configuration = withProfile(engine.profile, engine.type, engine.configuration);
  const { offsets, batchSeconds } = lag;
  return {
    name,
    storage,
    engine: {
      type: engine.type,
      name: engine.name,
      // Databricks takes Spark settings when the cluster is made, and never with a run on it.
      configuration: engine.type === 'emr' ? configuration : {},
      cluster: engine.attach ?? clusterOf(engine, configuration),
    },
    job: {
      job: job.job,
      arguments: { ...job.arguments, interval: job.interval },
      configuration: withProfile(job.profile, 'emr', job.configuration),
    },
    restart: {
      maximum: Number(restart.maximum),
      window: parseTimespan(restart.window) ?? 0,
      interval: Number(restart.intervalInSeconds) * 1000,
      maximumInterval: Number(restart.maximumIntervalInSeconds) * 1000,
    },
    lag: {
      ...(offsets === undefined ? {} : { offsets: Number(offsets) }),
      seconds: Number(lag.seconds),
      ...(batchSeconds === undefined ? {} : { batchSeconds: Number(batchSeconds) }),
      silentSeconds: Number(lag.silentSeconds),
    },
    drainTimeout: parseTimespan(rest.drainTimeout) ?? 0,
    leaseSeconds: Number(rest.leaseInMinutes) * 60,
    alerts: rest.alerts,
  };
}

function clusterOf(
  { type, cluster }: StreamDefinition['engine'],
  configuration: Record<string, string>,
): ClusterProfile {
  if (type === 'emr') {
    const given = cluster as Parameters<typeof expandEmrCluster>[0];
    return { engine: 'emr', profile: expandEmrCluster(given) as EmrClusterProfile };
  }
  const profile = cluster as DatabricksClusterProfile;
  return {
    engine: 'databricks',
    profile: { ...profile, sparkConf: { ...configuration, ...profile.sparkConf } },
  };
}
