// The SQL Server stand-in's protocol, driven by the real mssql package: login, streams, cancels, transactions, bulk.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import sql from 'mssql';
import pg from 'pg';
import { type SqlServerUnderTest, startSqlServer } from '../support/sql-server-stand-in.ts';

let server: SqlServerUnderTest;
let pool: sql.ConnectionPool;
const query = (text: string) => pool.request().query(text);

/** The SQL Server error number that a promise is rejected with. */
async function errorNumber(work: Promise<unknown>): Promise<number | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return (error as sql.RequestError).number;
  }
}

const errorCode = async (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    (error: sql.RequestError) => error.code,
  );

before(async () => {
  server = await startSqlServer();
  const master = await server.pool();
  await master.request().query("IF DB_ID(N'shop') IS NULL CREATE DATABASE [shop]");
  pool = await server.pool('shop');
  await query(
    'CREATE TABLE dbo.numbers (n int NOT NULL CONSTRAINT pk_numbers PRIMARY KEY, t nvarchar(40) NULL)',
  );
  await query(
    "INSERT INTO dbo.numbers (n, t) SELECT value, CONCAT(N'row ', value) FROM GENERATE_SERIES(1, 50000)",
  );
});
after(() => server?.stop());

describe('login', () => {
  test('TLS with the certificate verified', async () => {
    const secure = await server.pool('shop', {
      options: {
        encrypt: true,
        trustServerCertificate: false,
        cryptoCredentialsDetails: { ca: server.certificate },
      },
    });
    const big = await secure.request().query('SELECT n, t FROM dbo.numbers');
    assert.equal(big.recordset.length, 50000);
    await secure.close();
  });

  test('a certificate nobody vouches for is refused by the client', async () => {
    const code = await errorCode(
      server.pool('shop', { options: { encrypt: true, trustServerCertificate: false } }),
    );
    assert.equal(code, 'ESOCKET');
  });

  test('a wrong password is 18456, a missing database 4060', async () => {
    assert.equal(await errorCode(server.pool('shop', { password: 'wrong' })), 'ELOGIN');
    const failure = await server.pool('nowhere').catch((error: sql.ConnectionError) => error);
    assert.match(String(failure), /Cannot open database "nowhere" requested by the login/);
  });

  test('USE changes the database, and only to one that exists', async () => {
    const own = await server.pool('shop', { pool: { max: 1 } });
    const there = await own.request().query('USE master; SELECT DB_NAME() AS d');
    assert.equal(there.recordset[0].d, 'master');
    assert.equal(await errorNumber(own.request().query('USE nowhere')), 911);
  });
});

describe('requests', () => {
  test('parameters of every kind come back as they went', async () => {
    const at = new Date('2026-11-22T10:11:12.345Z');
    const result = await pool
      .request()
      .input('i', sql.Int, -5)
      .input('b', sql.BigInt, '9007199254740993')
      .input('t', sql.NVarChar, "O'Brien 漢字 😀")
      .input('v', sql.VarChar(20), 'žluť')
      .input('d', sql.Decimal(38, 10), 12345.678)
      .input('f', sql.Float, 1.5)
      .input('bit', sql.Bit, true)
      .input('at', sql.DateTime2(3), at)
      .input('g', sql.UniqueIdentifier, '6F9619FF-8B86-D011-B42D-00C04FC964FF')
      .input('x', sql.VarBinary(sql.MAX), Buffer.from([1, 2, 255]))
      .input('n', sql.Int, null)
      .query(
        'SELECT @i AS i, @b AS b, @t AS t, @v AS v, @d AS d, @f AS f, @bit AS bit, @at AS at, @g AS g, @x AS x, @n AS n',
      );
    const row = result.recordset[0];
    assert.deepEqual(
      { ...row, x: row.x.toString('hex') },
      {
        i: -5,
        b: '9007199254740993',
        t: "O'Brien 漢字 😀",
        v: 'žluť',
        d: 12345.678,
        f: 1.5,
        bit: true,
        at,
        g: '6F9619FF-8B86-D011-B42D-00C04FC964FF',
        x: '0102ff',
        n: null,
      },
    );
    assert.equal(result.recordset.columns['at']?.type, sql.DateTime2);
  });

  test('a prepared statement runs more than once', async () => {
    const prepared = new sql.PreparedStatement(pool);
    prepared.input('n', sql.Int);
    await prepared.prepare('SELECT t FROM dbo.numbers WHERE n = @n');
    assert.equal((await prepared.execute({ n: 7 })).recordset[0].t, 'row 7');
    assert.equal((await prepared.execute({ n: 8 })).recordset[0].t, 'row 8');
    await prepared.unprepare();
  });

  test('an OUTPUT parameter comes back', async () => {
    const result = await pool.request().output('r', sql.Int).query('SET @r = 41 + 1');
    assert.equal(result.output['r'], 42);
  });

  test('several result sets, and rows affected of each statement', async () => {
    const result = await query(
      'SELECT 1 AS a; SELECT 2 AS b, 3 AS c; UPDATE dbo.numbers SET t = t WHERE n <= 3',
    );
    assert.deepEqual(result.recordsets, [[{ a: 1 }], [{ b: 2, c: 3 }]]);
    assert.deepEqual(result.rowsAffected, [1, 1, 3]);
  });

  test('a stream with a slow reader gets every row, also as arrays', async () => {
    const request = pool.request();
    request.arrayRowMode = true;
    const rows = request.toReadableStream({ highWaterMark: 100 });
    void request.query('SELECT n, t FROM dbo.numbers ORDER BY n');
    let sum = 0;
    let count = 0;
    for await (const row of rows) {
      sum += (row as [number, string])[0];
      count++;
      if (count % 10000 === 0) await delay(20);
    }
    assert.deepEqual([count, sum], [50000, (50000 * 50001) / 2]);
  });

  test('32 KB packets', async () => {
    const wide = await server.pool('shop', { options: { packetSize: 32767 } });
    assert.equal((await wide.request().query('SELECT * FROM dbo.numbers')).recordset.length, 50000);
  });

  test('a megabyte of text both ways', async () => {
    const text = 'é漢😀x'.repeat(200_000);
    const back = await pool.request().input('t', sql.NVarChar(sql.MAX), text).query('SELECT @t AS t');
    assert.equal(back.recordset[0].t === text, true);
  });
});

