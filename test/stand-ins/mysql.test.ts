// MySQL through the copy activities against the world's MariaDB: its own types, what is refused, how it is written.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CancelledFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import mysql from 'mysql2/promise';
import type pg from 'pg';
import type { World } from '../../dev/world/world.ts';
import { createCopyActivities } from '../../src/activities/copy.ts';
import { connectorFor } from '../../src/connectors/registry.ts';
import { type ErrorCode, WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';
import type { Column } from '../../src/core/types/column.ts';
import { CopyRunner } from '../contract/copy-runner.ts';
import { mysqlStore } from '../contract/stores/mysql.ts';
import { postgresStore } from '../contract/stores/postgres.ts';
import { commitCutter } from '../support/commit-cutter.ts';
import { sharedWorld } from '../support/world.ts';

const name = `mysql_${process.pid}`;
const my = mysqlStore();
const postgres = postgresStore();
/** Linked services by name; tests add their own. */
const services = new Map<string, ConnectedLinkedService>();
let world: World;
let runner: CopyRunner;
let admin: mysql.Connection;
let serving: pg.Client;

describe('MySQL', { timeout: 600_000 }, () => {
  before(async () => {
    world = await sharedWorld(['mysql', 'postgres']);
    for (const store of [my, postgres]) {
      await store.start(world, name);
      services.set(store.id, store.service());
    }
    runner = await CopyRunner.start(name, (service) => services.get(service) as ConnectedLinkedService);
    const { port, user, passwordEnv } = world.mysql;
    admin = await mysql.createConnection({
      host: '127.0.0.1',
      port,
      user,
      password: world.env[passwordEnv] ?? '',
      database: name,
      dateStrings: true,
      supportBigNumbers: true,
      bigNumberStrings: true,
    });
    const { Client } = (await import('pg')).default;
    serving = new Client({ host: '127.0.0.1', port: world.postgres.port, user: 'postgres', database: name });
    await serving.connect();
    await serving.query("SET timezone = 'UTC'");
  });
  after(async () => {
    await runner?.stop();
    await serving?.end();
    await admin?.end();
  });

  const sql = async (text: string): Promise<Record<string, unknown>[]> =>
    (await admin.query(text))[0] as Record<string, unknown>[];
  const inPostgres = async (text: string): Promise<Record<string, unknown>[]> =>
    (await serving.query(text)).rows;
  const create = { tableOption: 'autoCreate' };
  const table = (place: string, settings: JsonObject = {}) => my.endpoint(place, settings);
  const target = (place: string, settings: JsonObject = create) => postgres.endpoint(place, settings);
  /** The same MySQL under another linked service's properties. */
  const other = (service: string, changes: JsonObject) => {
    const { type, properties } = my.service();
    services.set(service, { name: service, type, properties: { ...properties, ...changes } });
    return (place: string, settings: JsonObject = {}) => ({
      ...my.endpoint(place, settings),
      linkedService: service,
    });
  };
  const coded = (code: ErrorCode, text: RegExp) => (error: unknown) => {
    assert.ok(error instanceof WaybillError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  };
  const until = async (what: string, holds: () => Promise<boolean>, pause = 50): Promise<void> => {
    const deadline = Date.now() + 20_000;
    while (!(await holds())) {
      assert.ok(Date.now() < deadline, `not within 20 s: ${what}`);
      await delay(pause);
    }
  };
  /** Server threads of waybill's own: what runs, besides this test's connection. */
  const threads = async (): Promise<number> =>
    (
      await sql(
        `SELECT ID FROM INFORMATION_SCHEMA.PROCESSLIST WHERE DB = '${name}' AND ID <> CONNECTION_ID()`,
      )
    ).length;
  const openContext = (settings: JsonObject, signal: AbortSignal) => ({
    linkedService: my.service(),
    endpoint: my.endpoint('none', settings),
    copyId: 'by-hand',
    workDirectory: runner.workDirectory,
    signal,
  });

  const OWN = `CREATE TABLE own (id bigint unsigned PRIMARY KEY, tiny tinyint, small smallint unsigned, medium mediumint unsigned,
  whole int unsigned, padded int(8) zerofill, exact decimal(30,10), wide decimal(65,30), ratio float, ratio2 double,
  yes tinyint(1), bit1 bit(1), bits bit(12), born year, day date, at datetime(3), seen timestamp(6) NULL, clock time(2),
  code char(5), latin varchar(20) CHARACTER SET latin1, doc json, kind enum('Red','green, or blue'), flags set('a','b','c'),
  raw varbinary(20), big longblob, words mediumtext, token uuid) DEFAULT CHARSET utf8mb4`;

  test('its own types arrive exactly, in PostgreSQL and in another MySQL', async () => {
    await sql(OWN);
    await sql(`INSERT INTO own VALUES
    (1, -128, 65535, 16777215, 4294967295, 42, 12345678901234567890.0123456789, 12345678901234567890123456789012345.012345678901234567890123456789,
      16777216, 1.7976931348623157e308, 1, b'1', b'101010101010', 2155, '9999-12-31', '2024-02-29 13:14:15.123', '2038-01-19 03:14:07.999999',
      '23:59:59.99', 'ab', 'é ü', '{"b": [1, 2], "a": "🙂"}', 'green, or blue', 'a,c', x'00ff', x'5c6e0909', 'tab\\t, line\\n, back\\\\slash, nul\\0.', '6f9619ff-8b86-d011-b42d-00c04fc964ff'),
    (18446744073709551615, 127, 0, 0, 0, 0, -0.0000000001, -0.000000000000000000000000000001, 0.1, 5e-324, 0, b'0', b'0', 1901,
      '1000-01-01', '1000-01-01 00:00:00', '1970-01-01 00:00:01', '00:00:00', '', '', 'null', 'Red', '', '', '', '', '00000000-0000-0000-0000-000000000000'),
    (9223372036854775808, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`);
    await sql('CREATE TABLE own_like LIKE own');
    const again = await runner.copy('own/like', table('own'), table('own_like'));
    assert.equal(again.published.rows, 3);
    const every = (await sql('SHOW COLUMNS FROM own')).map((row) => `\`${row['Field']}\``);
    const same = every.map((column) => `a.${column} <=> b.${column}`).join(' AND ');
    assert.deepEqual(
      await sql(`SELECT a.id FROM own a LEFT JOIN own_like b ON ${same} WHERE b.id IS NULL`),
      [],
    );

    // NUL is what PostgreSQL's text cannot hold.
    const query = `SELECT ${every.filter((column) => column !== '`words`').join(', ')} FROM own`;
    const out = await runner.copy('own/out', table('own', { query }), target('own_out'));
    assert.equal(out.published.rows, 3);
    const [first, second] = await inPostgres('SELECT * FROM own_out ORDER BY yes DESC NULLS LAST, id');
    assert.equal(first?.['id'], '1');
    assert.equal(first?.['exact'], '12345678901234567890.0123456789');
    assert.equal(first?.['wide'], '12345678901234567890123456789012345.012345678901234567890123456789');
    assert.deepEqual([first?.['ratio'], first?.['ratio2']], [16777216, 1.7976931348623157e308]);
    assert.deepEqual(
      [first?.['padded'], first?.['born'], first?.['yes'], first?.['bit1']],
      ['42', 2155, true, true],
    );
    assert.deepEqual(first?.['bits'], Buffer.from('0aaa', 'hex'));
    assert.deepEqual(first?.['seen'], new Date('2038-01-19T03:14:07.999Z'));
    assert.deepEqual([first?.['latin'], first?.['kind'], first?.['flags']], ['é ü', 'green, or blue', 'a,c']);
    assert.equal(first?.['doc'], '{"b": [1, 2], "a": "🙂"}');
    assert.equal(second?.['id'], '18446744073709551615');
    assert.equal(second?.['wide'], '-0.000000000000000000000000000001');
    assert.deepEqual([second?.['ratio'], second?.['ratio2']], [0.1, 5e-324]);
    await sql('CREATE TABLE own_back LIKE own');
    const back = await runner.copy('own/back', postgres.endpoint('own_out'), table('own_back'));
    assert.equal(back.published.rows, 3);
    const kept = same.replaceAll('a.`words` <=> b.`words`', 'true');
    assert.deepEqual(
      await sql(`SELECT a.id FROM own a LEFT JOIN own_back b ON ${kept} WHERE b.id IS NULL`),
      [],
    );
  });

  test('a session of another zone and mode changes nothing', async () => {
    await sql('CREATE TABLE zoned (id int PRIMARY KEY, seen timestamp(6) NULL, words text)');
    await sql("SET time_zone = '+00:00'");
    await sql("INSERT INTO zoned VALUES (1, '2024-03-31 01:30:00.5', 'back\\\\slash ''quote''')");
    const [before] = await sql('SELECT @@GLOBAL.time_zone AS zone, @@GLOBAL.sql_mode AS mode');
    await sql("SET GLOBAL time_zone = '-07:00'");
    await sql("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES'");
    try {
      await runner.copy('zoned/out', table('zoned'), target('zoned_out'));
      await runner.copy('zoned/back', postgres.endpoint('zoned_out'), table('zoned_back', create));
    } finally {
      await sql(`SET GLOBAL time_zone = '${before?.['zone']}'`);
      await sql(`SET GLOBAL sql_mode = '${before?.['mode']}'`);
    }
    const [out] = await inPostgres('SELECT * FROM zoned_out');
    assert.deepEqual(out?.['seen'], new Date('2024-03-31T01:30:00.500Z'));
    assert.deepEqual(await sql('SELECT * FROM zoned_back'), [
      { id: 1, seen: '2024-03-31 01:30:00.500000', words: "back\\slash 'quote'" },
    ]);
  });

  test('zero dates are refused by row, become NULL, or travel as text, as the linked service says', async () => {
    await sql("SET sql_mode = ''");
    await sql('CREATE TABLE zeros (id int PRIMARY KEY, day date NOT NULL, at datetime)');
    await sql(
      "INSERT INTO zeros VALUES (1, '2024-01-01', NULL), (2, '0000-00-00', '0000-00-00 00:00:00'), (3, '2024-05-00', NULL)",
    );
    await sql('SET sql_mode = DEFAULT');
    await assert.rejects(
      runner.copy('zeros/refused', table('zeros'), target('zeros_refused')),
      coded('SINK_TYPE_OVERFLOW', /day \(date\) of .*2.* holds a zero date.*convertZeroDateTime/),
    );
    const asNull = other('zero_null', { convertZeroDateTime: true });
    await runner.copy('zeros/null', asNull('zeros'), target('zeros_null'));
    assert.deepEqual(await inPostgres('SELECT id, day::text, at::text FROM zeros_null ORDER BY id'), [
      { id: 1, day: '2024-01-01', at: null },
      { id: 2, day: null, at: null },
      { id: 3, day: null, at: null },
    ]);
    const asText = other('zero_text', { allowZeroDateTime: true });
    await runner.copy('zeros/text', asText('zeros'), target('zeros_text'));
    assert.deepEqual(await inPostgres('SELECT id, day, at FROM zeros_text ORDER BY id'), [
      { id: 1, day: '2024-01-01', at: null },
      { id: 2, day: '0000-00-00', at: '0000-00-00 00:00:00' },
      { id: 3, day: '2024-05-00', at: null },
    ]);
  });

  test('what no other store keeps is refused by name', async () => {
    await sql('CREATE TABLE odd (id int PRIMARY KEY, flag tinyint(1), clock time)');
    await sql("INSERT INTO odd VALUES (1, 1, '10:00:00'), (2, 2, '10:00:00'), (3, 0, '-25:00:00')");
    await assert.rejects(
      runner.copy('odd/flag', table('odd', { query: 'SELECT id, flag FROM odd' }), target('odd_flag')),
      coded('SINK_TYPE_OVERFLOW', /flag \(tinyint\(1\)\).*treatTinyAsBoolean/),
    );
    const numbers = other('numbers', { treatTinyAsBoolean: false });
    await runner.copy(
      'odd/number',
      numbers('odd', { query: 'SELECT id, flag FROM odd' }),
      target('odd_number'),
    );
    assert.deepEqual(await inPostgres('SELECT flag FROM odd_number ORDER BY id'), [
      { flag: 1 },
      { flag: 2 },
      { flag: 0 },
    ]);
    await assert.rejects(
      runner.copy('odd/clock', table('odd', { query: 'SELECT clock FROM odd' }), target('odd_clock')),
      coded('SINK_TYPE_OVERFLOW', /clock \(time.*a time outside 00:00:00 to 23:59:59/),
    );
    await sql('CREATE TABLE places (id int PRIMARY KEY, spot point)');
    await assert.rejects(
      runner.copy('odd/point', table('places'), target('odd_point')),
      coded('TYPE_UNSUPPORTED', /Column spot \(point\).*cannot be carried/),
    );
    await runner.copy(
      'odd/rest',
      table('places', { query: 'SELECT id, ST_AsText(spot) AS spot FROM places' }),
      target('odd_rest'),
    );
  });

  test('a target without transactions is refused', async () => {
    await inPostgres(
      "CREATE TABLE few AS SELECT i AS id, 'row ' || i AS words FROM generate_series(1, 10) AS i",
    );
    await sql('CREATE TABLE old_engine (id int, words text) ENGINE = MyISAM');
    await assert.rejects(
      runner.copy('myisam', postgres.endpoint('few'), table('old_engine')),
      coded('DEFINITION_UNSUPPORTED', /MyISAM, which has no transactions.*ENGINE = InnoDB/),
    );
  });

  test('a value that the server would clip fails the copy, verified or not, and the target stays as it was', async () => {
    await sql('CREATE TABLE narrow (id int, words varchar(20) CHARACTER SET latin1)');
    await sql("INSERT INTO narrow VALUES (0, 'before')");
    const query = "SELECT 1 AS id, 'plain' AS words UNION ALL SELECT 2, 'no latin: 漢字'";
    for (const validateDataConsistency of [true, false]) {
      await assert.rejects(
        runner.copy(
          `narrow/${validateDataConsistency}`,
          postgres.endpoint('few', { query }),
          table('narrow'),
          {
            validateDataConsistency,
          },
        ),
        (error: unknown) => {
          coded('SINK_TYPE_OVERFLOW', /1366 Incorrect string value for column .*`words` at row 2/)(error);
          assert.ok(!String(error).includes('\\xE6'), 'no value in the message');
          return true;
        },
      );
    }
    assert.deepEqual(await sql('SELECT * FROM narrow'), [{ id: 0, words: 'before' }]);
  });

  test('a server that takes no LOAD DATA LOCAL gets INSERTs of the same rows', async () => {
    await sql('SET GLOBAL local_infile = 0');
    try {
      await sql('CREATE TABLE own_inserted LIKE own');
      const run = await runner.copy('own/inserted', table('own'), table('own_inserted'));
      assert.equal(run.published.rows, 3);
      assert.equal(run.published.sinkChecksum, run.published.sourceChecksum);
      assert.ok(run.plan.notes.some((note) => note.includes('local_infile is off')));
      const [found] = await sql(
        'SELECT COUNT(*) AS n FROM own_inserted a JOIN own b USING (id, words, raw) ',
      );
      assert.equal(Number(found?.['n']), 2, 'the third row has NULLs there');
    } finally {
      await sql('SET GLOBAL local_infile = 1');
    }
  });

  test('an upsert changes the rows of its keys and adds the others', async () => {
    await sql(
      'CREATE TABLE kept (id int PRIMARY KEY, words varchar(20), extra int DEFAULT 7, other varchar(9) UNIQUE)',
    );
    await sql("INSERT INTO kept VALUES (1, 'old', 1, 'x'), (2, 'old', 2, NULL)");
    const upsert = { writeBehavior: 'upsert', upsertSettings: { keys: ['id'] } };
    const query = "SELECT 2 AS id, 'new' AS words UNION ALL SELECT 3, 'new'";
    await runner.copy('kept/1', postgres.endpoint('few', { query }), table('kept', upsert));
    assert.deepEqual(await sql('SELECT id, words, extra FROM kept ORDER BY id'), [
      { id: 1, words: 'old', extra: 1 },
      { id: 2, words: 'new', extra: 2 },
      { id: 3, words: 'new', extra: 7 },
    ]);
    // ON DUPLICATE KEY UPDATE would overwrite row 1, which nobody named.
    const clash = "SELECT 9 AS id, 'clash' AS words, 'x' AS other";
    await assert.rejects(
      runner.copy('kept/2', postgres.endpoint('few', { query: clash }), table('kept', upsert)),
      coded('CONSTRAINT_VIOLATED', /1062 Duplicate entry/),
    );
    assert.deepEqual(await sql('SELECT words FROM kept WHERE id IN (1, 9)'), [{ words: 'old' }]);
  });

  test('a key beyond 2^63 is split into ranges, and every row arrives once', async () => {
    await sql('CREATE TABLE spread (id bigint unsigned PRIMARY KEY, n int)');
    await sql('INSERT INTO spread SELECT 9223372036854770000 + seq, seq FROM seq_1_to_30000');
    const run = await runner.copy('spread', table('spread'), target('spread'));
    assert.ok(run.plan.chunks > 1, `${run.plan.chunks} chunks`);
    assert.deepEqual(
      await inPostgres(
        'SELECT count(*)::int AS n, count(DISTINCT id)::int AS ids, sum(n)::int AS total FROM spread',
      ),
      [{ n: 30000, ids: 30000, total: 450015000 }],
    );
  });

  test('TLS is verified: an unknown authority is refused, and plain text only goes where the settings say so', async () => {
    const unknown = other('unknown', { caFile: '' });
    const { caFile: _ca, ...rest } = my.service().properties;
    services.set('unknown', { name: 'unknown', type: 'MySql', properties: rest });
    await assert.rejects(
      runner.run('planCopy', runner.input('tls/unknown', unknown('own'), target('never'))),
      coded('CONNECTION_FAILED', /self.signed|certificate/i),
    );
    for (const sslMode of ['DISABLED', 'PREFERRED', 'VERIFY_CA', 'VERIFY_IDENTITY']) {
      const chosen = other(`tls_${sslMode}`, { sslMode });
      const query =
        "SELECT VARIABLE_VALUE AS cipher FROM INFORMATION_SCHEMA.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'";
      await runner.copy(`tls/${sslMode}`, chosen('own', { query }), target(`tls_${sslMode.toLowerCase()}`));
      const [row] = await inPostgres(`SELECT cipher FROM tls_${sslMode.toLowerCase()}`);
      assert.equal(String(row?.['cipher']).length > 0, sslMode !== 'DISABLED', sslMode);
    }
  });

  test('cancelled, or left in the middle, a read ends on the server too', async () => {
    const controller = new AbortController();
    const connector = await connectorFor('MySql');
    const query = 'SELECT seq, SLEEP(seq > 1) AS slow FROM seq_1_to_100000';
    const sleeping = await connector.openSource(openContext({ query }, controller.signal));
    const seq: Column = { name: 'seq', type: 'Int64', nullable: true, native: 'bigint' };
    const columns = [seq];
    const reading = (async () => {
      for await (const _batch of sleeping.read(
        [seq, { ...seq, name: 'slow' }],
        { lower: null, upper: null },
        {},
      ));
    })();
    const ended = assert.rejects(reading);
    await until('the query runs', async () => (await threads()) === 1);
    controller.abort();
    await ended;
    await sleeping.close();
    await until('no thread is left after a cancellation', async () => (await threads()) === 0);

    const left = await connector.openSource(
      openContext({ query: 'SELECT seq FROM seq_1_to_10000000' }, new AbortController().signal),
    );
    for await (const batch of left.read(columns, { lower: null, upper: null }, {})) {
      assert.ok(batch.length > 0);
      break;
    }
    await left.close();
    await until('no thread is left after an early end', async () => (await threads()) === 0);
  });

  test('cancelled in the middle of a load, nothing of it stays, nor its thread', async () => {
    const query =
      'SELECT i AS id, pg_sleep(i % 1000 / 999) IS NULL AS slow FROM generate_series(1, 20000) AS i';
    const input = runner.input('cancelled', postgres.endpoint('few', { query }), table('cancelled', create));
    const plan = await runner.run('planCopy', input);
    const environment = new MockActivityEnvironment({ attempt: 1 });
    const { copyChunk } = createCopyActivities({
      resolveLinkedService: async (service) => services.get(service) as ConnectedLinkedService,
      workDirectory: runner.workDirectory,
    });
    const cancelled = assert.rejects(
      environment.run(copyChunk, { copy: input, chunk: 0, epoch: plan.epoch }) as Promise<unknown>,
      (error: unknown) => error instanceof CancelledFailure,
    );
    await until('the load runs', async () => (await threads()) === 1);
    const hasRows = async (): Promise<boolean> => {
      const [found] = await sql(
        "SELECT COUNT(*) AS n FROM INFORMATION_SCHEMA.INNODB_TRX WHERE trx_rows_modified > 0 AND trx_query LIKE 'LOAD DATA%'",
      );
      return Number(found?.['n']) === 1;
    };
    // InnoDB reads its transactions anew only when nobody has asked for 0.1 s (CACHE_MIN_IDLE_TIME_NS in trx0i_s.cc):
    // who asks more often is told the first answer for ever.
    await until('it has rows', hasRows, 250);
    environment.cancel();
    await cancelled;
    await until('no thread is left', async () => (await threads()) === 0);
    const [staging] = (await my.leftovers()).filter((left) => left.startsWith('cancelled'));
    assert.deepEqual(await sql(`SELECT COUNT(*) AS n FROM \`${staging}\``), [{ n: '0' }]);
    await runner.run('cleanUpCopy', input);
  });

  test('a connection killed in the middle of LOAD DATA, and of a read, is a connection that failed', async () => {
    await sql('CREATE TABLE target (id int PRIMARY KEY, words text)');
    const input = runner.input(
      'killed',
      postgres.endpoint('few', {
        query: "SELECT i AS id, repeat('x', 200) AS words FROM generate_series(1, 200000) AS i",
      }),
      table('target'),
    );
    const plan = await runner.run('planCopy', input);
    // A killed connection stays in the list while it dies: it is not the one that is looked for next.
    const killed = new Set<unknown>();
    const kill = async (running: string, what = 'CONNECTION'): Promise<void> => {
      await until(`${running} runs`, async () => {
        const found = await sql(
          `SELECT ID FROM INFORMATION_SCHEMA.PROCESSLIST WHERE DB = '${name}' AND INFO LIKE '${running}%' AND ID <> CONNECTION_ID()`,
        );
        const id = found.map((row) => row['ID']).find((one) => !killed.has(one));
        if (id === undefined) return false;
        killed.add(id);
        await sql(`KILL ${what} ${id}`);
        return true;
      });
    };
    const broken = assert.rejects(
      runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch }),
      (error: unknown) =>
        error instanceof WaybillError && error.code === 'CONNECTION_FAILED' && error.retryable,
    );
    await kill('LOAD DATA');
    await broken;
    // Only the statement: the connection goes on, and must not take the rest of the rows for its next statement.
    const stopped = assert.rejects(
      runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch }),
      (error: unknown) => error instanceof WaybillError && error.retryable,
    );
    await kill('LOAD DATA', 'QUERY');
    await stopped;
    for (let chunk = 0; chunk < plan.chunks; chunk++) {
      const done = await runner.run('copyChunk', { copy: input, chunk, epoch: plan.epoch }, 2);
      assert.equal(done.resumed, false);
    }
    assert.equal((await runner.run('publishCopy', { copy: input, epoch: plan.epoch })).rows, 200_000);
    await runner.run('cleanUpCopy', input);
    assert.deepEqual(
      (await my.leftovers()).filter((left) => left.startsWith('target')),
      [],
    );

    const reading = runner.copy(
      'killed/read',
      table('target', { query: 'SELECT id, SLEEP(id = 150000) AS s, words FROM target' }),
      target('killed_read'),
    );
    const failed = assert.rejects(
      reading,
      (error: unknown) =>
        error instanceof WaybillError && error.code === 'CONNECTION_FAILED' && error.retryable,
    );
    await kill('SELECT `id` AS c0');
    await failed;
  });

  test('a lock that another holds too long is a store that is busy, and the next attempt passes', async () => {
    await sql('CREATE TABLE locked (id int PRIMARY KEY, words text)');
    await sql("INSERT INTO locked VALUES (1, 'old')");
    await sql('SET GLOBAL innodb_lock_wait_timeout = 1');
    try {
      const input = runner.input(
        'locked',
        postgres.endpoint('few'),
        table('locked', { preCopyScript: 'TRUNCATE TABLE locked' }),
      );
      const plan = await runner.run('planCopy', input);
      await runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch });
      await sql('START TRANSACTION');
      await sql("UPDATE locked SET words = 'mine' WHERE id = 1");
      await assert.rejects(
        runner.run('publishCopy', { copy: input, epoch: plan.epoch }),
        (error: unknown) => coded('STORE_BUSY', /1205/)(error) && (error as WaybillError).retryable,
      );
      await sql('ROLLBACK');
      assert.deepEqual(await sql('SELECT * FROM locked'), [{ id: 1, words: 'old' }]);
      assert.equal((await runner.run('publishCopy', { copy: input, epoch: plan.epoch }, 2)).rows, 10);
      await runner.run('cleanUpCopy', input);
      assert.deepEqual(await sql('SELECT COUNT(*) AS n FROM locked'), [{ n: '10' }]);
    } finally {
      await sql('ROLLBACK');
      await sql('SET GLOBAL innodb_lock_wait_timeout = 50');
    }
  });

  test('a COMMIT whose answer is lost counts once', async () => {
    const { port } = world.mysql;
    const cutter = await commitCutter('127.0.0.1', port);
    try {
      const through = other('cutter', { server: '127.0.0.1', port: cutter.port, sslMode: 'DISABLED' });
      const input = runner.input('commit', postgres.endpoint('few'), through('committed', create));
      const again = async <T>(step: (attempt: number) => Promise<T>): Promise<T> => {
        cutter.arm();
        await assert.rejects(step(1), (error: unknown) => error instanceof WaybillError && error.retryable);
        assert.equal(cutter.cuts(), 1, 'a COMMIT was cut');
        return step(2);
      };
      const plan = await again((attempt) => runner.run('planCopy', input, attempt));
      const chunk = await again((attempt) =>
        runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch }, attempt),
      );
      assert.equal(chunk.resumed, true);
      const published = await again((attempt) =>
        runner.run('publishCopy', { copy: input, epoch: plan.epoch }, attempt),
      );
      assert.equal(published.rows, 10);
      await runner.run('cleanUpCopy', input);
      assert.deepEqual(await sql('SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids FROM committed'), [
        { n: '10', ids: '10' },
      ]);
    } finally {
      await cutter.stop();
    }
  });
});
