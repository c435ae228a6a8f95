// T-SQL through the SQL Server stand-in: what the product itself says, and what the catalog answers.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import sql from 'mssql';
import { type SqlServerUnderTest, startSqlServer } from '../support/sql-server-stand-in.ts';

let server: SqlServerUnderTest;
let pool: sql.ConnectionPool;
const query = (text: string) => pool.request().query(text);
const rows = async (text: string) => (await query(text)).recordset as Record<string, unknown>[];
const value = async (text: string) => Object.values((await rows(text))[0] ?? {})[0];

before(async () => {
  server = await startSqlServer();
  const master = await server.pool();
  await master.request().query('CREATE DATABASE Shop');
  pool = await server.pool('Shop');
});
after(() => server?.stop());

const ALL_TYPES = `CREATE TABLE [dbo].[AllTypes] (
  [Id] int IDENTITY(1,1) NOT NULL CONSTRAINT [PK_AllTypes] PRIMARY KEY CLUSTERED,
  [Bit] bit NULL, [Tiny] tinyint NULL, [Small] smallint NULL, [Big] bigint NULL,
  [Dec] decimal(38,10) NULL, [Money] money NULL, [SmallMoney] smallmoney NULL, [Real] real NULL, [Float] float NULL,
  [Date] date NULL, [Time] time(7) NULL, [DateTime] datetime NULL, [SmallDT] smalldatetime NULL,
  [DT2] datetime2(7) NULL, [DT23] datetime2(3) NULL, [DTO] datetimeoffset(7) NULL,
  [Guid] uniqueidentifier NULL, [Vc] varchar(20) NULL, [VcMax] varchar(max) NULL, [Nvc] nvarchar(100) NULL,
  [NvcMax] nvarchar(max) NULL, [Ch] char(5) NULL, [Nch] nchar(5) NULL, [Bin] binary(4) NULL, [Vb] varbinary(10) NULL,
  [VbMax] varbinary(max) NULL)`;

test('@@IDENTITY is the last one that the session was given, as SCOPE_IDENTITY() is', async () => {
  await query('CREATE TABLE dbo.Runs (Id int IDENTITY(41,1), Name varchar(10))');
  const [row] = await rows(
    "INSERT INTO dbo.Runs (Name) VALUES ('a'), ('b'); SELECT @@IDENTITY AS last, SCOPE_IDENTITY() AS scoped",
  );
  assert.deepEqual(row, { last: 42, scoped: 42 });
  await query('DROP TABLE dbo.Runs');
});

test('CONCAT and CONCAT_WS take up to 254 values, and leave out what is NULL', async () => {
  const numbers = Array.from({ length: 253 }, (_, at) => (at === 5 ? 'NULL' : String(at % 10)));
  const shown = numbers.filter((each) => each !== 'NULL');
  assert.equal(await value(`SELECT CONCAT(${numbers.join(', ')})`), shown.join(''));
  assert.equal(await value(`SELECT CONCAT_WS('|', ${numbers.join(', ')})`), shown.join('|'));
});

test('a query that refers to itself keeps the dates that DATEADD steps through', async () => {
  await query(
    "CREATE TABLE dbo.Marks (Name varchar(10), Moment datetime); INSERT INTO dbo.Marks VALUES ('a', '2024-01-01T05:00:00')",
  );
  const days = await rows(`WITH Days AS (SELECT CAST(Moment AS DATE) AS day FROM dbo.Marks
    UNION ALL SELECT DATEADD(DAY, 1, day) FROM Days WHERE day < CAST('2024-01-03T07:00:00' AS DATE))
    SELECT day FROM Days OPTION (MAXRECURSION 1000);`);
  assert.deepEqual(
    days.map(({ day }) => (day as Date).toISOString().slice(0, 10)),
    ['2024-01-01', '2024-01-02', '2024-01-03'],
  );
  await query('DROP TABLE dbo.Marks');
});

