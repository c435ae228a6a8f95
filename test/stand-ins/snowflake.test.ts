// The Snowflake stand-in driven by the real snowflake-sdk: login, queries, the product's checksum, tables.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { RowStatement } from 'snowflake-sdk';
import {
  disconnect,
  execute,
  type Fixture,
  failsWith,
  makeHome,
  rows,
  startFixture,
  user,
} from '../support/snowflake-stand-in.ts';

let fixture: Fixture;

before(async () => {
  fixture = await startFixture('--sync-seconds', '2', '--idle-transaction-seconds', '3');
});

after(() => fixture?.stop());

describe('login', () => {
  it('takes the right password and key pair, refuses the wrong ones with 390100 and 390144', async () => {
    const byKey = { authenticator: 'SNOWFLAKE_JWT', password: '' };
    const connection = await fixture.server.connect({ ...byKey, privateKey: fixture.home.privateKey });
    assert.deepEqual(await rows(connection, 'SELECT CURRENT_USER() AS U'), [{ U: user.toUpperCase() }]);
    await disconnect(connection);
    await assert.rejects(fixture.server.connect({ password: 'wrong' }), failsWith('390100'));
    await assert.rejects(fixture.server.connect({ username: 'someone' }), failsWith('390100'));
    await assert.rejects(
      fixture.server.connect({ ...byKey, privateKey: makeHome().privateKey }),
      failsWith('390144'),
    );
  });

  it('leaves a database that does not exist unset, and says so at the first use', async () => {
    const connection = await fixture.server.connect({ database: 'NOWHERE' });
    await assert.rejects(execute(connection, 'SELECT * FROM T'), failsWith('090105', '22000'));
    assert.equal((await rows(connection, 'SELECT 1 AS A')).length, 1);
  });

  it('rolls back and drops temporary objects at logout', async () => {
    await execute(fixture.db, 'CREATE TABLE left_behind (a INT)');
    const connection = await fixture.server.connect();
    await execute(connection, 'CREATE TEMPORARY STAGE short_lived');
    await execute(connection, 'BEGIN');
    await execute(connection, 'INSERT INTO left_behind VALUES (1)');
    await disconnect(connection);
    await execute(fixture.db, 'INSERT INTO left_behind VALUES (2)');
    assert.deepEqual(await rows(fixture.db, 'SELECT a FROM left_behind'), [{ A: 2 }]);
    await assert.rejects(execute(fixture.db, 'LIST @short_lived'), failsWith('002003'));
  });
});

