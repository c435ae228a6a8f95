// Which events fire which triggers, by Data Factory's rules, and what the trigger's expressions then see.
import type { JsonObject, JsonValue } from '../json.ts';
import type { IncomingEvent } from './incoming-event.ts';

/** A trigger of the factory, as far as events matter. */
export interface EventTrigger {
  readonly name: string;
  /** BlobEventsTrigger or CustomEventsTrigger; others match nothing. */
  readonly type: string;
  readonly typeProperties: JsonObject;
}

export interface MatchOptions {
  /** Whether the event came to an address of this trigger's own, which then stands for its scope. */
  readonly addressed: boolean;
}

/**
 * Whether an event fires a trigger. Texts are compared as Event Grid does, whatever their case. A path is matched as
 * `/container/blobs/path`.
 */
export function firesTrigger(trigger: EventTrigger, event: IncomingEvent, options: MatchOptions): boolean {
  const properties = trigger.typeProperties;
  if (!options.addressed && !inScope(properties['scope'], event.source)) return false;
  if (!hasType(properties['events'], event.type)) return false;
  switch (trigger.type.toLowerCase()) {
    case 'blobeventstrigger':
      return matchesObject(properties, event);
    case 'customeventstrigger':
      return (
        startsWith(event.subject, properties['subjectBeginsWith']) &&
        endsWith(event.subject, properties['subjectEndsWith'])
      );
    default:
      return false;
  }
}

const scopeOf = (text: string): string =>
  text
    .trim()
    .replace(/^s3:\/\//i, 'arn:aws:s3:::')
    .replace(/\/+$/, '')
    .toLowerCase();

const inScope = (scope: JsonValue | undefined, source: string): boolean =>
  typeof scope === 'string' && scope !== '' && scopeOf(scope) === scopeOf(source);

/** A trigger without a list takes every type that its kind knows. */
const hasType = (events: JsonValue | undefined, type: string): boolean =>
  !Array.isArray(events) ||
  events.some((entry) => typeof entry === 'string' && entry.toLowerCase() === type.toLowerCase());

function matchesObject(properties: JsonObject, { object }: IncomingEvent): boolean {
  if (object === undefined) return false;
  const ignoresEmpty = String(properties['ignoreEmptyBlobs'] ?? true).toLowerCase() !== 'false';
  if (ignoresEmpty && object.change === 'created' && object.size === 0) return false;
  const place = `/${object.container}/blobs/${object.path}`;
  const begins = properties['blobPathBeginsWith'];
  // Without the container in front, as the portal shows it, it is a path in any container.
  const anywhere = typeof begins === 'string' && !begins.startsWith('/');
  return (
    startsWith(anywhere ? object.path : place, begins) && endsWith(place, properties['blobPathEndsWith'])
  );
}

const startsWith = (text: string, prefix: JsonValue | undefined): boolean =>
  typeof prefix !== 'string' || text.toLowerCase().startsWith(prefix.toLowerCase());

const endsWith = (text: string, suffix: JsonValue | undefined): boolean =>
  typeof suffix !== 'string' || text.toLowerCase().endsWith(suffix.toLowerCase());

/** What `@triggerBody()` holds: fileName and folderPath of a file, or the event itself. */
export function triggerBody({ object, event }: IncomingEvent): JsonObject {
  if (object === undefined) return { event };
  const at = object.path.lastIndexOf('/');
  const folder = at < 0 ? '' : `/${object.path.slice(0, at)}`;
  return { fileName: object.path.slice(at + 1), folderPath: `${object.container}${folder}` };
}

/** What `@trigger()` shows of a run that an event started. `now` is ISO 8601, for events without a time. */
export function triggerContext(trigger: EventTrigger, event: IncomingEvent, now: string): JsonObject {
  const body =
    trigger.type.toLowerCase() === 'customeventstrigger' ? { event: event.event } : triggerBody(event);
  const time = event.time === '' ? now : event.time;
  return {
    type: trigger.type,
    name: trigger.name,
    startTime: time,
    eventId: event.id,
    body,
    outputs: { body },
  };
}
