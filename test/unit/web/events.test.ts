// Deliveries of Event Grid, S3, EventBridge and SNS as triggers see them, and which triggers they fire.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEventGrid, validationCode } from '../../../src/core/events/event-grid.ts';
import { eventIdentity, type IncomingEvent } from '../../../src/core/events/incoming-event.ts';
import { firesTrigger, triggerContext } from '../../../src/core/events/match-trigger.ts';
import { readS3, subscriptionRequest } from '../../../src/core/events/s3-events.ts';
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';

const ACCOUNT = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/lake';

const blobEvent = (path: string, more: JsonObject = {}, data: JsonObject = {}): JsonObject => ({
  topic: ACCOUNT,
  subject: `/blobServices/default/containers/landing/blobs/${path}`,
  eventType: 'Microsoft.Storage.BlobCreated',
  id: '831e1650-001e-001b-66ab-eeb76e069631',
  eventTime: '2026-01-02T03:04:05.6789Z',
  data: {
    api: 'PutBlob',
    eTag: '0x8D4BCC2E4835CD0',
    contentLength: 524288,
    url: `https://lake.blob.core.windows.net/landing/${encodeURI(path.replaceAll('\ud800', ''))}`,
    sequencer: '00000000000004420000000000028963',
    ...data,
  },
  ...more,
});
const only = (body: JsonValue): IncomingEvent => {
  const { events, ignored } = readEventGrid(body);
  assert.deepEqual([events.length, ignored], [1, []]);
  return events[0] as IncomingEvent;
};
const trigger = (typeProperties: JsonObject, type = 'BlobEventsTrigger') => ({
  name: 'tr',
  type,
  typeProperties: { scope: ACCOUNT, events: ['Microsoft.Storage.BlobCreated'], ...typeProperties },
});
const bodyOf = (event: IncomingEvent): JsonValue | undefined =>
  (triggerContext(trigger({}), event, 'now')['outputs'] as JsonObject)['body'];

test('a blob event gives file and folder as Data Factory names them', () => {
  const event = only([blobEvent('event-testing/2026/Movies DB.csv')]);
  assert.deepEqual(bodyOf(event), { fileName: 'Movies DB.csv', folderPath: 'landing/event-testing/2026' });
  assert.deepEqual(bodyOf(only(blobEvent('top.csv'))), { fileName: 'top.csv', folderPath: 'landing' });
  assert.equal(triggerContext(trigger({}), event, 'now')['startTime'], '2026-01-02T03:04:05.6789Z');
});

test('CloudEvents mean the same', () => {
  const { data, subject } = blobEvent('a/b.csv') as { data: JsonObject; subject: string };
  const cloud = {
    specversion: '1.0',
    type: 'Microsoft.Storage.BlobCreated',
    source: ACCOUNT,
    id: 'x',
    time: 't',
    subject,
    data,
  };
  assert.equal(eventIdentity(only(cloud)), eventIdentity(only(blobEvent('a/b.csv'))));
});

test('without a subject the address tells, and is decoded', () => {
  assert.equal(only(blobEvent('ä b/%25.csv', { subject: '' })).object?.path, 'ä b/%25.csv');
});

test('the handshake is found in a batch, and is no event', () => {
  const handshake = {
    id: '1',
    topic: ACCOUNT,
    subject: '',
    eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
    data: { validationCode: '512d38b6', validationUrl: 'https://rp-eastus2.eventgrid.azure.net/x' },
  };
  assert.equal(validationCode([handshake]), '512d38b6');
  assert.equal(validationCode([blobEvent('a')]), undefined);
});

test('what is no event is left out with its place', () => {
  assert.deepEqual(readEventGrid([null, 1, [], {}, blobEvent('a')]).ignored.length, 4);
});

