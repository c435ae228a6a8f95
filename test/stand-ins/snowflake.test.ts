// The Snowflake stand-in, driven by the real snowflake-sdk: what the product relies on, and what Snowflake guarantees.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Connection, RowStatement } from 'snowflake-sdk';
import { projectPath } from '../../dev/cache.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import {
  disconnect,
  execute,
  failsWith,
  makeHome,
  password,
  rows,
  StandIn,
  user,
} from '../support/snowflake-stand-in.ts';

const home = makeHome();
let server: StandIn;

interface Reply {
  data: Record<string, unknown>;
  code: string | null;
  success: boolean;
}
let db: Connection;

before(async () => {
  server = await StandIn.start(home, '--sync-seconds', '2', '--idle-transaction-seconds', '3');
  db = await server.connect();
  await execute(db, 'CREATE DATABASE IF NOT EXISTS DB1');
});

after(async () => {
  await server.stop();
  rmSync(home.directory, { recursive: true, force: true });
});

/** Writes a local file and PUTs it; returns the PUT's row. */
async function put(name: string, content: string | Buffer, target: string, options = ''): Promise<unknown> {
  const file = join(home.directory, name);
  writeFileSync(file, content);
  const [row] = await rows(db, `PUT 'file://${file}' ${target} OVERWRITE = TRUE ${options}`);
  return row?.['status'];
}

async function count(table: string, connection = db): Promise<unknown> {
  const [row] = await rows(connection, `SELECT COUNT(*) AS N FROM ${table}`);
  return row?.['N'];
}

describe('login', () => {
  it('takes the right password and key pair, refuses the wrong ones with 390100 and 390144', async () => {
    const byKey = { authenticator: 'SNOWFLAKE_JWT', password: '' };
    const connection = await server.connect({ ...byKey, privateKey: home.privateKey });
    assert.deepEqual(await rows(connection, 'SELECT CURRENT_USER() AS U'), [{ U: user.toUpperCase() }]);
    await disconnect(connection);
    await assert.rejects(server.connect({ password: 'wrong' }), failsWith('390100'));
    await assert.rejects(server.connect({ username: 'someone' }), failsWith('390100'));
    await assert.rejects(
      server.connect({ ...byKey, privateKey: makeHome().privateKey }),
      failsWith('390144'),
    );
  });

  it('leaves a database that does not exist unset, and says so at the first use', async () => {
    const connection = await server.connect({ database: 'NOWHERE' });
    await assert.rejects(execute(connection, 'SELECT * FROM T'), failsWith('090105', '22000'));
    assert.equal((await rows(connection, 'SELECT 1 AS A')).length, 1);
  });

  it('rolls back and drops temporary objects at logout', async () => {
    await execute(db, 'CREATE TABLE left_behind (a INT)');
    const connection = await server.connect();
    await execute(connection, 'CREATE TEMPORARY STAGE short_lived');
    await execute(connection, 'BEGIN');
    await execute(connection, 'INSERT INTO left_behind VALUES (1)');
    await disconnect(connection);
    await execute(db, 'INSERT INTO left_behind VALUES (2)');
    assert.deepEqual(await rows(db, 'SELECT a FROM left_behind'), [{ A: 2 }]);
    await assert.rejects(execute(db, 'LIST @short_lived'), failsWith('002003'));
  });
});

