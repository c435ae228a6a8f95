// What only SQL Server has: procedures with typed and output parameters, PRINT, errors of severity, temporary tables.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { SqlCommands, SqlLimits, SqlParameter } from '../../src/connectors/sql-commands.ts';
import { sqlServer } from '../../src/connectors/sql-server/index.ts';
import { WaybillError } from '../../src/core/errors.ts';
import { PASSWORD, type SqlServerUnderTest, startSqlServer } from '../support/sql-server-stand-in.ts';

const all: SqlLimits = { maxRows: 5_000, stopEarly: false };

describe('statements on SQL Server', { timeout: 300_000 }, () => {
  let server: SqlServerUnderTest;
  let commands: SqlCommands;

  before(async () => {
    server = await startSqlServer();
    const properties = {
      ...{ server: `localhost,${server.port}`, database: 'master', caFile: server.certificateFile },
      ...{ userName: 'sa', password: PASSWORD },
    };
    const opened = await sqlServer.openCommands?.({
      linkedService: { name: 'ls', type: 'SqlServer', properties },
      tag: 'contract',
      signal: new AbortController().signal,
    });
    assert.ok(opened);
    commands = opened;
    await commands.run(
      'CREATE TABLE dbo.audit (id int, name nvarchar(50), price decimal(18,4), at datetime, flag bit, moment datetime2(6), token uniqueidentifier, big bigint)',
      [],
      all,
    );
    await commands.run(
      `CREATE PROCEDURE dbo.[Save It] @id int, @name nvarchar(50) = N'unnamed', @price decimal(18,4), @at datetime, @flag bit, @moment datetime2(6), @token uniqueidentifier, @big bigint AS
       BEGIN SET NOCOUNT ON; INSERT INTO dbo.audit VALUES (@id, @name, @price, @at, @flag, @moment, @token, @big); END`,
      [],
      all,
    );
    await commands.run(
      `CREATE PROCEDURE dbo.Twice @n int, @doubled int OUTPUT, @said nvarchar(20) OUTPUT AS
       BEGIN SET @doubled = @n * 2; SET @said = N'twice ' + @said; SELECT @n AS n; END`,
      [],
      all,
    );
  });
  after(async () => {
    await commands?.close();
    await server?.stop();
  });
  const call = (procedure: string, parameters: readonly SqlParameter[]) => {
    assert.ok(commands.call);
    return commands.call(procedure, parameters, all);
  };
  const parameter = (name: string, value: SqlParameter['value'], type?: string): SqlParameter => ({
    name,
    value,
    direction: 'Input',
    ...(type === undefined ? {} : { type }),
  });

  test('a procedure takes values of every type of Data Factory, given as text as Studio writes them', async () => {
    await call('[dbo].[Save It]', [
      parameter('id', '7', 'Int32'),
      parameter('name', "O'Brien", 'String'),
      parameter('price', '1234567890.1234', 'Decimal'),
      parameter('at', '2024-02-29T13:14:15.1234567Z', 'DateTime'),
      parameter('flag', 'True', 'Boolean'),
      parameter('moment', '2024-02-29T13:14:15.123456', 'DateTime'),
      parameter('token', '6F9619FF-8B86-D011-B42D-00C04FC964FF', 'Guid'),
      parameter('big', '9223372036854775807', 'Int64'),
    ]);
    const { resultSets } = await commands.run('SELECT * FROM dbo.audit WHERE id = 7', [], all);
    assert.deepEqual(resultSets[0]?.rows, [
      {
        id: 7,
        name: "O'Brien",
        price: 1234567890.1234,
        at: '2024-02-29T13:14:15.123',
        flag: true,
        moment: '2024-02-29T13:14:15.123456',
        token: '6f9619ff-8b86-d011-b42d-00c04fc964ff',
        big: '9223372036854775807',
      },
    ]);
  });

  test('NULL is NULL of any type, and a parameter that is left out has its default', async () => {
    await call('dbo.Save It', [
      parameter('id', 8),
      parameter('price', null, 'Decimal'),
      parameter('at', null, 'DateTime'),
      parameter('flag', null, 'Boolean'),
      parameter('moment', null),
      parameter('token', null, 'Guid'),
      parameter('big', null, 'Int64'),
    ]);
    const { resultSets } = await commands.run(
      'SELECT name, price, at, flag, token FROM dbo.audit WHERE id = 8',
      [],
      all,
    );
    assert.deepEqual(resultSets[0]?.rows, [
      { name: 'unnamed', price: null, at: null, flag: null, token: null },
    ]);
  });

  test('a procedure that is not there, and a parameter it does not have, are refused with their numbers', async () => {
    const numbered = (number: number) => (error: unknown) =>
      error instanceof WaybillError && error.details['number'] === number;
    await assert.rejects(call('dbo.nobody', []), numbered(2812));
    await assert.rejects(call('dbo.Twice', [parameter('n', 1)]), numbered(201));
    await assert.rejects(call('dbo.Twice', [parameter('nope', 1)]), numbered(8145));
  });

  test('a value that is not of its type is refused by name, unseen', async () => {
    await assert.rejects(
      call('dbo.Twice', [parameter('n', 'sesame', 'Int32')]),
      (error: unknown) =>
        error instanceof WaybillError && error.code === 'PARAMETER_INVALID' && !/sesame/.test(error.message),
    );
    await assert.rejects(
      commands.run('SELECT @id AS id', [parameter('id', '9999', 'Guid')], all),
      (error: unknown) =>
        error instanceof WaybillError && error.code === 'PARAMETER_INVALID' && !/9999/.test(error.message),
    );
    for (const id of ['6f9619ff8b86d011b42d00c04fc964ff', '{6F9619FF-8B86-D011-B42D-00C04FC964FF}']) {
      const { resultSets } = await commands.run('SELECT @id AS id', [parameter('id', id, 'Guid')], all);
      assert.deepEqual(resultSets[0]?.rows, [{ id: '6f9619ff-8b86-d011-b42d-00c04fc964ff' }]);
    }
  });

  test('columns without a name are numbered, or left as they are for a Lookup', async () => {
    const query = 'SELECT MAX(n), MIN(n) FROM (VALUES (1), (2)) AS t(n)';
    const numbered = await commands.run(query, [], all);
    assert.deepEqual(numbered.resultSets[0]?.rows, [{ Column1: 2, Column2: 1 }]);
    const left = await commands.run(query, [], { ...all, keepsNameless: true });
    assert.deepEqual(left.resultSets[0]?.rows, [{ '': 2, '1': 1 }]);
  });

  test('output parameters come back, from a procedure and from a script', async () => {
    const parameters: SqlParameter[] = [
      parameter('n', 21, 'Int32'),
      { name: 'doubled', value: null, type: 'Int32', direction: 'Output' },
      { name: 'said', value: 'over', type: 'String', direction: 'InputOutput', size: 20 },
    ];
    const called = await call('dbo.Twice', parameters);
    assert.deepEqual(called.outputParameters, { doubled: 42, said: 'twice over' });
    assert.deepEqual(called.resultSets[0]?.rows, [{ n: 21 }]);
    const ran = await commands.run("SET @doubled = @n * 2; SET @said = @said + N'!'", parameters, all);
    assert.deepEqual(ran.outputParameters, { doubled: 42, said: 'over!' });
  });

  test('a session keeps temporary tables from script to script; what it prints is collected', async () => {
    await commands.run("CREATE TABLE #kept (id int); INSERT INTO #kept VALUES (5); PRINT 'made it'", [], all);
    const { resultSets, messages } = await commands.run("SELECT id FROM #kept; PRINT N'read it'", [], all);
    assert.deepEqual(resultSets[0]?.rows, [{ id: 5 }]);
    assert.deepEqual(messages, ['read it']);
  });

  test('an error raised by a script fails it with its number and words', async () => {
    await assert.rejects(
      commands.run("THROW 50123, 'the load is not complete', 1", [], all),
      (error: unknown) =>
        error instanceof WaybillError &&
        error.code === 'QUERY_FAILED' &&
        /50123.*the load is not complete/.test(error.message),
    );
  });
});