const MATCHES: readonly [string, JsonObject, string, boolean][] = [
  ['any blob of a container', { blobPathBeginsWith: '/landing/' }, 'x/y.csv', true],
  ['another container', { blobPathBeginsWith: '/land/' }, 'x/y.csv', false],
  ['a folder', { blobPathBeginsWith: '/landing/blobs/x/' }, 'x/y.csv', true],
  ['a folder that only begins alike', { blobPathBeginsWith: '/landing/blobs/x/' }, 'x2/y.csv', false],
  ['a file', { blobPathBeginsWith: '/landing/blobs/x/y.csv' }, 'x/y.csv', true],
  ['a folder in any container', { blobPathBeginsWith: 'x/' }, 'x/y.csv', true],
  ['an extension', { blobPathEndsWith: '.csv' }, 'x/y.csv', true],
  ['an extension in capitals', { blobPathEndsWith: '.csv' }, 'x/Y.CSV', true],
  ['another extension', { blobPathEndsWith: '.parquet' }, 'x/y.csv', false],
  ['container and file', { blobPathEndsWith: '/landing/blobs/y.csv' }, 'y.csv', true],
  ['container and file, further down', { blobPathEndsWith: '/landing/blobs/y.csv' }, 'x/y.csv', false],
  ['folder and file in any container', { blobPathEndsWith: 'x/y.csv' }, 'deep/x/y.csv', true],
  ['both', { blobPathBeginsWith: '/landing/blobs/x/', blobPathEndsWith: '.csv' }, 'x/y.csv', true],
  ['deletions only', { events: ['Microsoft.Storage.BlobDeleted'] }, 'x', false],
  ['another account', { scope: `${ACCOUNT}2` }, 'x', false],
  ['the account in other letters', { scope: ACCOUNT.toUpperCase() }, 'x', true],
  ['no scope', { scope: '' }, 'x', false],
];

for (const [what, properties, path, expected] of MATCHES)
  test(`a trigger on ${what} ${expected ? 'fires' : 'does not fire'} for ${path}`, () => {
    assert.equal(firesTrigger(trigger(properties), only(blobEvent(path)), { addressed: false }), expected);
  });

test('empty blobs count only where they are asked for; an address of its own stands for the scope', () => {
  const empty = only(blobEvent('x', {}, { contentLength: 0 }));
  assert.equal(firesTrigger(trigger({}), empty, { addressed: false }), false);
  assert.equal(firesTrigger(trigger({ ignoreEmptyBlobs: false }), empty, { addressed: false }), true);
  assert.equal(
    firesTrigger(trigger({ scope: 'elsewhere' }), only(blobEvent('x')), { addressed: true }),
    true,
  );
});

test('custom events by type, whatever its case, and by subject', () => {
  const event = only({
    ...blobEvent('x'),
    eventType: 'CopyCompleted',
    subject: 'factories/f1',
    data: { n: 5 },
  });
  const fires = (properties: JsonObject): boolean =>
    firesTrigger(trigger(properties, 'CustomEventsTrigger'), event, { addressed: false });
  assert.equal(fires({ events: ['copycompleted', 'other'] }), true);
  assert.equal(fires({ events: ['other'] }), false);
  assert.equal(fires({ events: ['copycompleted'], subjectBeginsWith: 'factories' }), true);
  assert.equal(fires({ events: ['copycompleted'], subjectEndsWith: '/f2' }), false);
  const context = triggerContext(trigger({}, 'CustomEventsTrigger'), event, 'now');
  assert.deepEqual((context['body'] as { event: JsonObject }).event['data'], { n: 5 });
});

const record = (key: string, more: JsonObject = {}): JsonObject => ({
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  eventTime: '2026-01-02T03:04:05.000Z',
  eventName: 'ObjectCreated:Put',
  responseElements: { 'x-amz-request-id': 'C3D13FE58DE4C810' },
  s3: {
    bucket: { name: 'raw', arn: 'arn:aws:s3:::raw' },
    object: { key, size: 1024, eTag: 'd41d8cd98f00b204e9800998ecf8427e', sequencer: '0055AED6DCD90281E5' },
  },
  ...more,
});
const bridge = (key: string): JsonObject => ({
  version: '0',
  id: '17793124-05d4-b198-2fde-7ededc63b103',
  'detail-type': 'Object Created',
  source: 'aws.s3',
  time: '2026-01-02T03:04:05Z',
  resources: ['arn:aws:s3:::raw'],
  detail: {
    bucket: { name: 'raw' },
    object: { key, size: 5, etag: 'd41d8cd98f00b204e9800998ecf8427e', sequencer: '00617F08299329D189' },
  },
});
const sns = (message: JsonValue): JsonObject => ({
  Type: 'Notification',
  MessageId: '22b80b92',
  TopicArn: 'arn:aws:sns:us-west-2:123456789012:raw',
  Message: JSON.stringify(message),
});
const path = (body: JsonValue): string | undefined => readS3(body).events[0]?.object?.path;

