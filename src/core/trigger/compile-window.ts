// A tumbling window trigger's properties as its definition writes them.
import type { JsonObject } from '../json.ts';
import { asObject, type Reader, referenceName, signedTimeSpan } from './read-json.ts';
import type { TumblingWindowTrigger, WindowDependency } from './trigger.ts';

const FREQUENCIES = ['Minute', 'Hour', 'Day', 'Month'] as const;

/** Most that Data Factory lets run at a time, and what holds where a definition says nothing. */
const MAX_CONCURRENCY = 50;

/** Undefined after telling why it is none. */
export function compileTumblingWindow(
  from: JsonObject,
  reader: Reader,
): Pick<TumblingWindowTrigger, 'plan' | 'delay' | 'maxConcurrency' | 'retry' | 'dependsOn'> | undefined {
  const frequency = reader.word(from, 'frequency', FREQUENCIES);
  const interval = reader.whole(from, 'interval', { least: 1, otherwise: 1 });
  const start = reader.instant(from, 'startTime');
  const end = reader.instant(from, 'endTime');
  if (from['startTime'] === undefined)
    reader.fault(['typeProperties', 'startTime'], 'windows begin at a "startTime"');
  const delay = span(from, 'delay', reader) ?? 0;
  if (delay < 0) reader.fault(['typeProperties', 'delay'], '"delay" is not negative');
  const retry = compileRetry(from, reader);
  const maxConcurrency = reader.whole(from, 'maxConcurrency', {
    least: 1,
    most: MAX_CONCURRENCY,
    otherwise: MAX_CONCURRENCY,
  });
  const dependsOn = dependencies(from, reader);
  if (frequency === undefined || start === undefined) return undefined;
  return {
    plan: { frequency, interval, start, ...(end === undefined ? {} : { end }) },
    delay,
    maxConcurrency,
    retry,
    dependsOn,
  };
}

/** `retryPolicy`: how often a run that failed begins again, and after how long. */
export function compileRetry(from: JsonObject, reader: Reader): TumblingWindowTrigger['retry'] {
  const policy = asObject(from['retryPolicy']) ?? {};
  const at = ['typeProperties', 'retryPolicy'];
  return {
    count: reader.whole(policy, 'count', { least: 0, otherwise: 0, at }),
    intervalSeconds: reader.whole(policy, 'intervalInSeconds', { least: 0, otherwise: 30, at }),
  };
}

function dependencies(from: JsonObject, reader: Reader): WindowDependency[] {
  const written = from['dependsOn'];
  if (!Array.isArray(written)) return [];
  return written.flatMap((entry, index): WindowDependency[] => {
    const path = ['typeProperties', 'dependsOn', String(index)];
    const dependency = asObject(entry);
    if (dependency === undefined) return [];
    const self = /^SelfDependencyTumblingWindowTriggerReference$/i.test(String(dependency['type'] ?? ''));
    const trigger = self ? undefined : referenceName(dependency['referenceTrigger']);
    if (!self && trigger === undefined) {
      reader.fault(
        [...path, 'referenceTrigger'],
        'a dependency names its trigger in referenceTrigger.referenceName',
      );
      return [];
    }
    const offset = span(dependency, 'offset', reader, path) ?? 0;
    const size = span(dependency, 'size', reader, path);
    if (self && offset >= 0)
      reader.fault([...path, 'offset'], 'a window can wait for earlier ones only: "offset" is negative');
    if (size !== undefined && size <= 0) reader.fault([...path, 'size'], '"size" is more than nothing');
    return [
      { ...(trigger === undefined ? {} : { trigger }), offset, ...(size === undefined ? {} : { size }) },
    ];
  });
}

function span(
  from: JsonObject,
  key: string,
  reader: Reader,
  at: readonly string[] = ['typeProperties'],
): number | undefined {
  const value = from[key];
  if (value === undefined || value === null || value === '') return undefined;
  const milliseconds = signedTimeSpan(String(value));
  if (milliseconds === undefined)
    reader.fault([...at, key], `"${key}" is ${JSON.stringify(value)}, not a time span such as "00:15:00"`);
  return milliseconds;
}