describe('queries', () => {
  it('returns every type as the SDK expects it, NULL included', async () => {
    await execute(
      db,
      `CREATE TABLE types (n NUMBER(38,0), d NUMBER(20,6), f FLOAT, s VARCHAR, b BOOLEAN, dt DATE, tm TIME, ntz TIMESTAMP_NTZ,
       tz TIMESTAMP_TZ, bin BINARY, v VARIANT, a ARRAY)`,
    );
    await execute(
      db,
      `INSERT INTO types SELECT 12345678901234567890123456789012345678, -12345678901234.123456, 1.25, 'é"\n', TRUE, '2024-02-29'::DATE,
       '13:14:15.123456'::TIME, '1969-12-31 23:59:58.5'::TIMESTAMP_NTZ, '2024-02-29 01:02:03 +05:30'::TIMESTAMP_TZ,
       TO_BINARY('DEADBEEF', 'HEX'), PARSE_JSON('{"a":[1,null]}'), ARRAY_CONSTRUCT(1, 2)`,
    );
    await execute(db, `INSERT INTO types (n) SELECT NULL`);
    const [row, nulls] = await rows(db, 'SELECT * FROM types ORDER BY n NULLS LAST', {
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
    assert.deepEqual(await rows(db, "SELECT :2 AS A, :1 AS B, '12:30' AS C", { binds: ['p', 'q'] }), [
      { A: 'q', B: 'p', C: '12:30' },
    ]);
    assert.deepEqual(await rows(db, 'SELECT ? AS A, ? AS B, ? AS C', { binds: [1.5, null, true] }), [
      { A: 1.5, B: null, C: true },
    ]);
    assert.deepEqual(await rows(db, 'SELECT COUNT(*), MAX(column1) FROM VALUES (1), (3)'), [
      { 'COUNT(*)': 2, 'MAX(COLUMN1)': 3 },
    ]);
    await assert.rejects(execute(db, 'SELECT :3', { binds: ['p'] }), failsWith('002049'));
  });

  it('inserts arrays of binds inline and, above the threshold, through a stage', async () => {
    await execute(db, 'CREATE TABLE bound (id INT, name VARCHAR)');
    const small = await execute(db, 'INSERT INTO bound VALUES (?, ?)', {
      binds: Array.from({ length: 100 }, (_, i) => [i, i % 3 ? `n"${i},x` : null]) as never,
    });
    assert.equal(small.statement.getNumUpdatedRows(), 100);
    const many = Array.from({ length: 40_000 }, (_, i) => [i, i === 7 ? '' : i % 5 ? `v,"${i}` : null]);
    await execute(db, 'INSERT INTO bound (id, name) VALUES (?, ?)', { binds: many as never });
    assert.deepEqual(
      await rows(db, "SELECT COUNT(*) AS N, COUNT(name) AS M, COUNT_IF(name = '') AS E FROM bound"),
      [{ N: 40_100, M: 32_066, E: 1 }],
    );
  });

  it('streams large results in order, and parts of them', async () => {
    const { statement } = await execute(
      db,
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
      db.execute({
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
    await assert.rejects(execute(db, 'SELECT 1; SELECT 2'), failsWith('000008', '0A000'));
  });

  it('runs asynchronously, tells the status, keeps the result; describes without running', async () => {
    const { statement } = await execute(db, 'SELECT 7 AS X', { asyncExec: true });
    const id = statement.getQueryId();
    const later = await db.getResultsFromQueryId({ queryId: id });
    const found: unknown[] = [];
    for await (const row of later.streamRows()) found.push(row);
    assert.deepEqual(found, [{ X: 7 }]);
    assert.equal(await db.getQueryStatus(id), 'SUCCESS');
    const described = await execute(db, 'SELECT n, d, ntz FROM types', { describeOnly: true });
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
    const cancelled = execute(db, endless, { onStatement: (s) => setTimeout(() => s.cancel(() => {}), 300) });
    await assert.rejects(cancelled, failsWith('000604', '57014'));
    const limited = execute(db, endless, { parameters: { STATEMENT_TIMEOUT_IN_SECONDS: 1 } });
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
      ['CALL something()', '000002', '0A000', /CALL/],
      ['ALTER SESSION SET WEEK_START = 1', '000002', '0A000', /WEEK_START/],
      ['SELECT HASH_AGG(*) FROM types', '000002', '0A000', /HASH_AGG/],
    ];
    for (const [sql, code, state, message] of cases) {
      await assert.rejects(execute(db, sql), failsWith(code, state, message), sql);
    }
    await execute(db, 'CREATE TABLE strict_one (id INT NOT NULL, s VARCHAR)');
    await assert.rejects(
      execute(db, "INSERT INTO strict_one (s) VALUES ('x')"),
      failsWith('100072', '22000'),
    );
  });
});

describe("the product's checksum", () => {
  it('equals what Node computes, exactly, beyond 2^64', async () => {
    await execute(
      db,
      'CREATE TABLE sums ("I" NUMBER(38,0), "P" NUMBER(12,4), "S" VARCHAR, "B" BOOLEAN, "D" DATE, "T" TIMESTAMP_NTZ, "X" BINARY, "M" TIME)',
    );
    await execute(
      db,
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
      db,
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
        db,
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
      db,
      `CREATE TABLE IF NOT EXISTS "_WAYBILL_LEDGER" ("K" TEXT NOT NULL, "C" NUMBER(38,0), "STATE" TEXT,
       "AT" TIMESTAMP_NTZ DEFAULT SYSDATE(), PRIMARY KEY ("K", "C"))`,
    );
    const merge = `MERGE INTO "_WAYBILL_LEDGER" t USING (SELECT 'a' AS k, column1 AS c FROM VALUES (1), (2)) s ON t."K" = s.k AND t."C" = s.c
      WHEN MATCHED THEN UPDATE SET t."STATE" = 'again' WHEN NOT MATCHED THEN INSERT ("K", "C", "STATE") VALUES (s.k, s.c, 'new')`;
    const counts = (inserted: number, updated: number) => [
      { 'number of rows inserted': inserted, 'number of rows updated': updated },
    ];
    assert.deepEqual(await rows(db, merge), counts(2, 0));
    assert.deepEqual(await rows(db, merge), counts(0, 2));
    const insert = `INSERT INTO "_WAYBILL_LEDGER" ("K", "C") SELECT 'a', 3 WHERE NOT EXISTS (SELECT 1 FROM "_WAYBILL_LEDGER" WHERE "K" = 'a' AND "C" = 3)`;
    assert.equal((await execute(db, insert)).statement.getNumUpdatedRows(), 1);
    assert.equal((await execute(db, insert)).statement.getNumUpdatedRows(), 0);
    const update = await execute(db, `UPDATE "_WAYBILL_LEDGER" SET "STATE" = ? WHERE "K" = ? AND "C" >= ?`, {
      binds: ['done', 'a', 2],
    });
    assert.equal(update.statement.getNumUpdatedRows(), 2);
    assert.equal(update.rows[0]?.['number of rows updated'], 2);
    // Snowflake records a primary key and lets duplicates in.
    await execute(db, `INSERT INTO "_WAYBILL_LEDGER" ("K", "C") VALUES ('a', 3)`);
    assert.deepEqual(await rows(db, `SELECT COUNT(*) AS N, COUNT("AT") AS M FROM "_WAYBILL_LEDGER"`), [
      { N: 4, M: 4 },
    ]);
    const keys = await rows(db, 'SHOW PRIMARY KEYS IN TABLE "_WAYBILL_LEDGER"');
    assert.deepEqual(
      keys.map((key) => [key['table_name'], key['column_name'], key['key_sequence']]),
      [
        ['_WAYBILL_LEDGER', 'K', 1],
        ['_WAYBILL_LEDGER', 'C', 2],
      ],
    );
    const removed = await execute(db, `DELETE FROM "_WAYBILL_LEDGER" WHERE "C" = 3`);
    assert.equal(removed.statement.getNumUpdatedRows(), 2);
    await assert.rejects(
      execute(db, merge.replace('VALUES (1), (2)', 'VALUES (1), (1)')),
      failsWith('100090', '42P18'),
    );
  });

  it('deletes by MERGE, and describes columns with types as Snowflake names them', async () => {
    await execute(db, 'CREATE TABLE tg (id INT, v VARCHAR(20))');
    await execute(db, "INSERT INTO tg VALUES (1, 'a'), (2, 'b')");
    await execute(
      db,
      `MERGE INTO tg t USING (SELECT column1 AS id, column2 AS v, column3 AS del FROM VALUES (1, 'x', FALSE), (2, '', TRUE), (3, 'c', FALSE)) s
       ON t.id = s.id WHEN MATCHED AND s.del THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v || '!' WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)`,
    );
    assert.deepEqual(await rows(db, 'SELECT * FROM tg ORDER BY id'), [
      { ID: 1, V: 'x!' },
      { ID: 3, V: 'c' },
    ]);
    const described = await rows(db, 'DESCRIBE TABLE types');
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
      db,
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
    await execute(db, "CREATE TABLE orig (id INT NOT NULL, v VARCHAR DEFAULT 'd', PRIMARY KEY (id))");
    await execute(db, 'INSERT INTO orig (id) VALUES (1), (2)');
    await execute(db, 'CREATE OR REPLACE TRANSIENT TABLE orig__wb LIKE orig');
    await execute(db, 'ALTER TABLE orig__wb ADD COLUMN "_WB_CHUNK" NUMBER');
    await execute(db, 'INSERT INTO orig__wb (id, "_WB_CHUNK") SELECT id + 10, 1 FROM orig');
    await execute(db, 'INSERT INTO orig (id, v) SELECT id, v FROM orig__wb');
    assert.deepEqual(await rows(db, 'SELECT LISTAGG(id || v) AS L FROM orig'), [{ L: '1d2d11d12d' }]);
    await assert.rejects(execute(db, "INSERT INTO orig__wb (v) VALUES ('x')"), failsWith('100072'));
    await execute(db, 'CREATE TABLE other (z INT)');
    await execute(db, 'CREATE OR REPLACE TABLE other CLONE orig');
    await execute(db, 'DELETE FROM other WHERE id > 1');
    await execute(db, 'ALTER TABLE other SWAP WITH orig');
    assert.deepEqual([await count('orig'), await count('other')], [1, 4]);
    await execute(db, 'ALTER TABLE other RENAME TO renamed');
    assert.equal(await count('renamed'), 4);
    assert.equal((await rows(db, 'SHOW PRIMARY KEYS IN TABLE renamed')).length, 1);
    await execute(db, 'DROP TABLE IF EXISTS renamed');
    await execute(db, 'DROP TABLE IF EXISTS renamed');
    await assert.rejects(execute(db, 'DROP TABLE renamed'), failsWith('002003', '42S02'));
    await execute(db, 'CREATE OR REPLACE TABLE orig AS SELECT 5 AS five');
    assert.equal((await rows(db, "SHOW TABLES LIKE 'ORIG'")).length, 1);
  });

  it('keeps temporary tables to their session, also by their full name', async () => {
    await execute(db, 'CREATE TEMPORARY TABLE DB1.PUBLIC.mine (a INT)');
    await execute(db, 'INSERT INTO DB1.PUBLIC.mine VALUES (1)');
    assert.equal(await count('mine'), 1);
    const other = await server.connect();
    await assert.rejects(execute(other, 'SELECT * FROM mine'), failsWith('002003'));
    await execute(db, 'DROP TABLE DB1.PUBLIC.mine');
  });

  it('answers about the session and keeps its parameters', async () => {
    const session = await server.connect({ queryTag: 'run=1' });
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

describe('stages and COPY', () => {
  const enclosed = `FILE_FORMAT = (TYPE = CSV FIELD_OPTIONALLY_ENCLOSED_BY = '"')`;

  before(async () => {
    await execute(db, "CREATE STAGE IF NOT EXISTS st ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE')");
    await execute(db, 'CREATE TABLE c1 (id INT, s VARCHAR, f FLOAT)');
  });

  it('moves files by PUT, LIST, GET and REMOVE, skips an upload that is there', async () => {
    assert.equal(await put('a.csv', '1,"x, y",\n2,,3.5\n', '@st/in/'), 'UPLOADED');
    const [again] = await rows(db, `PUT file://${home.directory}/a.csv @st/in/`);
    assert.equal(again?.['status'], 'SKIPPED');
    writeFileSync(join(home.directory, 'w1.csv'), '1,a,1\n');
    writeFileSync(join(home.directory, 'w2.csv'), '2,b,2\n');
    assert.equal((await rows(db, `PUT file://${home.directory}/w*.csv @st/w/`)).length, 2);
    const [listed, ...more] = await rows(db, 'LIST @st/in');
    assert.equal(more.length, 0);
    assert.equal(listed?.['name'], 'st/in/a.csv.gz');
    const down = join(home.directory, 'down');
    mkdirSync(down);
    const got = await rows(db, `GET @st/w/ 'file://${down}/'`);
    assert.deepEqual(
      got.map((row) => row['status']),
      ['DOWNLOADED', 'DOWNLOADED'],
    );
    assert.equal(gunzipSync(readFileSync(join(down, 'w2.csv.gz'))).toString(), '2,b,2\n');
    await put('gone.csv', '1\n', '@st/gone/');
    assert.equal((await rows(db, 'REMOVE @st/gone/')).length, 1);
    assert.equal((await rows(db, 'LIST @st/gone/')).length, 0);
    await assert.rejects(execute(db, 'LIST @no_such_stage'), failsWith('002003', '02000'));
  });

  it('loads a file once per table and content, however often COPY runs, until FORCE or TRUNCATE', async () => {
    const copy = `COPY INTO c1 FROM @st/in/ ${enclosed}`;
    const [first] = await rows(db, copy);
    assert.deepEqual(first, {
      file: 'st/in/a.csv.gz',
      status: 'LOADED',
      rows_parsed: 2,
      rows_loaded: 2,
      error_limit: 1,
      errors_seen: 0,
      first_error: null,
      first_error_line: null,
      first_error_character: null,
      first_error_column_name: null,
    });
    assert.deepEqual(await rows(db, 'SELECT * FROM c1 ORDER BY id'), [
      { ID: 1, S: 'x, y', F: null },
      { ID: 2, S: null, F: 3.5 },
    ]);
    assert.deepEqual(await rows(db, copy), [{ status: 'Copy executed with 0 files processed.' }]);
    await put('a.csv', '3,"new content",\n', '@st/in/');
    assert.equal((await rows(db, copy))[0]?.['rows_loaded'], 1);
    await execute(db, `${copy} FORCE = TRUE`);
    assert.equal(await count('c1'), 4);
    await execute(db, 'TRUNCATE TABLE c1');
    assert.equal((await rows(db, copy))[0]?.['rows_loaded'], 1);
  });

  it('tells file, line and column of a bad value; CONTINUE and SKIP_FILE go on without it', async () => {
    await execute(db, 'TRUNCATE TABLE c1');
    await put('bad.csv', '1,a,1\n"multi",line\n\n', '@st/bad/');
    await put('worse.csv', 'h\n1,"two\nlines",1\nzz,b,2\n4,c,4\n', '@st/bad/');
    const copy = (file: string, rest: string) =>
      `COPY INTO c1 FROM @st/bad FILES = ('${file}.csv.gz') FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1 FIELD_OPTIONALLY_ENCLOSED_BY = '"') ${rest}`;
    await assert.rejects(
      execute(db, copy('worse', '')),
      failsWith(
        '100038',
        '22018',
        /'zz' is not recognized[\s\S]*worse\.csv\.gz', line 4[\s\S]*"C1"\["ID":1\]/,
      ),
    );
    await assert.rejects(
      execute(db, copy('bad', '')),
      failsWith('100080', '22000', /columns in file \(2\).*table \(3\)/),
    );
    assert.equal(await count('c1'), 0);
    const [skipped] = await rows(db, copy('worse', 'ON_ERROR = SKIP_FILE'));
    assert.deepEqual(
      [skipped?.['status'], skipped?.['rows_loaded'], skipped?.['errors_seen']],
      ['LOAD_FAILED', 0, 1],
    );
    const [partly] = await rows(db, copy('worse', 'ON_ERROR = CONTINUE'));
    assert.deepEqual(
      [partly?.['status'], partly?.['rows_parsed'], partly?.['rows_loaded'], partly?.['first_error_line']],
      ['PARTIALLY_LOADED', 3, 2, 4],
    );
    assert.deepEqual(await rows(db, 'SELECT s FROM c1 ORDER BY id'), [{ S: 'two\nlines' }, { S: 'c' }]);
    await assert.rejects(execute(db, copy('missing', '')), failsWith('091016', '22000', /missing\.csv\.gz/));
  });

  it("reads CSV by Snowflake's rules: escapes, NULL_IF, empty fields", async () => {
    await execute(db, 'CREATE TABLE texts (a VARCHAR, b VARCHAR)');
    const load = async (content: string, options: string) => {
      await execute(db, 'TRUNCATE TABLE texts');
      await put('t.csv', content, '@st/t/');
      await execute(db, `COPY INTO texts FROM @st/t/ FILE_FORMAT = (TYPE = CSV ${options})`);
      return (await rows(db, 'SELECT * FROM texts', { rowMode: 'array' })) as unknown[];
    };
    // The defaults: a backslash escapes, \N is NULL, quotes are text.
    assert.deepEqual(await load('a\\,b,\\N\n"q",\n', ''), [
      ['a,b', null],
      ['"q"', null],
    ]);
    assert.deepEqual(
      await load(
        '"a\\",""\n"",\n"say ""hi""",x\\n\n',
        `FIELD_OPTIONALLY_ENCLOSED_BY = '"' ESCAPE_UNENCLOSED_FIELD = NONE NULL_IF = ()`,
      ),
      [
        ['a\\', ''],
        ['', null],
        ['say "hi"', 'x\\n'],
      ],
    );
    assert.deepEqual(
      await load(
        'NULL|x\n|~~\n',
        `FIELD_DELIMITER = '|' NULL_IF = ('NULL', '~~') EMPTY_FIELD_AS_NULL = FALSE ESCAPE_UNENCLOSED_FIELD = NONE`,
      ),
      [
        [null, 'x'],
        ['', null],
      ],
    );
    assert.deepEqual(
      await load('"a\\"b", x \n', `FIELD_OPTIONALLY_ENCLOSED_BY = '"' ESCAPE = '\\\\' TRIM_SPACE = TRUE`),
      [['a"b', 'x']],
    );
  });

  it("loads CSV through a transformation, as the product's chunks do, all types kept", async () => {
    await execute(
      db,
      'CREATE TRANSIENT TABLE chunked ("N" NUMBER(38,0), "P" NUMBER(10,2), "B" BOOLEAN, "D" DATE, "T" TIMESTAMP_NTZ, "X" BINARY, "S" VARCHAR, "_wb_chunk" NUMBER(10,0))',
    );
    const line = (n: string) => `${n},1.50,true,2024-02-29,2024-02-29T01:02:03.123456,DEAD,"a ""q"""\n`;
    const content = `${line('12345678901234567890123')},,,,,,\n${line('-1')}`;
    await put('f1.csv.gz', gzipSync(content), '@st/key/', 'AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP');
    const copy = `COPY INTO DB1.PUBLIC.chunked ("N", "P", "B", "D", "T", "X", "S", "_wb_chunk")
      FROM (SELECT $1, $2, $3, $4, TO_TIMESTAMP_NTZ($5), $6, s.$7, 14 FROM @DB1.PUBLIC."ST"/key s) FILES = ('f1.csv.gz')
      FILE_FORMAT = (TYPE = CSV COMPRESSION = GZIP RECORD_DELIMITER = '\\n' FIELD_OPTIONALLY_ENCLOSED_BY = '"' ESCAPE_UNENCLOSED_FIELD = NONE
      EMPTY_FIELD_AS_NULL = TRUE NULL_IF = () BINARY_FORMAT = HEX) ON_ERROR = ABORT_STATEMENT PURGE = FALSE FORCE = TRUE`;
    assert.equal((await rows(db, copy))[0]?.['rows_loaded'], 3);
    assert.deepEqual(
      await rows(
        db,
        `SELECT "N"::VARCHAR AS N, "P"::VARCHAR AS P, "B", "D"::VARCHAR AS D, TO_VARCHAR("T", 'YYYY-MM-DD HH24:MI:SS.FF6') AS T,
         "X"::VARCHAR AS X, "S", "_wb_chunk" AS C FROM chunked ORDER BY "N" NULLS LAST`,
      ),
      ['-1', '12345678901234567890123', null].map((N) =>
        N === null
          ? { N, P: null, B: null, D: null, T: null, X: null, S: null, C: 14 }
          : {
              N,
              P: '1.50',
              B: true,
              D: '2024-02-29',
              T: '2024-02-29 01:02:03.123456',
              X: 'DEAD',
              S: 'a "q"',
              C: 14,
            },
      ),
    );
    await put(
      'f1.csv.gz',
      gzipSync('oops,,,,,,\n'),
      '@st/key/',
      'AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP',
    );
    await assert.rejects(execute(db, copy), failsWith('100038', '22018', /f1\.csv\.gz/));
  });

  it('unloads CSV and Parquet, splits at MAX_FILE_SIZE, and loads them back', async () => {
    await execute(
      db,
      'CREATE TABLE u1 (id INT, s VARCHAR, d TIMESTAMP_NTZ, n NUMBER(12,2), big NUMBER(38,0))',
    );
    await execute(
      db,
      `INSERT INTO u1 SELECT SEQ4(), IFF(SEQ4() % 10 = 0, NULL, 's"' || SEQ4()), '2024-01-01 01:02:03.5'::TIMESTAMP_NTZ, SEQ4() / 4,
       12345678901234567890123 FROM TABLE(GENERATOR(ROWCOUNT => 100000))`,
    );
    const totals = async (table: string) =>
      rows(
        db,
        `SELECT COUNT(*) AS C, COUNT(s) AS S, SUM(n)::VARCHAR AS N, SUM(big)::VARCHAR AS B, MAX(d)::VARCHAR AS D FROM ${table}`,
      );
    const expected = await totals('u1');
    assert.equal(expected[0]?.['B'], String(12345678901234567890123n * 100000n));

    const [parquet] = await rows(
      db,
      'COPY INTO @st/out/ FROM u1 FILE_FORMAT = (TYPE = PARQUET) HEADER = TRUE MAX_FILE_SIZE = 200000',
    );
    assert.equal(parquet?.['rows_unloaded'], 100_000);
    const down = join(home.directory, 'parquet');
    mkdirSync(down);
    await execute(db, `GET @st/out/ file://${down}/`);
    const files = readdirSync(down);
    assert.ok(files.length > 1, `one file would mean it was not split: ${files}`);
    for (const file of files) assert.equal(readFileSync(join(down, file)).subarray(0, 4).toString(), 'PAR1');
    await assert.rejects(
      execute(db, 'COPY INTO @st/out/ FROM u1 FILE_FORMAT = (TYPE = PARQUET)'),
      failsWith('001037'),
    );
    await execute(db, `PUT file://${down}/*.parquet @st/pq/ AUTO_COMPRESS = FALSE`);
    await execute(db, 'CREATE TABLE u2 LIKE u1');
    await execute(
      db,
      'COPY INTO u2 FROM @st/pq FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE',
    );
    assert.deepEqual(await totals('u2'), expected);
    await execute(db, 'TRUNCATE TABLE u2');
    await execute(
      db,
      'COPY INTO u2 (id, s) FROM (SELECT $1:ID::INT, $1:S::VARCHAR FROM @st/pq) FILE_FORMAT = (TYPE = PARQUET)',
    );
    assert.deepEqual(await rows(db, 'SELECT COUNT(*) AS C, MAX(id) AS M FROM u2'), [
      { C: 100_000, M: 99_999 },
    ]);

    const csv = `FILE_FORMAT = (TYPE = CSV FIELD_OPTIONALLY_ENCLOSED_BY = '"' NULL_IF = () ESCAPE_UNENCLOSED_FIELD = NONE)`;
    await execute(
      db,
      `COPY INTO @st/csv/ FROM (SELECT * FROM u1) ${csv} HEADER = TRUE OVERWRITE = TRUE MAX_FILE_SIZE = 300000`,
    );
    assert.ok((await rows(db, 'LIST @st/csv/')).length > 1);
    await execute(db, 'TRUNCATE TABLE u2');
    await execute(
      db,
      `COPY INTO u2 FROM @st/csv/ ${csv.replace(')', ' SKIP_HEADER = 1)').replace('NULL_IF = ( SKIP_HEADER = 1)', 'SKIP_HEADER = 1 NULL_IF = ()')}`,
    );
    assert.deepEqual(await totals('u2'), expected);
    await execute(
      db,
      `COPY INTO @st/one.csv FROM (SELECT 1, 'a,b', NULL) FILE_FORMAT = (TYPE = CSV COMPRESSION = NONE) SINGLE = TRUE`,
    );
    await execute(db, `GET @st/one.csv file://${down}/`);
    assert.equal(readFileSync(join(down, 'one.csv'), 'utf8'), '1,a\\,b,\\N\n');
  });

  it('uses table and user stages, patterns and PURGE', async () => {
    await execute(db, 'TRUNCATE TABLE c1');
    await put('w1.csv', '1,a,1\n', '@%c1');
    await execute(db, 'COPY INTO c1 FROM @%c1 FILE_FORMAT = (TYPE = CSV)');
    await put('w1.csv', '1,a,1\n', '@~/up/');
    await execute(db, 'COPY INTO c1 FROM @~/up/ FILE_FORMAT = (TYPE = CSV)');
    await execute(db, "COPY INTO c1 FROM @st/w PATTERN = '.*w2.*' FILE_FORMAT = (TYPE = CSV) PURGE = TRUE");
    assert.equal(await count('c1'), 3);
    assert.deepEqual(
      (await rows(db, 'LIST @st/w')).map((row) => row['name']),
      ['st/w/w1.csv.gz'],
    );
  });
});

describe('transactions', () => {
  before(async () => {
    await execute(db, 'CREATE TABLE ledger (k INT, n INT)');
    await execute(db, 'INSERT INTO ledger VALUES (1, 0)');
    await execute(db, 'CREATE TABLE loaded (id INT, s VARCHAR)');
    await put('tx.csv', '1,a\n2,b\n', '@st/tx/');
  });
  const copy = 'COPY INTO loaded FROM @st/tx/ FILE_FORMAT = (TYPE = CSV)';

  it('rolls COPY back with its load history, and TRUNCATE too', async () => {
    await execute(db, 'BEGIN');
    assert.equal((await rows(db, copy))[0]?.['rows_loaded'], 2);
    await execute(db, 'ROLLBACK');
    assert.equal(await count('loaded'), 0);
    await execute(db, 'BEGIN TRANSACTION');
    assert.equal((await rows(db, copy))[0]?.['rows_loaded'], 2, 'the history must have gone with the rows');
    await execute(db, 'COMMIT');
    await execute(db, 'BEGIN');
    await execute(db, 'TRUNCATE TABLE loaded');
    await execute(db, 'ROLLBACK');
    assert.equal(await count('loaded'), 2);
    assert.deepEqual(await rows(db, copy), [{ status: 'Copy executed with 0 files processed.' }]);
  });

  it('goes on after a failed statement, which alone is undone', async () => {
    await execute(db, 'BEGIN');
    await execute(db, 'UPDATE ledger SET n = n + 1');
    await assert.rejects(execute(db, "INSERT INTO ledger VALUES (2, 'x')"), failsWith('100038'));
    await assert.rejects(execute(db, 'SELECT * FROM nowhere_at_all'), failsWith('002003'));
    await execute(db, 'INSERT INTO ledger VALUES (2, 5)');
    await execute(db, 'COMMIT');
    assert.deepEqual(await rows(db, 'SELECT * FROM ledger ORDER BY k'), [
      { K: 1, N: 1 },
      { K: 2, N: 5 },
    ]);
    await execute(db, 'DELETE FROM ledger WHERE k = 2');
  });

  it('shows nothing to others before COMMIT, reads what others committed, and commits at DDL', async () => {
    const other = await server.connect();
    await execute(db, 'BEGIN');
    await execute(db, 'INSERT INTO ledger VALUES (3, 0)');
    assert.equal(await count('ledger', other), 1);
    await execute(db, 'CREATE TABLE made_inside (a INT)');
    assert.equal(await count('ledger', other), 2);
    await execute(db, 'ROLLBACK');
    assert.equal(await count('ledger'), 2);
    await execute(db, 'DELETE FROM ledger WHERE k = 3');
  });

  it('queues writers of one table instead of failing them', async () => {
    await execute(db, 'UPDATE ledger SET n = 0');
    const work = async (id: number) => {
      const session = await server.connect();
      await put(`p${id}.csv`, `${id},p\n`, `@st/p${id}/`);
      await execute(session, 'BEGIN');
      await execute(session, 'SELECT * FROM ledger');
      await execute(session, 'UPDATE ledger SET n = n + 1 WHERE k = 1');
      await execute(session, `COPY INTO loaded FROM @st/p${id}/ FILE_FORMAT = (TYPE = CSV)`);
      await execute(session, 'COMMIT');
      await disconnect(session);
    };
    const single = async () => {
      const session = await server.connect();
      await execute(session, 'UPDATE ledger SET n = n + 100 WHERE k = 1');
      await disconnect(session);
    };
    await Promise.all([...[1, 2, 3, 4, 5, 6].map(work), single(), single(), single()]);
    assert.deepEqual(await rows(db, 'SELECT n FROM ledger'), [{ N: 306 }]);
    assert.deepEqual(await rows(db, "SELECT COUNT(*) AS N FROM loaded WHERE s = 'p'"), [{ N: 6 }]);
  });

  it('ends a transaction whose client went away while others wait, and never lets it commit later', async () => {
    const lost = await server.connect();
    await execute(lost, 'BEGIN');
    await execute(lost, 'UPDATE ledger SET n = -1');
    await execute(db, 'UPDATE ledger SET n = 7');
    await assert.rejects(execute(lost, 'COMMIT'), failsWith('000604', '57014', /rolled back/));
    assert.deepEqual(await rows(db, 'SELECT n FROM ledger'), [{ N: 7 }]);
  });

  it('keeps changes together without autocommit', async () => {
    const session = await server.connect();
    await execute(session, 'ALTER SESSION SET AUTOCOMMIT = FALSE');
    await execute(session, 'UPDATE ledger SET n = 8');
    assert.deepEqual(await rows(db, 'SELECT n FROM ledger'), [{ N: 7 }]);
    await execute(session, 'COMMIT');
    assert.deepEqual(await rows(db, 'SELECT n FROM ledger'), [{ N: 8 }]);
    await disconnect(session);
  });
});

describe('the protocol', () => {
  /** A request as the driver sends it, so that it can be sent twice. */
  async function request(path: string, body: unknown, token?: string): Promise<Reply> {
    const response = await fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token ? { authorization: `Snowflake Token="${token}"` } : {}),
      },
      body: JSON.stringify(body),
    });
    return (await response.json()) as Reply;
  }

  async function login(): Promise<{ token: string }> {
    const answer = await request('/session/v1/login-request?databaseName=DB1&schemaName=PUBLIC', {
      data: { LOGIN_NAME: user, PASSWORD: password, ACCOUNT_NAME: 'waybill', CLIENT_APP_ID: 'JavaScript' },
    });
    return { token: String(answer.data['token']) };
  }

  it('runs a request id once: resent later, at the same time, or while it still runs', async () => {
    await execute(db, 'CREATE TABLE once (a VARCHAR)');
    const { token } = await login();
    const path = `/queries/v1/query-request?requestId=${randomUUID()}`;
    const slow = `INSERT INTO once SELECT 'x' FROM (SELECT COUNT(*) AS c FROM TABLE(GENERATOR(ROWCOUNT => 20000)) a, TABLE(GENERATOR(ROWCOUNT => 20000)) b) WHERE c > 0`;
    const answers = await Promise.all([
      request(path, { sqlText: slow }, token),
      request(`${path}&retryCount=1`, { sqlText: slow }, token),
    ]);
    answers.push(await request(`${path}&retryCount=2&retryReason=503`, { sqlText: slow }, token));
    const settled: Reply[] = [];
    for (const answer of answers) {
      let current = answer;
      while (current.code === '333333') {
        const url = String(current.data['getResultUrl']);
        const response = await fetch(`${server.url}${url}`, {
          headers: { authorization: `Snowflake Token="${token}"` },
        });
        current = (await response.json()) as Reply;
      }
      settled.push(current);
    }
    assert.equal(new Set(settled.map((answer) => answer.data['queryId'])).size, 1);
    for (const answer of settled) assert.deepEqual(answer.data['rowset'], [['1']]);
    assert.equal(await count('once'), 1);
  });

  it('renews an expired session token for the holder of the master token only', async () => {
    const short = makeHome();
    const expiring = await StandIn.start(short, '--token-seconds', '2');
    try {
      const session = await expiring.connect();
      await execute(session, 'CREATE DATABASE DB1');
      await new Promise((resolve) => setTimeout(resolve, 2500));
      // The SDK meets 390112, renews and sends the statement again.
      assert.deepEqual(await rows(session, 'SELECT CURRENT_DATABASE() AS D'), [{ D: 'DB1' }]);
    } finally {
      await expiring.stop();
      rmSync(short.directory, { recursive: true, force: true });
    }
    const { token } = await login();
    const stolen = await request(
      '/session/token-request',
      { oldSessionToken: token, requestType: 'RENEW' },
      'not-the-master',
    );
    assert.equal(stolen.success, false);
  });

  it('refuses stage files without the token and outside of the stages', async () => {
    assert.equal((await fetch(`${server.url}/gcs/stage/named/DB1/PUBLIC/ST/in/a.csv.gz`)).status, 401);
    const answer = await request('/queries/v1/query-request', { sqlText: 'SELECT 1' }, 'no-token');
    assert.equal(answer.code, '390111');
  });
});

describe('the data directory', () => {
  it('keeps databases, tables, keys, stages, files and load history over SIGKILL and SIGTERM', async () => {
    const disk = makeHome();
    let running = await StandIn.start(disk);
    try {
      let session = await running.connect();
      await execute(session, 'CREATE DATABASE IF NOT EXISTS DB1');
      await execute(session, 'CREATE SCHEMA IF NOT EXISTS DB1."s2"');
      await execute(session, 'USE SCHEMA DB1.PUBLIC');
      await execute(
        session,
        'CREATE TABLE kept (id INT NOT NULL, s VARCHAR(7), t TIMESTAMP_NTZ DEFAULT SYSDATE(), PRIMARY KEY (id))',
      );
      await execute(session, 'CREATE VIEW seen AS SELECT id FROM kept');
      await execute(session, 'CREATE STAGE st');
      const file = join(disk.directory, 'k.csv');
      writeFileSync(file, '1,a\n2,b\n');
      await execute(session, `PUT file://${file} @st`);
      const copy = 'COPY INTO kept (id, s) FROM @st FILE_FORMAT = (TYPE = CSV)';
      await execute(session, copy);
      await execute(session, 'BEGIN');
      await execute(session, "INSERT INTO kept (id, s) VALUES (9, 'open')");
      await running.stop('SIGKILL');

      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        const started = Date.now();
        running = await StandIn.start(disk);
        assert.ok(Date.now() - started < 15_000, 'a second start takes seconds');
        session = await running.connect();
        assert.deepEqual(await rows(session, 'SELECT COUNT(*) AS N, COUNT(t) AS T FROM kept'), [
          { N: 2, T: 2 },
        ]);
        assert.deepEqual(await rows(session, 'SELECT COUNT(*) AS N FROM seen'), [{ N: 2 }]);
        assert.deepEqual(await rows(session, copy), [{ status: 'Copy executed with 0 files processed.' }]);
        assert.equal((await rows(session, 'LIST @st')).length, 1);
        assert.equal((await rows(session, 'SHOW PRIMARY KEYS IN TABLE kept')).length, 1);
        assert.equal((await rows(session, 'DESCRIBE TABLE kept'))[1]?.['type'], 'VARCHAR(7)');
        await execute(session, 'CREATE DATABASE IF NOT EXISTS DB1');
        await execute(session, 'CREATE SCHEMA IF NOT EXISTS DB1."s2"');
        assert.equal(await running.stop(signal), signal === 'SIGTERM' ? 0 : null);
      }
    } finally {
      await running.stop();
      rmSync(disk.directory, { recursive: true, force: true });
    }
  });
});

describe('an independent client', () => {
  it('snowflake-connector-python logs in, queries, binds, PUTs, COPYs and GETs', async () => {
    const { python } = await ensurePython(() => {});
    const script = projectPath('test', 'stand-ins', 'snowflake_connector.py');
    const key = join(home.directory, 'key.p8');
    writeFileSync(key, home.privateKey);
    const { stdout } = await promisify(execFile)(
      python,
      [script, String(server.port), user, key, home.directory],
      {
        env: { ...process.env, SNOWFLAKE_TEST_PASSWORD: password },
      },
    );
    assert.match(stdout, /^ok \d+ checks$/m);
  });
});
