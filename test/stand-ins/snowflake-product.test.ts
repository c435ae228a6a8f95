// The product's Snowflake connector against the stand-in: files and their sizes, what goes wrong in the middle, types.
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { copyKey } from '../../src/connectors/common/identifier.ts';
import { measureRows } from '../../src/connectors/common/measured-rows.ts';
import type { CopySink, StoredPlan } from '../../src/connectors/connector.ts';
import { CONNECTORS } from '../../src/connectors/registry.ts';
import { writeSizedFiles } from '../../src/connectors/snowflake/sized-files.ts';
import { InternalStage } from '../../src/connectors/snowflake/stage.ts';
import { SnowflakeStore } from '../../src/connectors/snowflake/writer.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { Column, MappedColumn, Row } from '../../src/core/types/column.ts';
import { ask, coded, openSession, SnowflakeCopies, snowflakeService } from '../support/snowflake-product.ts';
import {
  execute,
  type Fixture,
  makeHome,
  rows,
  StandIn,
  startFixture,
} from '../support/snowflake-stand-in.ts';
import { type StatementProxy, startStatementProxy } from '../support/statement-proxy.ts';

const column = (name: string, type: Column['type'], native: string, more: Partial<Column> = {}): Column => ({
  name,
  type,
  native,
  nullable: true,
  ...more,
});
const ID = column('ID', 'Decimal', 'NUMBER(38,0)', { precision: 38, scale: 0 });
const NAME = column('NAME', 'String', 'TEXT');
const COLUMNS: MappedColumn[] = [ID, NAME].map((one) => ({ source: one, sink: one }));

async function* batchesOf(count: number, from = 0): AsyncGenerator<Row[]> {
  for (let at = 0; at < count; at += 500) {
    yield Array.from({ length: Math.min(500, count - at) }, (_, i): Row => {
      const id = from + at + i;
      return [String(id), id % 7 === 0 ? null : id % 11 === 0 ? '' : `row "${id}", ${'x'.repeat(id % 50)}`];
    });
  }
}

const measured = (count: number, from = 0) =>
  measureRows(batchesOf(count, from), COLUMNS, { verify: true, progress: () => undefined });