describe('the catalog', () => {
  before(() => query(ALL_TYPES));

  test('INFORMATION_SCHEMA.COLUMNS speaks of the types as they were declared', async () => {
    const columns =
      await rows(`SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH AS len, NUMERIC_PRECISION AS p,
      NUMERIC_SCALE AS s, DATETIME_PRECISION AS dp, IS_NULLABLE AS nullable FROM INFORMATION_SCHEMA.COLUMNS
      WHERE TABLE_SCHEMA = 'dbo' AND TABLE_NAME = 'AllTypes' ORDER BY ORDINAL_POSITION`);
    const shown = columns.map((c) => [
      c['COLUMN_NAME'],
      c['DATA_TYPE'],
      c['len'],
      c['p'],
      c['s'],
      c['dp'],
      c['nullable'],
    ]);
    assert.deepEqual(shown, [
      ['Id', 'int', null, 10, 0, null, 'NO'],
      ['Bit', 'bit', null, null, null, null, 'YES'],
      ['Tiny', 'tinyint', null, 3, 0, null, 'YES'],
      ['Small', 'smallint', null, 5, 0, null, 'YES'],
      ['Big', 'bigint', null, 19, 0, null, 'YES'],
      ['Dec', 'decimal', null, 38, 10, null, 'YES'],
      ['Money', 'money', null, 19, 4, null, 'YES'],
      ['SmallMoney', 'smallmoney', null, 10, 4, null, 'YES'],
      ['Real', 'real', null, 24, null, null, 'YES'],
      ['Float', 'float', null, 53, null, null, 'YES'],
      ['Date', 'date', null, null, null, 0, 'YES'],
      ['Time', 'time', null, null, null, 7, 'YES'],
      ['DateTime', 'datetime', null, null, null, 3, 'YES'],
      ['SmallDT', 'smalldatetime', null, null, null, 0, 'YES'],
      ['DT2', 'datetime2', null, null, null, 7, 'YES'],
      ['DT23', 'datetime2', null, null, null, 3, 'YES'],
      ['DTO', 'datetimeoffset', null, null, null, 7, 'YES'],
      ['Guid', 'uniqueidentifier', null, null, null, null, 'YES'],
      ['Vc', 'varchar', 20, null, null, null, 'YES'],
      ['VcMax', 'varchar', -1, null, null, null, 'YES'],
      ['Nvc', 'nvarchar', 100, null, null, null, 'YES'],
      ['NvcMax', 'nvarchar', -1, null, null, null, 'YES'],
      ['Ch', 'char', 5, null, null, null, 'YES'],
      ['Nch', 'nchar', 5, null, null, null, 'YES'],
      ['Bin', 'binary', 4, null, null, null, 'YES'],
      ['Vb', 'varbinary', 10, null, null, null, 'YES'],
      ['VbMax', 'varbinary', -1, null, null, null, 'YES'],
    ]);
  });

  test('SELECT * has the declared names and types, and every value survives', async () => {
    await query(`INSERT INTO dbo.AllTypes VALUES (1, 255, -5, 9007199254740993, 1234567890.0123456789, 12.3456, 1.5, 2.5, 0.1,
      '2026-11-22', '10:11:12.123456', '2026-11-22T10:11:12.347', '2026-11-22 10:11', '2026-11-22T10:11:12.123456',
      '2026-11-22T10:11:12.123', '2026-11-22T10:11:12.123456+00:00', '6f9619ff-8b86-d011-b42d-00c04fc964ff', 'žluť', 'long', N'漢字 😀 ',
      N'', 'ab', N'cd', 0x01020304, 0xFF, 0x)`);
    await query('INSERT INTO dbo.AllTypes (Bit) VALUES (NULL)');
    const result = await query('SELECT * FROM dbo.alltypes ORDER BY id');
    const types = Object.values(result.recordset.columns).map((c) => [c.name, c.type as unknown]);
    const expected: [string, unknown][] = [
      ['Id', sql.Int],
      ['Bit', sql.Bit],
      ['Tiny', sql.TinyInt],
      ['Small', sql.SmallInt],
      ['Big', sql.BigInt],
      ['Dec', sql.Numeric],
      ['Money', sql.Money],
      ['SmallMoney', sql.SmallMoney],
      ['Real', sql.Real],
      ['Float', sql.Float],
      ['Date', sql.Date],
      ['Time', sql.Time],
      ['DateTime', sql.DateTime],
      ['SmallDT', sql.SmallDateTime],
      ['DT2', sql.DateTime2],
      ['DT23', sql.DateTime2],
      ['DTO', sql.DateTimeOffset],
      ['Guid', sql.UniqueIdentifier],
      ['Vc', sql.VarChar],
      ['VcMax', sql.VarChar],
      ['Nvc', sql.NVarChar],
      ['NvcMax', sql.NVarChar],
      ['Ch', sql.Char],
      ['Nch', sql.NChar],
      ['Bin', sql.Binary],
      ['Vb', sql.VarBinary],
      ['VbMax', sql.VarBinary],
    ];
    assert.deepEqual(types, expected);
    const [row, empty] = result.recordset;
    assert.equal(row.Big, '9007199254740993');
    assert.equal(row.Bit, true);
    assert.equal(row.Tiny, 255);
    assert.equal(row.Money, 12.3456);
    assert.equal(row.Vc, 'žluť');
    assert.equal(row.Nvc, '漢字 😀 ');
    assert.equal(row.NvcMax, '');
    assert.equal(row.Ch, 'ab   ');
    assert.equal(row.Guid, '6F9619FF-8B86-D011-B42D-00C04FC964FF');
    assert.deepEqual(row.Bin, Buffer.from([1, 2, 3, 4]));
    assert.deepEqual(row.VbMax, Buffer.alloc(0));
    assert.equal(row.DateTime.toISOString(), '2026-11-22T10:11:12.347Z');
    assert.equal(row.DT23.toISOString(), '2026-11-22T10:11:12.123Z');
    assert.equal(row.SmallDT.toISOString(), '2026-11-22T10:11:00.000Z');
    assert.ok(Object.entries(empty).every(([name, each]) => (name === 'Id' ? each === 2 : each === null)));
    assert.equal(
      await value('SELECT CONVERT(varchar(60), [Dec]) AS d FROM dbo.AllTypes WHERE Id = 1'),
      '1234567890.0123456789',
    );
  });

  test('keys and constraints', async () => {
    await query(
      'CREATE TABLE dbo.Pairs ([A] nvarchar(20) NOT NULL, [B] int NOT NULL, [C] int NULL UNIQUE, CONSTRAINT [PK_Pairs] PRIMARY KEY CLUSTERED ([B] ASC, [A] ASC))',
    );
    const keys =
      await rows(`SELECT k.COLUMN_NAME AS c, k.ORDINAL_POSITION AS o FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS AS t
      JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE AS k ON k.CONSTRAINT_NAME = t.CONSTRAINT_NAME AND k.TABLE_NAME = t.TABLE_NAME
      WHERE t.CONSTRAINT_TYPE = 'PRIMARY KEY' AND t.TABLE_NAME = 'Pairs' ORDER BY k.ORDINAL_POSITION`);
    assert.deepEqual(keys, [
      { c: 'B', o: 1 },
      { c: 'A', o: 2 },
    ]);
    assert.deepEqual(
      await rows(
        "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME",
      ),
      [{ TABLE_NAME: 'AllTypes' }, { TABLE_NAME: 'Pairs' }],
    );
    const indexes = await rows(
      "SELECT i.name, i.is_primary_key FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'dbo.Pairs') AND i.is_primary_key = 1",
    );
    assert.equal(indexes[0]?.['is_primary_key'], true);
    const columns =
      await rows(`SELECT c.name, t.name AS type, c.max_length, c.precision, c.scale, c.is_nullable FROM sys.columns AS c
      JOIN sys.types AS t ON t.user_type_id = c.user_type_id WHERE c.object_id = OBJECT_ID('dbo.AllTypes') AND c.name IN ('Nvc', 'Dec') ORDER BY c.column_id`);
    assert.deepEqual(columns, [
      { name: 'Dec', type: 'decimal', max_length: 17, precision: 38, scale: 10, is_nullable: true },
      { name: 'Nvc', type: 'nvarchar', max_length: 200, precision: 0, scale: 0, is_nullable: true },
    ]);
  });

  test('limits of the declared types hold: tinyint, varbinary(n), nvarchar(n), identity', async () => {
    const failing = async (text: string) =>
      query(text).then(
        () => 0,
        (error: sql.RequestError) => error.number,
      );
    assert.equal(await failing('INSERT INTO dbo.AllTypes (Tiny) VALUES (256)'), 220);
    assert.equal(await failing('INSERT INTO dbo.AllTypes (Vb) VALUES (0x0102030405060708090A0B)'), 2628);
    assert.equal(await failing("INSERT INTO dbo.AllTypes (Nch) VALUES (N'abcdef')"), 2628);
    assert.equal(await failing('INSERT INTO dbo.AllTypes (Id) VALUES (7)'), 544);
    await query(
      'SET IDENTITY_INSERT dbo.AllTypes ON; INSERT INTO dbo.AllTypes (Id) VALUES (70); SET IDENTITY_INSERT dbo.AllTypes OFF',
    );
    await query('DELETE FROM dbo.AllTypes WHERE Id > 2');
  });

  test('a copy by SELECT TOP (0) INTO keeps types and names', async () => {
    await query('SELECT TOP (0) * INTO [dbo].[AllTypes__wb] FROM [dbo].[AllTypes]');
    const compare = (table: string) =>
      rows(`SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION
        FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = '${table}' ORDER BY ORDINAL_POSITION`);
    assert.deepEqual(await compare('AllTypes__wb'), await compare('AllTypes'));
    await query('ALTER TABLE [dbo].[AllTypes__wb] ADD [_wb_chunk] int');
    assert.equal((await compare('AllTypes__wb')).length, 28);
    await query('DROP TABLE IF EXISTS [dbo].[AllTypes__wb]');
  });
});

