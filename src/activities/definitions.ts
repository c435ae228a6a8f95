// Activities that read the factory's definitions for workflows, which may not touch files.
import type { Settings } from '../config/settings.ts';
import { WaybillError } from '../core/errors.ts';
import { nearestName } from '../core/nearest-name.ts';
import { resolveParameters } from '../core/pipeline/parameters.ts';
import {
  type DefinitionActivities,
  type LoadedPipeline,
  type LoadPipelineInput,
  type PipelineSnapshot,
  SNAPSHOT_FORMAT,
} from '../core/pipeline/snapshot.ts';
import { hidingActivity, holdsSecret, sealedPipeline } from '../core/pipeline/snapshot-secrets.ts';
import {
  type CompiledFactory,
  type CompiledPipeline,
  compileFactory,
} from '../definitions/compile-factory.ts';
import { readFactory } from '../definitions/factory.ts';
import { globalParameters } from '../definitions/global-parameters.ts';
import { overriddenKeys, verdictOn } from '../definitions/validate.ts';

/** A message in a history stays readable: this many reasons are spelled out. */
const MAX_REASONS = 20;

/** The activities' implementation. Reads only; safe to repeat. */
export function createDefinitionActivities(dependencies: {
  /** Without `payloadKeys`, whoever runs the worker has its own way to keep payloads secret. */
  settings: Pick<Settings, 'factoryDirectory' | 'linkedService'> & Partial<Pick<Settings, 'payloadKeys'>>;
}): DefinitionActivities {
  const { settings } = dependencies;
  return {
    async loadPipeline(input: LoadPipelineInput): Promise<LoadedPipeline> {
      const compiled = compileFactory(readFactory(settings.factoryDirectory), overriddenKeys(settings));
      const pipeline = findPipeline(compiled, input.pipeline, settings.factoryDirectory);
      const { snapshot } = pipeline;
      const { verdict, reasons } = verdictOn(pipeline);
      if (snapshot === undefined || verdict !== 'runnable')
        throw notRunnable(input.pipeline, verdict, reasons);
      if (settings.payloadKeys?.length === 0) refuseSecrets(snapshot);
      const { dataFactory, values } = globalParameters(compiled.factory);
      return sealedPipeline({
        format: SNAPSHOT_FORMAT,
        dataFactory,
        pipeline: snapshot,
        datasets: Object.fromEntries(
          pipeline.datasets.flatMap((resource) => {
            const dataset = compiled.datasets.get(resource);
            return dataset === undefined ? [] : [[resource.name.toLowerCase(), dataset]];
          }),
        ),
        ...dataFlowsOf(pipeline, compiled),
        globalParameters: values,
        parameters: resolveParameters(`pipeline "${snapshot.name}"`, pipeline.parameters, input.parameters, {
          ignoreUnknown: input.ignoreUnknownParameters,
        }),
      });
    },
  };
}

/** The data flows that the pipeline runs; nothing where there are none. */
function dataFlowsOf(
  { dataflows }: CompiledPipeline,
  compiled: CompiledFactory,
): Pick<LoadedPipeline, 'dataFlows'> {
  const snapshots = dataflows.flatMap((resource) => {
    const snapshot = compiled.dataflows.get(resource)?.snapshot;
    return snapshot === undefined ? [] : [[resource.name.toLowerCase(), snapshot] as const];
  });
  return snapshots.length === 0 ? {} : { dataFlows: Object.fromEntries(snapshots) };
}

/** Before anything runs: later, a value would have to be shown or the run would hang. */
function refuseSecrets({ name, activities }: PipelineSnapshot): void {
  const hiding = hidingActivity(activities);
  if (hiding === undefined && !holdsSecret(activities)) return;
  const why =
    hiding === undefined
      ? `a SecureString with its value stands in pipeline "${name}"`
      : `"${hiding.name}" of pipeline "${name}" has secureInput or secureOutput`;
  throw new WaybillError(
    'SECRET_MISSING',
    `${why}, but this worker has no key to encrypt it with: set WAYBILL_PAYLOAD_KEY to 32 bytes in base64 (openssl rand -base64 32), the same for all workers.`,
    { pipeline: name, variable: 'WAYBILL_PAYLOAD_KEY' },
  );
}

function findPipeline(compiled: CompiledFactory, name: string, directory: string): CompiledPipeline {
  const resource = compiled.factory.find('pipeline', name);
  const found = compiled.pipelines.find((pipeline) => pipeline.resource === resource);
  if (found !== undefined) return found;
  // The file may be there and be no JSON: then that is the reason, not a missing name.
  const broken = compiled.factory.unreadable
    .flatMap(({ list }) => list)
    .find(({ file }) => file.toLowerCase().endsWith(`pipeline/${name.toLowerCase()}.json`));
  if (broken !== undefined)
    throw new WaybillError('DEFINITION_INVALID', `${broken.file}: ${broken.reason}`, { file: broken.file });
  const near = nearestName(name, compiled.factory.names('pipeline'));
  throw new WaybillError(
    'REFERENCE_MISSING',
    `There is no pipeline "${name}" in ${directory}.${near === undefined ? '' : ` The nearest name is "${near}".`}`,
    { pipeline: name },
  );
}

function notRunnable(name: string, verdict: string, reasons: readonly string[]): WaybillError {
  const shown = reasons.slice(0, MAX_REASONS).map((reason) => `\n- ${reason}`);
  const more = reasons.length > MAX_REASONS ? `\n- and ${reasons.length - MAX_REASONS} more` : '';
  return new WaybillError(
    verdict === 'unsupported' ? 'DEFINITION_UNSUPPORTED' : 'DEFINITION_INVALID',
    `Pipeline "${name}" cannot run:${shown.join('')}${more}`,
    { pipeline: name, reasons: reasons.length },
  );
}