const ENDLESS = 'SELECT COUNT_BIG(*) AS c FROM GENERATE_SERIES(1, 2000000000) AS a';

describe('giving up', () => {
  test('cancel ends a request, and the connection serves on', async () => {
    const one = await server.pool('shop', { pool: { max: 1 } });
    const request = one.request();
    const running = request.query(ENDLESS);
    setTimeout(() => request.cancel(), 200);
    assert.equal(await errorCode(running), 'ECANCEL');
    assert.equal((await one.request().query('SELECT 1 AS x')).recordset[0].x, 1);
  });

  test('a timeout does too', async () => {
    const one = await server.pool('shop', { pool: { max: 1 }, requestTimeout: 300 });
    assert.equal(await errorCode(one.request().query(ENDLESS)), 'ETIMEOUT');
    assert.equal((await one.request().query('SELECT 2 AS x')).recordset[0].x, 2);
  });

  test('a stream cancelled half way leaves the connection usable', async () => {
    const one = await server.pool('shop', { pool: { max: 1 } });
    const request = one.request();
    request.stream = true;
    let rows = 0;
    const ended = new Promise<void>((resolve) => {
      request.on('row', () => {
        if (++rows === 10) request.cancel();
      });
      request.on('error', () => resolve());
      request.on('done', () => resolve());
    });
    void request.query('SELECT a.n, b.t FROM dbo.numbers AS a CROSS JOIN dbo.numbers AS b');
    await ended;
    assert.equal((await one.request().query('SELECT 3 AS x')).recordset[0].x, 3);
  });

  test('a client that vanishes mid-stream frees its PostgreSQL connection', async () => {
    const before = await serverProcesses();
    const one = await server.pool('shop', { pool: { max: 1 } });
    const request = one.request();
    request.stream = true;
    const first = new Promise((resolve) => request.once('row', resolve));
    request.on('error', () => {});
    void request.query('SELECT a.n, b.t FROM dbo.numbers AS a CROSS JOIN dbo.numbers AS b');
    await first;
    assert.ok((await serverProcesses()) > before, 'nothing runs in PostgreSQL yet');
    destroySockets(one);
    const deadline = Date.now() + 20_000;
    while ((await serverProcesses()) > before && Date.now() < deadline) await delay(100);
    assert.ok((await serverProcesses()) <= before, 'the PostgreSQL process is still there');
  });
});

/** Cuts the TCP connections of a pool without any goodbye. */
function destroySockets(pool: unknown): void {
  const { used } = (pool as { pool: { used: { resource: { socket: { destroy(): void } } }[] } }).pool;
  for (const { resource } of used) resource.socket.destroy();
}

