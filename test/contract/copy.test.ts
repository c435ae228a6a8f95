// One suite for every connector of the registry: values survive the way in and out, steps may be repeated, attempts
// that were overtaken write nothing, a failed copy leaves nothing.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CONNECTORS } from '../../src/connectors/registry.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { CopyHarness, type StoreType, storeTypes } from '../support/copy-harness.ts';
import { sharedWorld } from '../support/world.ts';

const chosen = process.env['CONNECTORS']?.split(',');
const stores = storeTypes.filter((type) => chosen === undefined || chosen.includes(type));
const tableStores = stores.filter((type) => type !== 'AmazonS3');
const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;

/** Types and values that tend to get lost, one row each kind, and a row of NULLs. */
const TYPES = `CREATE TABLE kinds (
  id int PRIMARY KEY, small smallint, big bigint, price numeric(10,2), long numeric(38,10), ratio double precision,
  flag boolean, name text, code varchar(20), day date, at timestamp(6), moment timestamptz(6), clock time(6), token uuid, raw bytea)`;
const VALUES = `INSERT INTO kinds VALUES
  (1, -32768, 9223372036854775807, -0.01, 1234567890123456789012345678.0123456789, 0.1, true, 'plain', 'x',
    '2024-02-29', '2013-01-01 05:00:00.123456', '2013-01-01 05:00:00.123456+05:30', '23:59:59.999999',
    '6f9619ff-8b86-d011-b42d-00c04fc964ff', '\\x00ff10'),
  (2, 32767, -9223372036854775808, 99999999.99, -0.0000000001, 1e300, false, '', '', '0001-01-01',
    '9999-12-31 23:59:59.999999', '1970-01-01 00:00:00+00', '00:00:00', '00000000-0000-0000-0000-000000000000', '\\x'),
  (3, 0, 0, 0, 0, -2.5, true, E'a "quoted", comma\\nnew line\\ttab \\\\ back|pipe||', '|', '1999-12-31',
    '2000-01-01 00:00:00', '2000-06-30 23:59:59.5-07', '12:00:00', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '\\x22'),
  (4, 1, 1, 1.10, 1.1, 3, false, 'é 🙂 漢字 ''single''', 'NULL', '2024-01-01', '2024-01-01 00:00:00.5',
    '2024-01-01 00:00:00.000001+00', '01:02:03.4', '6f9619ff-8b86-d011-b42d-00c04fc964ff', '\\x5c6e'),
  (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`;

