// A ChangeTrigger's properties as its definition writes them. The type is waybill's own: Data Factory has none of it.
import type { JsonObject } from '../json.ts';
import { compileRetry } from './compile-window.ts';
import { type Reader, referenceName } from './read-json.ts';
import type { ChangeTrigger } from './trigger.ts';

const MODES = ['changeTracking', 'stream', 'watermark'] as const;

/** Seconds between two looks where the definition says nothing. */
const POLL_SECONDS = 60;

/** Undefined after telling why it is none. */
export function compileChanges(
  from: JsonObject,
  reader: Reader,
): Omit<ChangeTrigger, 'type' | 'name' | 'pipelines' | 'runtimeState'> | undefined {
  const fault = (key: string, reason: string): void => reader.fault(['typeProperties', key], reason);
  const text = (key: string): string | undefined => {
    const value = from[key];
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value === 'string') return value;
    fault(key, `"${key}" is ${JSON.stringify(value)}, not a name`);
    return undefined;
  };
  const linkedService = referenceName(from['linkedServiceName']);
  if (linkedService === undefined)
    fault('linkedServiceName', 'the store is named in linkedServiceName.referenceName');
  const [schema, table, column] = [text('schema'), text('table'), text('column')];
  if (table === undefined) fault('table', '"table" names the table whose changes are waited for');
  const mode = reader.word(from, 'mode', MODES);
  if (mode === 'watermark' && column === undefined)
    fault('column', 'mode watermark needs a "column" whose values grow with every change');
  const snapshotFirst = from['snapshotFirst'] ?? true;
  if (mode === 'stream' && snapshotFirst === false)
    fault(
      'snapshotFirst',
      'a stream shows the rows it began with or not as it was created: SHOW_INITIAL_ROWS',
    );
  if (typeof snapshotFirst !== 'boolean') fault('snapshotFirst', '"snapshotFirst" is true or false');
  const pollSeconds = reader.whole(from, 'pollSeconds', { least: 1, most: 86_400, otherwise: POLL_SECONDS });
  const retry = compileRetry(from, reader);
  if (linkedService === undefined || table === undefined || mode === undefined) return undefined;
  return {
    linkedService,
    table: { ...(schema === undefined ? {} : { schema }), table },
    mode,
    ...(column === undefined ? {} : { column }),
    pollSeconds,
    snapshotFirst: snapshotFirst === true,
    retry,
  };
}

/** Why a trigger cannot become another: versions of one table mean nothing for another. */
export function changesEditFault(before: ChangeTrigger, after: ChangeTrigger): string | undefined {
  const place = ({ linkedService, table, mode, column }: ChangeTrigger): string =>
    JSON.stringify([linkedService, table.schema ?? null, table.table, mode, column ?? null]);
  return place(before) === place(after)
    ? undefined
    : `What "${after.name}" watches cannot change: give the trigger another name, or remove it (apply --prune without its file) and apply it again.`;
}
