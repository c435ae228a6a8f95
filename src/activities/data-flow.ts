// Plans the run of a data flow: where its sources and sinks lie, what is staged where, what the Spark job is told.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Context } from '@temporalio/activity';
import type { LakeStorage } from '../compute/lake-storage.ts';
import type { DataFlowSettings } from '../config/settings.ts';
import type { CopyEndpoint } from '../core/copy.ts';
import { bindParameters } from '../core/dataflow/bind-parameters.ts';
import { parseScript } from '../core/dataflow/parse-script.ts';
import { type FlowEnd, placeOf } from '../core/dataflow/place.ts';
import { isAltered, sourcesOf, streamsOf } from '../core/dataflow/plan-ends.ts';
import {
  type DataFlowActivities,
  type DataFlowInput,
  type DataFlowPlan,
  type LoadedSink,
  STAGING_SERVICE,
  type StagedSource,
} from '../core/dataflow/run.ts';
import { type SinkEnd, sinkWriting } from '../core/dataflow/sink.ts';
import { sourceReading } from '../core/dataflow/source.ts';
import { programJson, type Stream } from '../core/dataflow/syntax.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { LakehousePlan } from '../core/lakehouse.ts';
import type { LinkedServiceResolver } from '../core/linked-service.ts';
import { checkLakehouse } from '../definitions/lakehouse/check.ts';
import { type LakehouseRun, resolveDefinition, resolveLakehouse } from '../definitions/lakehouse/resolve.ts';
import { Problems } from '../definitions/problem.ts';

export interface DataFlowDependencies {
  readonly resolveLinkedService: LinkedServiceResolver;
  readonly storage: LakeStorage;
  readonly factoryDirectory: string;
  /** Absent where no Spark is set for data flows. */
  readonly settings?: DataFlowSettings;
}

export const createDataFlowActivities = (dependencies: DataFlowDependencies): DataFlowActivities => ({
  prepareDataFlow: (input) => prepare(dependencies, input),
});

/** What planning every end needs. */
interface Planning {
  readonly input: DataFlowInput & { readonly now: string };
  readonly values: JsonObject;
  readonly staging: Staging;
  /** Type of the end's linked service; asked for only where the script says what lies there. */
  typeOf(end: FlowEnd): Promise<string | undefined>;
}

async function prepare(
  dependencies: DataFlowDependencies,
  input: DataFlowInput & { readonly now: string },
): Promise<DataFlowPlan> {
  const { settings, storage, resolveLinkedService } = dependencies;
  if (settings === undefined)
    throw new WaybillError(
      'SETTINGS_INVALID',
      'No Spark is set for data flows: give waybill.toml a table [dataFlows] with "staging" and "lakehouse" (docs/data-flows.md).',
      { key: 'dataFlows' },
    );
  const { values, program } = bindParameters(parseScript(input.script), input.parameters);
  // Whatever the id holds, its hash fits a path.
  const key = createHash('sha256').update(input.flowId).digest('hex').slice(0, 24);
  const { engine, storage: places } = computeOf(dependencies, settings, input, key);
  const staging = new Staging(settings, key);
  const planning: Planning = {
    input,
    values,
    staging,
    typeOf: async ({ datasetType, linkedService, linkedServiceParameters }) =>
      datasetType === undefined
        ? (await resolveLinkedService(linkedService, linkedServiceParameters)).type
        : undefined,
  };
  const sources: StagedSource[] = [];
  const sourcePlans: JsonObject = {};
  for (const stream of streamsOf(program, 'source')) {
    const { staged, plan } = await planSource(planning, stream);
    sources.push(staged);
    sourcePlans[stream.name] = plan;
  }
  const sinks: { order: number; sink: LoadedSink }[] = [];
  const sinkPlans: JsonObject = {};
  for (const stream of streamsOf(program, 'sink')) {
    const { order, sink, plan } = await planSink(planning, stream, isAltered(program, stream));
    sinks.push({ order, sink });
    sinkPlans[stream.name] = plan;
  }
  const planUri = `${staging.uri}/plan.json`;
  const plan = {
    name: input.name,
    program: programJson(program),
    parameters: values,
    sources: sourcePlans,
    sinks: sinkPlans,
    now: input.now,
  };
  const { cancellationSignal } = Context.current();
  await storage.write(planUri, Buffer.from(JSON.stringify(plan)), 'application/json', cancellationSignal);
  const orders = [...new Set(sinks.map(({ order }) => order))].sort((a, b) => a - b);
  return {
    engine,
    storage: places,
    window: `data-flows/${key}`,
    stagingUri: staging.uri,
    planUri,
    sources,
    streams: Object.fromEntries(
      streamsOf(program, 'sink').map((stream) => [stream.name, sourcesOf(program, stream)]),
    ),
    ...(input.secure === undefined ? {} : { secure: input.secure }),
    sinks: orders.map((order) => sinks.filter((one) => one.order === order).map(({ sink }) => sink)),
  };
}

/** The staging folder of one run, and places in it as ends of copies. */
class Staging {
  readonly uri: string;
  readonly #linkedService: string;

  constructor({ staging, linkedService }: DataFlowSettings, key: string) {
    this.uri = `${staging}/${key}`;
    this.#linkedService = linkedService ?? STAGING_SERVICE;
  }

