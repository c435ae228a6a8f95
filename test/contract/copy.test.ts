// One suite for every connector of the registry: values survive the way in and out between all stores, steps may be
// repeated, overtaken attempts write nothing, cut connections cost nothing, a failed copy leaves nothing.
//
// CONNECTORS=PostgreSqlV2,AmazonS3_Parquet chooses stores. WAYBILL_CONTRACT_<TYPE>, the JSON of a linked service's
// properties, puts a real endpoint in the place of a local stand-in.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { CONNECTORS } from '../../src/connectors/registry.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { sharedWorld } from '../support/world.ts';
import { CopyRunner } from './copy-runner.ts';
import { allStores } from './stores/index.ts';
import type { Store } from './stores/store.ts';

const chosen = process.env['CONNECTORS']?.split(',');
const every = allStores();
const stores = every.filter(({ id, type }) => !chosen || chosen.includes(id) || chosen.includes(type));
const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;

/** Types and values that tend to get lost, one row each kind, and a row of NULLs. */
const TYPES = `CREATE TABLE kinds (
  id int PRIMARY KEY, small smallint, big bigint, price numeric(10,2), long numeric(38,10), ratio double precision,
  flag boolean, name text, code varchar(20), day date, at timestamp(6), moment timestamptz(6), clock time(6), token uuid, raw bytea)`;
const VALUES = `INSERT INTO kinds VALUES
  (1, -32768, 9223372036854775807, -0.01, 1234567890123456789012345678.0123456789, 0.1, true, 'plain', 'x',
    '2024-02-29', '2013-01-01 05:00:00.123456', '2013-01-01 05:00:00.123456+05:30', '23:59:59.999999',
    '6f9619ff-8b86-d011-b42d-00c04fc964ff', '\\x00ff10'),
  (2, 32767, -9223372036854775808, 99999999.99, -0.0000000001, 1e300, false, '', '', '1000-01-01',
    '9999-12-31 23:59:59.999999', '1970-01-01 00:00:01+00', '00:00:00', '00000000-0000-0000-0000-000000000000', '\\x'),
  (3, 0, 0, 0, 0, -2.5, true, E'a "quoted", comma\\nnew line\\ttab \\\\ back|pipe||', '|', '1999-12-31',
    '2000-01-01 00:00:00', '2000-06-30 23:59:59.5-07', '12:00:00', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '\\x22'),
  (4, 1, 1, 1.10, 1.1, 3, false, 'é 🙂 漢字 ''single''', 'NULL', '2024-01-01', '2024-01-01 00:00:00.5',
    '2024-01-01 00:00:00.000001+00', '01:02:03.4', '6f9619ff-8b86-d011-b42d-00c04fc964ff', '\\x5c6e'),
  (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`;
const MANY = 2_500;

const VALUES_SURVIVE = 'every type and value comes back as it went';
const WIDE = 'a table of three hundred columns goes out and comes back';
const QUERIES = 'a query is read with its own columns and types';
const STEPS_REPEAT = 'repeating any step changes nothing';
const OVERTAKEN = 'an overtaken attempt writes nothing';
const PRE_COPY = 'the pre-copy script runs once, with the data, and not at all when the copy fails';
const CUT_WHILE_WRITING = 'a connection cut at any moment of writing loses and doubles nothing';
const CUT_WHILE_READING = 'a connection cut at any moment of reading loses and doubles nothing';
const CREDENTIALS = 'refused credentials are named, and not repeated';
const WHAT = [
  VALUES_SURVIVE,
  WIDE,
  QUERIES,
  STEPS_REPEAT,
  OVERTAKEN,
  PRE_COPY,
  CUT_WHILE_WRITING,
  CUT_WHILE_READING,
  CREDENTIALS,
];