describe('queries', () => {
  it('returns every type as the SDK expects it, NULL included', async () => {
    await execute(
      fixture.db,
      `CREATE TABLE types (n NUMBER(38,0), d NUMBER(20,6), f FLOAT, s VARCHAR, b BOOLEAN, dt DATE, tm TIME, ntz TIMESTAMP_NTZ,
       tz TIMESTAMP_TZ, bin BINARY, v VARIANT, a ARRAY)`,
    );
    await execute(
      fixture.db,
      `INSERT INTO types SELECT 12345678901234567890123456789012345678, -12345678901234.123456, 1.25, 'é"\n', TRUE, '2024-02-29'::DATE,
       '13:14:15.123456'::TIME, '1969-12-31 23:59:58.5'::TIMESTAMP_NTZ, '2024-02-29 01:02:03 +05:30'::TIMESTAMP_TZ,
       TO_BINARY('DEADBEEF', 'HEX'), PARSE_JSON('{"a":[1,null]}'), ARRAY_CONSTRUCT(1, 2)`,
    );
    await execute(fixture.db, `INSERT INTO types (n) SELECT NULL`);
    const [row, nulls] = await rows(fixture.db, 'SELECT * FROM types ORDER BY n NULLS LAST', {
      fetchAsString: ['Number'],
    });
    assert.ok(row && nulls);
    assert.equal(row['N'], '12345678901234567890123456789012345678');
    assert.equal(row['D'], '-12345678901234.123456');
    assert.equal(row['S'], 'é"\n');
    assert.equal(row['B'], true);
    assert.equal((row['DT'] as Date).toISOString().slice(0, 10), '2024-02-29');
    assert.equal((row['NTZ'] as Date).toISOString(), '1969-12-31T23:59:58.500Z');
    assert.equal((row['TZ'] as Date).toISOString(), '2024-02-28T19:32:03.000Z');
    assert.equal((row['BIN'] as Buffer).toString('hex'), 'deadbeef');
    assert.deepEqual(row['V'], { a: [1, null] });
    assert.deepEqual(row['A'], [1, 2]);
    assert.deepEqual(
      Object.values(nulls).filter((value) => value !== null),
      [],
    );
  });

  it('binds by ? and by number, leaves colons in texts alone, and names columns after their text', async () => {
    assert.deepEqual(await rows(fixture.db, "SELECT :2 AS A, :1 AS B, '12:30' AS C", { binds: ['p', 'q'] }), [
      { A: 'q', B: 'p', C: '12:30' },
    ]);
    assert.deepEqual(await rows(fixture.db, 'SELECT ? AS A, ? AS B, ? AS C', { binds: [1.5, null, true] }), [
      { A: 1.5, B: null, C: true },
    ]);
    assert.deepEqual(await rows(fixture.db, 'SELECT COUNT(*), MAX(column1) FROM VALUES (1), (3)'), [
      { 'COUNT(*)': 2, 'MAX(COLUMN1)': 3 },
    ]);
    await assert.rejects(execute(fixture.db, 'SELECT :3', { binds: ['p'] }), failsWith('002049'));
  });

  it('inserts arrays of binds inline and, above the threshold, through a stage', async () => {
    await execute(fixture.db, 'CREATE TABLE bound (id INT, name VARCHAR)');
    const small = await execute(fixture.db, 'INSERT INTO bound VALUES (?, ?)', {
      binds: Array.from({ length: 100 }, (_, i) => [i, i % 3 ? `n"${i},x` : null]) as never,
    });
    assert.equal(small.statement.getNumUpdatedRows(), 100);
    const many = Array.from({ length: 40_000 }, (_, i) => [i, i === 7 ? '' : i % 5 ? `v,"${i}` : null]);
    await execute(fixture.db, 'INSERT INTO bound (id, name) VALUES (?, ?)', { binds: many as never });
    assert.deepEqual(
      await rows(fixture.db, "SELECT COUNT(*) AS N, COUNT(name) AS M, COUNT_IF(name = '') AS E FROM bound"),
      [{ N: 40_100, M: 32_066, E: 1 }],
    );
  });

  it('streams large results in order, and parts of them', async () => {
    const { statement } = await execute(
      fixture.db,
      'SELECT SEQ4() AS I FROM TABLE(GENERATOR(ROWCOUNT => 120000)) ORDER BY 1',
      {
        streamResult: true,
      },
    );
    let expected = 0;
    for await (const row of statement.streamRows()) assert.equal((row as { I: number }).I, expected++);
    assert.equal(expected, 120_000);
    const part: number[] = [];
    for await (const row of statement.streamRows({ start: 60_001, end: 60_003 }))
      part.push((row as { I: number }).I);
    assert.deepEqual(part, [60_001, 60_002, 60_003]);
  });

  it('runs several statements of one request, and refuses when their number is not announced', async () => {
    const results: unknown[] = [];
    await new Promise<void>((resolve, reject) => {
      fixture.db.execute({
        sqlText:
          "CREATE TABLE multi (a VARCHAR); INSERT INTO multi VALUES ('x;y'), ('z'); SELECT COUNT(*) AS C FROM multi",
        parameters: { MULTI_STATEMENT_COUNT: 3 },
        complete: (error, statement, found) => {
          if (error) return reject(error);
          results.push(found);
          const next = statement as RowStatement & { hasNext(): boolean; NextResult(): void };
          if (next.hasNext()) next.NextResult();
          else resolve();
        },
      });
    });
    assert.deepEqual(results.at(-1), [{ C: 2 }]);
    await assert.rejects(execute(fixture.db, 'SELECT 1; SELECT 2'), failsWith('000008', '0A000'));
  });

  it('runs asynchronously, tells the status, keeps the result; describes without running', async () => {
    const { statement } = await execute(fixture.db, 'SELECT 7 AS X', { asyncExec: true });
    const id = statement.getQueryId();
    const later = await fixture.db.getResultsFromQueryId({ queryId: id });
    const found: unknown[] = [];
    for await (const row of later.streamRows()) found.push(row);
    assert.deepEqual(found, [{ X: 7 }]);
    assert.equal(await fixture.db.getQueryStatus(id), 'SUCCESS');
    const described = await execute(fixture.db, 'SELECT n, d, ntz FROM types', { describeOnly: true });
    assert.deepEqual(
      described.statement
        .getColumns()
        ?.map((c) => `${c.getName()} ${c.getType()} ${c.getPrecision()} ${c.getScale()}`),
      ['N fixed 38 0', 'D fixed 20 6', 'NTZ timestamp_ntz 0 9'],
    );
  });

  it('cancels, and ends a statement at its timeout', async () => {
    const endless = `SELECT COUNT(*) FROM (SELECT SEQ4() i FROM TABLE(GENERATOR(ROWCOUNT => 300000))) a,
      (SELECT SEQ4() i FROM TABLE(GENERATOR(ROWCOUNT => 300000))) b WHERE a.i * b.i % 7 = 3`;
    const cancelled = execute(fixture.db, endless, {
      onStatement: (s) => setTimeout(() => s.cancel(() => {}), 300),
    });
    await assert.rejects(cancelled, failsWith('000604', '57014'));
    const limited = execute(fixture.db, endless, { parameters: { STATEMENT_TIMEOUT_IN_SECONDS: 1 } });
    await assert.rejects(limited, failsWith('000604', '57014'));
  });

  it('fails with the codes of Snowflake', async () => {
    const cases: [string, string, string, RegExp][] = [
      ['SELECT * FROM nope', '002003', '42S02', /NOPE/],
      ['SELEC 1', '001003', '42000', /syntax error/],
      ['SELECT missing FROM types', '000904', '42000', /invalid identifier 'MISSING'/],
      ['SELECT no_such_function(1)', '002140', '42601', /NO_SUCH_FUNCTION/],
      ["SELECT 'abc'::NUMBER", '100038', '22018', /'abc'/],
      ["SELECT 'abc'::TIMESTAMP_NTZ", '100035', '22007', /'abc'/],
      ['CREATE TABLE types (a INT)', '002002', '42710', /already exists/],
      ['CREATE WAREHOUSE w', '000002', '0A000', /CREATE WAREHOUSE/],
      ['CALL something()', '002140', '42601', /Unknown user-defined function .*SOMETHING/],
      ['EXECUTE TASK something', '000002', '0A000', /EXECUTE/],
      ['ALTER SESSION SET WEEK_START = 1', '000002', '0A000', /WEEK_START/],
      ['SELECT HASH_AGG(*) FROM types', '000002', '0A000', /HASH_AGG/],
    ];
    for (const [sql, code, state, message] of cases) {
      await assert.rejects(execute(fixture.db, sql), failsWith(code, state, message), sql);
    }
    await execute(fixture.db, 'CREATE TABLE strict_one (id INT NOT NULL, s VARCHAR)');
    await assert.rejects(
      execute(fixture.db, "INSERT INTO strict_one (s) VALUES ('x')"),
      failsWith('100072', '22000'),
    );
  });
});