describe('copies between all stores', { timeout: 600_000 }, () => {
  let harness: CopyHarness;

  before(async () => {
    const world = await sharedWorld(['postgres', 'sqlserver', 'snowflake', 's3']);
    harness = await CopyHarness.start(world);
    await harness.postgres.query(TYPES);
    await harness.postgres.query(VALUES);
    await harness.postgres.query(
      `CREATE TABLE many AS SELECT i AS id, 'row ' || i AS name, (i % 7)::numeric(4,1) / 2 AS half FROM generate_series(1, 2500) AS i`,
    );
    await harness.postgres.query('ALTER TABLE many ADD PRIMARY KEY (id)');
  });
  after(() => harness?.stop());

  test('every connector of the registry is tried here', async () => {
    const tried = await Promise.all(storeTypes.map((type) => CONNECTORS[type]?.()));
    for (const [type, load] of Object.entries(CONNECTORS)) {
      assert.ok(tried.includes(await load()), `${type} has no harness`);
    }
  });

  for (const type of stores) {
    test(`${type}: every type and value comes back as it went`, async () => {
      const place = `kinds_${type.toLowerCase()}`;
      const out = await harness.copy(
        `out/${type}`,
        harness.endpoint('PostgreSqlV2', 'kinds'),
        harness.endpoint(type, place, { tableOption: 'autoCreate' }),
      );
      assert.equal(out.published.rows, 5);
      assert.equal(out.published.sourceChecksum, out.published.sinkChecksum);
      assert.notEqual(out.published.sinkChecksum, '0');
      await harness.postgres.query(`CREATE TABLE ${place}_back (LIKE kinds)`);
      const back = await harness.copy(
        `back/${type}`,
        harness.endpoint(type, place),
        harness.endpoint('PostgreSqlV2', `${place}_back`),
      );
      assert.equal(back.published.rows, 5);
      const { rows } = await harness.postgres.query(
        `(TABLE kinds EXCEPT TABLE ${place}_back) UNION ALL (TABLE ${place}_back EXCEPT TABLE kinds)`,
      );
      assert.deepEqual(rows, []);
    });
  }

  for (const type of tableStores) {
    test(`${type}: a query is read with its own columns and types`, async () => {
      const place = `queried_${type.toLowerCase()}`;
      const query = `SELECT id, name, price, moment AS seen, flag, big FROM kinds_${type.toLowerCase()} WHERE id < 5`;
      const run = await harness.copy(
        `query/${type}`,
        harness.endpoint(type, 'kinds', { query }),
        harness.endpoint('PostgreSqlV2', place, { tableOption: 'autoCreate' }),
      );
      assert.equal(run.published.rows, 4);
      const { rows } = await harness.postgres.query(
        `SELECT id FROM kinds EXCEPT SELECT k.id FROM kinds k JOIN ${place} q ON q.id = k.id AND q.name = k.name ` +
          'AND q.price = k.price AND q.seen = k.moment AND q.flag = k.flag AND q.big = k.big',
      );
      assert.deepEqual(rows, [{ id: 5 }]);
    });

    test(`${type}: repeating any step changes nothing, and an overtaken attempt writes nothing`, async () => {
      const place = `steps_${type.toLowerCase()}`;
      const input = harness.input(
        `steps/${type}`,
        harness.endpoint('PostgreSqlV2', 'many', {
          partitionOption: 'DynamicRange',
          partitionSettings: { partitionColumnName: 'id' },
        }),
        harness.endpoint(type, place, { tableOption: 'autoCreate' }),
      );
      const first = await harness.run('planCopy', input);
      const again = await harness.run('planCopy', input);
      assert.equal(again.epoch, first.epoch + 1);
      await assert.rejects(
        harness.run('publishCopy', { copy: input, epoch: again.epoch }),
        coded('CHUNK_MISMATCH'),
        'nothing is published before every chunk is committed',
      );
      const chunk = { copy: input, chunk: 0, epoch: again.epoch };
      const done = await harness.run('copyChunk', chunk, 2);
      assert.equal(done.resumed, false);
      const repeated = await harness.run('copyChunk', chunk, 3);
      assert.deepEqual({ ...repeated, resumed: false }, done);
      assert.equal(repeated.resumed, true);
      await assert.rejects(
        harness.run('publishCopy', { copy: input, epoch: first.epoch }),
        coded('CHUNK_FENCED'),
        'the first planning was overtaken',
      );
      assert.equal(await harness.count(type, place), 0, 'nothing is visible before publishing');
      const published = await harness.run('publishCopy', { copy: input, epoch: again.epoch });
      assert.deepEqual(await harness.run('publishCopy', { copy: input, epoch: again.epoch }), published);
      await harness.run('cleanUpCopy', input);
      await harness.run('cleanUpCopy', input);
      assert.equal(await harness.count(type, place), 2500);
      assert.deepEqual(await harness.stagingTables(type), []);
      const later = await harness.run('planCopy', input);
      assert.equal(later.published, true);
    });

    test(`${type}: a chunk claimed by a newer attempt is refused to the older one`, async () => {
      const place = `fence_${type.toLowerCase()}`;
      const input = harness.input(
        `fence/${type}`,
        harness.endpoint('PostgreSqlV2', 'many'),
        harness.endpoint(type, place, { tableOption: 'autoCreate' }),
      );
      const plan = await harness.run('planCopy', input);
      const load = CONNECTORS[type];
      assert.ok(load);
      const open = async () =>
        (await load()).openSink({
          linkedService: harness.service(type),
          endpoint: input.sink,
          copyId: input.copyId,
          workDirectory: harness.workDirectory,
          signal: new AbortController().signal,
        });
      const zombie = await open();
      const heir = await open();
      try {
        const claim = await zombie.claimChunk(0, 7);
        assert.equal(claim.state, 'claimed');
        assert.equal((await heir.claimChunk(0, 8)).state, 'claimed');
        await assert.rejects(zombie.claimChunk(0, 7), coded('CHUNK_FENCED'));
        if (claim.state === 'claimed') {
          const none = {
            batches: (async function* () {})(),
            figures: () => ({ rows: 0, bytes: 0, checksum: '0' }),
          };
          await assert.rejects(zombie.writeChunk(0, 7, claim.plan, none), coded('CHUNK_FENCED'));
        }
      } finally {
        await zombie.close();
        await heir.close();
      }
      await harness.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch });
      await harness.run('publishCopy', { copy: input, epoch: plan.epoch });
      await harness.run('cleanUpCopy', input);
      assert.equal(await harness.count(type, place), 2500);
    });

    test(`${type}: the pre-copy script runs once, with the data, and not at all when the copy fails`, async () => {
      const place = `kept_${type.toLowerCase()}`;
      const script = { preCopyScript: `TRUNCATE TABLE ${place}` };
      const create = { tableOption: 'autoCreate' };
      const source = harness.endpoint('PostgreSqlV2', 'many');
      await harness.copy(`kept/${type}/1`, source, harness.endpoint(type, place, create));
      await harness.copy(`kept/${type}/2`, source, harness.endpoint(type, place, script));
      assert.equal(await harness.count(type, place), 2500, 'replaced, not added to');
      const broken = harness.input(
        `kept/${type}/3`,
        harness.endpoint('PostgreSqlV2', 'many', {
          query: 'SELECT id, name, 1 / (id - 2000)::numeric(4,1) AS half FROM many',
        }),
        harness.endpoint(type, place, script),
      );
      const failing = async (): Promise<void> => {
        const plan = await harness.run('planCopy', broken);
        await harness.run('copyChunk', { copy: broken, chunk: 0, epoch: plan.epoch });
      };
      await assert.rejects(failing());
      await harness.run('cleanUpCopy', broken);
      assert.equal(await harness.count(type, place), 2500, 'a failed source does not empty the target');
      assert.deepEqual(await harness.stagingTables(type), []);
    });
  }

  if (stores.includes('AmazonS3')) {
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
  }

  if (stores.includes('AmazonS3')) {
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
  }

  if (stores.includes('AmazonS3')) {
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
        await late.writeChunk(0, 7, claim.plan, none);
        const done = await harness.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch });
        assert.equal(done.resumed, false);
        assert.equal(done.rows, 2500);
      } finally {
        await late.close();
      }
    });
  }

  test('a missing table, bad credentials and a lossy pair of types are named', async () => {
    const many = harness.endpoint('PostgreSqlV2', 'many');
    for (const type of tableStores) {
      const missing = harness.input(`missing/${type}`, many, harness.endpoint(type, 'no_such_table'));
      await assert.rejects(harness.run('planCopy', missing), coded('OBJECT_MISSING'), type);
    }
    await harness.postgres.query('CREATE TABLE lossy (id int, name text, half double precision)');
    const lossy = harness.input('lossy', many, harness.endpoint('PostgreSqlV2', 'lossy'));
    await assert.rejects(harness.run('planCopy', lossy), coded('TYPE_UNSUPPORTED'));
    for (const type of ['SqlServer', 'SnowflakeV2'] satisfies StoreType[]) {
      const load = CONNECTORS[type];
      const service = harness.service(type);
      const context = {
        linkedService: { ...service, properties: { ...service.properties, password: 'canary-secret' } },
        endpoint: harness.endpoint(type, 'kinds'),
        copyId: 'x',
        workDirectory: harness.workDirectory,
        signal: new AbortController().signal,
      };
      assert.ok(load);
      const connector = await load();
      await assert.rejects(
        connector.openSource(context),
        (error) => coded('AUTHENTICATION_FAILED')(error) && !String(error).includes('canary-secret'),
        type,
      );
    }
  });
});