describe('the contract of every connector', { timeout: 1_200_000 }, () => {
  const name = `contract_${process.pid}`;
  /** Holds what is copied out, and receives what comes back. */
  const base = every.find(({ id }) => id === 'PostgreSqlV2') as Store;
  const services = new Map<string, ConnectedLinkedService>();
  let runner: CopyRunner;
  let database: pg.Client;
  const sql = async (text: string): Promise<Record<string, unknown>[]> => (await database.query(text)).rows;

  before(async () => {
    const world = await sharedWorld([
      ...new Set(['postgres' as const, ...stores.flatMap(({ engines }) => engines)]),
    ]);
    for (const store of new Set([base, ...stores])) {
      await store.start(world, name);
      services.set(store.id, store.service());
    }
    runner = await CopyRunner.start(name, (service) => services.get(service) as ConnectedLinkedService);
    const { host, port, user } = world.postgres;
    database = new pg.Client({ host, port, user, database: name });
    await database.connect();
    await sql("SET timezone = 'UTC'");
    await sql(TYPES);
    await sql(VALUES);
    await sql(
      `CREATE TABLE many AS SELECT i AS id, 'row ' || i AS name, (i % 7)::numeric(4,1) / 2 AS half FROM generate_series(1, ${MANY}) AS i`,
    );
    await sql('ALTER TABLE many ADD PRIMARY KEY (id)');
    const wide = Array.from({ length: 299 }, (_, i) =>
      i % 3 === 0 ? `${i} * i AS n${i}` : `'c${i} ' || i AS c${i}`,
    );
    await sql(`CREATE TABLE wide AS SELECT i AS id, ${wide.join(', ')} FROM generate_series(1, 5) AS i`);
  });
  after(async () => {
    await database?.end();
    await runner?.stop();
    for (const store of new Set([base, ...stores])) await store.stop();
  });

  /** The store's endpoint, under the name that `services` knows it by: two formats of one type are two. */
  const end = (store: Store, place: string, settings = {}) => ({
    ...store.endpoint(place, settings),
    linkedService: store.id,
  });
  const created = { tableOption: 'autoCreate' };
  /** Tables are compared by name in many stores at once. */
  const spot = (what: string, store: Store): string => `${what}_${store.id.toLowerCase()}`;

  /** Registers a test unless the store waives it, with the reason. */
  const holds = (store: Store, what: string, body: () => Promise<void>): void => {
    const waived = store.waivers[what];
    test(`${store.id}: ${what}`, waived === undefined ? {} : { skip: waived }, body);
  };

  test('every connector of the registry is tried here', async () => {
    const tried = await Promise.all(every.map(({ type }) => CONNECTORS[type]?.()));
    for (const [type, load] of Object.entries(CONNECTORS)) {
      // Read from only: rest.test.ts.
      if (type === 'RestService' || type === 'HttpServer') continue;
      assert.ok(tried.includes(await load()), `${type} has no store in test/contract/stores`);
    }
  });

  test('every waiver names a test and gives a reason', () => {
    const known = new Set(WHAT);
    for (const { id, waivers } of every) {
      for (const [what, reason] of Object.entries(waivers)) {
        assert.ok(known.has(what), `${id} waives "${what}", which is no test`);
        assert.ok(reason.length > 20, `${id} waives "${what}" without a reason`);
      }
    }
  });

  for (const store of stores) {
    holds(store, VALUES_SURVIVE, async () => {
      const out = await runner.copy(
        `out/${store.id}`,
        end(base, 'kinds'),
        end(store, spot('kinds', store), created),
      );
      assert.equal(out.published.rows, 5);
      assert.equal(out.published.sourceChecksum, out.published.sinkChecksum);
      assert.notEqual(out.published.sinkChecksum, '0');
      await comesBack(store, spot('kinds', store), `back/${store.id}`);
    });

    // Databases limit the arguments of a function and the columns of an index, and what is asked of them is made per column.
    holds(store, WIDE, async () => {
      const there = end(store, spot('wide', store), created);
      const out = await runner.copy(`wide/${store.id}`, end(base, 'wide'), there);
      assert.deepEqual([out.published.rows, out.published.sinkChecksum], [5, out.published.sourceChecksum]);
      const back = spot('wide_back', store);
      await runner.copy(`wide back/${store.id}`, end(store, spot('wide', store)), end(base, back, created));
      const [found] = await sql(
        `SELECT count(*)::int AS n, sum(n0 + n297::int)::int AS s, max(c298) AS t FROM ${back}`,
      );
      const [wanted] = await sql(
        'SELECT count(*)::int AS n, sum(n0 + n297)::int AS s, max(c298) AS t FROM wide',
      );
      assert.deepEqual(found, wanted);
    });
  }

  for (const from of stores) {
    for (const to of stores) {
      test(`${from.id} → ${to.id}: every value arrives`, async () => {
        const place = `${spot('pair', from)}_${to.id.toLowerCase()}`;
        const source = from === base ? 'kinds' : spot('kinds', from);
        const run = await runner.copy(`pair/${from.id}/${to.id}`, end(from, source), end(to, place, created));
        assert.equal(run.published.rows, 5);
        assert.equal(run.published.sourceChecksum, run.published.sinkChecksum);
        await comesBack(to, place, `pair-back/${from.id}/${to.id}`);
      });
    }
  }

  for (const store of stores) {
    if (store.kind === 'table') {
      holds(store, QUERIES, async () => {
        const place = spot('queried', store);
        const from = store === base ? 'kinds' : spot('kinds', store);
        const query = `SELECT id, name, price, moment AS seen, flag, big FROM ${from} WHERE id < 5`;
        const run = await runner.copy(
          `query/${store.id}`,
          end(store, 'kinds', { query, sqlReaderQuery: query }),
          end(base, place, created),
        );
        assert.equal(run.published.rows, 4);
        const rows = await sql(
          `SELECT id FROM kinds EXCEPT SELECT k.id FROM kinds k JOIN ${place} q ON q.id = k.id AND q.name = k.name ` +
            'AND q.price = k.price AND q.seen = k.moment AND q.flag = k.flag AND q.big = k.big',
        );
        assert.deepEqual(rows, [{ id: 5 }]);
      });
    }

    holds(store, STEPS_REPEAT, async () => {
      const place = spot('steps', store);
      const ranged = {
        partitionOption: 'DynamicRange',
        partitionSettings: { partitionColumnName: 'id' },
      };
      const input = runner.input(`steps/${store.id}`, end(base, 'many', ranged), end(store, place, created));
      const first = await runner.run('planCopy', input);
      const again = await runner.run('planCopy', input);
      assert.ok(again.epoch > first.epoch);
      await assert.rejects(
        runner.run('publishCopy', { copy: input, epoch: again.epoch }),
        coded('CHUNK_MISMATCH'),
        'nothing is published before every chunk is committed',
      );
      const chunk = { copy: input, chunk: 0, epoch: again.epoch };
      const done = await runner.run('copyChunk', chunk, 2);
      assert.equal(done.resumed, false);
      const repeated = await runner.run('copyChunk', chunk, 3);
      // How long the first rows took is known to the attempt that moved them.
      const { firstRowsAfter: _took, ...figures } = done;
      assert.deepEqual({ ...repeated, resumed: false }, figures);
      assert.equal(repeated.resumed, true);
      await assert.rejects(
        runner.run('publishCopy', { copy: input, epoch: first.epoch }),
        coded('CHUNK_FENCED'),
        'the first planning was overtaken',
      );
      if (store.count) assert.equal(await store.count(place), 0, 'nothing is visible before publishing');
      for (let n = 1; n < again.chunks; n++) {
        await runner.run('copyChunk', { copy: input, chunk: n, epoch: again.epoch });
      }
      const published = await runner.run('publishCopy', { copy: input, epoch: again.epoch });
      assert.deepEqual(await runner.run('publishCopy', { copy: input, epoch: again.epoch }), published);
      await runner.run('cleanUpCopy', input);
      await runner.run('cleanUpCopy', input);
      assert.equal(await rowsOf(store, place, `steps-rows/${store.id}`), MANY);
      assert.deepEqual(await store.leftovers(), []);
      assert.equal((await runner.run('planCopy', input)).published, true);
      await runner.run('cleanUpCopy', input);
    });

    holds(store, OVERTAKEN, async () => {
      const place = spot('fence', store);
      const input = runner.input(`fence/${store.id}`, end(base, 'many'), end(store, place, created));
      const plan = await runner.run('planCopy', input);
      const zombie = await runner.openSink(input);
      const heir = await runner.openSink(input);
      try {
        const claim = await zombie.claimChunk(0, 7);
        assert.ok(claim.state === 'claimed');
        assert.equal((await heir.claimChunk(0, 8)).state, 'claimed');
        const none = {
          batches: (async function* () {})(),
          figures: () => ({ rows: 0, bytes: 0, checksum: '0' }),
        };
        // Stores that can refuse it do; in the others what it writes is nobody's, as the count below shows.
        await zombie.writeChunk(0, 7, claim.plan, none).catch((error: unknown) => {
          assert.ok(coded('CHUNK_FENCED')(error), String(error));
        });
      } finally {
        await zombie.close();
        await heir.close();
      }
      await runner.run('cleanUpCopy', input);
      const later = await runner.run('planCopy', input);
      assert.ok(later.epoch >= plan.epoch);
      for (let chunk = 0; chunk < later.chunks; chunk++) {
        await runner.run('copyChunk', { copy: input, chunk, epoch: later.epoch });
      }
      await runner.run('publishCopy', { copy: input, epoch: later.epoch });
      await runner.run('cleanUpCopy', input);
      assert.equal(await rowsOf(store, place, `fence-rows/${store.id}`), MANY);
    });

    if (store.kind === 'table') {
      holds(store, PRE_COPY, async () => {
        const place = spot('kept', store);
        const script = { preCopyScript: `TRUNCATE TABLE ${place}` };
        const source = end(base, 'many');
        await runner.copy(`kept/${store.id}/1`, source, end(store, place, created));
        await runner.copy(`kept/${store.id}/2`, source, end(store, place, script));
        assert.equal(await store.count?.(place), MANY, 'replaced, not added to');
        const broken = runner.input(
          `kept/${store.id}/3`,
          end(base, 'many', { query: 'SELECT id, name, 1 / (id - 2000)::numeric(4,1) AS half FROM many' }),
          end(store, place, script),
        );
        const failing = async (): Promise<void> => {
          const plan = await runner.run('planCopy', broken);
          await runner.run('copyChunk', { copy: broken, chunk: 0, epoch: plan.epoch });
        };
        await assert.rejects(failing());
        await runner.run('cleanUpCopy', broken);
        assert.equal(await store.count?.(place), MANY, 'a failed source does not empty the target');
        assert.deepEqual(await store.leftovers(), []);
      });
    }

    holds(store, CUT_WHILE_WRITING, async () => {
      await throughProxy(store, async (proxy) => {
        const into = (place: string) => end(store, place, created);
        proxy.reset();
        await runner.copy(`cut/${store.id}/whole`, end(base, 'many'), into(spot('cutwhole', store)));
        const bytes = proxy.sent;
        for (const part of [0.15, 0.4, 0.6, 0.8, 0.95, 0.99]) {
          const place = spot(`cut${part * 100}`, store);
          proxy.reset(Math.ceil(bytes * part));
          const published = await persist(`cut/${store.id}/${part}`, end(base, 'many'), into(place));
          assert.equal(published, MANY, `cut at ${part} of ${bytes} bytes`);
          proxy.reset();
          assert.equal(await rowsOf(store, place, `cut-rows/${store.id}/${part}`), MANY, `cut at ${part}`);
        }
        assert.deepEqual(await store.leftovers(), []);
      });
    });

    holds(store, CUT_WHILE_READING, async () => {
      const place = spot('cutread', store);
      await runner.copy(`cutread/${store.id}`, end(base, 'many'), end(store, place, created));
      await throughProxy(store, async (proxy) => {
        proxy.reset();
        await runner.copy(
          `cutread/${store.id}/whole`,
          end(store, place),
          end(base, `${place}_whole`, created),
        );
        const bytes = proxy.sent;
        for (const part of [0.3, 0.7, 0.95]) {
          proxy.reset(Math.ceil(bytes * part));
          const target = `${place}_${part * 100}`;
          const rows = await persist(
            `cutread/${store.id}/${part}`,
            end(store, place),
            end(base, target, created),
          );
          assert.equal(rows, MANY);
          const [found] = await sql(
            `SELECT count(*)::int AS n, count(DISTINCT id)::int AS keys FROM ${target}`,
          );
          assert.deepEqual(found, { n: MANY, keys: MANY });
        }
      });
    });

    holds(store, CREDENTIALS, async () => {
      const secret = 'canary-secret-of-the-contract';
      const refused = store.refusedService(secret);
      if (refused === undefined) return;
      services.set('refused', refused);
      const input = runner.input(
        `refused/${store.id}`,
        { ...end(store, spot('kinds', store)), linkedService: 'refused' },
        end(base, 'never', created),
      );
      await assert.rejects(runner.run('planCopy', input), (error) => {
        assert.ok(coded('AUTHENTICATION_FAILED')(error), String(error));
        assert.ok(!`${error}${JSON.stringify((error as WaybillError).details)}`.includes(secret));
        return true;
      });
    });
  }

  test('a missing table and a lossy pair of types are named', async () => {
    const many = end(base, 'many');
    for (const store of stores.filter(({ kind }) => kind === 'table')) {
      const missing = runner.input(`missing/${store.id}`, many, end(store, 'no_such_table'));
      await assert.rejects(runner.run('planCopy', missing), coded('OBJECT_MISSING'), store.id);
    }
    await sql('CREATE TABLE lossy (id int, name text, half double precision)');
    await assert.rejects(
      runner.run('planCopy', runner.input('lossy', many, end(base, 'lossy'))),
      coded('TYPE_UNSUPPORTED'),
    );
  });

  /** Copies `place` back into PostgreSQL and compares every value with what went out. */
  async function comesBack(store: Store, place: string, copyId: string): Promise<void> {
    const target = `${place}_back`;
    await sql(`CREATE TABLE ${target} (LIKE kinds)`);
    const back = await runner.copy(copyId, end(store, place), end(base, target));
    assert.equal(back.published.rows, 5);
    assert.deepEqual(
      await sql(`(TABLE kinds EXCEPT TABLE ${target}) UNION ALL (TABLE ${target} EXCEPT TABLE kinds)`),
      [],
    );
  }

  /** Rows and distinct keys as found in the store; files are counted by copying them into PostgreSQL. */
  async function rowsOf(store: Store, place: string, copyId: string): Promise<number> {
    if (store.count) return store.count(place);
    const target =
      `${place}_counted_${copyId.length}_${copyId.replaceAll(/\W/g, '').slice(-6)}`.toLowerCase();
    await runner.copy(copyId, end(store, place), end(base, target, created));
    const [found] = await sql(`SELECT count(*)::int AS n, count(DISTINCT id)::int AS keys FROM ${target}`);
    assert.equal(found?.['n'], found?.['keys']);
    return Number(found?.['n']);
  }

  /** Runs `body` with a proxy between us and the store. */
  async function throughProxy(store: Store, body: (proxy: TcpProxy) => Promise<void>): Promise<void> {
    const { address } = store;
    if (address === undefined) return;
    const proxy = await TcpProxy.start(address.host, address.port);
    const direct = services.get(store.id) as ConnectedLinkedService;
    services.set(store.id, store.service(proxy.port));
    try {
      await body(proxy);
    } finally {
      services.set(store.id, direct);
      await proxy.stop();
    }
  }

  /** A copy whose every step is tried again as Temporal would: errors that no retry mends fail the test. */
  async function persist(
    copyId: string,
    source: ReturnType<typeof end>,
    sink: ReturnType<typeof end>,
  ): Promise<number> {
    const input = runner.input(copyId, source, sink);
    const retried = async <T>(step: (attempt: number) => Promise<T>): Promise<T> => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await step(attempt);
        } catch (error) {
          assert.ok(error instanceof WaybillError && error.retryable, `not to be retried: ${error}`);
          assert.ok(attempt < 4, `attempt ${attempt}: ${error}`);
        }
      }
    };
    const plan = await retried((attempt) => runner.run('planCopy', input, attempt));
    for (let chunk = 0; chunk < plan.chunks; chunk++) {
      await retried((attempt) => runner.run('copyChunk', { copy: input, chunk, epoch: plan.epoch }, attempt));
    }
    const published = await retried((attempt) =>
      runner.run('publishCopy', { copy: input, epoch: plan.epoch }, attempt),
    );
    await retried((attempt) => runner.run('cleanUpCopy', input, attempt));
    return published.rows;
  }
});
