// Azure Event Grid's deliveries: its own schema and CloudEvents 1.0, single or in a batch.
import type { JsonObject, JsonValue } from '../json.ts';
import {
  BLOB_CREATED,
  BLOB_DELETED,
  type Delivery,
  type IncomingEvent,
  type StoredObject,
} from './incoming-event.ts';

const VALIDATION = 'Microsoft.EventGrid.SubscriptionValidationEvent';
const SUBJECT = /^\/blobServices\/default\/containers\/([^/]+)\/blobs\/([\s\S]+)$/;

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const textOf = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '');

/** The code that proves to Event Grid that this address wants its events; undefined where it does not ask. */
export function validationCode(body: JsonValue): string | undefined {
  const list = Array.isArray(body) ? body : [body];
  for (const entry of list) {
    if (!isObject(entry) || textOf(entry['eventType']).toLowerCase() !== VALIDATION.toLowerCase()) continue;
    const code = isObject(entry['data']) ? entry['data']['validationCode'] : undefined;
    if (typeof code === 'string' && code !== '') return code;
  }
  return undefined;
}

/** The events of a delivery. What is no event is left out, with the reason. */
export function readEventGrid(body: JsonValue): Delivery {
  const events: IncomingEvent[] = [];
  const ignored: string[] = [];
  (Array.isArray(body) ? body : [body]).forEach((entry, index) => {
    const event = isObject(entry) ? readEvent(entry) : undefined;
    if (event === undefined) ignored.push(`[${index}] has no id, type and source of an event`);
    else events.push(event);
  });
  return { events, ignored };
}

function readEvent(event: JsonObject): IncomingEvent | undefined {
  const cloud = typeof event['specversion'] === 'string';
  const id = textOf(event['id']);
  const type = textOf(cloud ? event['type'] : event['eventType']);
  if (id === '' || type === '') return undefined;
  const subject = textOf(event['subject']);
  const object = isObject(event['data']) ? storedObject(type, subject, event['data']) : undefined;
  return {
    id,
    type,
    source: textOf(cloud ? event['source'] : event['topic']),
    subject,
    time: textOf(cloud ? event['time'] : event['eventTime']),
    ...(object === undefined ? {} : { object }),
    event,
  };
}

function storedObject(type: string, subject: string, data: JsonObject): StoredObject | undefined {
  const change = {
    [BLOB_CREATED.toLowerCase()]: 'created',
    [BLOB_DELETED.toLowerCase()]: 'deleted',
  } as const;
  const found = change[type.toLowerCase()];
  const place = SUBJECT.exec(subject)?.slice(1) ?? placeOf(textOf(data['url']));
  if (found === undefined || place === undefined) return undefined;
  const [etag, sequencer, size] = [textOf(data['eTag']), textOf(data['sequencer']), data['contentLength']];
  return {
    change: found,
    container: place[0] ?? '',
    path: place[1] ?? '',
    ...(etag === '' ? {} : { etag }),
    ...(sequencer === '' ? {} : { sequencer }),
    ...(typeof size === 'number' ? { size } : {}),
  };
}

/** Container and path of `https://account.blob.core.windows.net/container/path`: unlike a subject, it is URL-encoded. */
function placeOf(url: string): string[] | undefined {
  const [, container, path] = /^https?:\/\/[^/]+\/([^/?#]+)\/([^?#]+)/.exec(url) ?? [];
  if (container === undefined || path === undefined) return undefined;
  try {
    return [decodeURIComponent(container), decodeURIComponent(path)];
  } catch {
    return [container, path];
  }
}