test('sys.objects knows tables, views and procedures, and when they were made and changed', async () => {
  const began = Date.now();
  await query('CREATE TABLE dbo.Older (a int)');
  await query('SELECT 1 AS a INTO dbo.Newer');
  await query('CREATE VIEW dbo.Viewed AS SELECT a FROM dbo.Older');
  await query('CREATE PROCEDURE dbo.Doing AS SELECT 1 AS a');
  const made = await rows(
    "SELECT name, type, type_desc, create_date, modify_date FROM sys.objects WHERE name IN ('Older', 'Newer', 'Viewed', 'Doing') ORDER BY create_date",
  );
  assert.deepEqual(
    made.map(({ name, type, type_desc }) => `${name} ${String(type).trim()} ${type_desc}`),
    ['Older U USER_TABLE', 'Newer U USER_TABLE', 'Viewed V VIEW', 'Doing P SQL_STORED_PROCEDURE'],
  );
  for (const { create_date } of made)
    assert.ok(create_date instanceof Date && Math.abs(create_date.getTime() - began) < 60_000);
  await query('ALTER TABLE dbo.Older ADD b int');
  const [newest] = await rows('SELECT TOP 1 name FROM sys.tables ORDER BY modify_date DESC');
  assert.equal(newest?.['name'], 'Older');
  assert.equal(await value('SELECT TOP 1 name FROM sys.tables ORDER BY create_date DESC'), 'Newer');
  // As a source of many rows: a calendar of months.
  const months = await rows(`DECLARE @first date = '2024-01-01', @last date = '2026-12-01';
    SELECT TOP (DATEDIFF(MONTH, @first, @last) + 1) month = EOMONTH(DATEADD(MONTH, ROW_NUMBER() OVER (ORDER BY a.object_id) - 1, @first))
    FROM sys.all_objects a CROSS JOIN sys.all_objects b`);
  assert.equal(months.length, 36);
  assert.equal(await value("SELECT COUNT(*) FROM sys.objects WHERE name = 'all_objects'"), 0);
  await query('DROP PROCEDURE dbo.Doing; DROP VIEW dbo.Viewed; DROP TABLE dbo.Older; DROP TABLE dbo.Newer');
});

test('a query describes its columns, also through a derived table', async () => {
  const text = `SELECT TOP (0) * FROM (SELECT CAST(1.5 AS decimal(20,4)) AS d, CAST(N'x' AS nvarchar(7)) AS t, CAST(NULL AS datetime2(3)) AS m) AS q`;
  const columns = Object.values((await query(text)).recordset.columns) as unknown as Record<
    string,
    unknown
  >[];
  assert.deepEqual(
    columns.map((column) => [column['name'], column['length'], column['precision'], column['scale']]),
    [
      ['d', 13, 20, 4],
      ['t', 14, undefined, undefined],
      ['m', undefined, undefined, 3],
    ],
  );
});

test('names: up to 128 characters, compared without case, shown as declared', async () => {
  const long = `Staging_${'x'.repeat(110)}_1`;
  const twin = `Staging_${'x'.repeat(110)}_2`;
  await query(
    `CREATE TABLE dbo.[${long}] ([Column_${'y'.repeat(100)}] int NULL); CREATE TABLE dbo.[${twin}] (a int NULL)`,
  );
  await query(`INSERT INTO dbo.[${long.toUpperCase()}] VALUES (5)`);
  assert.deepEqual(await rows(`SELECT * FROM dbo.[${long}]`), [{ [`Column_${'y'.repeat(100)}`]: 5 }]);
  const found = `SELECT TABLE_NAME AS n FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = N'${long.toLowerCase()}' AND TABLE_SCHEMA = N'DBO'`;
  assert.deepEqual(await rows(found), [{ n: long }]);
  assert.equal(await value(`SELECT OBJECT_NAME(OBJECT_ID(N'[dbo].[${long}]')) AS n`), long);
  await assert.rejects(query(`CREATE TABLE dbo.[${'z'.repeat(129)}] (a int)`), { number: 103 });
  await query(`DROP TABLE dbo.[${long}], dbo.[${twin}]`);
});

