// The Snowflake stand-in driven by the real snowflake-sdk and Python connector: stages, PUT, GET and COPY both ways.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { projectPath } from '../../dev/cache.ts';
import { startS3 } from '../../dev/s3/ministack.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import {
  execute,
  type Fixture,
  failsWith,
  password,
  rows,
  startFixture,
  user,
} from '../support/snowflake-stand-in.ts';

let fixture: Fixture;

before(async () => {
  fixture = await startFixture('--sync-seconds', '2', '--idle-transaction-seconds', '3');
});

after(() => fixture?.stop());

describe('stages and COPY', () => {
  const enclosed = `FILE_FORMAT = (TYPE = CSV FIELD_OPTIONALLY_ENCLOSED_BY = '"')`;

  before(async () => {
    await execute(fixture.db, "CREATE STAGE IF NOT EXISTS st ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE')");
    await execute(fixture.db, 'CREATE TABLE c1 (id INT, s VARCHAR, f FLOAT)');
  });

  it('moves files by PUT, LIST, GET and REMOVE, skips an upload that is there', async () => {
    assert.equal(await fixture.put('a.csv', '1,"x, y",\n2,,3.5\n', '@st/in/'), 'UPLOADED');
    const [again] = await rows(fixture.db, `PUT file://${fixture.home.directory}/a.csv @st/in/`);
    assert.equal(again?.['status'], 'SKIPPED');
    writeFileSync(join(fixture.home.directory, 'w1.csv'), '1,a,1\n');
    writeFileSync(join(fixture.home.directory, 'w2.csv'), '2,b,2\n');
    assert.equal((await rows(fixture.db, `PUT file://${fixture.home.directory}/w*.csv @st/w/`)).length, 2);
    const [listed, ...more] = await rows(fixture.db, 'LIST @st/in');
    assert.equal(more.length, 0);
    assert.equal(listed?.['name'], 'st/in/a.csv.gz');
    const down = join(fixture.home.directory, 'down');
    mkdirSync(down);
    const got = await rows(fixture.db, `GET @st/w/ 'file://${down}/'`);
    assert.deepEqual(
      got.map((row) => row['status']),
      ['DOWNLOADED', 'DOWNLOADED'],
    );
    assert.equal(gunzipSync(readFileSync(join(down, 'w2.csv.gz'))).toString(), '2,b,2\n');
    await fixture.put('gone.csv', '1\n', '@st/gone/');
    assert.equal((await rows(fixture.db, 'REMOVE @st/gone/')).length, 1);
    assert.equal((await rows(fixture.db, 'LIST @st/gone/')).length, 0);
    await assert.rejects(execute(fixture.db, 'LIST @no_such_stage'), failsWith('002003', '02000'));
  });

  it('loads a file once per table and content, however often COPY runs, until FORCE or TRUNCATE', async () => {
    const copy = `COPY INTO c1 FROM @st/in/ ${enclosed}`;
    const [first] = await rows(fixture.db, copy);
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
    assert.deepEqual(await rows(fixture.db, 'SELECT * FROM c1 ORDER BY id'), [
      { ID: 1, S: 'x, y', F: null },
      { ID: 2, S: null, F: 3.5 },
    ]);
    assert.deepEqual(await rows(fixture.db, copy), [{ status: 'Copy executed with 0 files processed.' }]);
    await fixture.put('a.csv', '3,"new content",\n', '@st/in/');
    assert.equal((await rows(fixture.db, copy))[0]?.['rows_loaded'], 1);
    await execute(fixture.db, `${copy} FORCE = TRUE`);
    assert.equal(await fixture.count('c1'), 4);
    await execute(fixture.db, 'TRUNCATE TABLE c1');
    assert.equal((await rows(fixture.db, copy))[0]?.['rows_loaded'], 1);
  });

  it('tells file, line and column of a bad value; CONTINUE and SKIP_FILE go on without it', async () => {
    await execute(fixture.db, 'TRUNCATE TABLE c1');
    await fixture.put('bad.csv', '1,a,1\n"multi",line\n\n', '@st/bad/');
    await fixture.put('worse.csv', 'h\n1,"two\nlines",1\nzz,b,2\n4,c,4\n', '@st/bad/');
    const copy = (file: string, rest: string) =>
      `COPY INTO c1 FROM @st/bad FILES = ('${file}.csv.gz') FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1 FIELD_OPTIONALLY_ENCLOSED_BY = '"') ${rest}`;
    await assert.rejects(
      execute(fixture.db, copy('worse', '')),
      failsWith(
        '100038',
        '22018',
        /'zz' is not recognized[\s\S]*worse\.csv\.gz', line 4[\s\S]*"C1"\["ID":1\]/,
      ),
    );
    await assert.rejects(
      execute(fixture.db, copy('bad', '')),
      failsWith('100080', '22000', /columns in file \(2\).*table \(3\)/),
    );
    assert.equal(await fixture.count('c1'), 0);
    const [skipped] = await rows(fixture.db, copy('worse', 'ON_ERROR = SKIP_FILE'));
    assert.deepEqual(
      [skipped?.['status'], skipped?.['rows_loaded'], skipped?.['errors_seen']],
      ['LOAD_FAILED', 0, 1],
    );
    const [partly] = await rows(fixture.db, copy('worse', 'ON_ERROR = CONTINUE'));
    assert.deepEqual(
      [partly?.['status'], partly?.['rows_parsed'], partly?.['rows_loaded'], partly?.['first_error_line']],
      ['PARTIALLY_LOADED', 3, 2, 4],
    );
    assert.deepEqual(await rows(fixture.db, 'SELECT s FROM c1 ORDER BY id'), [
      { S: 'two\nlines' },
      { S: 'c' },
    ]);
    await assert.rejects(
      execute(fixture.db, copy('missing', '')),
      failsWith('091016', '22000', /missing\.csv\.gz/),
    );
  });

  it("reads CSV by Snowflake's rules: escapes, NULL_IF, empty fields", async () => {
    await execute(fixture.db, 'CREATE TABLE texts (a VARCHAR, b VARCHAR)');
    const load = async (content: string, options: string) => {
      await execute(fixture.db, 'TRUNCATE TABLE texts');
      await fixture.put('t.csv', content, '@st/t/');
      await execute(fixture.db, `COPY INTO texts FROM @st/t/ FILE_FORMAT = (TYPE = CSV ${options})`);
      return (await rows(fixture.db, 'SELECT * FROM texts', { rowMode: 'array' })) as unknown[];
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
      fixture.db,
      'CREATE TRANSIENT TABLE chunked ("N" NUMBER(38,0), "P" NUMBER(10,2), "B" BOOLEAN, "D" DATE, "T" TIMESTAMP_NTZ, "X" BINARY, "S" VARCHAR, "_wb_chunk" NUMBER(10,0))',
    );
    const line = (n: string) => `${n},1.50,true,2024-02-29,2024-02-29T01:02:03.123456,DEAD,"a ""q"""\n`;
    const content = `${line('12345678901234567890123')},,,,,,\n${line('-1')}`;
    await fixture.put(
      'f1.csv.gz',
      gzipSync(content),
      '@st/key/',
      'AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP',
    );
    const copy = `COPY INTO DB1.PUBLIC.chunked ("N", "P", "B", "D", "T", "X", "S", "_wb_chunk")
      FROM (SELECT $1, $2, $3, $4, TO_TIMESTAMP_NTZ($5), $6, s.$7, 14 FROM @DB1.PUBLIC."ST"/key s) FILES = ('f1.csv.gz')
      FILE_FORMAT = (TYPE = CSV COMPRESSION = GZIP RECORD_DELIMITER = '\\n' FIELD_OPTIONALLY_ENCLOSED_BY = '"' ESCAPE_UNENCLOSED_FIELD = NONE
      EMPTY_FIELD_AS_NULL = TRUE NULL_IF = () BINARY_FORMAT = HEX) ON_ERROR = ABORT_STATEMENT PURGE = FALSE FORCE = TRUE`;
    assert.equal((await rows(fixture.db, copy))[0]?.['rows_loaded'], 3);
    assert.deepEqual(
      await rows(
        fixture.db,
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
    await fixture.put(
      'f1.csv.gz',
      gzipSync('oops,,,,,,\n'),
      '@st/key/',
      'AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP',
    );
    await assert.rejects(execute(fixture.db, copy), failsWith('100038', '22018', /f1\.csv\.gz/));
  });

  it('unloads CSV and Parquet, splits at MAX_FILE_SIZE, and loads them back', async () => {
    await execute(
      fixture.db,
      'CREATE TABLE u1 (id INT, s VARCHAR, d TIMESTAMP_NTZ, n NUMBER(12,2), big NUMBER(38,0))',
    );
    await execute(
      fixture.db,
      `INSERT INTO u1 SELECT SEQ4(), IFF(SEQ4() % 10 = 0, NULL, 's"' || SEQ4()), '2024-01-01 01:02:03.5'::TIMESTAMP_NTZ, SEQ4() / 4,
       12345678901234567890123 FROM TABLE(GENERATOR(ROWCOUNT => 100000))`,
    );
    const totals = async (table: string) =>
      rows(
        fixture.db,
        `SELECT COUNT(*) AS C, COUNT(s) AS S, SUM(n)::VARCHAR AS N, SUM(big)::VARCHAR AS B, MAX(d)::VARCHAR AS D FROM ${table}`,
      );
    const expected = await totals('u1');
    assert.equal(expected[0]?.['B'], String(12345678901234567890123n * 100000n));

    const [parquet] = await rows(
      fixture.db,
      'COPY INTO @st/out/ FROM u1 FILE_FORMAT = (TYPE = PARQUET) HEADER = TRUE MAX_FILE_SIZE = 200000',
    );
    assert.equal(parquet?.['rows_unloaded'], 100_000);
    const down = join(fixture.home.directory, 'parquet');
    mkdirSync(down);
    await execute(fixture.db, `GET @st/out/ file://${down}/`);
    const files = readdirSync(down);
    assert.ok(files.length > 1, `one file would mean it was not split: ${files}`);
    for (const file of files) assert.equal(readFileSync(join(down, file)).subarray(0, 4).toString(), 'PAR1');
    await assert.rejects(
      execute(fixture.db, 'COPY INTO @st/out/ FROM u1 FILE_FORMAT = (TYPE = PARQUET)'),
      failsWith('001037'),
    );
    await execute(fixture.db, `PUT file://${down}/*.parquet @st/pq/ AUTO_COMPRESS = FALSE`);
    await execute(fixture.db, 'CREATE TABLE u2 LIKE u1');
    await execute(
      fixture.db,
      'COPY INTO u2 FROM @st/pq FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE',
    );
    assert.deepEqual(await totals('u2'), expected);
    await execute(fixture.db, 'TRUNCATE TABLE u2');
    await execute(
      fixture.db,
      'COPY INTO u2 (id, s) FROM (SELECT $1:ID::INT, $1:S::VARCHAR FROM @st/pq) FILE_FORMAT = (TYPE = PARQUET)',
    );
    assert.deepEqual(await rows(fixture.db, 'SELECT COUNT(*) AS C, MAX(id) AS M FROM u2'), [
      { C: 100_000, M: 99_999 },
    ]);

    const csv = `FILE_FORMAT = (TYPE = CSV FIELD_OPTIONALLY_ENCLOSED_BY = '"' NULL_IF = () ESCAPE_UNENCLOSED_FIELD = NONE)`;
    await execute(
      fixture.db,
      `COPY INTO @st/csv/ FROM (SELECT * FROM u1) ${csv} HEADER = TRUE OVERWRITE = TRUE MAX_FILE_SIZE = 300000`,
    );
    assert.ok((await rows(fixture.db, 'LIST @st/csv/')).length > 1);
    await execute(fixture.db, 'TRUNCATE TABLE u2');
    await execute(
      fixture.db,
      `COPY INTO u2 FROM @st/csv/ ${csv.replace(')', ' SKIP_HEADER = 1)').replace('NULL_IF = ( SKIP_HEADER = 1)', 'SKIP_HEADER = 1 NULL_IF = ()')}`,
    );
    assert.deepEqual(await totals('u2'), expected);
    await execute(
      fixture.db,
      `COPY INTO @st/one.csv FROM (SELECT 1, 'a,b', NULL) FILE_FORMAT = (TYPE = CSV COMPRESSION = NONE) SINGLE = TRUE`,
    );
    await execute(fixture.db, `GET @st/one.csv file://${down}/`);
    assert.equal(readFileSync(join(down, 'one.csv'), 'utf8'), '1,a\\,b,\\N\n');
  });

  it('uses table and user stages, patterns and PURGE', async () => {
    await execute(fixture.db, 'TRUNCATE TABLE c1');
    await fixture.put('w1.csv', '1,a,1\n', '@%c1');
    await execute(fixture.db, 'COPY INTO c1 FROM @%c1 FILE_FORMAT = (TYPE = CSV)');
    await fixture.put('w1.csv', '1,a,1\n', '@~/up/');
    await execute(fixture.db, 'COPY INTO c1 FROM @~/up/ FILE_FORMAT = (TYPE = CSV)');
    await execute(
      fixture.db,
      "COPY INTO c1 FROM @st/w PATTERN = '.*w2.*' FILE_FORMAT = (TYPE = CSV) PURGE = TRUE",
    );
    assert.equal(await fixture.count('c1'), 3);
    assert.deepEqual(
      (await rows(fixture.db, 'LIST @st/w')).map((row) => row['name']),
      ['st/w/w1.csv.gz'],
    );
  });
});

describe('an external stage', () => {
  it('unloads to S3 and loads from it; PUT to it is refused', async () => {
    const { python } = await ensurePython(() => {});
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local-only' };
    const state = join(fixture.home.directory, 's3');
    mkdirSync(state);
    const s3 = await startS3({ python, stateDirectory: state, buckets: ['lake'], credentials });
    const beside = await startFixture('--s3-endpoint', s3.endpoint);
    try {
      await execute(
        beside.db,
        `CREATE STAGE ext URL = 's3://lake/data/' CREDENTIALS = (AWS_KEY_ID = 'local' AWS_SECRET_KEY = 'local-only')`,
      );
      await execute(
        beside.db,
        `CREATE TABLE src AS SELECT SEQ4() AS id, 'r' || SEQ4() AS s FROM TABLE(GENERATOR(ROWCOUNT => 500))`,
      );
      await execute(beside.db, 'COPY INTO @ext/out/ FROM src FILE_FORMAT = (TYPE = PARQUET) HEADER = TRUE');
      assert.deepEqual(
        (await rows(beside.db, 'LIST @ext/out/')).map((row) => row['name']),
        ['s3://lake/data/out/data_0_0_0.snappy.parquet'],
      );
      await execute(beside.db, 'CREATE TABLE back LIKE src');
      const copy =
        'COPY INTO back FROM @ext FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE PURGE = TRUE';
      await execute(beside.db, copy);
      assert.equal(await beside.count('back'), 500);
      assert.equal((await rows(beside.db, 'LIST @ext')).length, 0);
      await assert.rejects(beside.put('x.csv', '1\n', '@ext'), failsWith('091003', '0A000'));
    } finally {
      await beside.stop();
      await s3.stop();
    }
  });
});

describe('an independent client', () => {
  it('snowflake-connector-python logs in, queries, binds, PUTs, COPYs and GETs', async () => {
    const { python } = await ensurePython(() => {});
    const script = projectPath('test', 'stand-ins', 'snowflake_connector.py');
    const key = join(fixture.home.directory, 'key.p8');
    writeFileSync(key, fixture.home.privateKey);
    const { stdout } = await promisify(execFile)(
      python,
      [script, String(fixture.server.port), user, key, fixture.home.directory],
      {
        env: { ...process.env, SNOWFLAKE_TEST_PASSWORD: password },
      },
    );
    assert.match(stdout, /^ok \d+ checks$/m);
  });
});