async function postgresClient(): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: server.postgres.port,
    user: 'postgres',
    database: 'postgres',
  });
  await client.connect();
  return client;
}

async function serverProcesses(): Promise<number> {
  const client = await postgresClient();
  const result = await client.query(
    "select count(*)::int as n from pg_stat_activity where datname = 'shop' and application_name = 'sql-server-stand-in' and state = 'active'",
  );
  await client.end();
  return result.rows[0].n as number;
}

test('a caller that does not speak TDS is hung up on, and the server serves on', async () => {
  const ended = await new Promise<boolean>((resolve) => {
    const socket = connect(server.port, '127.0.0.1', () =>
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(400)),
    );
    socket.on('error', () => resolve(true));
    socket.on('close', () => resolve(true));
    socket.resume();
  });
  assert.equal(ended, true);
  assert.equal((await query('SELECT 1 AS x')).recordset[0].x, 1);
});

test('when PostgreSQL drops a session, its client is dropped too, and a new connection works', async () => {
  const one = await server.pool('shop', { pool: { max: 1 } });
  const running = errorCode(one.request().query(ENDLESS));
  const client = await postgresClient();
  const deadline = Date.now() + 10_000;
  let ended = 0;
  while (ended === 0 && Date.now() < deadline) {
    const result = await client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'shop' and state = 'active' and query like '%2000000000%' and pid <> pg_backend_pid()",
    );
    ended = result.rowCount ?? 0;
  }
  await client.end();
  assert.ok((await running) !== undefined);
  assert.equal((await one.request().query('SELECT 1 AS x')).recordset[0].x, 1);
});

describe('transactions', () => {
  before(async () => {
    await query('CREATE TABLE dbo.accounts (id int NOT NULL PRIMARY KEY, v int NOT NULL, t varchar(5) NULL)');
  });

  test('a failed statement does not doom the transaction; @@TRANCOUNT and XACT_STATE tell', async () => {
    const transaction = pool.transaction();
    await transaction.begin();
    await transaction.request().query('INSERT INTO dbo.accounts VALUES (1, 10, NULL)');
    assert.equal(
      await errorNumber(transaction.request().query('INSERT INTO dbo.accounts VALUES (1, 11, NULL)')),
      2627,
    );
    await transaction.request().query('INSERT INTO dbo.accounts VALUES (2, 20, NULL)');
    const state = await transaction.request().query('SELECT @@TRANCOUNT AS t, XACT_STATE() AS x');
    assert.deepEqual(state.recordset[0], { t: 1, x: 1 });
    await transaction.commit();
    assert.equal((await query('SELECT SUM(v) AS s FROM dbo.accounts')).recordset[0].s, 30);
  });

  test('rollback and savepoints', async () => {
    const one = await server.pool('shop', { pool: { max: 1 } });
    const run = (text: string) => one.request().batch(text);
    await run(
      'BEGIN TRAN; INSERT INTO dbo.accounts VALUES (3, 1, NULL); SAVE TRAN s; INSERT INTO dbo.accounts VALUES (4, 1, NULL)',
    );
    await run('ROLLBACK TRAN s; INSERT INTO dbo.accounts VALUES (5, 1, NULL); COMMIT');
    const rows = await query('SELECT id FROM dbo.accounts WHERE id IN (3, 4, 5) ORDER BY id');
    assert.deepEqual(rows.recordset, [{ id: 3 }, { id: 5 }]);
    await run('BEGIN TRANSACTION; DELETE FROM dbo.accounts; ROLLBACK TRANSACTION');
    assert.equal((await query('SELECT COUNT(*) AS n FROM dbo.accounts')).recordset[0].n, 4);
  });

  test('a deadlock has one victim, with 1205', async () => {
    const a = pool.transaction();
    const b = pool.transaction();
    await a.begin();
    await b.begin();
    await a.request().query('UPDATE dbo.accounts SET v = 1 WHERE id = 1');
    await b.request().query('UPDATE dbo.accounts SET v = 1 WHERE id = 2');
    const outcomes = await Promise.all([
      errorNumber(a.request().query('UPDATE dbo.accounts SET v = 2 WHERE id = 2')),
      errorNumber(b.request().query('UPDATE dbo.accounts SET v = 2 WHERE id = 1')),
    ]);
    await Promise.all([a.rollback().catch(() => {}), b.rollback().catch(() => {})]);
    assert.deepEqual(outcomes.map(String).sort(), ['1205', 'undefined']);
  });

  test('snapshot isolation reads one moment and refuses to overwrite a later one with 3960', async () => {
    const snapshot = pool.transaction();
    await snapshot.begin(sql.ISOLATION_LEVEL.SNAPSHOT);
    const first = await snapshot.request().query('SELECT v FROM dbo.accounts WHERE id = 5');
    await query('UPDATE dbo.accounts SET v = 99 WHERE id = 5');
    const second = await snapshot.request().query('SELECT v FROM dbo.accounts WHERE id = 5');
    assert.deepEqual(first.recordset, second.recordset);
    assert.equal(
      await errorNumber(snapshot.request().query('UPDATE dbo.accounts SET v = 0 WHERE id = 5')),
      3960,
    );
    await snapshot.rollback().catch(() => {});
  });

  test('UPDLOCK makes another reader with UPDLOCK wait', async () => {
    const a = pool.transaction();
    await a.begin();
    await a.request().query('SELECT v FROM dbo.accounts WITH (UPDLOCK, HOLDLOCK) WHERE id = 1');
    const other = query(
      'SET LOCK_TIMEOUT 200; SELECT v FROM dbo.accounts WITH (UPDLOCK, HOLDLOCK) WHERE id = 1',
    );
    assert.equal(await errorNumber(other), 1222);
    await a.commit();
  });
});