describe('checksums', () => {
  /** The same digest in Node: big-endian signed upper 64 bits of MD5 over UTF-8, summed as unsigned. */
  const digest = (texts: string[]): string =>
    texts
      .map((text) => createHash('md5').update(text, 'utf8').digest().readBigUInt64BE(0))
      .reduce((a, b) => a + b, 0n)
      .toString();

  const form = (expression: string, table: string): string =>
    `SELECT COUNT_BIG(*) AS n, CONVERT(varchar(40), SUM(CASE WHEN h < 0 THEN CAST(h AS decimal(38,0)) + 18446744073709551616 ELSE CAST(h AS decimal(38,0)) END)) AS c
     FROM (SELECT CONVERT(bigint, SUBSTRING(HASHBYTES('MD5', ${expression}), 1, 8)) AS h FROM ${table}) AS x`;

  before(async () => {
    await query(`CREATE TABLE dbo.t (i int NULL, b bigint NULL, d decimal(18,2) NULL, n nvarchar(50) NULL, v varchar(50) NULL, ts datetime2(7) NULL,
      ts3 datetime2(3) NULL, dt datetime NULL, da date NULL, g uniqueidentifier NULL, x varbinary(20) NULL, bit bit NULL, f float NULL)`);
    await query(`INSERT INTO dbo.t VALUES
      (1, 9007199254740993, 12.50, N'漢字 😀', 'žluť ', '2026-11-22T10:11:12.123456', '2026-11-22T10:11:12.120', '2026-11-22T10:11:12.347', '2026-11-22', '6f9619ff-8b86-d011-b42d-00c04fc964ff', 0x01ABFF, 1, 0.1),
      (-2, 0, -0.05, N'', '', '1999-12-31T23:59:59', '2000-01-01', '2000-01-01', '0001-01-01', '00000000-0000-0000-0000-000000000000', 0x, 0, -1.5e300),
      (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`);
  });

  const cases: [title: string, expression: string, texts: string[]][] = [
    [
      'integers',
      "CASE WHEN [i] IS NULL THEN 'N' ELSE 'V' + CONVERT(varchar(40), [i]) END",
      ['V1', 'V-2', 'N'],
    ],
    [
      'bigint',
      "CASE WHEN [b] IS NULL THEN 'N' ELSE 'V' + CONVERT(varchar(40), [b]) END",
      ['V9007199254740993', 'V0', 'N'],
    ],
    [
      'decimal',
      "CASE WHEN [d] IS NULL THEN 'N' ELSE 'V' + CONVERT(varchar(40), [d]) END",
      ['V12.50', 'V-0.05', 'N'],
    ],
    [
      'nvarchar',
      "CASE WHEN [n] IS NULL THEN 'N' ELSE 'V' + CONVERT(nvarchar(max), [n]) END",
      ['V漢字 😀', 'V', 'N'],
    ],
    ['varchar', "CASE WHEN [v] IS NULL THEN 'N' ELSE 'V' + [v] END", ['Vžluť ', 'V', 'N']],
    [
      'datetime2 126',
      "CASE WHEN [ts] IS NULL THEN 'N' ELSE 'V' + CONVERT(varchar(27), [ts], 126) END",
      ['V2026-11-22T10:11:12.1234560', 'V1999-12-31T23:59:59', 'N'],
    ],
    [
      'datetime2 121',
      "CASE WHEN [ts] IS NULL THEN 'N' ELSE 'V' + CONVERT(varchar(33), [ts], 121) END",
      ['V2026-11-22 10:11:12.1234560', 'V1999-12-31 23:59:59.0000000', 'N'],
    ],
    [
      'datetime2(3) 121',
      "CASE WHEN [ts3] IS NULL THEN 'N' ELSE 'V' + CONVERT(varchar(33), [ts3], 121) END",
      ['V2026-11-22 10:11:12.120', 'V2000-01-01 00:00:00.000', 'N'],
    ],
    [
      'datetime 126',
      "CASE WHEN [dt] IS NULL THEN 'N' ELSE 'V' + CONVERT(varchar(27), [dt], 126) END",
      ['V2026-11-22T10:11:12.347', 'V2000-01-01T00:00:00', 'N'],
    ],
    [
      'date',
      "CASE WHEN [da] IS NULL THEN 'N' ELSE 'V' + CONVERT(varchar(10), [da], 23) END",
      ['V2026-11-22', 'V0001-01-01', 'N'],
    ],
    [
      'uniqueidentifier',
      "CASE WHEN [g] IS NULL THEN 'N' ELSE 'V' + CONVERT(varchar(36), [g]) END",
      ['V6F9619FF-8B86-D011-B42D-00C04FC964FF', 'V00000000-0000-0000-0000-000000000000', 'N'],
    ],
    [
      'binary',
      "CASE WHEN [x] IS NULL THEN 'N' ELSE 'V' + CONVERT(varchar(max), [x], 2) END",
      ['V01ABFF', 'V', 'N'],
    ],
    ['bit', "CASE WHEN [bit] IS NULL THEN 'N' ELSE 'V' + CONVERT(varchar(1), [bit]) END", ['V1', 'V0', 'N']],
    [
      'float, style 3',
      "CASE WHEN [f] IS NULL THEN 'N' ELSE 'V' + CONVERT(varchar(40), [f], 3) END",
      ['V1.0000000000000001e-001', 'V-1.5000000000000001e+300', 'N'],
    ],
  ];
  for (const [title, expression, texts] of cases) {
    test(title, async () => {
      const [collated] = await rows(
        form(`CONCAT(${expression}, '|', '') COLLATE Latin1_General_100_BIN2_UTF8`, '[dbo].[t] WHERE 1 = 1'),
      );
      const [converted] = await rows(
        form(
          `CONVERT(varchar(max), CONCAT(${expression}, '|') COLLATE Latin1_General_100_BIN2_UTF8)`,
          '[dbo].[t]',
        ),
      );
      const expected = { n: '3', c: digest(texts.map((text) => `${text}|`)) };
      assert.deepEqual(collated, expected);
      assert.deepEqual(converted, expected);
    });
  }

  test('many columns at once, as the product asks', async () => {
    const each = (column: string, text: string) =>
      `CASE WHEN [${column}] IS NULL THEN 'N' ELSE 'V' + ${text} END`;
    const expression = `CONCAT(${each('i', 'CONVERT(varchar(40), [i])')}, '|', ${each('n', 'CONVERT(nvarchar(max), [n])')}, '|', ${each('ts3', 'CONVERT(varchar(27), [ts3], 126)')}) COLLATE Latin1_General_100_BIN2_UTF8`;
    const [row] = await rows(form(expression, '[dbo].[t]'));
    assert.deepEqual(row, {
      n: '3',
      c: digest(['V1|V漢字 😀|V2026-11-22T10:11:12.120', 'V-2|V|V2000-01-01T00:00:00', 'N|N|N']),
    });
  });

  test('without COLLATE, nvarchar is hashed as UTF-16, as SQL Server does', async () => {
    const hash = await value("SELECT HASHBYTES('MD5', N'漢😀') AS h");
    assert.deepEqual(hash, createHash('md5').update(Buffer.from('漢😀', 'utf16le')).digest());
    assert.deepEqual(
      await value("SELECT HASHBYTES('SHA2_256', 0x00FF) AS h"),
      createHash('sha256')
        .update(Buffer.from([0, 255]))
        .digest(),
    );
  });

  test('lengths and pieces', async () => {
    assert.deepEqual(
      await rows(
        "SELECT LEN(N'ab  ') AS l, DATALENGTH(N'ab😀') AS dn, DATALENGTH('abc') AS dv, DATALENGTH([x]) AS dx, REPLACE('a-b', '-', '+') AS r, LEFT('abc', 2) AS lf, SUBSTRING('abcdef', 2, 3) AS s, CAST('12' AS bigint) AS b, CAST(1.7 AS int) AS i, CAST(12.345 AS decimal(38,2)) AS d FROM dbo.t WHERE i = 1",
      ),
      [{ l: 2, dn: 8, dv: 3, dx: 3, r: 'a+b', lf: 'ab', s: 'bcd', b: '12', i: 1, d: 12.35 }],
    );
  });
});

