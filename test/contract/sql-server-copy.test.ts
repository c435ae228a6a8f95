// What only SQL Server has: procedures as source and sink, queries with CTEs and hints, identities, computed columns.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CopyEndpoint } from '../../src/core/copy.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { PASSWORD, type SqlServerUnderTest, startSqlServer } from '../support/sql-server-stand-in.ts';
import { CopyRunner } from './copy-runner.ts';

const coded =
  (code: string, words = /./) =>
  (error: unknown) =>
    error instanceof WaybillError && error.code === code && words.test(error.message);

describe('SQL Server to SQL Server', { timeout: 300_000 }, () => {
  let server: SqlServerUnderTest;
  let runner: CopyRunner;
  const sql = async (text: string): Promise<Record<string, unknown>[]> =>
    (await (await pool).request().batch<Record<string, unknown>>(text)).recordset ?? [];
  let pool: ReturnType<SqlServerUnderTest['pool']>;
  const end = (table: string, settings: JsonObject = {}): CopyEndpoint => ({
    linkedService: 'SqlServer',
    datasetType: 'SqlServerTable',
    dataset: { schema: 'dbo', table },
    settings,
  });
  const procedureSink = (settings: JsonObject = {}): CopyEndpoint =>
    end('target', {
      sqlWriterStoredProcedureName: 'dbo.LoadRows',
      sqlWriterTableType: '[dbo].[RowType]',
      storedProcedureTableTypeParameterName: 'rows',
      ...settings,
    });

  before(async () => {
    server = await startSqlServer();
    pool = server.pool();
    const properties = {
      ...{ server: `localhost,${server.port}`, database: 'master', caFile: server.certificateFile },
      ...{ userName: 'sa', password: PASSWORD },
    };
    runner = await CopyRunner.start('sql-server', () => ({ name: 'ls', type: 'SqlServer', properties }));
    await sql(`CREATE TABLE dbo.kinds (id int NOT NULL PRIMARY KEY, big bigint, price decimal(38,10), cash money, small smallmoney,
      ratio float, single real, flag bit, name nvarchar(50), code varchar(20), fixed char(6), day date, at datetime2(6), old datetime,
      minute smalldatetime, moment datetimeoffset(3), clock time(6), token uniqueidentifier, raw varbinary(max), note nvarchar(max), tiny tinyint)`);
    await sql(`INSERT INTO dbo.kinds VALUES
      (1, 9223372036854775807, 1234567890123456789012345678.0123456789, 900719925473.9999, -214748.3648, 0.1, 1.5, 1, N'é 🙂 漢字', 'x', 'ab',
       '2024-02-29', '2013-01-01 05:00:00.123456', '2013-01-01 05:00:00.123', '2013-01-01 05:01:00', '2013-01-01 05:00:00.123 +05:30', '23:59:59.999999',
       '6F9619FF-8B86-D011-B42D-00C04FC964FF', 0x00ff10, N'a|b||c', 255),
      (2, -9223372036854775808, -0.0000000001, 0, 0, -1e300, 0, 0, N'', '', '', '0001-01-01', '9999-12-31 23:59:59.999999', '1753-01-01', '1900-01-01',
       '0001-01-01 00:00:00 +00:00', '00:00:00', '00000000-0000-0000-0000-000000000000', 0x, N'', 0),
      (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`);
    await sql(
      `CREATE TABLE dbo.many (id int NOT NULL PRIMARY KEY, name nvarchar(20) NOT NULL, price decimal(18,2) NULL)`,
    );
    await sql(
      `INSERT INTO dbo.many SELECT value, CONCAT(N'row ', value), value / 4.0 FROM GENERATE_SERIES(1, 2500)`,
    );
    await sql(
      'CREATE TYPE dbo.RowType AS TABLE (id int NOT NULL, name nvarchar(20) NULL, price decimal(18,2) NULL)',
    );
    await sql(
      'CREATE TABLE dbo.target (id int NOT NULL PRIMARY KEY, name nvarchar(20), price decimal(18,2), run nvarchar(30), calls int)',
    );
    await sql('CREATE TABLE dbo.calls (rows int NOT NULL)');
    await sql(`CREATE PROCEDURE dbo.LoadRows @rows dbo.RowType READONLY, @run nvarchar(30) = N'unnamed' AS
BEGIN
  SET NOCOUNT ON;
  INSERT INTO dbo.calls SELECT COUNT(*) FROM @rows;
  MERGE INTO dbo.target WITH (HOLDLOCK) AS t USING @rows AS s ON t.id = s.id
  WHEN MATCHED THEN UPDATE SET name = s.name, price = s.price, run = @run, calls = t.calls + 1
  WHEN NOT MATCHED THEN INSERT (id, name, price, run, calls) VALUES (s.id, s.name, s.price, @run, 1);
END`);
  });
  after(async () => {
    await runner?.stop();
    await server?.stop();
  });

  const differing = async (table: string): Promise<number> => {
    const missing = async (from: string, to: string): Promise<number> =>
      Number(
        (await sql(`SELECT COUNT(*) AS n FROM (SELECT * FROM ${from} EXCEPT SELECT * FROM ${to}) AS d`))[0]?.[
          'n'
        ],
      );
    return (await missing('dbo.kinds', table)) + (await missing(table, 'dbo.kinds'));
  };

  test('every type comes out of a table, a procedure and a batch as it went in', async () => {
    await sql(
      'CREATE PROCEDURE dbo.ReadKinds @least int = 0 AS SET NOCOUNT ON; SELECT * FROM dbo.kinds WHERE id >= @least',
    );
    const sources: Record<string, JsonObject> = {
      table: {},
      procedure: {
        sqlReaderStoredProcedureName: '[dbo].[ReadKinds]',
        storedProcedureParameters: { least: { value: '1', type: 'Int32' } },
      },
      exec: { sqlReaderQuery: 'EXEC dbo.ReadKinds @least = 1;' },
      batch: {
        sqlReaderQuery: "DECLARE @none int = 0; SELECT * FROM dbo.kinds WHERE id > @none -- that's all\n;",
      },
    };
    for (const [name, settings] of Object.entries(sources)) {
      const made = `dbo.kinds_${name}`;
      await sql(`CREATE TABLE ${made} (id int NOT NULL PRIMARY KEY, big bigint, price decimal(38,10), cash money, small smallmoney,
        ratio float, single real, flag bit, name nvarchar(50), code varchar(20), fixed char(6), day date, at datetime2(6), old datetime,
        minute smalldatetime, moment datetimeoffset(3), clock time(6), token uniqueidentifier, raw varbinary(max), note nvarchar(max), tiny tinyint)`);
      const run = await runner.copy(`kinds/${name}`, end('kinds', settings), end(`kinds_${name}`));
      assert.equal(run.published.rows, 3, name);
      assert.equal(run.published.sourceChecksum, run.published.sinkChecksum, name);
      assert.equal(await differing(made), 0, name);
    }
  });

  test('a system view is read by its name, and what is not there is missing', async () => {
    const view = (schema: string, table: string): CopyEndpoint => ({
      ...end(table),
      dataset: { schema, table },
    });
    for (const [schema, table] of [
      ['sys', 'objects'],
      ['INFORMATION_SCHEMA', 'COLUMNS'],
    ] as const) {
      const into = end(`of_${schema}`, { tableOption: 'autoCreate' });
      const { published } = await runner.copy(`system/${schema}`, view(schema, table), into);
      assert.ok(published.rows > 0);
      assert.equal(published.sourceChecksum, published.sinkChecksum);
    }
    await assert.rejects(
      runner.copy('system/none', view('sys', 'no_such'), end('of_none', { tableOption: 'autoCreate' })),
      coded('OBJECT_MISSING', /SQL Server sys\.no_such does not exist/),
    );
  });

  test('queries may have CTEs, comments, hints and an order', async () => {
    const queries = [
      'WITH big AS (SELECT id, name FROM dbo.many WHERE id > 2400), few AS (SELECT * FROM big) SELECT id, name FROM few ORDER BY id DESC OPTION (MAXDOP 1);',
      'SELECT TOP (100) id, name FROM dbo.many ORDER BY id DESC -- the last ones',
      "/* SELECT; */ SELECT id, name FROM dbo.many WHERE id > 2400 AND name <> N'x;y -- z' ; -- end",
      'SELECT id, name FROM dbo.many ORDER BY id OFFSET 2400 ROWS FETCH NEXT 100 ROWS ONLY',
      'SELECT id, name FROM dbo.many WHERE id BETWEEN 2401 AND 2450 UNION ALL SELECT id, name FROM dbo.many WHERE id > 2450 ORDER BY id',
    ];
    for (const [i, sqlReaderQuery] of queries.entries()) {
      const copy = await runner.copy(
        `query/${i}`,
        end('x', { sqlReaderQuery }),
        end(`query_${i}`, { tableOption: 'autoCreate' }),
      );
      assert.equal(copy.published.rows, 100, sqlReaderQuery);
      const [row] = await sql(`SELECT MIN(id) AS low, MAX(id) AS high FROM dbo.query_${i}`);
      assert.deepEqual(row, { low: 2401, high: 2500 });
    }
  });

  test("ADF's hooks say where the range of a chunk goes", async () => {
    const settings = {
      sqlReaderQuery:
        'SELECT id, name FROM dbo.many WHERE ?AdfDynamicRangePartitionCondition AND ?AdfRangePartitionColumnName > 500',
      partitionOption: 'DynamicRange',
      partitionSettings: { partitionColumnName: 'id', partitionLowerBound: '1', partitionUpperBound: '2500' },
    };
    const copy = await runner.copy('hook', end('x', settings), end('hooked', { tableOption: 'autoCreate' }));
    assert.equal(copy.published.rows, 2000);
    await assert.rejects(
      runner.copy(
        'hook/other',
        end('x', { sqlReaderQuery: 'SELECT * FROM dbo.many WHERE id < ?AdfRangePartitionUpbound' }),
        end('hooked'),
      ),
      coded('DEFINITION_UNSUPPORTED', /AdfRangePartitionUpbound/),
    );
  });

  test('isolation levels and timeouts are passed on', async () => {
    const settings = { isolationLevel: 'Snapshot', queryTimeout: '02:00:00' };
    const copy = await runner.copy(
      'snapshot',
      end('many', settings),
      end('snapshot', { tableOption: 'autoCreate' }),
    );
    assert.equal(copy.published.rows, 2500);
    await assert.rejects(
      runner.copy('level', end('many', { isolationLevel: 'Chaos' }), end('snapshot')),
      coded('DEFINITION_INVALID', /Chaos/),
    );
    await assert.rejects(
      runner.copy(
        'slow',
        end('x', { queryTimeout: '00:00:01', sqlReaderQuery: "WAITFOR DELAY '00:00:05'; SELECT 1 AS one" }),
        end('snapshot'),
      ),
    );
  });

  test('rows go through a stored procedure in batches, each chunk once', async () => {
    const sink = procedureSink({
      writeBatchSize: 1000,
      storedProcedureParameters: { run: { value: 'first', type: 'String' } },
    });
    const input = runner.input('procedure', end('many'), sink);
    const plan = await runner.run('planCopy', input);
    assert.equal(plan.verified, false);
    for (const attempt of [1, 2]) {
      for (let chunk = 0; chunk < plan.chunks; chunk++)
        await runner.run('copyChunk', { copy: input, chunk, epoch: plan.epoch }, attempt);
    }
    const published = await runner.run('publishCopy', { copy: input, epoch: plan.epoch });
    assert.equal(published.rows, 2500);
    const [row] = await sql(
      'SELECT COUNT(*) AS n, SUM(calls) AS calls, MIN(run) AS run, SUM(price) AS price FROM dbo.target',
    );
    assert.deepEqual(
      { ...row, price: Number(row?.['price']) },
      { n: 2500, calls: 2500, run: 'first', price: (2500 * 2501) / 8 },
    );
    assert.deepEqual(
      (await sql('SELECT rows FROM dbo.calls ORDER BY rows')).map(({ rows }) => rows),
      [500, 1000, 1000],
    );
  });

  test('a chunk whose second call fails leaves nothing of its first', async () => {
    await sql('DELETE FROM dbo.target');
    await sql('DELETE FROM dbo.calls');
    await sql(`CREATE PROCEDURE dbo.LoadSome @rows dbo.RowType READONLY AS
      INSERT INTO dbo.target (id, name, price, run, calls) SELECT id, name, price, N'x', 1 FROM @rows`);
    const twice = "SELECT id, name, price FROM dbo.many WHERE id <= 30 UNION ALL SELECT 7, N'again', 1";
    const sink = procedureSink({ sqlWriterStoredProcedureName: 'LoadSome', writeBatchSize: 10 });
    await assert.rejects(
      runner.copy('procedure/fails', end('x', { sqlReaderQuery: twice }), sink),
      coded('CONSTRAINT_VIOLATED'),
    );
    assert.deepEqual(await sql('SELECT COUNT(*) AS n FROM dbo.target'), [{ n: 0 }]);
  });

  test('what a procedure sink lacks is said before the first row', async () => {
    const copy = (settings: JsonObject) =>
      runner.copy('procedure/lacks', end('many'), procedureSink(settings));
    await assert.rejects(
      copy({ sqlWriterTableType: 'dbo.NoSuchType' }),
      coded('OBJECT_MISSING', /NoSuchType/),
    );
    await assert.rejects(copy({ sqlWriterTableType: '' }), coded('DEFINITION_INVALID', /sqlWriterTableType/));
    await assert.rejects(
      copy({ sqlWriterStoredProcedureName: 'dbo.Nothing' }),
      coded('QUERY_FAILED', /2812/),
    );
    await assert.rejects(copy({ writeBatchSize: 'all' }), coded('DEFINITION_INVALID', /writeBatchSize/));
  });

  test('identities are kept where they are mapped, and made where they are not', async () => {
    await sql(
      'CREATE TABLE dbo.numbered (id int IDENTITY(1,1) NOT NULL PRIMARY KEY, name nvarchar(20) NOT NULL, price decimal(18,2))',
    );
    const last = { sqlReaderQuery: 'SELECT id, name, price FROM dbo.many WHERE id > 2490' };
    await runner.copy('identity/kept', end('x', last), end('numbered', { sqlWriterUseTableLock: true }));
    assert.deepEqual(await sql('SELECT MIN(id) AS low, MAX(id) AS high FROM dbo.numbered'), [
      { low: 2491, high: 2500 },
    ]);
    const upsert = { writeBehavior: 'upsert', upsertSettings: { useTempDB: true, keys: ['id'] } };
    const more = {
      sqlReaderQuery: "SELECT id, N'new' AS name, price FROM dbo.many WHERE id > 2485 AND id < 2493",
    };
    await runner.copy('identity/upsert', end('x', more), end('numbered', upsert));
    assert.deepEqual(await sql("SELECT COUNT(*) AS n FROM dbo.numbered WHERE name = N'new'"), [{ n: 7 }]);
    await sql('TRUNCATE TABLE dbo.numbered');
    const unnumbered = { sqlReaderQuery: 'SELECT name, price FROM dbo.many WHERE id > 2490' };
    await runner.copy('identity/made', end('x', unnumbered), end('numbered'));
    assert.deepEqual(await sql('SELECT MIN(id) AS low, MAX(id) AS high FROM dbo.numbered'), [
      { low: 1, high: 10 },
    ]);
  });

  test('a pre-copy script of several statements runs once, with the insert', async () => {
    await sql(
      "CREATE TABLE dbo.scripted (id int NOT NULL PRIMARY KEY, name nvarchar(20)); INSERT INTO dbo.scripted VALUES (1, N'old')",
    );
    await sql('CREATE TABLE dbo.log (said nvarchar(20))');
    const preCopyScript =
      "TRUNCATE TABLE dbo.scripted; INSERT INTO dbo.log VALUES (N'ran'); IF 1 = 1 DELETE FROM dbo.scripted";
    const few = { sqlReaderQuery: 'SELECT id, name FROM dbo.many WHERE id < 4' };
    await runner.copy('script', end('x', few), end('scripted', { preCopyScript }));
    assert.deepEqual(await sql('SELECT COUNT(*) AS n FROM dbo.scripted'), [{ n: 3 }]);
    assert.deepEqual(await sql('SELECT COUNT(*) AS n FROM dbo.log'), [{ n: 1 }]);
  });

  test('a table that the pre-copy script drops is made anew by autoCreate, and missed without it', async () => {
    const few = { sqlReaderQuery: 'SELECT id, name, price FROM dbo.many WHERE id < 4' };
    const preCopyScript = 'DROP TABLE IF EXISTS dbo.dropped';
    const sink = end('dropped', { preCopyScript, tableOption: 'autoCreate' });
    for (const run of ['there is none', 'there is one'])
      for (const again of [false, true]) {
        if (again) await sql('INSERT INTO dbo.dropped (id) VALUES (99)').catch(() => undefined);
        await runner.copy(`dropped/${run}/${again}`, end('x', few), sink);
        assert.deepEqual(await sql('SELECT COUNT(*) AS n, MAX(id) AS last FROM dbo.dropped'), [
          { n: 3, last: 3 },
        ]);
      }
    await assert.rejects(
      runner.copy('dropped/missed', end('x', few), end('dropped', { preCopyScript })),
      coded('OBJECT_MISSING'),
    );
    assert.deepEqual(await sql('SELECT COUNT(*) AS n FROM dbo.dropped'), [{ n: 3 }]);
  });

  test('change tracking: first everything, then what changed, and a version that is gone is refused', async () => {
    await sql(
      'CREATE TABLE dbo.tracked (id int NOT NULL PRIMARY KEY, name nvarchar(20) NOT NULL, price decimal(18,2) NULL)',
    );
    await sql(
      'CREATE TABLE dbo.followed (id int NOT NULL PRIMARY KEY, name nvarchar(20) NOT NULL, price decimal(18,2) NULL)',
    );
    const changes = { changeTracking: true, isolationLevel: 'Snapshot' };
    let runs = 0;
    const follow = (options: JsonObject = {}) =>
      runner.copy(
        `follow/${++runs}`,
        end('tracked', changes),
        end('followed', { writeBehavior: 'applyChanges' }),
        { incremental: { watermarkColumn: 'SYS_CHANGE_VERSION', name: 'follow', ...options } },
      );
    const same = async (): Promise<void> => {
      const read = (table: string) => sql(`SELECT id, name, price FROM dbo.${table} ORDER BY id`);
      assert.deepEqual(await read('followed'), await read('tracked'));
    };
    await assert.rejects(follow(), coded('DEFINITION_INVALID', /not enabled/));
    await sql('ALTER TABLE dbo.tracked ENABLE CHANGE_TRACKING');
    await sql('INSERT INTO dbo.tracked SELECT id, name, price FROM dbo.many WHERE id <= 100');
    assert.equal((await follow()).published.rows, 100);
    await same();

    await sql('DELETE FROM dbo.tracked WHERE id <= 10');
    await sql("UPDATE dbo.tracked SET name = N'changed', price = NULL WHERE id BETWEEN 11 AND 15");
    await sql("INSERT INTO dbo.tracked VALUES (501, N'new', 1), (502, N'gone at once', 2), (5, N'back', 3)");
    await sql('DELETE FROM dbo.tracked WHERE id = 502');
    const second = await follow();
    assert.equal(
      second.published.rows,
      10 + 5 + 1,
      'nine deleted, one deleted and back, five updated, one inserted',
    );
    await same();
    assert.equal((await follow()).published.rows, 0, 'nothing new');

    await sql('UPDATE dbo.tracked SET id = id + 1000 WHERE id > 90 AND id < 101');
    const input = runner.input(
      'follow/killed',
      end('tracked', changes),
      end('followed', { writeBehavior: 'applyChanges' }),
      { incremental: { watermarkColumn: 'SYS_CHANGE_VERSION', name: 'follow' } },
    );
    const plan = await runner.run('planCopy', input);
    await sql("UPDATE dbo.tracked SET name = N'later' WHERE id = 1095");
    for (let chunk = 0; chunk < plan.chunks; chunk++)
      await runner.run('copyChunk', { copy: input, chunk, epoch: plan.epoch });
    await sql('DELETE FROM dbo.tracked WHERE id = 1096');
    await runner.run('publishCopy', { copy: input, epoch: plan.epoch });
    await runner.run('cleanUpCopy', input);
    await follow();
    await same();

    await sql('TRUNCATE TABLE dbo.tracked');
    await sql("INSERT INTO dbo.tracked VALUES (1, N'anew', 1)");
    await assert.rejects(follow(), coded('SOURCE_CHANGED', /fullReload/));
    await follow({ fullReload: true });
    await same();
    await sql("UPDATE dbo.tracked SET name = N'and on'");
    assert.equal((await follow()).published.rows, 1);
    await same();
  });

  test('change tracking says what it needs', async () => {
    await sql('CREATE TABLE dbo.tracked_too (id int NOT NULL PRIMARY KEY, name nvarchar(20))');
    await sql('ALTER TABLE dbo.tracked_too ENABLE CHANGE_TRACKING');
    await sql(
      'CREATE TABLE dbo.followed_too (id int NOT NULL PRIMARY KEY, name nvarchar(20), SYS_CHANGE_OPERATION nchar(1))',
    );
    const source = end('tracked_too', { changeTracking: true });
    await assert.rejects(
      runner.copy('needs/incremental', source, end('followed_too')),
      coded('DEFINITION_INVALID', /SYS_CHANGE_VERSION/),
    );
    await assert.rejects(
      runner.copy('needs/applyChanges', source, end('followed_too'), {
        incremental: { watermarkColumn: 'SYS_CHANGE_VERSION' },
      }),
      coded('DEFINITION_INVALID', /applyChanges/),
    );
  });

  test('computed columns and row versions are not written, and columns without a value are named', async () => {
    await sql(`CREATE TABLE dbo.derived (id int NOT NULL PRIMARY KEY, name nvarchar(20) NOT NULL, price decimal(18,2),
      twice AS (price * 2) PERSISTED, version rowversion)`);
    const few = { sqlReaderQuery: 'SELECT id, name, price FROM dbo.many WHERE id <= 3' };
    await runner.copy('derived', end('x', few), end('derived'));
    assert.deepEqual(
      (await sql('SELECT id, twice FROM dbo.derived ORDER BY id')).map(({ twice }) => Number(twice)),
      [0.5, 1, 1.5],
    );
    const computed = {
      sqlReaderQuery: 'SELECT id + 10 AS id, name, price, price AS twice FROM dbo.many WHERE id <= 3',
    };
    await assert.rejects(
      runner.copy('derived/computed', end('x', computed), end('derived')),
      coded('OBJECT_MISSING', /twice/),
    );
    const less = { sqlReaderQuery: 'SELECT id + 10 AS id, price FROM dbo.many WHERE id <= 3' };
    await assert.rejects(
      runner.copy('derived/less', end('x', less), end('derived')),
      coded('DEFINITION_INVALID', /name/),
    );
  });

  test('a row version is a watermark that waits for open transactions', async () => {
    await sql(
      'CREATE TABLE dbo.versioned (id int NOT NULL PRIMARY KEY, name nvarchar(20), version rowversion)',
    );
    await sql('CREATE TABLE dbo.copied (id int NOT NULL PRIMARY KEY, name nvarchar(20))');
    await sql("INSERT INTO dbo.versioned (id, name) VALUES (1, N'one'), (2, N'two')");
    const translator = {
      type: 'TabularTranslator',
      mappings: ['id', 'name'].map((name) => ({ source: { name }, sink: { name } })),
    };
    let runs = 0;
    const run = async (): Promise<number> => {
      const sink = end('copied', { writeBehavior: 'upsert' });
      const incremental = { watermarkColumn: 'version', name: 'versioned' };
      return (await runner.copy(`versioned/${++runs}`, end('versioned'), sink, { incremental, translator }))
        .published.rows;
    };
    await run();
    const open = (await pool).transaction();
    await open.begin();
    await open.request().query("UPDATE dbo.versioned SET name = N'late' WHERE id = 1");
    await sql("INSERT INTO dbo.versioned (id, name) VALUES (3, N'three')");
    await run();
    await open.commit();
    await run();
    assert.deepEqual(
      await sql('SELECT id, name FROM dbo.copied ORDER BY id'),
      await sql('SELECT id, name FROM dbo.versioned ORDER BY id'),
    );
  });

  test('a change that commits late is read by a later run', async () => {
    await sql('CREATE TABLE dbo.late (id int NOT NULL PRIMARY KEY, name nvarchar(20))');
    await sql('CREATE TABLE dbo.late_copy (id int NOT NULL PRIMARY KEY, name nvarchar(20))');
    await sql('ALTER TABLE dbo.late ENABLE CHANGE_TRACKING');
    let runs = 0;
    const run = () =>
      runner.copy(
        `late/${++runs}`,
        end('late', { changeTracking: true }),
        end('late_copy', { writeBehavior: 'applyChanges' }),
        {
          incremental: { watermarkColumn: 'SYS_CHANGE_VERSION', name: 'late' },
        },
      );
    await sql("INSERT INTO dbo.late VALUES (1, N'one'), (2, N'two')");
    await run();
    const open = (await pool).transaction();
    await open.begin();
    await open.request().query("UPDATE dbo.late SET name = N'late' WHERE id = 1");
    await sql("UPDATE dbo.late SET name = N'early' WHERE id = 2");
    await run();
    await open.commit();
    await run();
    assert.deepEqual(
      await sql('SELECT * FROM dbo.late_copy ORDER BY id'),
      await sql('SELECT * FROM dbo.late ORDER BY id'),
    );
  });

  test('physical partitions are chunks', async () => {
    await sql('CREATE PARTITION FUNCTION byId (int) AS RANGE RIGHT FOR VALUES (1000, 2000)');
    await sql('CREATE PARTITION SCHEME everywhere AS PARTITION byId ALL TO ([PRIMARY])');
    await sql('CREATE TABLE dbo.parted (id int NOT NULL PRIMARY KEY, name nvarchar(20)) ON everywhere (id)');
    await sql('INSERT INTO dbo.parted SELECT id, name FROM dbo.many');
    const physical = { partitionOption: 'PhysicalPartitionsOfTable' };
    const copy = await runner.copy(
      'parted',
      end('parted', physical),
      end('unparted', { tableOption: 'autoCreate' }),
    );
    assert.deepEqual(
      copy.chunks.map(({ rows }) => rows),
      [999, 1000, 501],
    );
    assert.equal(copy.published.rows, 2500);
    const whole = await runner.copy(
      'parted/not',
      end('many', physical),
      end('unparted_too', { tableOption: 'autoCreate' }),
    );
    assert.equal(whole.published.rows, 2500, 'a table without partitions is read all the same');
  });
});
