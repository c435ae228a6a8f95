// The SQL Server stand-in as clients see it that nobody here wrote: python-tds and FreeTDS.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { projectPath } from '../../dev/cache.ts';
import { ensureFreetds } from '../../dev/setup/freetds.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { PASSWORD, type SqlServerUnderTest, startSqlServer } from '../support/sql-server-stand-in.ts';

let server: SqlServerUnderTest;
before(async () => {
  server = await startSqlServer();
});
after(() => server?.stop());

test('python-tds logs in, queries, binds, loads in bulk and rolls back', async () => {
  const { python } = await ensurePython(() => {});
  const script = projectPath('test', 'stand-ins', 'sql_server_pytds.py');
  const { stdout } = await promisify(execFile)(
    python,
    [script, String(server.port), server.certificateFile],
    {
      env: { ...process.env, SQL_SERVER_TEST_PASSWORD: PASSWORD },
    },
  );
  assert.match(stdout, /^10 checks/m);
});

test('FreeTDS tsql runs a script', async () => {
  const { tsql, env } = await ensureFreetds(() => {});
  const script = [
    'CREATE TABLE dbo.from_freetds (Id int NOT NULL PRIMARY KEY, Note nvarchar(20) NULL, Price money NULL)',
    'GO',
    "INSERT INTO dbo.from_freetds VALUES (1, N'čeština', 12.5), (2, NULL, NULL)",
    'GO',
    'SELECT * FROM dbo.from_freetds ORDER BY Id',
    'SELECT COUNT(*) AS n FROM INFORMATION_SCHEMA.TABLES',
    'GO',
    'SELECT * FROM dbo.missing',
    'GO',
    'quit',
    '',
  ].join('\n');
  const { stdout, stderr } = await runTsql(tsql, env, script);
  assert.match(stdout, /Id\tNote\tPrice\n1\tčeština\t12\.5000\n2\tNULL\tNULL\n/);
  assert.match(stderr, /Msg 208 .*\n?.*Invalid object name/s);
});

test('FreeTDS tsql over TLS, with the certificate verified', async () => {
  const { tsql, env } = await ensureFreetds(() => {});
  const directory = await mkdtemp(join(tmpdir(), 'waybill-freetds-'));
  try {
    const settings = [
      'encryption = require',
      `ca file = ${server.certificateFile}`,
      'check certificate hostname = no',
    ];
    const configuration = join(directory, 'freetds.conf');
    await writeFile(configuration, ['[global]', ...settings, ''].join('\n'));
    const { stdout } = await runTsql(
      tsql,
      { ...env, FREETDSCONF: configuration },
      'SELECT 40 + 2 AS answer\nGO\nquit\n',
    );
    assert.match(stdout, /answer\n42\n/);
  } finally {
    await rm(directory, { recursive: true });
  }
});

/** Runs tsql against the server with a script on its standard input. */
function runTsql(
  tsql: string,
  env: Readonly<Record<string, string>>,
  script: string,
): Promise<{ stdout: string; stderr: string }> {
  const child = spawn(
    tsql,
    ['-H', '127.0.0.1', '-p', String(server.port), '-U', 'sa', '-P', PASSWORD, '-o', 'fq'],
    {
      env: { ...process.env, ...env, TDSVER: '7.4', LC_ALL: 'C.UTF-8' },
    },
  );
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdin.end(script);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve({ stdout, stderr }));
  });
}