describe('errors carry the numbers that clients act on', () => {
  const cases: [text: string, number: number][] = [
    ['SELECT * FROM dbo.nope', 208],
    ['SELECT nope FROM dbo.numbers', 207],
    ['INSERT INTO dbo.accounts (id, v) VALUES (900, NULL)', 515],
    ["INSERT INTO dbo.accounts VALUES (901, 1, 'too long')", 2628],
    ['INSERT INTO dbo.accounts VALUES (1, 1, NULL)', 2627],
    ['SELECT 1 / 0 AS x', 8134],
    ["SELECT CAST('abc' AS int) AS x", 245],
    ["SELECT CAST('2026-13-45' AS datetime2) AS x", 242],
    ['SELECT CAST(3000000000 AS int) AS x', 8115],
    ['SELECT 1 FROM WHERE', 156],
    ['SELECT (1 AS x', 156],
    ['SELECT 1::int AS x', 102],
    ['SELEC 1', 102],
    ['SELECT frobnicate(1) AS x', 195],
    ['SELECT generate_series(1, 2) AS x', 195],
    ['SELECT @missing AS x', 137],
    ['EXEC dbo.nothing_there', 2812],
    ['DROP TABLE dbo.nope', 3701],
    ['TRUNCATE TABLE dbo.nope', 4701],
    ['CREATE TABLE dbo.numbers (a int)', 2714],
    ['CREATE TABLE dbo.other (a geography)', 2715],
    ['SELECT * FROM other.dbo.numbers', 40515],
    ['INSERT INTO dbo.numbers EXEC dbo.nothing', 40517],
    ['SELECT n FROM dbo.numbers LIMIT 1', 102],
    ['COMMIT', 3902],
    ["RAISERROR('mine', 16, 1)", 50000],
  ];
  for (const [text, number] of cases) {
    test(`${number}: ${text}`, async () => assert.equal(await errorNumber(query(text)), number));
  }

  test('a syntax error anywhere runs nothing of the batch', async () => {
    assert.equal(await errorNumber(query("INSERT INTO dbo.numbers VALUES (-1, 'x'); SELECT FROM")), 156);
    assert.equal((await query('SELECT COUNT(*) AS n FROM dbo.numbers WHERE n = -1')).recordset[0].n, 0);
  });
});