test('S3 keys: notifications are decoded as forms are, EventBridge writes them plainly', () => {
  assert.equal(path({ Records: [record('a+b/c%2Bd%C3%A4.csv')] }), 'a b/c+dä.csv');
  assert.equal(path(sns({ Records: [record('a+b.csv')] })), 'a b.csv');
  assert.equal(path(bridge('a+b %2B.csv')), 'a+b %2B.csv');
  assert.equal(path(sns(bridge('a+b.csv'))), 'a+b.csv');
  assert.equal(path({ Records: [record('100%')] }), '100%');
});

test('the same object by SNS and by EventBridge is one event', () => {
  const [first, second] = [readS3({ Records: [record('a+b.csv')] }), readS3(bridge('a b.csv'))];
  assert.equal(
    eventIdentity(first.events[0] as IncomingEvent),
    eventIdentity(second.events[0] as IncomingEvent),
  );
});

test('deletions have no etag: the sequencer tells them apart', () => {
  const removed = (sequencer: string): IncomingEvent =>
    readS3({
      Records: [
        record('a', {
          eventName: 'ObjectRemoved:Delete',
          s3: { bucket: { name: 'raw' }, object: { key: 'a', sequencer } },
        }),
      ],
    }).events[0] as IncomingEvent;
  assert.equal(removed('1').type, 'Microsoft.Storage.BlobDeleted');
  assert.notEqual(eventIdentity(removed('1')), eventIdentity(removed('2')));
  assert.equal(eventIdentity(removed('1')), eventIdentity(removed('1')));
});

test('a bucket is a scope, as ARN or as s3 address', () => {
  const [event] = readS3({ Records: [record('in/x.csv')] }).events as [IncomingEvent];
  for (const scope of ['arn:aws:s3:::raw', 's3://raw', 's3://raw/'])
    assert.equal(
      firesTrigger(trigger({ scope, blobPathBeginsWith: '/raw/blobs/in/' }), event, { addressed: false }),
      true,
    );
  assert.equal(firesTrigger(trigger({ scope: 's3://other' }), event, { addressed: false }), false);
});

test('tests, restores and rubbish are no events of objects', () => {
  for (const body of [
    { Service: 'Amazon S3', Event: 's3:TestEvent' },
    { Records: [record('x', { eventName: 'ObjectRestore:Post' })] },
    sns('no json'),
    sns(sns({ Records: [record('x')] })),
    { Records: [null, 1] },
    [[[]]],
    null,
    'text',
  ] as JsonValue[])
    assert.deepEqual(readS3(body).events, [], JSON.stringify(body));
  assert.deepEqual(
    subscriptionRequest({ Type: 'SubscriptionConfirmation', TopicArn: 't', SubscribeURL: 'https://sns.x' }),
    { topic: 't', confirmAt: 'https://sns.x' },
  );
  assert.equal(subscriptionRequest(sns({})), undefined);
});

test('hostile names stay what they are', () => {
  for (const name of [
    '../../etc/passwd',
    '/abs',
    '%2e%2e/x',
    'a\u0000b',
    'a\nb',
    "'; drop--",
    '$(x)`y`',
    'x'.repeat(1024),
    '\ud800',
  ]) {
    assert.equal(only(blobEvent(name)).object?.path, name);
    assert.equal(path(bridge(name)), name);
  }
  const { fileName, folderPath } = bodyOf(only(blobEvent('../../etc/passwd'))) as JsonObject;
  assert.deepEqual([fileName, folderPath], ['passwd', 'landing/../../etc']);
});
