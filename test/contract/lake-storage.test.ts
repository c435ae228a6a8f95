// The lake's storage against the S3 stand-in: pages, deletes, unfinished uploads, and lifecycle rules that are not ours.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  CreateMultipartUploadCommand,
  GetBucketLifecycleConfigurationCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutBucketLifecycleConfigurationCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { readPointer, writePointer } from '../../src/activities/migration/pointers.ts';
import type { LakeStorage } from '../../src/compute/lake-storage.ts';
import { createLakeS3Client, S3LakeStorage } from '../../src/compute/s3/s3-lake-storage.ts';
import { s3Config } from '../../src/connectors/s3/config.ts';
import { S3Store } from '../../src/connectors/s3/store.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { DatasetPointer } from '../../src/core/migration.ts';
import { credentials } from '../support/emr-stand-in.ts';

process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey;

describe('lake storage on S3', () => {
  let directory: string;
  let s3: RunningS3;
  let client: S3Client;
  let storage: LakeStorage;

  before(async () => {
    const { python } = await ensurePython(console.error);
    directory = await mkdtemp(join(tmpdir(), 'waybill-lake-storage-'));
    s3 = await startS3({ python, stateDirectory: directory, buckets: ['lake'], credentials });
    client = createLakeS3Client({ region: 'us-east-1', endpoint: s3.endpoint });
    storage = new S3LakeStorage(client);
  });

  after(async () => {
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  async function listed(prefix: string): Promise<string[]> {
    const uris: string[] = [];
    for await (const page of storage.list(prefix)) uris.push(...page.map(({ uri }) => uri));
    return uris;
  }

  it('reads what it wrote, and tells absence from failure', async () => {
    await storage.write('s3://lake/a/b.json', Buffer.from('{}'), 'application/json');
    assert.equal((await storage.read('s3://lake/a/b.json'))?.toString(), '{}');
    assert.equal(await storage.exists('s3://lake/a/b.json'), true);
    assert.equal(await storage.read('s3://lake/a/c.json'), undefined);
    assert.equal(await storage.exists('s3://lake/a/c.json'), false);
    await assert.rejects(
      storage.read('s3://no-such-bucket-here/a'),
      (error) => error instanceof WaybillError && error.code === 'OBJECT_MISSING',
    );
  });

  it('replaces only what it has read', async () => {
    const uri = 's3://lake/replaced.json';
    const replace = (text: string, version?: string): Promise<boolean> =>
      storage.replace(uri, Buffer.from(text), 'application/json', version);
    assert.equal(await storage.readVersion(uri), undefined);
    assert.equal(await replace('1', '"0123456789abcdef0123456789abcdef"'), false);
    assert.equal(await replace('1'), true);
    assert.equal(await replace('2'), false);
    const first = await storage.readVersion(uri);
    assert.equal(first?.body.toString(), '1');
    assert.equal(await replace('2', first?.version), true);
    assert.equal(await replace('3', first?.version), false);
    assert.equal((await storage.read(uri))?.toString(), '2');
    await assert.rejects(
      storage.replace('s3://no-such-bucket-here/a', Buffer.from('1'), 'application/json', undefined),
      (error) => error instanceof WaybillError && error.code === 'OBJECT_MISSING',
    );
  });

  it('a pointer moves on from the generation before it, whoever else writes', async () => {
    const pointer = (generation: number, migration: string): DatasetPointer => ({
      dataset: 'orders',
      engine: generation % 2 === 1 ? 'emr' : 'databricks',
      format: 'delta',
      location: 's3://lake/gold/orders',
      generation,
      since: '2026-01-01T00:00:00Z',
      migration,
      reason: 'a test',
    });
    const write = (generation: number, migration: string): Promise<DatasetPointer> =>
      writePointer(storage, 's3://lake/pointers', pointer(generation, migration));
    for (const generation of [1, 2, 3]) {
      const writers = ['a', 'b', 'c', 'd'];
      const outcomes = await Promise.allSettled(writers.map((name) => write(generation, name)));
      const won = writers.filter((_, at) => outcomes[at]?.status === 'fulfilled');
      assert.equal(won.length, 1, JSON.stringify(outcomes));
      for (const outcome of outcomes)
        if (outcome.status === 'rejected')
          assert.equal((outcome.reason as WaybillError).code, 'POINTER_MOVED');
      const [winner = ''] = won;
      assert.deepEqual(
        await readPointer(storage, 's3://lake/pointers', 'orders'),
        pointer(generation, winner),
      );
      // An attempt whose answer was lost comes again.
      assert.deepEqual(await write(generation, winner), pointer(generation, winner));
    }
    await assert.rejects(write(2, 'a'), /is at generation 3/);
  });

  it('lists and deletes beyond one page', async () => {
    const uris = Array.from({ length: 1_103 }, (_, at) => `s3://lake/many/${String(at).padStart(5, '0')}`);
    for (let at = 0; at < uris.length; at += 50) {
      await Promise.all(
        uris.slice(at, at + 50).map((uri) => storage.write(uri, Buffer.from('x'), 'text/plain')),
      );
    }
    await storage.write('s3://lake/many2/kept', Buffer.from('x'), 'text/plain');
    assert.deepEqual(await listed('s3://lake/many/'), uris);
    await storage.remove(uris);
    assert.deepEqual(await listed('s3://lake/many/'), []);
    assert.deepEqual(await listed('s3://lake/many2/'), ['s3://lake/many2/kept']);
  });

  it('aborts unfinished uploads under a prefix, and no others', async () => {
    for (const Key of ['landing/a/1', 'landing/a/2', 'landing/b/1']) {
      await client.send(new CreateMultipartUploadCommand({ Bucket: 'lake', Key }));
    }
    assert.equal(await storage.abortUploads('s3://lake/landing/a/'), 2);
    const { Uploads: uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'lake' }));
    assert.deepEqual(
      uploads?.map(({ Key }) => Key),
      ['landing/b/1'],
    );
  });

  it('makes our lifecycle rules what they should be, and leaves those of others as they are', async () => {
    const foreign = {
      ID: 'finance-keeps-this',
      Status: 'Enabled' as const,
      Filter: { Prefix: 'ledger/' },
      Expiration: { Days: 3_650 },
    };
    await client.send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket: 'lake',
        LifecycleConfiguration: { Rules: [foreign] },
      }),
    );
    const rules = async () =>
      (await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket: 'lake' }))).Rules ?? [];
    const ours = [
      { id: 'to-ia', prefix: 'landing/', transition: { days: 30, storageClass: 'STANDARD_IA' } },
      { id: 'abort', prefix: '', abortIncompleteUploadsAfterDays: 7 },
    ];
    assert.deepEqual(await storage.mergeLifecycle('lake', 'nycflights', ours), { applied: 2, kept: 1 });
    assert.deepEqual(
      await storage.mergeLifecycle('lake', 'other', [{ id: 'x', prefix: 'x/', expireAfterDays: 1 }]),
      {
        applied: 1,
        kept: 3,
      },
    );
    // One rule fewer: it goes, the others stay.
    assert.deepEqual(await storage.mergeLifecycle('lake', 'nycflights', ours.slice(0, 1)), {
      applied: 1,
      kept: 2,
    });
    const now = await rules();
    assert.deepEqual(
      new Set(now.map(({ ID }) => ID)),
      new Set(['finance-keeps-this', 'waybill/other/x', 'waybill/nycflights/to-ia']),
    );
    const kept = now.find(({ ID }) => ID === foreign.ID);
    assert.equal(kept?.Expiration?.Days, 3_650);
    assert.equal(kept?.Filter?.Prefix, 'ledger/');
    const transition = now.find(({ ID }) => ID?.endsWith('to-ia'))?.Transitions?.[0];
    assert.deepEqual([transition?.Days, transition?.StorageClass], [30, 'STANDARD_IA']);
  });

  it('encrypts what it writes as it is told, whole objects, parts and copies alike', async () => {
    const head = async (Key: string) => {
      const said = await client.send(new HeadObjectCommand({ Bucket: 'lake', Key }));
      return [said.ServerSideEncryption, said.SSEKMSKeyId];
    };
    const key = 'arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555';
    const lake = new S3LakeStorage(
      createLakeS3Client({
        region: 'us-east-1',
        endpoint: s3.endpoint,
        encryption: { kind: 'SSE-KMS', kmsKeyId: key },
      }),
    );
    await lake.write('s3://lake/secret/a.json', Buffer.from('{}'), 'application/json');
    assert.deepEqual(await head('secret/a.json'), ['aws:kms', key]);

    const service = (properties: object) =>
      s3Config({
        name: 'ls',
        type: 'AmazonS3',
        properties: { serviceUrl: s3.endpoint, ...credentials, ...properties },
      } as Parameters<typeof s3Config>[0]);
    const store = new S3Store(
      service({ serverSideEncryption: 'SSE-KMS', kmsKeyId: key }),
      'lake',
      new AbortController().signal,
      { partSize: 5 * 1024 ** 2 },
    );
    async function* bytes(count: number): AsyncGenerator<Buffer> {
      for (let sent = 0; sent < count; sent += 1024 ** 2) yield Buffer.alloc(1024 ** 2, 7);
    }
    const options = { contentType: 'text/csv', verify: true };
    await store.write('secret/small.csv', bytes(1), options);
    await store.write('secret/large.csv', bytes(11 * 1024 ** 2), options);
    const [large] = [await store.head('secret/large.csv')];
    assert.ok(large);
    await store.copy(large, 'secret/copy.csv');
    for (const name of ['small', 'large', 'copy'])
      assert.deepEqual(await head(`secret/${name}.csv`), ['aws:kms', key], name);
    await store.close();
    assert.throws(() => service({ kmsKeyId: key }), /is not SSE-KMS/);
  });
});