describe('bulk load', () => {
  const columns = (table: sql.Table): sql.Table => {
    table.columns.add('id', sql.Int, { nullable: false });
    table.columns.add('Name', sql.NVarChar(100), { nullable: true });
    table.columns.add('amount', sql.Decimal(38, 10), { nullable: true });
    return table;
  };

  before(async () => {
    await query(
      'CREATE TABLE dbo.load (id int NOT NULL PRIMARY KEY, [Name] nvarchar(100) NULL, amount decimal(38,10) NULL)',
    );
  });

  test('from a generator, with a table lock and nulls kept', async () => {
    const table = columns(new sql.Table('dbo.load'));
    async function* rows() {
      for (let id = 0; id < 30_000; id++) yield [id, id % 3 === 0 ? null : `name ${id} 😀`, id / 4];
    }
    (table as unknown as { rows: unknown }).rows = rows();
    const result = await pool
      .request()
      .bulk(table, { lockTable: true, keepNulls: true } as sql.IBulkOptions & { lockTable?: boolean });
    assert.equal(result.rowsAffected, 30_000);
    const check = await query(
      'SELECT COUNT(*) AS n, COUNT(Name) AS named, SUM(amount) AS total, MIN(Name) AS least FROM dbo.load',
    );
    assert.deepEqual(check.recordset[0], {
      n: 30_000,
      named: 20_000,
      total: (29_999 * 30_000) / 8,
      least: 'name 1 😀',
    });
  });

  test('in a transaction that is rolled back leaves nothing', async () => {
    const transaction = pool.transaction();
    await transaction.begin();
    const table = columns(new sql.Table('dbo.load'));
    for (let id = 50_000; id < 50_100; id++) table.rows.add(id, 'x', 1);
    await transaction.request().bulk(table);
    await transaction.rollback();
    assert.equal((await query('SELECT COUNT(*) AS n FROM dbo.load WHERE id >= 50000')).recordset[0].n, 0);
  });

  test('a duplicate key fails the whole load, in a transaction without dooming it', async () => {
    const transaction = pool.transaction();
    await transaction.begin();
    const table = columns(new sql.Table('dbo.load'));
    for (const id of [60_000, 1]) table.rows.add(id, 'x', 1);
    assert.equal(await errorNumber(transaction.request().bulk(table)), 2627);
    const after = await transaction.request().query('SELECT COUNT(*) AS n FROM dbo.load WHERE id = 60000');
    assert.equal(after.recordset[0].n, 0);
    await transaction.commit();
  });

  test('a source that fails half way stores nothing and leaves the connection usable', async () => {
    const one = await server.pool('shop', { pool: { max: 1 } });
    const table = columns(new sql.Table('dbo.load'));
    async function* rows() {
      for (let id = 70_000; id < 75_000; id++) yield [id, 'x', 1];
      throw new Error('the source broke');
    }
    (table as unknown as { rows: unknown }).rows = rows();
    await assert.rejects(one.request().bulk(table), /the source broke/);
    const left = await one.request().query('SELECT COUNT(*) AS n FROM dbo.load WHERE id >= 70000');
    assert.equal(left.recordset[0].n, 0);
  });

  test('a missing table is 208, a missing column 207', async () => {
    const table = columns(new sql.Table('dbo.nowhere'));
    table.rows.add(1, 'x', 1);
    assert.equal(await errorNumber(pool.request().bulk(table)), 208);
    const wrong = new sql.Table('dbo.load');
    wrong.columns.add('nothing', sql.Int, { nullable: true });
    wrong.rows.add(1);
    assert.equal(await errorNumber(pool.request().bulk(wrong)), 207);
  });

  test('NULL becomes the default unless nulls are kept', async () => {
    await query("CREATE TABLE dbo.defaults (id int NOT NULL, t nvarchar(10) NULL DEFAULT N'none')");
    for (const keepNulls of [false, true]) {
      const table = new sql.Table('dbo.defaults');
      table.columns.add('id', sql.Int, { nullable: false });
      table.columns.add('t', sql.NVarChar(10), { nullable: true });
      table.rows.add(keepNulls ? 2 : 1, null);
      await pool.request().bulk(table, { keepNulls } as sql.IBulkOptions & { lockTable?: boolean });
    }
    const rows = await query('SELECT id, t FROM dbo.defaults ORDER BY id');
    assert.deepEqual(rows.recordset, [
      { id: 1, t: 'none' },
      { id: 2, t: null },
    ]);
  });

  test('a table made by the load itself', async () => {
    const table = new sql.Table('dbo.made');
    table.create = true;
    table.columns.add('id', sql.Int, { nullable: false, primary: true });
    table.columns.add('note', sql.NVarChar(20), { nullable: true });
    table.rows.add(1, 'q');
    assert.equal((await pool.request().bulk(table)).rowsAffected, 1);
  });

  test('without a row stores none', async () => {
    const empty = columns(new sql.Table('dbo.load'));
    assert.equal((await pool.request().bulk(empty)).rowsAffected, 0);
    const ended = columns(new sql.Table('dbo.load'));
    async function* none(): AsyncGenerator<unknown[]> {}
    (ended as unknown as { rows: unknown }).rows = none();
    const transaction = pool.transaction();
    await transaction.begin();
    assert.equal((await transaction.request().bulk(ended)).rowsAffected, 0);
    await transaction.commit();
  });
});
