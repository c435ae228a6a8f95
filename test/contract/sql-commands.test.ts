// One suite for the statements of every SQL connector: values as JSON, parameters by the driver, several statements, limits,
// errors and cancellation. CONNECTORS=MySql chooses stores.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connectorFor } from '../../src/connectors/registry.ts';
import type { SqlAnswer, SqlCommands, SqlLimits, SqlParameter } from '../../src/connectors/sql-commands.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject, JsonValue } from '../../src/core/json.ts';
import { sharedWorld } from '../support/world.ts';
import { mysqlStore } from './stores/mysql.ts';
import { postgresStore } from './stores/postgres.ts';
import { snowflakeStore } from './stores/snowflake.ts';
import { sqlServerStore } from './stores/sql-server.ts';
import { never, type Store } from './stores/store.ts';

/** What a store's own SQL calls things; statements here are as alike as the stores let them be. */
interface Speech {
  readonly store: Store;
  /** Columns of the table `kinds`, in the order of KINDS. */
  readonly types: string;
  readonly values: string;
  /** KINDS as this store shows them. */
  readonly shown: JsonObject;
  /** A statement that runs for a minute, and how many such run in the store, where it can be asked. */
  readonly slow: string;
  readonly running?: string;
  /** A parameter's place in a statement. */
  readonly mark: (name: string) => string;
  readonly series: (count: number) => string;
}

const shown: JsonObject = {
  whole: 7,
  big: 9007199254740991,
  huge: '9223372036854775807',
  price: 12.5,
  ratio: 0.1,
  flag: true,
  name: 'é 🙂 "it\'s"',
  day: '2024-02-29T00:00:00',
  happened: '2013-01-01T05:00:00.123',
  clock: '23:59:59',
  nothing: null,
};

const speeches: readonly Speech[] = [
  {
    store: sqlServerStore(),
    types:
      'whole int, big bigint, huge bigint, price decimal(10,2), ratio float, flag bit, name nvarchar(50), day date, happened datetime, clock time(0), nothing int',
    values:
      "7, 9007199254740991, 9223372036854775807, 12.50, 0.1, 1, N'é 🙂 \"it''s\"', '2024-02-29', '2013-01-01 05:00:00.123', '23:59:59', NULL",
    shown,
    slow: "WAITFOR DELAY '00:01:00'",
    mark: (name) => `@${name}`,
    series: (count) => `SELECT value AS id FROM GENERATE_SERIES(1, ${count})`,
  },
  {
    store: postgresStore(),
    types:
      'whole int, big bigint, huge bigint, price numeric(10,2), ratio double precision, flag boolean, name text, day date, happened timestamp(3), clock time(0), nothing int',
    values:
      "7, 9007199254740991, 9223372036854775807, 12.50, 0.1, true, 'é 🙂 \"it''s\"', '2024-02-29', '2013-01-01 05:00:00.123', '23:59:59', NULL",
    shown,
    slow: 'SELECT pg_sleep(60)',
    running:
      "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query = 'SELECT pg_sleep(60)'",
    mark: (name) => `@${name}`,
    series: (count) => `SELECT id FROM generate_series(1, ${count}) AS id`,
  },
  {
    store: mysqlStore(),
    types:
      'whole int, big bigint, huge bigint, price decimal(10,2), ratio double, flag tinyint(1), name varchar(50), day date, happened datetime(3), clock time, nothing int',
    values:
      "7, 9007199254740991, 9223372036854775807, 12.50, 0.1, 1, 'é 🙂 \"it''s\"', '2024-02-29', '2013-01-01 05:00:00.123', '23:59:59', NULL",
    shown,
    slow: 'SELECT SLEEP(60)',
    running:
      "SELECT COUNT(*) AS n FROM INFORMATION_SCHEMA.PROCESSLIST WHERE DB = DATABASE() AND INFO = 'SELECT SLEEP(60)'",
    mark: (name) => `@${name}`,
    series: (count) =>
      `WITH RECURSIVE s AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM s WHERE id < ${count}) SELECT id FROM s`,
  },
  {
    store: snowflakeStore(),
    types:
      'whole NUMBER(10,0), big NUMBER(38,0), huge NUMBER(38,0), price NUMBER(10,2), ratio FLOAT, flag BOOLEAN, name VARCHAR, day DATE, happened TIMESTAMP_NTZ(3), clock TIME(0), nothing NUMBER(10,0)',
    values:
      "7, 9007199254740991, 9223372036854775807, 12.50, 0.1, TRUE, 'é 🙂 \"it''s\"', '2024-02-29', '2013-01-01 05:00:00.123', '23:59:59', NULL",
    // Snowflake folds names to upper case.
    shown: Object.fromEntries(Object.entries(shown).map(([name, value]) => [name.toUpperCase(), value])),
    slow: `SELECT COUNT(*) AS c FROM (SELECT 1 AS v FROM ${[1, 2, 3].map((n) => `TABLE(GENERATOR(ROWCOUNT => 20000)) g${n}`).join(', ')}) WHERE v > 0`,
    mark: (name) => `:${name}`,
    series: (count) => `SELECT SEQ4() + 1 AS id FROM TABLE(GENERATOR(ROWCOUNT => ${count}))`,
  },
];

