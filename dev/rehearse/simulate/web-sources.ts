// Copies and Lookups that read an HTTP endpoint: a recording endpoint answers with rows of the columns they map.

import type { JsonObject, JsonValue } from '../../../src/core/json.ts';
import { isObject } from '../../../src/definitions/factory.ts';
import { ANY_COLUMNS, type NamedColumn } from '../columns.ts';
import { type FileNeed, needColumn } from '../needs.ts';
import type { EvaluatedDataset, Frame } from './frame.ts';
import { stubKey } from './stubs.ts';

/** Header by which the recording endpoint knows who asks. */
const ASKED_BY = 'x-waybill-rehearsal';

/** Whether a dataset stands at an HTTP endpoint, outside of any local world. */
export const isWebSource = (dataset: EvaluatedDataset): boolean => {
  const location = dataset.properties['location'];
  return (
    dataset.type === 'RestResource' ||
    (isObject(location) && String(location['type'] ?? '').toLowerCase() === 'httpserverlocation')
  );
};

/** Notes what the endpoint answers the activity with. */
export function webSourceNeeds(
  frame: Frame,
  activity: string,
  dataset: EvaluatedDataset,
  columns: readonly NamedColumn[],
  collection: string | undefined,
  control: readonly JsonObject[] = [],
): void {
  const isRest = dataset.type === 'RestResource';
  const answer: FileNeed = {
    store: { kind: 'folder', linkedService: '', database: '', schema: '' },
    container: '',
    path: 'answer',
    format: isRest ? 'Json' : dataset.type,
    dataset: isRest ? {} : dataset.properties,
    columns: new Map(),
    control: [...control],
    ...(collection === undefined ? {} : { collection }),
  };
  const wanted = columns.length > 0 ? columns : ANY_COLUMNS;
  for (const { name, kind, isKnown } of wanted) needColumn(answer.columns, name, kind, isKnown);
  frame.needs.stubs.set(stubKey(frame.pipeline.resource.name, activity), { activity, response: {}, answer });
}

/** The typeProperties of a Copy or Lookup, with a source at an endpoint made to say who asks; else as they are. */
export function localWebSource(
  typeProperties: JsonObject,
  pipeline: string,
  activity: string,
  told: string[],
): JsonObject {
  const { source } = typeProperties;
  if (!isObject(source)) return typeProperties;
  const header = { [ASKED_BY]: stubKey(pipeline, activity) };
  const settings = source['storeSettings'];
  const type = (value: JsonValue | undefined): string => String(value ?? '').toLowerCase();
  if (type(source['type']) === 'restsource') {
    told.push(
      `"${activity}" read one page of made-up rows from a recording endpoint instead of its REST service`,
    );
    const { paginationRules: _, requestInterval: __, ...kept } = source;
    return { ...typeProperties, source: { ...kept, additionalHeaders: header } };
  }
  if (!isObject(settings) || type(settings['type']) !== 'httpreadsettings') return typeProperties;
  told.push(`"${activity}" read a made-up file from a recording endpoint instead of its HTTP server`);
  const storeSettings = { ...settings, additionalHeaders: header };
  return { ...typeProperties, source: { ...source, storeSettings } };
}
