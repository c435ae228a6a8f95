// PostgreSQL to PostgreSQL: tuples travel as they are, the staging table becomes the target, and neither shows.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import pg from 'pg';
import { createCopyActivities } from '../../src/activities/copy.ts';
import { postgres as connector } from '../../src/connectors/postgres/index.ts';
import type { CopyActivities } from '../../src/core/copy/activities.ts';
import type { CopyInput } from '../../src/core/copy.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres-for-tests.ts';

const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;

/** Every type that travels in binary form, with the values that tend to get lost. */
const KINDS = `CREATE TABLE kinds (id int PRIMARY KEY, small smallint, big bigint, price numeric(10,2), loose numeric, single real,
  ratio double precision, flag boolean, name text, code varchar(20), fixed char(6), day date, at timestamp, moment timestamptz(3),
  clock time, zoned timetz, token uuid, raw bytea, doc json, tree jsonb, address inet, net cidr, span interval, bits bit(3), more bit varying(8))`;
const VALUES = [
  `1, -32768, 9223372036854775807, -0.01, 12345678901234567890.123456789012345678901234567890, 1e-30, 0.1, true, 'plain', 'x', 'ab',
   '2024-02-29', '2013-01-01 05:00:00.123456', '2013-01-01 05:00:00.123+05:30', '23:59:59.999999', '01:02:03+05',
   '6f9619ff-8b86-d011-b42d-00c04fc964ff', '\\x00ff10', '{"b": 1,  "a":[]}', '{"b": 1,  "a":[]}', '10.0.0.1/8', '10.0.0.0/8', '1 mon 2 days 03:04:05.6', '101', '1'`,
  `2, 32767, -9223372036854775808, 'NaN', 'NaN', 'NaN', 'Infinity', false, '', '', '', 'infinity', '-infinity', 'infinity',
   '24:00:00', '00:00:00-15:59', '00000000-0000-0000-0000-000000000000', '\\x', 'null', 'null', '::1', '::/0', '-1 year', '000', ''`,
  `3, 0, 0, 0, 1.10, -0.0, -0.0, NULL, E'a "quoted", comma\\nnew line\\ttab \\\\ back|pipe||', '|', '  a', '0001-01-01',
   '294276-12-31 23:59:59.999999', '4714-11-24 00:00:00+00 BC', '00:00:00', '12:00:00+00', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '\\x22', '"é"', '"🙂"', '0.0.0.0/0', '0.0.0.0/0', '0', '111', '10101010'`,
  `4, 1, -1, 99999999.99, 'Infinity', 3, 'NaN', true, repeat('é 🙂 漢字 ', 60000), 'NULL', 'abcdef', '-infinity', 'epoch', 'epoch',
   '01:02:03.4', '01:02:03.4-07', NULL, decode(repeat('00ff', 5000), 'hex'), '[]', '[]', '1.2.3.4', '1.2.3.4/32', '1 microsecond', NULL, NULL`,
  `5${', NULL'.repeat(24)}`,
];