describe('the ledger', () => {
  const create = `IF OBJECT_ID(N'dbo._waybill_ledger', N'U') IS NULL CREATE TABLE [dbo].[_waybill_ledger] (
    [run] nvarchar(200) NOT NULL, [chunk] int NOT NULL, [rows] bigint NOT NULL, [checksum] decimal(38,0) NULL,
    [at] datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME(), CONSTRAINT [pk_x] PRIMARY KEY ([run],[chunk]))`;

  test('made once, written once', async () => {
    await query(create);
    await query(create);
    const insert = () =>
      pool
        .request()
        .input('run', sql.NVarChar(200), 'r1')
        .input('chunk', sql.Int, 1)
        .input('sum', sql.VarChar(40), '123456789012345678901234567890')
        .query(`INSERT INTO [dbo].[_waybill_ledger] ([run],[chunk],[rows],[checksum]) SELECT @run, @chunk, 5, @sum
          WHERE NOT EXISTS (SELECT 1 FROM [dbo].[_waybill_ledger] WITH (UPDLOCK, HOLDLOCK) WHERE [run] = @run AND [chunk] = @chunk)`);
    assert.deepEqual((await insert()).rowsAffected, [1]);
    assert.deepEqual((await insert()).rowsAffected, [0]);
    const [row] = await rows(
      'SELECT [run], [chunk], [rows], CONVERT(varchar(40), [checksum]) AS c, DATEDIFF(second, [at], SYSUTCDATETIME()) AS age FROM [dbo].[_waybill_ledger]',
    );
    assert.deepEqual(
      { ...row, age: 0 },
      { run: 'r1', chunk: 1, rows: '5', c: '123456789012345678901234567890', age: 0 },
    );
    assert.ok(Math.abs(Number(row?.['age'])) < 60);
  });

  test('UPDATE and DELETE say how many rows they touched', async () => {
    const update = await pool
      .request()
      .input('n', sql.BigInt, '9')
      .query("UPDATE [dbo].[_waybill_ledger] SET [rows] = @n, [checksum] = NULL WHERE [run] = N'r1'");
    assert.deepEqual(update.rowsAffected, [1]);
    assert.deepEqual(
      (await query("UPDATE [dbo].[_waybill_ledger] SET [rows] = 1 WHERE [run] = N'nothing'")).rowsAffected,
      [0],
    );
    assert.deepEqual(
      (await query('DELETE FROM [dbo].[_waybill_ledger] WHERE [chunk] >= 0')).rowsAffected,
      [1],
    );
  });

  test('rows move from the staging table, ranges are read in order, buckets are even', async () => {
    await query('CREATE TABLE [dbo].[orders] ([id] int NOT NULL PRIMARY KEY, [name] nvarchar(20) NULL)');
    await query('SELECT TOP (0) [id],[name] INTO [dbo].[orders__wb] FROM [dbo].[orders]');
    await query(
      "INSERT INTO [dbo].[orders__wb] ([id],[name]) SELECT value, CONCAT(N'n', value) FROM GENERATE_SERIES(1, 100)",
    );
    assert.deepEqual(
      (await query('INSERT INTO [dbo].[orders] ([id],[name]) SELECT [id],[name] FROM [dbo].[orders__wb]'))
        .rowsAffected,
      [100],
    );
    const range = await pool
      .request()
      .input('lo', sql.Int, 10)
      .input('hi', sql.Int, 13)
      .query('SELECT [id],[name] FROM [dbo].[orders] WHERE [id] >= @lo AND [id] < @hi ORDER BY [id] DESC');
    assert.deepEqual(
      range.recordset.map((row) => row.id),
      [12, 11, 10],
    );
    const [bounds] = await rows(
      'SELECT MIN([id]) AS lo, MAX([id]) AS hi, COUNT_BIG(*) AS n FROM [dbo].[orders]',
    );
    assert.deepEqual(bounds, { lo: 1, hi: 100, n: '100' });
    const buckets = await rows(
      'SELECT b, MIN(id) AS lo, MAX(id) AS hi FROM (SELECT id, NTILE(4) OVER (ORDER BY id) AS b FROM dbo.orders) AS x GROUP BY b ORDER BY b',
    );
    assert.deepEqual(buckets[1], { b: '2', lo: 26, hi: 50 });
    const numbered = await rows(
      'SELECT TOP 1 id, ROW_NUMBER() OVER (PARTITION BY id % 2 ORDER BY id DESC) AS r FROM dbo.orders ORDER BY r, id',
    );
    assert.deepEqual(numbered, [{ id: 99, r: '1' }]);
    assert.deepEqual(
      await rows('SELECT id FROM dbo.orders ORDER BY id OFFSET 5 ROWS FETCH NEXT 2 ROWS ONLY'),
      [{ id: 6 }, { id: 7 }],
    );
    await query('TRUNCATE TABLE [dbo].[orders__wb]');
    await query('DROP TABLE IF EXISTS [dbo].[orders__wb]; DROP TABLE IF EXISTS [dbo].[orders__wb]');
  });
});