describe("the product's checksum", () => {
  it('equals what Node computes, exactly, beyond 2^64', async () => {
    await execute(
      fixture.db,
      'CREATE TABLE sums ("I" NUMBER(38,0), "P" NUMBER(12,4), "S" VARCHAR, "B" BOOLEAN, "D" DATE, "T" TIMESTAMP_NTZ, "X" BINARY, "M" TIME)',
    );
    await execute(
      fixture.db,
      `INSERT INTO sums SELECT SEQ4() - 500, SEQ4() / 8, IFF(SEQ4() % 7 = 0, NULL, 'é|' || SEQ4()), SEQ4() % 2 = 0,
       DATEADD(day, SEQ4(), '1999-12-31'::DATE), DATEADD(second, SEQ4(), '1969-12-31 23:59:59.5'::TIMESTAMP_NTZ),
       TO_BINARY('0AFF', 'HEX'), '13:14:15.25'::TIME FROM TABLE(GENERATOR(ROWCOUNT => 1000))`,
    );
    const text = (name: string, value: string) => `IFF("${name}" IS NULL, 'N', 'V' || ${value})`;
    const parts = [
      text('I', 'TO_VARCHAR("I")'),
      text('P', 'TO_VARCHAR("P")'),
      text('S', `REPLACE("S", '|', '||')`),
      text('B', `IFF("B", '1', '0')`),
      text('D', `TO_VARCHAR("D", 'YYYY-MM-DD')`),
      text('T', `TO_VARCHAR("T", 'YYYY-MM-DD"T"HH24:MI:SS.FF6')`),
      text('X', `HEX_ENCODE("X")`),
      text('X', `TO_VARCHAR("X", 'HEX')`),
      text('M', `TO_VARCHAR("M", 'HH24:MI:SS.FF6')`),
      `COALESCE("S", 'none')`,
      `TO_VARCHAR(LENGTH("S"))`.replace(/^/, 'COALESCE(').concat(`, '')`),
    ].join(`, '|', `);
    const [row] = await rows(
      fixture.db,
      `SELECT COUNT(*) AS N, SUM(MD5_NUMBER_UPPER64(CONCAT(${parts}))) AS C FROM sums WHERE "I" < 400`,
      { fetchAsString: ['Number'] },
    );
    let sum = 0n;
    for (let i = 0; i < 900; i++) {
      const s = i % 7 === 0 ? null : `é|${i}`;
      const at = new Date(Date.UTC(1969, 11, 31, 23, 59, 59, 500) + i * 1000).toISOString();
      const line = [
        `V${i - 500}`,
        `V${(i / 8).toFixed(4)}`,
        s === null ? 'N' : `V${s.replaceAll('|', '||')}`,
        i % 2 === 0 ? 'V1' : 'V0',
        `V${new Date(Date.UTC(1999, 11, 31 + i)).toISOString().slice(0, 10)}`,
        `V${at.slice(0, 19)}.${at.slice(20, 23)}000`,
        'V0AFF',
        'V0AFF',
        'V13:14:15.250000',
        s ?? 'none',
        s === null ? '' : String(s.length),
      ].join('|');
      sum += createHash('md5').update(line).digest().readBigUInt64BE();
    }
    assert.deepEqual(row, { N: '900', C: String(sum) });
    assert.ok(sum > 2n ** 64n);
  });

  it('prints numbers with all digits of their scale, floats and binaries as Snowflake does', async () => {
    assert.deepEqual(
      await rows(
        fixture.db,
        `SELECT TO_VARCHAR(1.5::NUMBER(10,4)) AS A, TO_VARCHAR(3::FLOAT) AS B, TO_VARCHAR(TRUE) AS C, CONCAT('a', NULL) AS D,
         TO_VARCHAR('2024-01-02 03:04:05.678'::TIMESTAMP_NTZ) AS E, TO_BINARY('0a', 'HEX')::VARCHAR AS F,
         TO_VARCHAR(CONVERT_TIMEZONE('UTC', '2024-02-29 01:02:03 +05:30'::TIMESTAMP_TZ), 'YYYY-MM-DD"T"HH24:MI:SS.FF9') || 'Z' AS G`,
      ),
      [
        {
          A: '1.5000',
          B: '3',
          C: 'true',
          D: null,
          E: '2024-01-02 03:04:05.678',
          F: '0A',
          G: '2024-02-28T19:32:03.000000000Z',
        },
      ],
    );
  });
});

