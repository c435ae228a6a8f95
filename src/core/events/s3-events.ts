// Amazon S3's deliveries: plain notifications, the same wrapped by SNS, and EventBridge's events.
import type { JsonObject, JsonValue } from '../json.ts';
import {
  BLOB_CREATED,
  BLOB_DELETED,
  type Delivery,
  type IncomingEvent,
  type StoredObject,
} from './incoming-event.ts';

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const textOf = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '');
const objectOf = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : {});

/** What SNS asks whoever receives its messages for the first time. */
export interface SubscriptionRequest {
  readonly topic: string;
  /** The address to call to say yes. Not to be trusted: see who may be called. */
  readonly confirmAt: string;
}

/** SNS's request to confirm a subscription; undefined for everything else. */
export function subscriptionRequest(body: JsonValue): SubscriptionRequest | undefined {
  if (!isObject(body) || body['Type'] !== 'SubscriptionConfirmation') return undefined;
  return { topic: textOf(body['TopicArn']), confirmAt: textOf(body['SubscribeURL']) };
}

/** The events of a delivery. What is none about objects is left out, with the reason. */
export function readS3(body: JsonValue): Delivery {
  if (Array.isArray(body)) return merged(body.map((entry) => readS3(Array.isArray(entry) ? null : entry)));
  if (!isObject(body)) return { events: [], ignored: ['no event of S3'] };
  if (typeof body['Message'] === 'string' && typeof body['Type'] === 'string')
    return readS3(parsed(body['Message']));
  if (Array.isArray(body['Records']))
    return merged(body['Records'].map((record) => one(isObject(record) ? readRecord(record) : undefined)));
  if (body['Event'] === 's3:TestEvent') return { events: [], ignored: ["S3's test of the notification"] };
  return one(readEventBridge(body));
}

const one = (event: IncomingEvent | undefined): Delivery =>
  event === undefined
    ? { events: [], ignored: ['no object was created or deleted'] }
    : { events: [event], ignored: [] };

const merged = (deliveries: readonly Delivery[]): Delivery => ({
  events: deliveries.flatMap(({ events }) => events),
  ignored: deliveries.flatMap(({ ignored }) => ignored),
});

function parsed(text: string): JsonValue {
  try {
    const value = JSON.parse(text) as JsonValue;
    // A message within a message is nothing that S3 sends.
    return isObject(value) && typeof value['Message'] === 'string' ? null : value;
  } catch {
    return null;
  }
}

function readRecord(record: JsonObject): IncomingEvent | undefined {
  const name = textOf(record['eventName']).replace(/^s3:/, '');
  const change = name.startsWith('ObjectCreated:')
    ? 'created'
    : /^(ObjectRemoved|LifecycleExpiration):/.test(name)
      ? 'deleted'
      : undefined;
  const { bucket, object } = objectOf(record['s3']);
  const request = textOf(objectOf(record['responseElements'])['x-amz-request-id']);
  return build(change, objectOf(bucket), objectOf(object), {
    id: request,
    time: textOf(record['eventTime']),
    event: record,
    decode: true,
  });
}

function readEventBridge(event: JsonObject): IncomingEvent | undefined {
  const kinds: Readonly<Record<string, 'created' | 'deleted'>> = {
    'Object Created': 'created',
    'Object Deleted': 'deleted',
  };
  const { bucket, object } = objectOf(event['detail']);
  return build(kinds[textOf(event['detail-type'])], objectOf(bucket), objectOf(object), {
    id: textOf(event['id']),
    time: textOf(event['time']),
    event,
    decode: false,
  });
}

function build(
  change: 'created' | 'deleted' | undefined,
  bucket: JsonObject,
  object: JsonObject,
  from: { id: string; time: string; event: JsonObject; decode: boolean },
): IncomingEvent | undefined {
  const container = textOf(bucket['name']);
  const key = textOf(object['key']);
  if (change === undefined || container === '' || key === '') return undefined;
  const path = from.decode ? decodeKey(key) : key;
  const etag = textOf(object['eTag'] ?? object['etag']);
  const sequencer = textOf(object['sequencer']);
  const stored: StoredObject = {
    change,
    container,
    path,
    ...(etag === '' ? {} : { etag }),
    ...(sequencer === '' ? {} : { sequencer }),
    ...(typeof object['size'] === 'number' ? { size: object['size'] } : {}),
  };
  return {
    id: from.id,
    type: change === 'created' ? BLOB_CREATED : BLOB_DELETED,
    source: `arn:aws:s3:::${container}`,
    subject: path,
    time: from.time,
    object: stored,
    event: from.event,
  };
}

/** Notifications write keys as forms do: "+" is a blank. A key that is not so encoded is taken as it stands. */
function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return key;
  }
}