describe('the language', () => {
  test('variables, IF, WHILE, TRY and CATCH', async () => {
    const text = `DECLARE @i int = 0, @s nvarchar(50) = N'';
      WHILE @i < 3 BEGIN SET @i = @i + 1; SET @s = @s + CAST(@i AS nvarchar(10)) END
      IF @i = 3 AND @s = N'123' SELECT @s AS s ELSE SELECT N'no' AS s;
      BEGIN TRY SELECT 1 / 0 AS x END TRY BEGIN CATCH SELECT ERROR_NUMBER() AS e END CATCH`;
    const result = await query(text);
    assert.deepEqual(
      (result.recordsets as unknown as unknown[][]).filter((set) => set.length > 0),
      [[{ s: '123' }], [{ e: 8134 }]],
    );
  });

  test('MERGE with all three branches', async () => {
    await query(
      "CREATE TABLE dbo.target (id int NOT NULL PRIMARY KEY, v nvarchar(10) NULL); INSERT INTO dbo.target VALUES (1, N'a'), (2, N'b')",
    );
    const merged =
      await query(`MERGE INTO dbo.target WITH (HOLDLOCK) AS t USING (VALUES (2, N'B'), (3, N'c')) AS s (id, v) ON t.id = s.id
      WHEN MATCHED AND t.v <> s.v THEN UPDATE SET t.v = s.v WHEN NOT MATCHED BY TARGET THEN INSERT (id, v) VALUES (s.id, s.v)
      WHEN NOT MATCHED BY SOURCE THEN DELETE;`);
    assert.deepEqual(merged.rowsAffected, [3]);
    assert.deepEqual(await rows('SELECT id, v FROM dbo.target ORDER BY id'), [
      { id: 2, v: 'B' },
      { id: 3, v: 'c' },
    ]);
  });

  test('temporary tables belong to their session', async () => {
    const one = await server.pool('Shop', { pool: { max: 1 } });
    await one.request().batch('CREATE TABLE #Work (Id int NOT NULL, Note nvarchar(10) NULL)');
    await one.request().batch("INSERT INTO #Work VALUES (1, N'x')");
    assert.deepEqual(
      (await one.request().batch("SELECT * FROM #work WHERE OBJECT_ID('tempdb..#Work') IS NOT NULL"))
        .recordset,
      [{ Id: 1, Note: 'x' }],
    );
    await assert.rejects(query('SELECT * FROM #Work'), /Invalid object name/);
  });

  test('UPDATE with a join, DELETE with a join, TOP in both', async () => {
    await query(
      'CREATE TABLE dbo.a (id int, v int); CREATE TABLE dbo.b (id int, v int); INSERT INTO dbo.a VALUES (1, 0), (2, 0), (3, 0); INSERT INTO dbo.b VALUES (1, 5), (2, 6)',
    );
    assert.deepEqual(
      (await query('UPDATE x SET x.v = b.v FROM dbo.a AS x JOIN dbo.b AS b ON b.id = x.id WHERE b.v > 5'))
        .rowsAffected,
      [1],
    );
    assert.deepEqual(
      (await query('DELETE x FROM dbo.a AS x JOIN dbo.b AS b ON b.id = x.id')).rowsAffected,
      [2],
    );
    assert.deepEqual((await query('DELETE TOP (5) FROM dbo.a')).rowsAffected, [1]);
    assert.equal((await value('SELECT @@ROWCOUNT AS n')) !== undefined, true);
  });

  test('a query that refers to itself counts days as dates', async () => {
    const days = await rows(`WITH Days AS (SELECT CAST('2026-02-27' AS DATE) AS day_
      UNION ALL SELECT DATEADD(DAY, 1, day_) FROM Days WHERE day_ < CAST('2026-03-02' AS DATE))
      SELECT day_ FROM Days OPTION (MAXRECURSION 10000)`);
    assert.equal(days.length, 4);
    assert.equal(new Date(String(days[3]?.['day_'])).toISOString().slice(0, 10), '2026-03-02');
  });

  test('functions of text and time', async () => {
    const [row] =
      await rows(`SELECT TOP (1) N'a' + N'b' AS cat, ISNULL(NULL, 'x') AS n, IIF(1 = 1, 'y', 'n') AS i, COALESCE(NULL, 2) AS c, UPPER('ab') AS u,
      CHARINDEX('c', 'abc') AS ci, DATEADD(day, -1, CAST('2026-03-01' AS date)) AS d, DATEDIFF(day, '2026-01-01', '2026-03-01') AS dd, YEAR('2026-05-06') AS y,
      DATEPART(hour, CAST('2026-01-01T05:00:00' AS datetime2)) AS h, STRING_AGG('z', ',') AS sa, AVG(7 / 2) AS av, 7 / 2 AS id, CONVERT(varchar(10), 255) AS cv`);
    assert.deepEqual(
      { ...row, d: new Date(String(row?.['d'])).toISOString().slice(0, 10) },
      {
        cat: 'ab',
        n: 'x',
        i: 'y',
        c: 2,
        u: 'AB',
        ci: 3,
        d: '2026-02-28',
        dd: 59,
        y: 2026,
        h: 5,
        sa: 'z',
        av: 3,
        id: 3,
        cv: '255',
      },
    );
  });

  test('names and columns without a name', async () => {
    const result = await query('SELECT 1, 2 AS [Two Words], three = 3');
    assert.deepEqual(Object.keys(result.recordset.columns), ['', 'Two Words', 'three']);
  });

  test('ALTER TABLE, schemas, views, sp_rename, sp_executesql', async () => {
    await query('CREATE SCHEMA Sales');
    await query('CREATE TABLE Sales.Item (Id int NOT NULL)');
    await query(
      "ALTER TABLE Sales.Item ADD Price money NULL, Qty int NOT NULL DEFAULT 1; ALTER TABLE Sales.Item ALTER COLUMN Qty bigint NOT NULL; EXEC sp_rename 'Sales.Item.Qty', 'Quantity', 'COLUMN'",
    );
    await query('INSERT INTO Sales.Item (Id, Price) VALUES (1, 2.5)');
    assert.deepEqual(await rows('SELECT * FROM Sales.Item'), [{ Id: 1, Price: 2.5, Quantity: '1' }]);
    await query('ALTER TABLE Sales.Item DROP COLUMN Price');
    await query('CREATE VIEW Sales.Items AS SELECT Id FROM Sales.Item');
    assert.deepEqual(await rows('SELECT * FROM Sales.Items'), [{ Id: 1 }]);
    const dynamic = await query("EXEC sp_executesql N'SELECT @a + 1 AS b', N'@a int', @a = 41");
    assert.deepEqual(dynamic.recordset, [{ b: 42 }]);
  });

  test('Change Tracking: what changed since a version', async () => {
    await query(
      "CREATE TABLE dbo.tracked (id int NOT NULL PRIMARY KEY, v nvarchar(10) NULL); INSERT INTO dbo.tracked VALUES (1, N'a'), (2, N'b')",
    );
    await query('ALTER TABLE dbo.tracked ENABLE CHANGE_TRACKING WITH (TRACK_COLUMNS_UPDATED = OFF)');
    const start = String(await value('SELECT CHANGE_TRACKING_CURRENT_VERSION() AS v'));
    await query("INSERT INTO dbo.tracked VALUES (3, N'c')");
    await query("UPDATE dbo.tracked SET v = N'A' WHERE id = 1");
    await query('DELETE FROM dbo.tracked WHERE id = 2');
    const changes = await pool
      .request()
      .input('v', sql.BigInt, start)
      .query(`SELECT ct.SYS_CHANGE_OPERATION AS op, ct.id, t.v
      FROM CHANGETABLE(CHANGES dbo.tracked, @v) AS ct LEFT JOIN dbo.tracked AS t ON t.id = ct.id ORDER BY ct.id`);
    assert.deepEqual(changes.recordset, [
      { op: 'U', id: 1, v: 'A' },
      { op: 'D', id: 2, v: null },
      { op: 'I', id: 3, v: 'c' },
    ]);
    const after = BigInt(String(await value('SELECT CHANGE_TRACKING_CURRENT_VERSION() AS v')));
    assert.equal(after - BigInt(start), 3n);
    await query('TRUNCATE TABLE dbo.tracked');
    const least = BigInt(
      String(await value("SELECT CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID('dbo.tracked')) AS v")),
    );
    assert.ok(least > BigInt(start), 'a TRUNCATE makes older versions invalid');
    await query('DROP TABLE dbo.tracked');
  });

  test('Change Data Capture: every change between two LSNs, and what is left of them', async () => {
    await query(`CREATE TABLE dbo.Purchases (OrderId int NOT NULL PRIMARY KEY, Customer varchar(20) NULL, Paid money NULL);
      INSERT INTO dbo.Purchases VALUES (1, 'early', 1)`);
    await assert.rejects(
      query(
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Purchases', @role_name = NULL",
      ),
      { number: 22901 },
    );
    assert.equal(await value('SELECT sys.fn_cdc_get_max_lsn() AS v'), null);
    await query('EXEC sys.sp_cdc_enable_db');
    await query(
      "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Purchases', @role_name = NULL, @supports_net_changes = 1",
    );
    const hex = async (expression: string): Promise<string> =>
      String(await value(`SELECT CONVERT(varchar(100), ${expression}, 1) AS v`));
    const first = await hex("sys.fn_cdc_get_min_lsn('dbo_Purchases')");
    assert.match(first, /^0x[0-9A-F]{20}$/);
    await query("INSERT INTO dbo.Purchases VALUES (2, 'b', 2), (3, 'c', 3)");
    await query("UPDATE dbo.Purchases SET Customer = 'B' WHERE OrderId = 2");
    await query('DELETE FROM dbo.Purchases WHERE OrderId = 3');
    await query('UPDATE dbo.Purchases SET OrderId = 9 WHERE OrderId = 1');
    const rolledBack = pool.transaction();
    await rolledBack.begin();
    await rolledBack.request().query("INSERT INTO dbo.Purchases VALUES (7, 'never', 0)");
    const last = await hex('sys.fn_cdc_get_max_lsn()');
    await rolledBack.rollback();

    const changes = (kind: string, filter = 'all', to = last) =>
      query(
        `SELECT * FROM cdc.fn_cdc_get_${kind}_changes_dbo_Purchases(CONVERT(binary(10), '${first}', 1), CONVERT(binary(10), '${to}', 1), N'${filter}')`,
      );
    const all = await changes('all');
    assert.deepEqual(
      all.recordset.map((row) => [row['__$operation'], row['OrderId'], row['Customer'], row['Paid']]),
      [
        [2, 2, 'b', 2],
        [2, 3, 'c', 3],
        [4, 2, 'B', 2],
        [1, 3, 'c', 3],
        [1, 1, 'early', 1],
        [2, 9, 'early', 1],
      ],
    );
    assert.deepEqual(Object.keys(all.recordset.columns), [
      ...['__$start_lsn', '__$seqval', '__$operation', '__$update_mask', 'OrderId', 'Customer', 'Paid'],
    ]);
    assert.equal(all.recordset.columns['Paid']?.type, sql.Money);
    assert.deepEqual(all.recordset[2]?.['__$update_mask'], Buffer.from([0b010]));
    const old = await changes('all', 'all update old');
    assert.deepEqual(
      old.recordset
        .filter((row) => row['OrderId'] === 2)
        .map((row) => [row['__$operation'], row['Customer']]),
      [
        [2, 'b'],
        [3, 'b'],
        [4, 'B'],
      ],
    );
    const net = await changes('net');
    assert.deepEqual(
      net.recordset
        .map((row) => [row['__$operation'], row['OrderId'], row['Customer']])
        .sort((a, b) => a[1] - b[1]),
      [
        [1, 1, 'early'],
        [2, 2, 'B'],
        [2, 9, 'early'],
      ],
    );
    assert.deepEqual(Object.keys(net.recordset.columns), [
      ...['__$start_lsn', '__$operation', '__$update_mask', 'OrderId', 'Customer', 'Paid'],
    ]);
    const named =
      await rows(`SELECT CASE c.__$operation WHEN 2 THEN 'INSERT' ELSE 'OTHER' END AS op, sys.fn_cdc_map_lsn_to_time(c.__$start_lsn) AS at
      FROM cdc.fn_cdc_get_net_changes_dbo_Purchases(CONVERT(binary(10), '${first}', 1), sys.fn_cdc_get_max_lsn(), 'all') AS c WHERE c.OrderId = 9`);
    assert.equal(named[0]?.['op'], 'INSERT');
    assert.ok(named[0]?.['at'] instanceof Date);
    assert.equal(
      await hex("sys.fn_cdc_map_time_to_lsn('largest less than or equal', '2099-01-01')"),
      await hex('(SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping)'),
    );
    assert.equal(await hex(`sys.fn_cdc_decrement_lsn(sys.fn_cdc_increment_lsn(${last}))`), last);
    assert.deepEqual(await rows('SELECT name FROM sys.tables WHERE is_tracked_by_cdc = 1'), [
      { name: 'Purchases' },
    ]);

    await assert.rejects(changes('all', 'all', '0xFFFFFFFFFFFFFFFFFFFF'), { number: 313 });
    await assert.rejects(changes('all', 'some'), { number: 313 });
    await assert.rejects(query('TRUNCATE TABLE dbo.Purchases'), { number: 4711 });
    await query('DROP TABLE dbo.Purchases');
    await assert.rejects(changes('all'), { number: 208 });
    await query('EXEC sys.sp_cdc_disable_db');
  });
});