describe('tables', () => {
  it('keeps a ledger: defaults, keys declared and not enforced, counts of UPDATE, MERGE, INSERT and DELETE', async () => {
    await execute(
      fixture.db,
      `CREATE TABLE IF NOT EXISTS "_WAYBILL_LEDGER" ("K" TEXT NOT NULL, "C" NUMBER(38,0), "STATE" TEXT,
       "AT" TIMESTAMP_NTZ DEFAULT SYSDATE(), PRIMARY KEY ("K", "C"))`,
    );
    const merge = `MERGE INTO "_WAYBILL_LEDGER" t USING (SELECT 'a' AS k, column1 AS c FROM VALUES (1), (2)) s ON t."K" = s.k AND t."C" = s.c
      WHEN MATCHED THEN UPDATE SET t."STATE" = 'again' WHEN NOT MATCHED THEN INSERT ("K", "C", "STATE") VALUES (s.k, s.c, 'new')`;
    const counts = (inserted: number, updated: number) => [
      { 'number of rows inserted': inserted, 'number of rows updated': updated },
    ];
    assert.deepEqual(await rows(fixture.db, merge), counts(2, 0));
    assert.deepEqual(await rows(fixture.db, merge), counts(0, 2));
    const insert = `INSERT INTO "_WAYBILL_LEDGER" ("K", "C") SELECT 'a', 3 WHERE NOT EXISTS (SELECT 1 FROM "_WAYBILL_LEDGER" WHERE "K" = 'a' AND "C" = 3)`;
    assert.equal((await execute(fixture.db, insert)).statement.getNumUpdatedRows(), 1);
    assert.equal((await execute(fixture.db, insert)).statement.getNumUpdatedRows(), 0);
    const update = await execute(
      fixture.db,
      `UPDATE "_WAYBILL_LEDGER" SET "STATE" = ? WHERE "K" = ? AND "C" >= ?`,
      {
        binds: ['done', 'a', 2],
      },
    );
    assert.equal(update.statement.getNumUpdatedRows(), 2);
    assert.equal(update.rows[0]?.['number of rows updated'], 2);
    // Snowflake records a primary key and lets duplicates in.
    await execute(fixture.db, `INSERT INTO "_WAYBILL_LEDGER" ("K", "C") VALUES ('a', 3)`);
    assert.deepEqual(
      await rows(fixture.db, `SELECT COUNT(*) AS N, COUNT("AT") AS M FROM "_WAYBILL_LEDGER"`),
      [{ N: 4, M: 4 }],
    );
    const keys = await rows(fixture.db, 'SHOW PRIMARY KEYS IN TABLE "_WAYBILL_LEDGER"');
    assert.deepEqual(
      keys.map((key) => [key['table_name'], key['column_name'], key['key_sequence']]),
      [
        ['_WAYBILL_LEDGER', 'K', 1],
        ['_WAYBILL_LEDGER', 'C', 2],
      ],
    );
    const removed = await execute(fixture.db, `DELETE FROM "_WAYBILL_LEDGER" WHERE "C" = 3`);
    assert.equal(removed.statement.getNumUpdatedRows(), 2);
    await assert.rejects(
      execute(fixture.db, merge.replace('VALUES (1), (2)', 'VALUES (1), (1)')),
      failsWith('100090', '42P18'),
    );
  });

  it('deletes by MERGE, and describes columns with types as Snowflake names them', async () => {
    await execute(fixture.db, 'CREATE TABLE tg (id INT, v VARCHAR(20))');
    await execute(fixture.db, "INSERT INTO tg VALUES (1, 'a'), (2, 'b')");
    await execute(
      fixture.db,
      `MERGE INTO tg t USING (SELECT column1 AS id, column2 AS v, column3 AS del FROM VALUES (1, 'x', FALSE), (2, '', TRUE), (3, 'c', FALSE)) s
       ON t.id = s.id WHEN MATCHED AND s.del THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v || '!' WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)`,
    );
    assert.deepEqual(await rows(fixture.db, 'SELECT * FROM tg ORDER BY id'), [
      { ID: 1, V: 'x!' },
      { ID: 3, V: 'c' },
    ]);
    const described = await rows(fixture.db, 'DESCRIBE TABLE types');
    assert.deepEqual(
      described.map((column) => column['type']),
      [
        'NUMBER(38,0)',
        'NUMBER(20,6)',
        'FLOAT',
        'VARCHAR(16777216)',
        'BOOLEAN',
        'DATE',
        'TIME(9)',
        'TIMESTAMP_NTZ(9)',
        'TIMESTAMP_TZ(9)',
        'BINARY(8388608)',
        'VARIANT',
        'VARIANT',
      ],
    );
    const columns = await rows(
      fixture.db,
      `SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH AS L, NUMERIC_PRECISION AS P, NUMERIC_SCALE AS S, DATETIME_PRECISION AS F,
       IS_NULLABLE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME IN ('TG', 'SUMS') ORDER BY TABLE_NAME, ORDINAL_POSITION`,
    );
    assert.deepEqual(
      columns.map((c) => [c['COLUMN_NAME'], c['DATA_TYPE'], c['L'], c['P'], c['S'], c['F']]),
      [
        ['I', 'NUMBER', null, 38, 0, null],
        ['P', 'NUMBER', null, 12, 4, null],
        ['S', 'TEXT', 16777216, null, null, null],
        ['B', 'BOOLEAN', null, null, null, null],
        ['D', 'DATE', null, null, null, null],
        ['T', 'TIMESTAMP_NTZ', null, null, null, 9],
        ['X', 'BINARY', 8388608, null, null, null],
        ['M', 'TIME', null, null, null, 9],
        ['ID', 'NUMBER', null, 38, 0, null],
        ['V', 'TEXT', 20, null, null, null],
      ],
    );
  });

  it('copies structure by LIKE, rows by CLONE, swaps, renames, adds columns', async () => {
    await execute(fixture.db, "CREATE TABLE orig (id INT NOT NULL, v VARCHAR DEFAULT 'd', PRIMARY KEY (id))");
    await execute(fixture.db, 'INSERT INTO orig (id) VALUES (1), (2)');
    await execute(fixture.db, 'CREATE OR REPLACE TRANSIENT TABLE orig__wb LIKE orig');
    await execute(fixture.db, 'ALTER TABLE orig__wb ADD COLUMN "_WB_CHUNK" NUMBER');
    await execute(fixture.db, 'INSERT INTO orig__wb (id, "_WB_CHUNK") SELECT id + 10, 1 FROM orig');
    await execute(fixture.db, 'INSERT INTO orig (id, v) SELECT id, v FROM orig__wb');
    assert.deepEqual(await rows(fixture.db, 'SELECT LISTAGG(id || v) AS L FROM orig'), [{ L: '1d2d11d12d' }]);
    await assert.rejects(execute(fixture.db, "INSERT INTO orig__wb (v) VALUES ('x')"), failsWith('100072'));
    await execute(fixture.db, 'CREATE TABLE other (z INT)');
    await execute(fixture.db, 'CREATE OR REPLACE TABLE other CLONE orig');
    await execute(fixture.db, 'DELETE FROM other WHERE id > 1');
    await execute(fixture.db, 'ALTER TABLE other SWAP WITH orig');
    assert.deepEqual([await fixture.count('orig'), await fixture.count('other')], [1, 4]);
    await execute(fixture.db, 'ALTER TABLE other RENAME TO renamed');
    assert.equal(await fixture.count('renamed'), 4);
    assert.equal((await rows(fixture.db, 'SHOW PRIMARY KEYS IN TABLE renamed')).length, 1);
    await execute(fixture.db, 'DROP TABLE IF EXISTS renamed');
    await execute(fixture.db, 'DROP TABLE IF EXISTS renamed');
    await assert.rejects(execute(fixture.db, 'DROP TABLE renamed'), failsWith('002003', '42S02'));
    await execute(fixture.db, 'CREATE OR REPLACE TABLE orig AS SELECT 5 AS five');
    assert.equal((await rows(fixture.db, "SHOW TABLES LIKE 'ORIG'")).length, 1);
  });

  it('keeps temporary tables to their session, also by their full name', async () => {
    await execute(fixture.db, 'CREATE TEMPORARY TABLE DB1.PUBLIC.mine (a INT)');
    await execute(fixture.db, 'INSERT INTO DB1.PUBLIC.mine VALUES (1)');
    assert.equal(await fixture.count('mine'), 1);
    const other = await fixture.server.connect();
    await assert.rejects(execute(other, 'SELECT * FROM mine'), failsWith('002003'));
    await execute(fixture.db, 'DROP TABLE DB1.PUBLIC.mine');
  });

  it('answers about the session and keeps its parameters', async () => {
    const session = await fixture.server.connect({ queryTag: 'run=1' });
    await execute(session, "ALTER SESSION SET QUERY_TAG = 'run=2', TIMEZONE = 'America/New_York'");
    const [row] = await rows(
      session,
      `SELECT CURRENT_VERSION() IS NOT NULL AS V, CURRENT_ACCOUNT() AS A, CURRENT_SESSION() AS S, CURRENT_WAREHOUSE() AS W,
       CURRENT_ROLE() AS R, CURRENT_DATABASE() AS D, '2024-07-01 12:00:00 +00:00'::TIMESTAMP_TZ::VARCHAR AS T`,
    );
    assert.deepEqual(
      { ...row, S: /^\d+$/.test(String(row?.['S'])) },
      { V: true, A: 'WAYBILL', S: true, W: 'WH', R: 'LOADER', D: 'DB1', T: '2024-07-01 08:00:00.000 -0400' },
    );
  });
});
