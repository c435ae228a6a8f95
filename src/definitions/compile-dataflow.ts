// Checks a mapping data flow, its script and the places that it reads and writes, and keeps what a run needs of it.
import { checkProgram } from '../core/dataflow/check-program.ts';
import { parseScript } from '../core/dataflow/parse-script.ts';
import { placeOf } from '../core/dataflow/place.ts';
import { isAltered, streamsOf } from '../core/dataflow/plan-ends.ts';
import { sinkWriting } from '../core/dataflow/sink.ts';
import { sourceReading } from '../core/dataflow/source.ts';
import type { Program, Stream } from '../core/dataflow/syntax.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { DataFlowEnd, DataFlowSnapshot, DatasetSnapshot } from '../core/pipeline/snapshot.ts';
import type { LinkedServiceDefinition } from './compile-store.ts';
import { isObject, type Resource } from './resource.ts';
import { storeType } from './types.ts';

/** What checking a data flow asks of the factory. */
export interface DataFlowSurroundings {
  dataset(name: string, from: Resource): DatasetSnapshot | undefined;
  linkedService(name: string, from: Resource): LinkedServiceDefinition | undefined;
}

export interface CompiledDataFlow {
  readonly snapshot: DataFlowSnapshot;
  readonly program: Program;
}

/** Reports everything; undefined where there is no program to run. References are checked by who links resources. */
export function compileDataFlow(
  resource: Resource,
  surroundings: DataFlowSurroundings,
): CompiledDataFlow | undefined {
  const { properties, path, problems } = resource;
  const type = properties['type'];
  if (typeof type === 'string' && type.toLowerCase() !== 'mappingdataflow') {
    problems.error(
      [...path, 'type'],
      'DEFINITION_UNSUPPORTED',
      `waybill does not run data flows of type ${type}.`,
    );
    return undefined;
  }
  const written = properties['typeProperties'];
  const typeProperties: JsonObject = isObject(written) ? written : {};
  const place = [
    ...path,
    'typeProperties',
    Array.isArray(typeProperties['scriptLines']) ? 'scriptLines' : 'script',
  ];
  const script = scriptOf(typeProperties);
  let program: Program;
  try {
    program = parseScript(script);
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error;
    problems.error(place, 'DEFINITION_INVALID', `The data flow's script cannot be read: ${error.message}`);
    return undefined;
  }
  for (const { kind, reason, line } of checkProgram(program))
    problems.error(
      place,
      kind === 'invalid' ? 'DEFINITION_INVALID' : 'DEFINITION_UNSUPPORTED',
      `${reason} (line ${line} of the script)`,
    );
  const snapshot: DataFlowSnapshot = {
    name: resource.name,
    script,
    sources: ends(typeProperties['sources']),
    sinks: ends(typeProperties['sinks']),
  };
  for (const kind of ['source', 'sink'] as const) checkEnds(resource, program, snapshot, kind, surroundings);
  return { snapshot, program };
}

/** The script, in one piece or in lines. */
export function scriptOf(typeProperties: JsonObject): string {
  const { script, scriptLines } = typeProperties;
  if (Array.isArray(scriptLines)) return scriptLines.map((line) => String(line ?? '')).join('\n');
  return typeof script === 'string' ? script : '';
}

function ends(list: JsonValue | undefined): DataFlowEnd[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry): DataFlowEnd[] => {
    if (!isObject(entry) || typeof entry['name'] !== 'string') return [];
    const named = (key: string): string | undefined => {
      const reference = entry[key];
      return isObject(reference) && typeof reference['referenceName'] === 'string'
        ? reference['referenceName']
        : undefined;
    };
    const [dataset, linkedService] = [named('dataset'), named('linkedService')];
    return [
      {
        name: entry['name'],
        ...(dataset === undefined ? {} : { dataset }),
        ...(linkedService === undefined ? {} : { linkedService }),
      },
    ];
  });
}

/** Every source and sink of the script has a place that can be reached in the way its options ask for. */
function checkEnds(
  resource: Resource,
  program: Program,
  snapshot: DataFlowSnapshot,
  kind: 'source' | 'sink',
  surroundings: DataFlowSurroundings,
): void {
  const { path, problems } = resource;
  const list = kind === 'source' ? snapshot.sources : snapshot.sinks;
  const listPath = [...path, 'typeProperties', `${kind}s`];
  for (const stream of streamsOf(program, kind)) {
    const index = list.findIndex(({ name }) => name === stream.name);
    const end = list[index];
    if (end === undefined || (end.dataset === undefined && end.linkedService === undefined)) {
      const cached = stream.arguments.some(
        (one) => one.type === 'entry' && one.key === 'store' && isText(one, 'cache'),
      );
      problems.error(
        listPath,
        cached ? 'DEFINITION_UNSUPPORTED' : 'DEFINITION_INVALID',
        cached
          ? `The sink "${stream.name}" is a cache, which waybill does not keep.`
          : `The ${kind} "${stream.name}" of the script has neither a dataset nor a linked service.`,
      );
      continue;
    }
    checkEnd(resource, program, stream, end, [...listPath, index], surroundings);
  }
}

const isText = (entry: Stream['arguments'][number], text: string): boolean =>
  entry.type === 'entry' && entry.value.type === 'literal' && entry.value.value === text;

function checkEnd(
  resource: Resource,
  program: Program,
  stream: Stream,
  end: DataFlowEnd,
  path: readonly PropertyKey[],
  surroundings: DataFlowSurroundings,
): void {
  const dataset = end.dataset === undefined ? undefined : surroundings.dataset(end.dataset, resource);
  // What is missing, or of a type without a connector, has been reported where it stands.
  if (end.dataset !== undefined && dataset === undefined) return;
  if (dataset !== undefined && storeType('dataset', dataset.type).verdict !== 'supported') return;
  const service =
    end.linkedService === undefined ? undefined : surroundings.linkedService(end.linkedService, resource);
  if (dataset === undefined) {
    if (service === undefined || storeType('linkedService', service.type).verdict !== 'supported') return;
  }
  try {
    const known = dataset === undefined ? {} : { datasetType: dataset.type };
    const parameters = placeholders(program);
    const place = placeOf(
      stream,
      { ...known, dataset: dataset?.typeProperties ?? {} },
      service?.type,
      parameters,
    );
    if (stream.transformation === 'source') sourceReading(stream, place, parameters);
    else sinkWriting(stream, place, parameters, isAltered(program, stream));
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error;
    const code = error.code === 'DEFINITION_UNSUPPORTED' ? error.code : 'DEFINITION_INVALID';
    resource.problems.error(path, code, error.message);
  }
}

/** Values that stand for those of a run: what is checked is whether options can be told, not what they are. */
function placeholders(program: Program): Record<string, JsonValue> {
  return Object.fromEntries(
    program.parameters.map(({ name, type }): [string, JsonValue] => [
      name,
      type.endsWith('[]') ? ['x'] : /^(string|any)$/.test(type) ? 'x' : /^bool/.test(type) ? true : 1,
    ]),
  );
}