test('OUTPUT gives the rows that a statement touched, as they were and as they are', async () => {
  await query(`CREATE TABLE dbo.Log (Id int IDENTITY(7,1) PRIMARY KEY, Name nvarchar(20), [Size] decimal(9,2));
    CREATE TABLE dbo.Seen (Id int, Was decimal(9,2), Word nvarchar(10));`);
  assert.deepEqual(
    await rows(
      "INSERT INTO dbo.Log (Name, Size) OUTPUT INSERTED.Id, inserted.Size AS s VALUES ('a', 1.5), ('b', 2)",
    ),
    [
      { Id: 7, s: 1.5 },
      { Id: 8, s: 2 },
    ],
  );
  assert.deepEqual(await rows("INSERT dbo.Log (Name) OUTPUT inserted.* SELECT 'c'"), [
    { Id: 9, Name: 'c', Size: null },
  ]);
  const updated = await query(
    "UPDATE dbo.Log SET Size = ISNULL(Size, 0) + 1 OUTPUT deleted.Size AS was, inserted.Size, inserted.Name + '!' AS loud WHERE Id <> 8",
  );
  assert.deepEqual(updated.recordset, [
    { was: 1.5, Size: 2.5, loud: 'a!' },
    { was: null, Size: 1, loud: 'c!' },
  ]);
  assert.deepEqual(
    await rows(
      'UPDATE l SET l.Size = 0 OUTPUT deleted.Size FROM dbo.Log AS l JOIN dbo.Log o ON o.Id = l.Id WHERE l.Id = 8',
    ).catch((error: Error) => error.message),
    [{ Size: 2 }],
  );
  const into = await query(
    'DELETE TOP (1) FROM dbo.Log OUTPUT deleted.Id, deleted.Size INTO dbo.Seen (Id, Was) WHERE Id = 9',
  );
  assert.deepEqual([into.recordset, into.rowsAffected], [undefined, [1]]);
  assert.deepEqual(await rows('SELECT * FROM dbo.Seen'), [{ Id: 9, Was: 1, Word: null }]);
  assert.deepEqual(
    await rows(`DECLARE @changes TABLE (Word nvarchar(10) NOT NULL, Id int PRIMARY KEY);
      MERGE dbo.Log AS target USING (SELECT 7 AS Id UNION ALL SELECT 70) AS source ON target.Id = source.Id
      WHEN MATCHED THEN UPDATE SET Name = 'z' WHEN NOT MATCHED THEN INSERT (Name) VALUES ('new')
      WHEN NOT MATCHED BY SOURCE THEN DELETE
      OUTPUT $action, COALESCE(inserted.Id, deleted.Id) INTO @changes;
      INSERT INTO @changes VALUES (N'mine', 0);
      SELECT c.Word, c.Id FROM @changes c ORDER BY c.Id`),
    [
      { Word: 'mine', Id: 0 },
      { Word: 'UPDATE', Id: 7 },
      { Word: 'DELETE', Id: 8 },
      { Word: 'INSERT', Id: 10 },
    ],
  );
  // It is gone with its batch.
  await assert.rejects(query('SELECT * FROM @changes'), /Must declare the table variable/);
  await query('DROP TABLE dbo.Log, dbo.Seen');
});