const chosen = process.env['CONNECTORS']?.split(',');
const all: SqlLimits = { maxRows: 5_000, stopEarly: false };
const input = (name: string, value: JsonValue, type?: string): SqlParameter => ({
  name,
  value,
  direction: 'Input',
  ...(type === undefined ? {} : { type }),
});
const lower = (row: JsonObject | undefined): JsonObject =>
  Object.fromEntries(Object.entries(row ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
const rowsOf = ({ resultSets }: SqlAnswer): JsonObject[] => (resultSets[0]?.rows ?? []).map(lower);

describe('statements on every SQL store', { timeout: 600_000 }, () => {
  const spoken = speeches.filter(({ store }) => !chosen || chosen.includes(store.type));
  before(async () => {
    const world = await sharedWorld([...new Set(spoken.flatMap(({ store }) => store.engines))]);
    for (const { store } of spoken) await store.start(world, `commands_${process.pid}`);
  });
  after(async () => {
    for (const { store } of spoken) await store.stop();
  });

  const open = async ({ store }: Speech, signal = never): Promise<SqlCommands> => {
    const { openCommands } = await connectorFor(store.type);
    assert.ok(openCommands, `${store.type} takes statements`);
    return openCommands({ linkedService: store.service(), tag: 'contract', signal });
  };
  const using = async <T>(speech: Speech, work: (commands: SqlCommands) => Promise<T>): Promise<T> => {
    const commands = await open(speech);
    try {
      return await work(commands);
    } finally {
      await commands.close();
    }
  };

  for (const speech of spoken) {
    const { store, mark } = speech;

    test(`${store.id}: values of each kind are JSON as Data Factory shows them`, () =>
      using(speech, async (commands) => {
        await commands.run(`CREATE TABLE kinds (${speech.types})`, [], all);
        const inserted = await commands.run(`INSERT INTO kinds VALUES (${speech.values})`, [], all);
        assert.equal(inserted.recordsAffected, 1);
        assert.deepEqual(inserted.resultSets, []);
        const text = await commands.selectFrom(store.endpoint('kinds').dataset, 10);
        const { resultSets } = await commands.run(text ?? '', [], all);
        assert.deepEqual(resultSets[0]?.rows, [speech.shown]);
        assert.equal(resultSets[0]?.rowCount, 1);
      }));

    test(`${store.id}: a parameter's value is never part of the statement`, () =>
      using(speech, async (commands) => {
        const evil = `x'); DROP TABLE guarded; -- ${mark('n')} \\' "`;
        await commands.run('CREATE TABLE guarded (id int, name varchar(200))', [], all);
        const text = `INSERT INTO guarded (id, name) VALUES (${mark('n')}, ${mark('name')})`;
        const parameters = [input('n', '42', 'Int32'), input('name', evil, 'String')];
        assert.equal((await commands.run(text, parameters, all)).recordsAffected, 1);
        await commands.run(text, [input('n', 43, 'Int32'), input('name', null, 'String')], all);
        const found = await commands.run('SELECT id, name FROM guarded ORDER BY id', [], all);
        assert.deepEqual(rowsOf(found), [
          { id: 42, name: evil },
          { id: 43, name: null },
        ]);
        const one = await commands.run(
          `SELECT name FROM guarded WHERE id = ${mark('n')} AND name LIKE '%${mark('n')}%'`,
          [input('n', 42, 'Int32')],
          all,
        );
        assert.deepEqual(rowsOf(one), [{ name: evil }], 'a name within a literal is no parameter');
      }));

    test(`${store.id}: several statements give all their results, and count what they changed together`, () =>
      using(speech, async (commands) => {
        await commands.run('CREATE TABLE several (id int)', [], all);
        const { resultSets, recordsAffected } = await commands.run(
          "INSERT INTO several VALUES (1), (2); SELECT id FROM several ORDER BY id; UPDATE several SET id = id + 10; SELECT 'a;b' AS t FROM several WHERE id > 100;",
          [],
          all,
        );
        assert.equal(recordsAffected, 4);
        assert.deepEqual(
          resultSets.map(({ rows }) => rows.map(lower)),
          [[{ id: 1 }, { id: 2 }], []],
        );
      }));

    test(`${store.id}: what comes after a statement that fails is not done`, () =>
      using(speech, async (commands) => {
        await commands.run('CREATE TABLE halted (id int)', [], all);
        await assert.rejects(
          commands.run('INSERT INTO missing_table VALUES (1); INSERT INTO halted VALUES (2)', [], all),
          (error: unknown) =>
            error instanceof WaybillError &&
            error.code === 'OBJECT_MISSING' &&
            /missing_table/i.test(error.message),
        );
        await using(speech, async (other) => {
          assert.deepEqual(rowsOf(await other.run('SELECT id FROM halted', [], all)), []);
        });
      }));

    test(`${store.id}: no more rows are kept than asked for, and a long result is left early`, () =>
      using(speech, async (commands) => {
        const kept = await commands.run(speech.series(500), [], { maxRows: 3, stopEarly: false });
        assert.deepEqual([kept.resultSets[0]?.rows.length, kept.resultSets[0]?.rowCount], [3, 500]);
        const left = await commands.run(speech.series(500), [], { maxRows: 3, stopEarly: true });
        assert.equal(left.resultSets[0]?.rows.length, 3);
      }));

    test(`${store.id}: columns without a name, or with another's, are told apart`, () =>
      using(speech, async (commands) => {
        const { resultSets } = await commands.run('SELECT 1 AS a, 2 AS a, 3 AS b', [], all);
        assert.deepEqual(rowsOf({ resultSets } as SqlAnswer), [{ a: 1, a1: 2, b: 3 }]);
      }));

    test(`${store.id}: a cancelled statement ends in the store`, async () => {
      const stop = new AbortController();
      const commands = await open(speech, stop.signal);
      const began = Date.now();
      const running = commands.run(speech.slow, [], all).then(
        () => assert.fail('it ended well'),
        (error: unknown) => error,
      );
      const timer = setTimeout(() => stop.abort(), 1_000);
      const error = await running;
      clearTimeout(timer);
      const took = Date.now() - began;
      assert.ok(error instanceof Error);
      assert.ok(took >= 950 && took < 30_000, `it ended after ${took} ms: ${error.message}`);
      await commands.close().catch(() => undefined);
      const { running: count } = speech;
      if (count === undefined) return;
      await using(speech, async (other) => {
        const deadline = Date.now() + 20_000;
        while (rowsOf(await other.run(count, [], all))[0]?.['n'] !== 0)
          assert.ok(Date.now() < deadline, 'it still runs in the store');
      });
    });

    test(`${store.id}: refused credentials are named without being shown`, async (t) => {
      const refused = store.refusedService('not-the-password-0815');
      if (refused === undefined) return t.skip('it trusts whoever comes from this machine');
      const { openCommands } = await connectorFor(store.type);
      await assert.rejects(
        async () => openCommands?.({ linkedService: refused, tag: 'contract', signal: never }),
        (error: unknown) =>
          error instanceof WaybillError &&
          error.code === 'AUTHENTICATION_FAILED' &&
          !JSON.stringify([error.message, error.details]).includes('0815'),
      );
    });
  }
});