  end(folder: string, type: 'Parquet' | 'Binary', role: 'Source' | 'Sink'): CopyEndpoint {
    const [, bucketName = '', folderPath = ''] = /^s3:\/\/([^/]+)\/(.*)$/.exec(`${this.uri}/${folder}`) ?? [];
    return {
      linkedService: this.#linkedService,
      datasetType: type,
      dataset: {
        location: { type: 'AmazonS3Location', bucketName, folderPath },
        ...(type === 'Parquet' ? { timesAsText: true } : {}),
      },
      settings: { type: `${type}${role}` },
    };
  }
}

function endOf({ input }: Planning, stream: Stream): FlowEnd {
  const kind = stream.transformation === 'source' ? 'sources' : 'sinks';
  const found = input[kind].find(({ name }) => name === stream.name);
  if (found !== undefined) return found;
  throw new WaybillError(
    'DEFINITION_INVALID',
    `"${stream.name}" of the script is not among the ${kind} of data flow "${input.name}".`,
    { dataFlow: input.name, stream: stream.name },
  );
}

const endpoint = (end: FlowEnd, said: SinkEnd): CopyEndpoint => ({
  linkedService: end.linkedService,
  ...(end.linkedServiceParameters === undefined
    ? {}
    : { linkedServiceParameters: end.linkedServiceParameters }),
  ...said,
});

async function planSource(
  planning: Planning,
  stream: Stream,
): Promise<{ staged: StagedSource; plan: JsonObject }> {
  const { values, staging } = planning;
  const end = endOf(planning, stream);
  const place = placeOf(stream, end, await planning.typeOf(end), values);
  const { kind, format, options, optional, purge, reads } = sourceReading(
    stream,
    place,
    values,
    planning.input.now,
  );
  const folders = reads.map((_, index) => `sources/${stream.name}/${index}`);
  const staged = kind === 'files' ? 'Binary' : 'Parquet';
  return {
    staged: {
      name: stream.name,
      optional,
      ...(purge ? { purge } : {}),
      copies: reads.map((read, index) => ({
        source: endpoint(end, read),
        sink: staging.end(folders[index] ?? '', staged, 'Sink'),
        options: {},
      })),
    },
    plan: {
      kind,
      paths: folders.map((folder) => `${staging.uri}/${folder}`),
      optional,
      options,
      ...(format === undefined ? {} : { format }),
    },
  };
}

/**
 * A data flow's sink casts to the types of its table as Spark does: a double becomes a decimal, rounded. Only Copy asks
 * its author before a digit is lost.
 */
const SINK_CASTS: JsonObject = {
  type: 'TabularTranslator',
  typeConversion: true,
  typeConversionSettings: { allowDataTruncation: true, roundDecimals: true },
};

async function planSink(
  planning: Planning,
  stream: Stream,
  altered: boolean,
): Promise<{ order: number; sink: LoadedSink; plan: JsonObject }> {
  const { values, staging } = planning;
  const end = endOf(planning, stream);
  const place = placeOf(stream, end, await planning.typeOf(end), values);
  const { order, allow, insert, change, ...rest } = sinkWriting(stream, place, values, altered);
  const folder = `sinks/${stream.name}`;
  const from = (part: string, into: SinkEnd): LoadedSink['insert'] => ({
    source: staging.end(`${folder}/${part}`, 'Parquet', 'Source'),
    sink: endpoint(end, into),
    options: { translator: SINK_CASTS },
  });
  return {
    order,
    sink: {
      name: stream.name,
      insert: from('insert', insert),
      ...(change === undefined ? {} : { change: from('change', change) }),
      ...rest,
      end: { ...end, datasetType: place.datasetType, dataset: place.dataset },
    },
    plan: { path: `${staging.uri}/${folder}`, allow: { ...allow }, table: place.kind === 'table' },
  };
}

/** The Spark that runs it: a lakehouse definition's engine, of the factory or in a file of its own. */
function computeOf(
  { factoryDirectory }: DataFlowDependencies,
  settings: DataFlowSettings,
  { flowId }: DataFlowInput,
  key: string,
): Pick<LakehousePlan, 'engine' | 'storage'> {
  const run: LakehouseRun = {
    name: settings.lakehouse ?? 'data-flows',
    window: '2000-01-01',
    runId: flowId,
    trigger: '',
    triggerTime: new Date().toISOString(),
    parameters: settings.parameters,
  };
  const { definition: file } = settings;
  if (file === undefined) return resolveLakehouse(factoryDirectory, run);
  const problems = new Problems(file);
  const definition = checkLakehouse({ content: readDefinition(file), problems });
  const [problem] = problems.list;
  if (definition !== undefined) return resolveDefinition(definition, file, run);
  throw new WaybillError(
    'SETTINGS_INVALID',
    `${file}${problem?.pointer ?? ''}: ${problem?.reason ?? 'it is no definition of a lakehouse.'}`,
    { key: 'dataFlows.definition', flow: key },
  );
}

function readDefinition(file: string): JsonObject {
  try {
    const content = JSON.parse(readFileSync(file, 'utf8')) as JsonObject;
    // Such a file need not have a stage, which a lakehouse must.
    return { name: 'data-flows', stages: { optimize: { jobs: [] } }, ...content };
  } catch (error) {
    throw new WaybillError('SETTINGS_INVALID', `${file} cannot be read: ${(error as Error).message}`, {
      key: 'dataFlows.definition',
    });
  }
}