test('a table that is a variable is declared once in a loop, and is one of each call', async () => {
  await query(`CREATE PROCEDURE dbo.Numbers @upTo int AS BEGIN
    SET NOCOUNT ON;
    DECLARE @at int = 0, @numbers TABLE (n int);
    WHILE @at < @upTo BEGIN DECLARE @each TABLE (n int); INSERT INTO @each VALUES (@at); SET @at += 1; END;
    IF @upTo > 1 BEGIN DECLARE @less int = @upTo - 1; EXEC dbo.Numbers @upTo = @less; END;
    INSERT @numbers (n) SELECT n FROM @each WHERE n > 0;
    SELECT COUNT(*) AS found FROM @numbers;
  END`);
  const { recordsets } = await query('EXEC dbo.Numbers @upTo = 3');
  assert.deepEqual(
    (recordsets as unknown as { found: number }[][]).map(([row]) => row?.found),
    [0, 1, 2],
  );
  await query('DROP PROCEDURE dbo.Numbers');
});

test('UPDATE ... FROM joins as many tables as it likes, and its target stands anywhere', async () => {
  await query(`CREATE TABLE dbo.Sums (Id int, Total int, Note varchar(20) DEFAULT 'none');
    CREATE TABLE dbo.Lines (TargetId int, Amount int, KindId int); CREATE TABLE dbo.Kinds (Id int, Kind varchar(10));
    INSERT INTO dbo.Sums (Id, Total, Note) VALUES (1, 0, 'x'), (2, 5, 'y'), (3, 7, 'z');
    INSERT INTO dbo.Lines VALUES (1, 10, 1), (2, 20, 2), (3, 30, NULL); INSERT INTO dbo.Kinds VALUES (1, 'one'), (2, 'two');`);
  const target = () => rows('SELECT Id, Total, Note FROM dbo.Sums ORDER BY Id');
  const changed = await query(`UPDATE t SET t.Total = Total + l.Amount, Note = k.Kind FROM dbo.Lines l
    INNER JOIN dbo.Kinds k ON k.Id = l.KindId JOIN dbo.Sums t ON t.Id = l.TargetId WHERE l.Amount > 10`);
  assert.deepEqual(changed.rowsAffected, [1]);
  assert.deepEqual((await target())[1], { Id: 2, Total: 25, Note: 'two' });
  await query(`UPDATE dbo.Sums SET Note = DEFAULT, Total = 1 FROM dbo.Sums LEFT JOIN dbo.Lines ON TargetId = Sums.Id
    LEFT JOIN dbo.Kinds k ON k.Id = KindId WHERE k.Id IS NULL`);
  assert.deepEqual(await target(), [
    { Id: 1, Total: 0, Note: 'x' },
    { Id: 2, Total: 25, Note: 'two' },
    { Id: 3, Total: 1, Note: 'none' },
  ]);
  await query('DROP TABLE dbo.Sums, dbo.Lines, dbo.Kinds');
});

test('text beside a number or a moment is compared as one', async () => {
  await query(`CREATE TABLE dbo.Texts (Id varchar(10), Moment nvarchar(30));
    INSERT INTO dbo.Texts VALUES ('007', N'2024-01-02'), ('8', N'2024-01-03T10:00:00'), (NULL, NULL);`);
  for (const [condition, count] of [
    ['Id = 7', 1],
    ['8 = Id', 1],
    ['Id <> 7', 1],
    ['Id IN (7, 8, 9)', 2],
    ['Id NOT IN (7)', 1],
    ['Id BETWEEN 7 AND 8', 2],
    ["Id IN ('7', '8')", 1],
    ["Moment > CAST('2024-01-02T12:00:00' AS datetime2)", 1],
  ] as const)
    assert.equal(await value(`SELECT COUNT(*) FROM dbo.Texts WHERE ${condition}`), count, condition);
  await query("INSERT INTO dbo.Texts VALUES ('x', NULL)");
  await assert.rejects(query('SELECT * FROM dbo.Texts WHERE Id = 1'), { number: 245 });
  await query('DROP TABLE dbo.Texts');
});

test('LIKE knows sets, ranges and what is escaped', async () => {
  const texts = ['a1', 'b2', 'c-', '[x]', '50%', 'a\\b', 'line\nend', ''];
  await query('CREATE TABLE dbo.Likes (t nvarchar(20))');
  for (const text of texts) await pool.request().input('t', text).query('INSERT INTO dbo.Likes VALUES (@t)');
  for (const [condition, ...found] of [
    ["LIKE '[a-b][0-9]'", 'a1', 'b2'],
    ["LIKE '[^a-b]_'", 'c-'],
    ["LIKE '_[-0-9]'", 'a1', 'b2', 'c-'],
    ["LIKE '[[]x]'", '[x]'],
    ["LIKE '%[%]'", '50%'],
    ["LIKE N'50!%[^0-9]%' ESCAPE '!'"],
    ["LIKE '[a]\\b'", 'a\\b'],
    ["LIKE '[l]%d'", 'line\nend'],
    ["NOT LIKE '%[a-z0-9]%'", ''],
    ["LIKE 'a[1'"],
  ] as const) {
    const rows = (await query(`SELECT t FROM dbo.Likes WHERE t ${condition}`)).recordset as { t: string }[];
    assert.deepEqual(rows.map(({ t }) => t).sort(), [...found].sort(), condition);
  }
  await query('DROP TABLE dbo.Likes');
});

test('TRY_CAST and TRY_CONVERT give NULL for what cannot be', async () => {
  const [row] =
    await rows(`SELECT TRY_CAST('12' AS int) AS a, TRY_CAST('x' AS int) AS b, TRY_CAST(300 AS tinyint) AS c,
    TRY_CONVERT(decimal(9,2), '1.255') AS d, TRY_CONVERT(date, '20240131', 112) AS e, TRY_CONVERT(date, '2024-02-31') AS f,
    TRY_CAST(NULL AS int) AS g, TRY_CAST(12.5 AS varchar(10)) AS h, TRY_CAST(N'it''s' AS nvarchar(4)) AS i`);
  assert.deepEqual(
    { ...row, e: (row?.['e'] as Date | undefined)?.toISOString().slice(0, 10) },
    { a: 12, b: null, c: null, d: 1.26, e: '2024-01-31', f: null, g: null, h: '12.5', i: "it's" },
  );
  assert.equal(
    await value("SELECT COUNT(*) FROM (VALUES ('1'), ('z'), ('3')) AS v (t) WHERE TRY_CAST(t AS int) > 0"),
    2,
  );
});