describe('the Snowflake connector', { timeout: 300_000 }, () => {
  let fixture: Fixture;
  let proxy: StatementProxy;
  let copies: SnowflakeCopies;

  const openSink = async (copyId: string, table: string, settings: JsonObject = {}): Promise<CopySink> => {
    const connector = await CONNECTORS['SnowflakeV2']?.();
    assert.ok(connector);
    return connector.openSink({
      linkedService: copies.services['ls_snowflake'] ?? snowflakeService(fixture.server.url),
      endpoint: copies.table(table, settings),
      copyId,
      workDirectory: copies.workDirectory,
      signal: new AbortController().signal,
    });
  };
  /** Lets `fate` befall one session's statements that match, and resolves at the first. */
  const firstOf = (matches: (statement: string) => boolean, fate: 'refuse' | 'lose the answer') =>
    new Promise<void>((resolve) => {
      let first: string | undefined;
      proxy.rule = async (statement) => {
        if (first === undefined ? !matches(statement) : statement !== first) return 'pass';
        first = statement;
        resolve();
        return fate;
      };
    });
  const planOf = (): StoredPlan => ({
    columns: COLUMNS,
    sourceState: {},
    rows: 0,
    from: 'test',
    verify: true,
    notes: [],
  });
  const one = async (sql: string): Promise<unknown[]> =>
    Object.values((await rows(fixture.db, sql))[0] ?? {});

  before(async () => {
    fixture = await startFixture('--idle-transaction-seconds', '3');
    proxy = await startStatementProxy(fixture.server.url);
    copies = new SnowflakeCopies(proxy.url, fixture.home.directory);
    await execute(
      fixture.db,
      `CREATE TABLE MANY AS SELECT SEQ4() AS ID, 'row ' || SEQ4() || ', "' || SEQ4() % 13 || '"' AS NAME,
       DATEADD(second, SEQ4(), '2024-01-01'::TIMESTAMP_NTZ) AS AT, (SEQ4() % 97)::NUMBER(9,2) / 4 AS PART
       FROM TABLE(GENERATOR(ROWCOUNT => 30000))`,
    );
  });
  after(async () => {
    await proxy?.stop();
    await fixture?.stop();
  });

  test('a chunk becomes files of a size, uploaded at once and loaded by name; every row counts', async () => {
    await execute(fixture.db, 'CREATE TABLE SIZED (ID NUMBER, NAME VARCHAR, WB NUMBER)');
    const connection = await openSession(copies.services['ls_snowflake'] ?? snowflakeService(proxy.url));
    const stage = new InternalStage(connection, 'PUBLIC', 'sized', copies.workDirectory);
    const store = new SnowflakeStore(connection, stage, { fileBytes: 20_000 });
    const request = {
      staging: { schema: 'PUBLIC', name: 'SIZED' },
      columns: COLUMNS,
      chunkColumn: 'WB',
      chunk: 3,
      generation: 7,
    };
    try {
      const rowsToLoad = measured(20_000);
      proxy.passed.length = 0;
      const files = await store.stage(request, rowsToLoad);
      assert.ok(files.length > 3, `${files.length} files`);
      assert.deepEqual(
        files.map(({ name }) => name),
        files.map((_, i) => `3-7-${i}.csv.gz`),
      );
      assert.equal(
        files.reduce((sum, file) => sum + file.rows, 0),
        20_000,
      );
      // The driver asks twice for each: for the instructions, and again for their credentials.
      const puts = new Set(proxy.passed.filter((statement) => statement.startsWith("PUT 'file")));
      assert.equal(puts.size, files.length);
      assert.deepEqual(readdirSync(join(copies.workDirectory, copyKey('sized'))), [], 'nothing stays here');
      assert.equal((await store.load(request, rowsToLoad, files)).rows, 20_000);
      assert.deepEqual(
        await one('SELECT COUNT(*), SUM(ID)::VARCHAR, MIN(WB), MAX(WB), COUNT(NAME) FROM SIZED'),
        [20_000, '199990000', 3, 3, 20_000 - 2_858],
      );
      assert.equal(await fixture.count("SIZED WHERE NAME = ''"), 1_559);
      await assert.rejects(
        store.load(request, rowsToLoad, files),
        coded('STAGING_FAILED', /0 of \d+ rows .*not loaded/),
        'the load history refuses files that were loaded before',
      );
      await assert.rejects(
        store.load(
          { ...request, generation: 8 },
          rowsToLoad,
          (await writeSizedFiles(stage, { ...request, generation: 8 }, measured(10))).map((file) => ({
            ...file,
            rows: 11,
          })),
        ),
        coded('STAGING_FAILED', /10 of 11 rows/),
      );
      await store.removeStaged();
      assert.deepEqual(await stage.list(''), []);
    } finally {
      await store.close();
    }
  });

  test('a statement names at most a thousand files', async () => {
    await execute(fixture.db, 'CREATE TABLE TINY (ID NUMBER, NAME VARCHAR, WB NUMBER)');
    const named: number[] = [];
    const store = new SnowflakeStore(
      {
        query: async (sql: string) => {
          const names = [...sql.matchAll(/'(\d+-\d+-\d+\.csv\.gz)'/g)].map((match) => match[1] ?? '');
          named.push(names.length);
          return names.map((name) => ({
            file: `x/${name}`,
            status: 'LOADED',
            rows_loaded: '2',
            errors_seen: '0',
          }));
        },
      } as never,
      new InternalStage({} as never, 'PUBLIC', 'tiny', copies.workDirectory),
    );
    const files = Array.from({ length: 2_300 }, (_, i) => ({ name: `0-1-${i}.csv.gz`, bytes: 1, rows: 2 }));
    const request = {
      staging: { schema: 'PUBLIC', name: 'TINY' },
      columns: COLUMNS,
      chunkColumn: 'WB',
      chunk: 0,
      generation: 1,
    };
    assert.deepEqual(await store.load(request, measured(0), files), { rows: 4_600, bytes: 2_300 });
    assert.deepEqual(named, [1_000, 1_000, 300]);
  });

  test('an attempt that dies between PUT and COPY leaves nothing that the next one loads', async () => {
    await execute(fixture.db, 'CREATE TABLE KILLED (ID NUMBER, NAME VARCHAR)');
    const first = await openSink('killed', 'KILLED');
    await first.resumePlan();
    const { epoch, plan } = await first.storePlan(planOf(), [{ lower: null, upper: null }]);
    assert.equal((await first.claimChunk(0, epoch * 100_000 + 1)).state, 'claimed');
    const seen = firstOf((statement) => statement.startsWith('COPY INTO'), 'refuse');
    const zombie = first
      .writeChunk(0, epoch * 100_000 + 1, plan, measured(1_000))
      .catch((error: unknown) => error);
    await seen;
    const heir = await openSink('killed', 'KILLED');
    try {
      assert.equal((await heir.claimChunk(0, epoch * 100_000 + 2)).state, 'claimed');
      const figures = await heir.writeChunk(0, epoch * 100_000 + 2, plan, measured(1_000));
      assert.equal(figures.sourceChecksum, figures.sinkChecksum);
      assert.equal((await heir.publish(epoch)).rows, 1_000);
      await heir.cleanUp();
      // The driver has kept trying for the dead attempt all along: now it gets through, too late.
      proxy.rule = async () => 'pass';
      assert.ok((await zombie) instanceof WaybillError);
      await first.close();
    } finally {
      await heir.close();
    }
    assert.deepEqual(await one('SELECT COUNT(*), COUNT(DISTINCT ID) FROM KILLED'), [1_000, 1_000]);
  });

  test('a COMMIT whose answer is lost for good is found committed by the next attempt', async () => {
    const input = copies.input(
      'lost',
      copies.table('MANY'),
      copies.table('LOST', { tableOption: 'autoCreate' }),
    );
    const plan = await copies.run('planCopy', input);
    const chunk = { copy: input, chunk: 0, epoch: plan.epoch };
    let loaded = false;
    const lost = firstOf((statement) => {
      loaded ||= statement.startsWith('COPY INTO "PUBLIC"');
      return loaded && statement === 'COMMIT';
    }, 'lose the answer');
    // The driver sends it again under the same request id: every answer is lost until the second attempt is done.
    const first = copies.run('copyChunk', chunk, 1);
    await lost;
    const again = await copies.run('copyChunk', chunk, 2);
    assert.deepEqual([again.resumed, again.rows], [true, 30_000]);
    proxy.rule = async () => 'pass';
    assert.equal((await first).sinkChecksum, again.sinkChecksum);
    await copies.run('publishCopy', { copy: input, epoch: plan.epoch });
    await copies.run('cleanUpCopy', input);
    assert.equal(await fixture.count('LOST'), 30_000);
  });

  test('two first plannings at once agree on one plan', async () => {
    await execute(fixture.db, 'CREATE SCHEMA RACE');
    await execute(fixture.db, 'USE SCHEMA PUBLIC');
    await execute(fixture.db, 'CREATE TABLE RACE.T (ID NUMBER, NAME VARCHAR)');
    const connector = await CONNECTORS['SnowflakeV2']?.();
    const open = async (): Promise<CopySink> => {
      assert.ok(connector);
      return connector.openSink({
        linkedService: snowflakeService(fixture.server.url),
        endpoint: { ...copies.table('T'), dataset: { schema: 'RACE', table: 'T' } },
        copyId: 'race',
        workDirectory: copies.workDirectory,
        signal: new AbortController().signal,
      });
    };
    const sinks = await Promise.all(Array.from({ length: 4 }, open));
    try {
      assert.deepEqual(
        await Promise.all(sinks.map((sink) => sink.resumePlan())),
        sinks.map(() => undefined),
        'none finds a plan',
      );
      // Each would cut the table in another way.
      const states = await Promise.all(
        sinks.map((sink, i) =>
          sink.storePlan(
            { ...planOf(), rows: i },
            Array.from({ length: i + 1 }, (_, k) => ({ lower: String(k), upper: String(k + 1) })),
          ),
        ),
      );
      assert.equal(
        new Set(states.map(({ chunks }) => chunks)).size,
        1,
        JSON.stringify(states.map(({ chunks }) => chunks)),
      );
      assert.equal(new Set(states.map(({ plan }) => plan.rows)).size, 1);
      const entries = await rows(
        fixture.db,
        `SELECT CHUNK, COUNT(*) AS N FROM RACE._WAYBILL_LEDGER WHERE COPY_KEY = '${copyKey('race')}' GROUP BY CHUNK ORDER BY CHUNK`,
      );
      assert.deepEqual(
        entries.map((entry) => entry['N']),
        entries.map(() => 1),
      );
      assert.equal(entries.length, (states[0]?.chunks ?? 0) + 1);
    } finally {
      await Promise.all(sinks.map((sink) => sink.close()));
    }
  });

  test('a large unload comes back file by file; one that is not handed over fails the attempt', async () => {
    const exportSettings = {
      type: 'SnowflakeExportCopyCommand',
      additionalCopyOptions: { MAX_FILE_SIZE: '60000', OVERWRITE: true },
    };
    proxy.passed.length = 0;
    await copies.copy(
      'unload',
      copies.table('MANY', { exportSettings }),
      copies.table('BACK', { tableOption: 'autoCreate' }),
    );
    assert.ok(proxy.passed.filter((statement) => statement.startsWith('GET @')).length > 3);
    assert.equal((await rows(fixture.db, 'SELECT * FROM MANY EXCEPT SELECT * FROM BACK')).length, 0);
    assert.equal(await fixture.count('BACK'), 30_000);

    const input = copies.input(
      'missing',
      copies.table('MANY', { exportSettings }),
      copies.table('BACK2', { tableOption: 'autoCreate' }),
    );
    const plan = await copies.run('planCopy', input);
    const attempt = (number: number) =>
      copies.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch }, number);
    let got = 0;
    proxy.rule = async (statement) => (/^GET \/gcs/.test(statement) && ++got > 2 ? 'not found' : 'pass');
    await assert.rejects(attempt(1), coded('STAGING_FAILED', /did not hand over/), 'its bytes are gone');
    proxy.rule = async (statement) => {
      if (statement.startsWith('GET @')) {
        const stage = join(fixture.home.data, 'stages/named/DB1/PUBLIC/_WAYBILL_STAGE', copyKey('missing'));
        rmSync(stage, { recursive: true, force: true });
      }
      return 'pass';
    };
    await assert.rejects(attempt(2), coded('STAGING_FAILED', /it is not there/));
    proxy.rule = async () => 'pass';
    assert.equal((await attempt(3)).rows, 30_000);
    await copies.run('cleanUpCopy', input);
  });

  test('a session that ends in the middle, and a password that changed, cost one attempt', async () => {
    const home = makeHome();
    process.env['SNOWFLAKE_TEST_NEW_PASSWORD'] = 'rotated';
    let server = await StandIn.start(home);
    const { port } = server;
    const before = await startStatementProxy(server.url);
    try {
      const db = await server.connect();
      await execute(db, 'CREATE DATABASE IF NOT EXISTS DB1');
      const setup = await server.connect();
      await execute(setup, 'CREATE TABLE SRC AS SELECT SEQ4() AS ID FROM TABLE(GENERATOR(ROWCOUNT => 5000))');
      const own = new SnowflakeCopies(before.url, home.directory);
      const input = own.input('rotated', own.table('SRC'), own.table('DST', { tableOption: 'autoCreate' }));
      const plan = await own.run('planCopy', input);
      let restarted = false;
      before.rule = async (statement) => {
        if (!restarted && statement.startsWith('PUT ')) {
          restarted = true;
          await server.stop('SIGKILL');
          server = await StandIn.start(
            home,
            '--port',
            String(port),
            '--password-env',
            'SNOWFLAKE_TEST_NEW_PASSWORD',
          );
        }
        return 'pass';
      };
      const chunk = { copy: input, chunk: 0, epoch: plan.epoch };
      await assert.rejects(own.run('copyChunk', chunk, 1), coded('CONNECTION_FAILED'));
      assert.ok(restarted);
      own.services['ls_snowflake'] = snowflakeService(before.url, { password: 'rotated' });
      assert.equal((await own.run('copyChunk', chunk, 2)).rows, 5_000);
      assert.equal((await own.run('publishCopy', { copy: input, epoch: plan.epoch })).rows, 5_000);
      await own.run('cleanUpCopy', input);
    } finally {
      await before.stop();
      await server.stop();
      rmSync(home.directory, { recursive: true, force: true });
    }
  });

  test('odd types and values arrive as they were', async () => {
    await execute(
      fixture.db,
      `CREATE TABLE KINDS (N38 NUMBER(38,0), N3810 NUMBER(38,10), F FLOAT, B BOOLEAN, "quoted ""Name" VARCHAR, TXT VARCHAR,
       D DATE, TM TIME, NTZ TIMESTAMP_NTZ, TZ TIMESTAMP_TZ, BIN BINARY, V VARIANT, O OBJECT, A ARRAY)`,
    );
    await execute(
      fixture.db,
      `INSERT INTO KINDS SELECT 99999999999999999999999999999999999999, -1234567890123456789012345678.0123456789, 'inf'::FLOAT, TRUE, '', NULL,
       '0001-01-01', '23:59:59.999999', '0001-01-01 00:00:00.000001', '2024-06-30 23:59:59.5-07:00', TO_BINARY('00FF10', 'HEX'),
       PARSE_JSON('{"a": [1, 2.5, "x\\\\"y"], "b": null}'), OBJECT_CONSTRUCT('k', 'v', 'n', 1), ARRAY_CONSTRUCT(1, 'two', NULL)`,
    );
    await execute(
      fixture.db,
      `INSERT INTO KINDS SELECT -99999999999999999999999999999999999999, 0, '-inf'::FLOAT, FALSE, 'é 🙂, "q"', '', '9999-12-31', '00:00:00',
       '9999-12-31 23:59:59.999999', '1970-01-01 00:00:00+00:00', TO_BINARY('', 'HEX'), PARSE_JSON('"text"'), PARSE_JSON('{}'), PARSE_JSON('[]')`,
    );
    await execute(
      fixture.db,
      `INSERT INTO KINDS (F, TXT) SELECT 'NaN'::FLOAT, 'a' || CHR(10) || CHR(13) || 'b\\\\N'`,
    );
    await execute(fixture.db, 'INSERT INTO KINDS (F) SELECT 0.1');
    await execute(fixture.db, 'CREATE TABLE KINDS2 LIKE KINDS');
    const { published } = await copies.copy('kinds', copies.table('KINDS'), copies.table('KINDS2'));
    assert.equal(published.rows, 4);
    const json = 'N38, TO_JSON(V), TO_JSON(O), TO_JSON(A)';
    for (const list of ['N38, N3810, F, B, "quoted ""Name", TXT, D, TM, NTZ, TZ, BIN', json]) {
      const different = await rows(
        fixture.db,
        `(SELECT ${list} FROM KINDS MINUS SELECT ${list} FROM KINDS2) UNION ALL (SELECT ${list} FROM KINDS2 MINUS SELECT ${list} FROM KINDS)`,
      );
      assert.deepEqual(different, []);
    }
    const kinds = await one('SELECT V:a[1]::VARCHAR, O:k::VARCHAR, A[1]::VARCHAR FROM KINDS2 WHERE N38 > 0');
    assert.deepEqual(kinds, ['2.5', 'v', 'two'], 'JSON, not a text that looks like it');
    const texts = await one(
      `SELECT COUNT_IF("quoted ""Name" = ''), COUNT_IF(TXT = ''), COUNT(TXT) FROM KINDS2`,
    );
    assert.deepEqual(texts, [1, 1, 2]);
  });

  test('a query may have comments, a CTE, a semicolon and quoted names; two statements are refused', async () => {
    await execute(fixture.db, 'CREATE VIEW SEEN AS SELECT ID, NAME FROM MANY WHERE ID < 100');
    const read = async (query: string, id: string): Promise<number> => {
      const sink = copies.table(`Q_${id}`.toUpperCase(), { tableOption: 'autoCreate' });
      return (await copies.copy(`query/${id}`, copies.table('MANY', { query }), sink)).published.rows;
    };
    assert.equal(await read('SELECT * FROM SEEN; -- all of it', 'a'), 100);
    assert.equal(
      await read(
        '/* a; b */ WITH few AS (SELECT ID AS "the id" FROM MANY WHERE NAME <> \';\' LIMIT 7)\nSELECT * FROM few // end',
        'b',
      ),
      7,
    );
    assert.deepEqual(await one('SELECT COUNT("the id") FROM Q_B'), [7]);
    await assert.rejects(read('SELECT 1; SELECT 2', 'c'), coded('DEFINITION_INVALID'));
    await assert.rejects(read('DELETE FROM MANY', 'd'), coded('DEFINITION_INVALID'));
    const view = await copies.copy(
      'query/view',
      { ...copies.table('seen') },
      copies.table('Q_E', { tableOption: 'autoCreate' }),
    );
    assert.equal(view.published.rows, 100, 'a view, named in lower case');
  });

  test('upsert merges by key, and a key twice in the source fails clearly', async () => {
    await execute(fixture.db, "CREATE TABLE UP AS SELECT ID, 'old' AS NAME FROM MANY WHERE ID < 10");
    const settings = { writeBehavior: 'upsert', upsertSettings: { keys: ['ID'] } };
    const query = 'SELECT ID, NAME FROM MANY WHERE ID BETWEEN 5 AND 14';
    await copies.copy('up/1', copies.table('MANY', { query }), copies.table('UP', settings));
    assert.deepEqual(await one("SELECT COUNT(*), COUNT_IF(NAME = 'old') FROM UP"), [15, 5]);
    const twice =
      "SELECT ID, NAME FROM MANY WHERE ID < 3 UNION ALL SELECT ID, NAME || '!' FROM MANY WHERE ID = 1";
    await assert.rejects(
      copies.copy('up/2', copies.table('MANY', { query: twice }), copies.table('UP', settings)),
      coded('CONSTRAINT_VIOLATED'),
    );
    assert.deepEqual(await one("SELECT COUNT(*), COUNT_IF(NAME = 'old') FROM UP"), [15, 5]);
  });

  test('nobody is left waiting: the account answers', async () => {
    const [row] = await ask(snowflakeService(fixture.server.url), 'SELECT COUNT(*) AS N FROM MANY');
    assert.equal(row?.['n'], '30000');
  });
});
