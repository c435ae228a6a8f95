// What holds for folders of files on S3 beyond the contract of every connector.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CONNECTORS } from '../../src/connectors/registry.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { CopyHarness } from '../support/copy-harness.ts';
import { sharedWorld } from '../support/world.ts';

describe('folders of files on S3', { timeout: 600_000 }, () => {
  let harness: CopyHarness;

  before(async () => {
    harness = await CopyHarness.start(await sharedWorld(['postgres', 'sqlserver', 'snowflake', 's3']));
    await harness.postgres.query(
      `CREATE TABLE many AS SELECT i AS id, 'row ' || i AS name, (i % 7)::numeric(4,1) / 2 AS half FROM generate_series(1, 2500) AS i`,
    );
    await harness.postgres.query('ALTER TABLE many ADD PRIMARY KEY (id)');
  });
  after(() => harness?.stop());

  test('AmazonS3: a manifest publishes the files, and a new copy replaces an older one', async () => {
    const source = harness.endpoint('PostgreSqlV2', 'many');
    const sink = harness.endpoint('AmazonS3', 'landing/many');
    const visible = async (): Promise<string[]> =>
      (await harness.keys('landing/many/')).filter((key) => !key.includes('/_waybill/'));
    const first = await harness.copy('files/1', source, sink);
    assert.equal(first.published.files, 1);
    const before = await visible();
    assert.equal(before.length, 2, `a file and a manifest: ${before.join(', ')}`);
    const second = await harness.copy('files/2', source, sink);
    const now = await visible();
    assert.equal(now.length, 2);
    assert.notDeepEqual(now, before);
    assert.equal(second.published.sinkChecksum, first.published.sinkChecksum);
    assert.equal(await harness.openUploads(), 0);
    const failed = harness.input('files/3', source, sink);
    const plan = await harness.run('planCopy', failed);
    await harness.run('copyChunk', { copy: failed, chunk: 0, epoch: plan.epoch });
    assert.equal((await visible()).length, 3);
    await harness.run('cleanUpCopy', failed);
    assert.deepEqual(await visible(), now, 'an unpublished copy leaves nothing');
  });

  test('AmazonS3: named files of one folder live beside each other, and are replaced only by publishing', async () => {
    const source = harness.endpoint('PostgreSqlV2', 'many');
    const named = (fileName: string) => {
      const folder = harness.endpoint('AmazonS3', 'landing/named');
      const location = { ...(folder.dataset['location'] as JsonObject), fileName };
      return { ...folder, dataset: { ...folder.dataset, location } };
    };
    const keys = async (): Promise<string[]> => harness.keys('landing/named/');
    const visible = async (): Promise<string[]> =>
      (await keys()).filter((key) => !key.includes('/_waybill/'));
    const both = ['landing/named/airports.csv.gz', 'landing/named/planes.csv.gz'];
    await harness.copy('named/1', source, named('planes.csv.gz'));
    const second = await harness.copy('named/2', source, named('airports.csv.gz'));
    assert.deepEqual(await visible(), both);
    assert.equal((await harness.run('planCopy', second.input)).published, true);
    assert.equal((await keys()).filter((key) => key.includes('/staged-')).length, 0, 'staging is gone');

    const three = harness.endpoint('PostgreSqlV2', 'many', { query: 'SELECT * FROM many WHERE id < 4' });
    const rows = async (copyId: string): Promise<number> => {
      const place = copyId.replaceAll('/', '_');
      const sink = harness.endpoint('PostgreSqlV2', place, { tableOption: 'autoCreate' });
      return (await harness.copy(copyId, named('planes.csv.gz'), sink)).published.rows;
    };
    const later = harness.input('named/3', three, named('planes.csv.gz'));
    const plan = await harness.run('planCopy', later);
    await harness.run('copyChunk', { copy: later, chunk: 0, epoch: plan.epoch });
    assert.equal(await rows('named/read/1'), 2500, 'the old file until the new one is published');
    await harness.run('publishCopy', { copy: later, epoch: plan.epoch });
    await harness.run('publishCopy', { copy: later, epoch: plan.epoch });
    await harness.run('cleanUpCopy', later);
    assert.equal(await rows('named/read/2'), 3);
    assert.deepEqual(await visible(), both);
  });

  test('AmazonS3: an attempt that outlives its cleaned-up copy commits nothing to the next one', async () => {
    const sink = harness.endpoint('AmazonS3', 'landing/late');
    const input = harness.input('late', harness.endpoint('PostgreSqlV2', 'many'), sink);
    await harness.run('planCopy', input);
    const load = CONNECTORS['AmazonS3'];
    assert.ok(load);
    const late = await (await load()).openSink({
      linkedService: harness.service('AmazonS3'),
      endpoint: sink,
      copyId: input.copyId,
      workDirectory: harness.workDirectory,
      signal: new AbortController().signal,
    });
    try {
      const claim = await late.claimChunk(0, 7);
      assert.ok(claim.state === 'claimed');
      await harness.run('cleanUpCopy', input);
      const plan = await harness.run('planCopy', input);
      const none = {
        batches: (async function* () {})(),
        figures: () => ({ rows: 0, bytes: 0, checksum: '0' }),
      };
      await assert.rejects(late.writeChunk(0, 7, claim.plan, none), /has been cleaned up meanwhile/);
      const done = await harness.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch });
      assert.equal(done.resumed, false);
      assert.equal(done.rows, 2500);
    } finally {
      await late.close();
    }
  });
});
