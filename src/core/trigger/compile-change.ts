// The properties of a ChangeTrigger, waybill's own kind: which table is watched, and how its changes are seen.
import type { JsonObject } from '../json.ts';
import { asObject, type Reader, referenceName } from './read-json.ts';
import type { ChangeTrigger } from './trigger.ts';

const METHODS = ['changeTracking', 'watermark', 'stream'] as const;

type Properties = Omit<ChangeTrigger, 'name' | 'type' | 'pipelines' | 'runtimeState'>;

/** Undefined after telling why it is none. */
export function compileChangeTrigger(from: JsonObject, reader: Reader): Properties | undefined {
  const linkedService = referenceName(from['linkedServiceName']);
  if (linkedService === undefined)
    reader.fault(['typeProperties', 'linkedServiceName'], 'a ChangeTrigger names a linked service');
  const method = reader.word(from, 'method', METHODS);
  const text = (key: string): string | undefined => {
    const value = from[key];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const [schema, table, watermarkColumn, stream] = [
    text('schema'),
    text('table'),
    text('watermarkColumn'),
    text('stream'),
  ];
  if (table === undefined) reader.fault(['typeProperties', 'table'], 'a ChangeTrigger names a "table"');
  if (method === 'watermark' && watermarkColumn === undefined)
    reader.fault(
      ['typeProperties', 'watermarkColumn'],
      'the method "watermark" needs a "watermarkColumn" that only grows',
    );
  if (method === 'stream' && stream === undefined)
    reader.fault(['typeProperties', 'stream'], 'the method "stream" needs the name of a Snowflake "stream"');
  const policy = asObject(from['retryPolicy']) ?? {};
  const at = ['typeProperties', 'retryPolicy'];
  const retry = {
    count: reader.whole(policy, 'count', { least: 0, otherwise: 0, at }),
    intervalSeconds: reader.whole(policy, 'intervalInSeconds', { least: 1, otherwise: 30, at }),
  };
  const pollSeconds = reader.whole(from, 'pollIntervalInSeconds', { least: 1, otherwise: 60 });
  if (linkedService === undefined || method === undefined || table === undefined) return undefined;
  return {
    linkedService,
    ...(schema === undefined ? {} : { schema }),
    table,
    method,
    ...(watermarkColumn === undefined ? {} : { watermarkColumn }),
    ...(stream === undefined ? {} : { stream }),
    pollSeconds,
    retry,
    snapshot: String(from['snapshot'] ?? true).toLowerCase() !== 'false',
  };
}