describe('PostgreSQL to PostgreSQL', { timeout: 300_000 }, () => {
  let server: TestPostgres;
  let db: pg.Client;
  let activities: CopyActivities;

  before(async () => {
    server = await startTestPostgres();
    db = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'postgres', database: 'postgres' });
    await db.connect();
    await db.query("SET timezone = 'UTC'");
    activities = createCopyActivities({ resolveLinkedService: async () => service(), workDirectory: '/tmp' });
    await db.query(KINDS);
    for (const values of VALUES) await db.query(`INSERT INTO kinds VALUES (${values})`);
    await db.query(
      `CREATE TABLE many AS SELECT i AS id, 'row ' || i AS name, (i % 7)::numeric(4,1) / 2 AS half FROM generate_series(1, 60000) AS i`,
    );
    await db.query('ALTER TABLE many ADD PRIMARY KEY (id), ALTER half TYPE numeric(4,1)');
  });
  after(async () => {
    await db?.end();
    await server?.stop();
  });
  beforeEach(() => db.query('DROP TABLE IF EXISTS place CASCADE'));

  const service = () => ({
    name: 'pg',
    type: 'PostgreSqlV2',
    properties: {
      server: '127.0.0.1',
      port: server.port,
      username: 'postgres',
      database: 'postgres',
      sslMode: 'disable',
    },
  });
  const end = (table: string, settings: JsonObject = {}) => ({
    linkedService: 'pg',
    datasetType: 'PostgreSqlV2Table',
    dataset: { schema: 'public', table },
    settings,
  });
  const input = (
    copyId: string,
    {
      from = 'many',
      to = 'place',
      source = {},
      sink = {},
      options = {},
    }: Partial<Record<'source' | 'sink' | 'options', JsonObject>> & { from?: string; to?: string } = {},
  ): CopyInput => ({
    copyId,
    pipeline: 'p',
    activity: 'a',
    source: end(from, source),
    sink: end(to, sink),
    options,
  });
  const run = <A extends keyof CopyActivities>(
    name: A,
    argument: Parameters<CopyActivities[A]>[0],
    attempt = 1,
  ): Promise<Awaited<ReturnType<CopyActivities[A]>>> =>
    new MockActivityEnvironment({ attempt }).run(
      activities[name] as (argument: unknown) => Promise<Awaited<ReturnType<CopyActivities[A]>>>,
      argument,
    );
  const copy = async (one: CopyInput) => {
    try {
      const plan = await run('planCopy', one);
      for (let chunk = 0; chunk < plan.chunks; chunk++) {
        await run('copyChunk', { copy: one, chunk, epoch: plan.epoch });
      }
      return await run('publishCopy', { copy: one, epoch: plan.epoch });
    } finally {
      await run('cleanUpCopy', one);
    }
  };
  const value = async (sql: string): Promise<unknown> =>
    Object.values((await db.query(sql)).rows[0] ?? {})[0];
  const count = (table = 'place') => value(`SELECT count(*)::int FROM ${table}`);
  const oid = (table = 'place') => value(`SELECT '${table}'::regclass::oid`);
  const wireOf = async (copyId: string): Promise<unknown> =>
    value(`SELECT detail::jsonb ->> 'wire' FROM _waybill_ledger WHERE chunk = -1 AND copy_id = '${copyId}'`);
  const sameRows = async (a: string, b: string): Promise<void> => {
    const both = `SELECT md5(string_agg(md5(t::text), ',' ORDER BY id)) FROM`;
    assert.equal(await value(`${both} ${a} t`), await value(`${both} ${b} t`));
  };

  test('every type that travels in binary form arrives as it left, verified', async () => {
    const one = input('kinds', { from: 'kinds', sink: { tableOption: 'autoCreate' } });
    const published = await copy(one);
    assert.equal(await wireOf('kinds'), 'pg-binary');
    assert.equal(published.rows, 5);
    assert.equal(published.sourceChecksum, published.sinkChecksum);
    assert.notEqual(published.sinkChecksum, '0');
    await sameRows('kinds', 'place');
  });

  test('a table made for the copy becomes the target with its staged rows', async () => {
    await copy(input('auto', { sink: { tableOption: 'autoCreate' }, source: { partitionOption: 'None' } }));
    await sameRows('many', 'place');
    assert.equal(await value("SELECT relpersistence FROM pg_class WHERE oid = 'place'::regclass"), 'p');
    assert.equal(await value("SELECT count(*)::int FROM pg_class WHERE relname LIKE '%\\_\\_wb\\_%'"), 0);
  });

  test('a table that the pre-copy script drops is made anew by autoCreate', async () => {
    const sink = { preCopyScript: 'DROP TABLE IF EXISTS place', tableOption: 'autoCreate' };
    for (const id of ['none', 'one']) {
      await copy(input(`dropped ${id}`, { sink }));
      await sameRows('many', 'place');
    }
    await db.query(
      "DROP TABLE place; CREATE TABLE place (id int, name text DEFAULT 'x', half numeric(4,1), more int)",
    );
    await copy(input('dropped with more', { sink }));
    await sameRows('many', 'place');
  });

  test('an emptied table is replaced with all that belongs to it', async () => {
    await db.query(`CREATE TABLE place (id int CONSTRAINT "the key" PRIMARY KEY, name text DEFAULT 'none' CHECK (name <> ''), half numeric(4,1) NOT NULL,
      added int DEFAULT 7, twice int GENERATED ALWAYS AS (id * 2) STORED, UNIQUE (name, half)) WITH (fillfactor = 90)`);
    await db.query('CREATE INDEX by_name ON place (lower(name) text_pattern_ops) WHERE half > 0');
    await db.query("COMMENT ON TABLE place IS 'it''s a place'");
    await db.query("COMMENT ON COLUMN place.name IS 'its name'");
    await db.query('CREATE ROLE reader');
    await db.query('GRANT SELECT, INSERT ON place TO reader WITH GRANT OPTION');
    await db.query('GRANT SELECT ON place TO PUBLIC');
    await db.query("INSERT INTO place VALUES (-1, 'old', 1)");
    const before = await oid();
    const described = async () => {
      const { shapeQuery } = await import('../../src/connectors/postgres/take-over-sql.ts');
      return value(shapeQuery({ schema: 'public', name: 'place' }));
    };
    const shape = await described();
    await copy(input('swap', { sink: { preCopyScript: 'TRUNCATE TABLE place' } }));
    assert.notEqual(await oid(), before, 'the staging table took its place');
    assert.equal(await described(), shape);
    assert.equal(await count(), 60000);
    assert.equal(await value('SELECT sum(added)::int FROM place'), 420000);
    assert.equal(await value('SELECT count(*)::int FROM place WHERE twice = id * 2'), 60000);
    assert.equal(
      await value("SELECT has_table_privilege('reader', 'place', 'INSERT WITH GRANT OPTION')"),
      true,
    );
    assert.equal(await value("SELECT reltuples::int FROM pg_class WHERE oid = 'place'::regclass"), 60000);
    await assert.rejects(db.query("INSERT INTO place VALUES (1, 'x', 1)"), /the key/);
  });

  const keeps: Record<string, string> = {
    'a view': 'CREATE VIEW on_place AS SELECT id FROM place',
    'a foreign key': 'CREATE TABLE child (id int REFERENCES place)',
    'a trigger':
      "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER t BEFORE INSERT ON place FOR EACH ROW EXECUTE FUNCTION nothing()",
    'row security': 'ALTER TABLE place ENABLE ROW LEVEL SECURITY',
    'a publication': 'CREATE PUBLICATION pub FOR TABLE place',
    'an identity column': 'ALTER TABLE place ADD extra int GENERATED BY DEFAULT AS IDENTITY',
    'an identity of its own making that the source has, too':
      'ALTER TABLE place ALTER id ADD GENERATED ALWAYS AS IDENTITY',
    'a serial column': 'ALTER TABLE place ADD extra serial',
    'a function of its row': "CREATE FUNCTION of(place) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    'a child table': 'CREATE TABLE heir () INHERITS (place)',
    'a column grant': 'GRANT SELECT (id) ON place TO PUBLIC',
    'another owner': 'CREATE ROLE other; ALTER TABLE place OWNER TO other',
    'extended statistics': 'CREATE STATISTICS st ON id, half FROM place',
    rows: "INSERT INTO place VALUES (-1, 'kept', 0)",
  };
  for (const [what, statement] of Object.entries(keeps)) {
    test(`a target with ${what} stays the table it is, and gets the rows`, async () => {
      await db.query('CREATE TABLE place (LIKE many INCLUDING ALL)');
      await db.query(statement);
      const before = await oid();
      await copy(input(`keep ${what}`));
      assert.equal(await oid(), before);
      assert.equal(await count('ONLY place'), what === 'rows' ? 60001 : 60000);
      assert.equal(await value("SELECT count(*)::int FROM pg_class WHERE relname LIKE '%\\_\\_wb\\_%'"), 0);
      await db.query('DROP TABLE IF EXISTS child; DROP TABLE IF EXISTS heir; DROP PUBLICATION IF EXISTS pub');
      await db.query('DROP FUNCTION IF EXISTS nothing CASCADE');
    });
  }

  test('a reader of the target is waited for a while, then the rows are inserted beside it', async () => {
    await db.query('CREATE TABLE place (LIKE many INCLUDING ALL)');
    const before = await oid();
    const reader = new pg.Client({
      host: '127.0.0.1',
      port: server.port,
      user: 'postgres',
      database: 'postgres',
    });
    await reader.connect();
    await reader.query('BEGIN; SELECT * FROM place');
    await copy(input('read'));
    assert.equal(await oid(), before);
    await reader.query('ROLLBACK');
    await reader.end();
    assert.equal(await count(), 60000);
  });

  test('steps may be repeated, also after a kill between any two', async () => {
    await db.query('CREATE TABLE place (LIKE many INCLUDING ALL)');
    const one = input('steps', {
      source: { partitionOption: 'DynamicRange', partitionSettings: { partitionColumnName: 'id' } },
      options: { parallelCopies: 4 },
    });
    const first = await run('planCopy', one);
    assert.ok(first.chunks >= 2);
    const again = await run('planCopy', one);
    assert.equal(again.epoch, first.epoch + 1);
    const all = Array.from({ length: again.chunks }, (_, chunk) => chunk);
    const done = await Promise.all(
      all.map((chunk) => run('copyChunk', { copy: one, chunk, epoch: again.epoch }, 2)),
    );
    assert.ok(done.every(({ resumed }) => !resumed));
    const repeated = await run('copyChunk', { copy: one, chunk: 0, epoch: again.epoch }, 3);
    assert.equal(repeated.resumed, true);
    assert.equal(repeated.sinkChecksum, done[0]?.sinkChecksum);
    assert.equal(repeated.rows, done[0]?.rows);
    await assert.rejects(run('publishCopy', { copy: one, epoch: first.epoch }), coded('CHUNK_FENCED'));
    assert.equal(await count(), 0);
    const published = await run('publishCopy', { copy: one, epoch: again.epoch });
    assert.deepEqual(await run('publishCopy', { copy: one, epoch: again.epoch }), published);
    assert.equal((await run('planCopy', one)).published, true);
    await run('cleanUpCopy', one);
    await run('cleanUpCopy', one);
    await sameRows('many', 'place');
  });

  const kills: Record<string, JsonObject> = {
    'in its script': { preCopyScript: 'TRUNCATE place' },
    'while it replaces the table': {},
  };
  for (const [where, sink] of Object.entries(kills)) {
    test(`a publish that is killed ${where} leaves the old target, and the next one publishes`, async () => {
      const old = sink['preCopyScript'] === undefined ? [] : ['old'];
      await db.query('CREATE TABLE place (LIKE many INCLUDING ALL)');
      for (const name of old) await db.query(`INSERT INTO place VALUES (-1, '${name}', 0)`);
      const one = input(`killed ${where}`, { sink });
      const plan = await run('planCopy', one);
      for (let chunk = 0; chunk < plan.chunks; chunk++) {
        await run('copyChunk', { copy: one, chunk, epoch: plan.epoch });
      }
      // Publishing waits for this reader; its connection is killed while it does.
      await db.query('BEGIN');
      await db.query('SELECT * FROM place');
      const publishing = assert.rejects(run('publishCopy', { copy: one, epoch: plan.epoch }));
      const deadline = Date.now() + 30_000;
      const other = new pg.Client({
        host: '127.0.0.1',
        port: server.port,
        user: 'postgres',
        database: 'postgres',
      });
      await other.connect();
      for (;;) {
        const { rows } = await other.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'waybill' AND wait_event_type = 'Lock'",
        );
        if (rows.length > 0) break;
        assert.ok(Date.now() < deadline, 'publishing never waited');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await other.end();
      await publishing;
      await db.query('COMMIT');
      assert.deepEqual(
        (await db.query('SELECT name FROM place')).rows.map(({ name }) => name),
        old,
      );
      await run('publishCopy', { copy: one, epoch: plan.epoch });
      await run('cleanUpCopy', one);
      await sameRows('many', 'place');
    });
  }

  test('an attempt that was overtaken loads nothing', async () => {
    await db.query('CREATE TABLE place (LIKE many INCLUDING ALL)');
    const one = input('fenced');
    const plan = await run('planCopy', one);
    const open = () =>
      connector.openSink({
        linkedService: service(),
        endpoint: one.sink,
        copyId: one.copyId,
        workDirectory: '/tmp',
        signal: new AbortController().signal,
      });
    const zombie = await open();
    try {
      const claim = await zombie.claimChunk(0, 7);
      assert.ok(claim.state === 'claimed');
      await run('copyChunk', { copy: one, chunk: 0, epoch: plan.epoch });
      const late = await zombie
        .writeFrames?.(0, 7, claim.plan, (async function* () {})())
        .catch((error: unknown) => error);
      assert.notEqual(late, undefined);
    } finally {
      await zombie.close();
    }
    for (let chunk = 1; chunk < plan.chunks; chunk++) {
      await run('copyChunk', { copy: one, chunk, epoch: plan.epoch });
    }
    await run('publishCopy', { copy: one, epoch: plan.epoch });
    await run('cleanUpCopy', one);
    assert.equal(await count(), 60000);
  });

  test('rows that fill gaps before the end of the staging table are verified too', async () => {
    await db.query(
      "CREATE TABLE wide AS SELECT i AS id, CASE WHEN i % 16000 < 8000 THEN repeat('w', 4100) ELSE 'short' END AS pad FROM generate_series(1, 32000) AS i",
    );
    await db.query('ALTER TABLE wide ALTER pad SET STORAGE PLAIN; ALTER TABLE wide ADD PRIMARY KEY (id)');
    await db.query('CREATE TABLE place (LIKE wide INCLUDING ALL)');
    const one = input('gaps', { from: 'wide', options: { parallelCopies: 4 } });
    const published = await copy(one);
    assert.equal(published.rows, 32000);
    await sameRows('wide', 'place');
  });

  test('a source that fails on its way leaves nothing, and the target is not emptied', async () => {
    await db.query(
      "CREATE TABLE place (id int, name text, half numeric(4,1)); INSERT INTO place VALUES (-1, 'old', 0)",
    );
    const one = input('fails', {
      source: { query: 'SELECT id, name, (1 / (id - 50000) * 0 + 1)::numeric(4,1) AS half FROM many' },
      sink: { preCopyScript: 'TRUNCATE place' },
    });
    await assert.rejects(copy(one), coded('SINK_TYPE_OVERFLOW'));
    await run('cleanUpCopy', one);
    assert.equal(await value('SELECT name FROM place'), 'old');
    assert.equal(await value("SELECT count(*)::int FROM pg_class WHERE relname LIKE '%\\_\\_wb\\_%'"), 0);
  });

  test('a row that the target refuses ends the COPY at once, and both ends are free for the next attempt', async () => {
    await db.query('CREATE TABLE place (LIKE many, CHECK (id <> 500), CHECK (id <> 59999))');
    for (const from of [0, 500]) {
      const source = { query: `SELECT * FROM many WHERE id > ${from}` };
      await assert.rejects(copy(input(`refused after ${from}`, { source })), coded('CONSTRAINT_VIOLATED'));
    }
    await db.query(
      'DROP TABLE place; CREATE TABLE place (LIKE many); ALTER TABLE place ALTER name SET NOT NULL',
    );
    const source = { query: 'SELECT id, nullif(name, $$row 7$$) AS name, half FROM many' };
    await assert.rejects(copy(input('null', { source })), /CONSTRAINT_VIOLATED|name/);
    assert.equal(await count(), 0);
    assert.equal(
      await value(
        "SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'waybill' AND state <> 'idle'",
      ),
      0,
    );
  });

  test('a target that rounds or cuts is not written verbatim, and says so', async () => {
    await db.query('CREATE TABLE exact (id int, amount numeric(8,3), name varchar(10))');
    await db.query("INSERT INTO exact VALUES (1, 1.005, 'abcdefghij')");
    await db.query('CREATE TABLE place (id int, amount numeric(8,2), name varchar(20))');
    await assert.rejects(copy(input('round', { from: 'exact' })), coded('SINK_TYPE_OVERFLOW'));
    await db.query('DROP TABLE place; CREATE TABLE place (id int, amount numeric(8,3), name varchar(5))');
    await assert.rejects(copy(input('cut', { from: 'exact' })), (error) => error instanceof WaybillError);
    await db.query('DROP TABLE place; CREATE TABLE place (id bigint, amount numeric(12,3), name text)');
    await copy(input('wide', { from: 'exact' }));
    assert.equal(await wireOf('wide'), null);
    assert.equal(await value('SELECT amount::text FROM place'), '1.005');
  });

  test('a table without a key is read by its blocks, and an update meanwhile fails the copy', async () => {
    await db.query(
      "CREATE TABLE heap AS SELECT 'k' || i AS key, repeat('x', 100) AS pad FROM generate_series(1, 50000) AS i",
    );
    await db.query('CREATE TABLE place (LIKE heap)');
    const one = input('blocks', { from: 'heap', options: { parallelCopies: 3 } });
    const plan = await run('planCopy', one);
    assert.equal(plan.chunks, 3);
    assert.match(plan.notes.join(' '), /read by its blocks/);
    assert.equal((await copy(one)).rows, 50000);
    assert.equal(await value('SELECT count(*)::int FROM place p JOIN heap USING (key, pad)'), 50000);
    const moved = input('moved', { from: 'heap', options: { parallelCopies: 3 } });
    const { epoch } = await run('planCopy', moved);
    await run('copyChunk', { copy: moved, chunk: 0, epoch });
    await db.query("UPDATE heap SET key = 'z' WHERE key = 'k50000'");
    await db.query('SELECT pg_stat_force_next_flush()');
    await db.query('SELECT 1');
    await assert.rejects(run('copyChunk', { copy: moved, chunk: 1, epoch }), coded('SOURCE_CHANGED'));
    await run('cleanUpCopy', moved);
    const none = input('none', {
      from: 'heap',
      source: { partitionOption: 'None' },
      options: { parallelCopies: 3 },
    });
    assert.equal((await run('planCopy', none)).chunks, 1);
    await run('cleanUpCopy', none);
  });

  test('a partitioned table is read partition by partition', async () => {
    await db.query('CREATE TABLE parted (id int, name text) PARTITION BY LIST (id)');
    await db.query('CREATE TABLE "Part 1" PARTITION OF parted FOR VALUES IN (0, 1) PARTITION BY LIST (id)');
    await db.query('CREATE TABLE part_0 PARTITION OF "Part 1" FOR VALUES IN (0)');
    await db.query('CREATE TABLE part_1 PARTITION OF "Part 1" FOR VALUES IN (1)');
    await db.query('CREATE TABLE part_d PARTITION OF parted DEFAULT');
    await db.query("INSERT INTO parted SELECT i % 4, 'row ' || i FROM generate_series(1, 1000) AS i");
    await db.query('CREATE TABLE place (LIKE parted)');
    const one = input('parted', { from: 'parted', source: { partitionOption: 'PhysicalPartitionsOfTable' } });
    assert.equal((await run('planCopy', one)).chunks, 3);
    assert.equal((await copy(one)).rows, 1000);
    assert.equal(await value('SELECT count(*)::int FROM (TABLE parted EXCEPT TABLE place) x'), 0);
  });

  test('what has no other name keeps it on its way as text, or fails by name', async () => {
    const columns = 'day date, at timestamp, moment timestamptz, tag text[]';
    await db.query(`CREATE TABLE edges (id int, ${columns}); CREATE TABLE place (id int, ${columns})`);
    await db.query(
      "INSERT INTO edges VALUES (1, 'infinity', '-infinity', 'infinity', '{}'), (2, '0044-03-15 BC', '0044-03-15 12:00 BC', '0044-03-15 12:00+00 BC', NULL), (3, '12345-01-01', '12345-01-01', '12345-01-01', '{a}')",
    );
    await copy(input('edges', { from: 'edges' }));
    assert.equal(await wireOf('edges'), null);
    await sameRows('edges', 'place');
    await db.query("CREATE TABLE nan (amount numeric, tag text[]); INSERT INTO nan VALUES ('NaN', '{}')");
    await db.query('DROP TABLE place; CREATE TABLE place (LIKE nan)');
    await assert.rejects(copy(input('nan', { from: 'nan' })), /amount/);
  });

  test('types without a binary form of their own go as texts and become themselves again', async () => {
    await db.query(
      "CREATE TYPE mood AS ENUM ('sad', 'it''s ok'); CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    );
    const columns =
      'id positive, moods mood[], one mood, span int4range, amount money, doc xml, at point, words tsvector, tree jsonb, bits bit(4), long interval(0), code char(4)';
    await db.query(`CREATE TABLE odd (${columns})`);
    await db.query(
      `INSERT INTO odd VALUES (1, '{sad,"it''s ok",NULL}', 'it''s ok', '[1,5)', '12.34', '<a>b</a>', '(1,2)', 'a b', '{"a":1}', '1010', '1 day', 'ab')`,
    );
    await db.query(`CREATE TABLE place (${columns})`);
    await copy(input('odd', { from: 'odd' }));
    assert.equal(await wireOf('odd'), null);
    await sameRows('odd', 'place');
  });

  test('a query may end in a semicolon, a comment, or both', async () => {
    const query =
      "SELECT id, name /* all ; of */ FROM many WHERE name <> 'x;--y' -- and no more; \n ; -- done";
    await copy(input('query', { source: { query }, sink: { tableOption: 'autoCreate' } }));
    assert.equal(await count(), 60000);
  });
});
