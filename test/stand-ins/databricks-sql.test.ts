// The Databricks stand-in's SQL: statements, sql_task and dbt_task on local Spark, by Databricks' own Python SDK.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectPath } from '../../dev/cache.ts';
import { ensureAll } from '../../dev/setup/ensure-all.ts';
import { type DatabricksStandIn, databricksToken, startDatabricks } from '../support/databricks-stand-in.ts';

describe('SQL on the Databricks stand-in', { timeout: 600_000 }, () => {
  let directory: string;
  let standIn: DatabricksStandIn;
  let dbt: string;

  before(async () => {
    const setup = await ensureAll((line) => console.error(line));
    dbt = setup.dbt;
    directory = await mkdtemp(join(tmpdir(), 'waybill-databricks-sql-'));
    standIn = await startDatabricks({
      stateDirectory: join(directory, 'state'),
      python: setup.python,
      flags: { jars: setup.jars, dbt, ...(setup.classData ? { 'class-data': setup.classData } : {}) },
    });
  });

  after(async () => {
    await standIn?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  it('is what the SDK expects: statements, their types and chunks, saved queries, tasks of SQL and of dbt', async () => {
    const script = projectPath('test', 'stand-ins', 'databricks_sql_sdk.py');
    const python = join(dirname(dbt), 'python');
    const { stdout } = await promisify(execFile)(python, [script, standIn.endpoint, databricksToken]);
    const told = JSON.parse(stdout) as Record<string, unknown>;
    const { dbt_logs: logs, failed_logs: failedLogs, ...rest } = told;
    assert.deepEqual(rest, {
      warehouse: 'RUNNING',
      columns: [
        ['n', 'LONG'],
        ['word', 'STRING'],
        ['day', 'DATE'],
        ['at', 'TIMESTAMP'],
        ['price', 'DECIMAL'],
        ['list', 'ARRAY'],
        ['nothing', 'STRING'],
      ],
      row: ['42', "it's", '2013-01-02', '2013-01-02T03:04:05.000Z', '1.50', '[1,2]', null],
      chunks: [3, 20001, true],
      last: [['20000']],
      bad: ['FAILED', 'BAD_REQUEST', true],
      cancelled: 'CANCELED',
      after: [['1']],
      unknown: 'ResourceDoesNotExist',
      catalog: 'NotImplemented',
      run: { query: 'SUCCESS', file: 'SUCCESS', marts: 'SUCCESS' },
      query_text:
        "-- two; statements\nINSERT INTO shop.orders VALUES (100, CAST(:price AS BIGINT));\nSELECT ';' AS a",
      total: [['991']],
      failed: 'FAILED',
    });
    assert.match(String(logs), /OK created sql table model shop_marts\.totals/);
    assert.match(String(logs), /PASS not_null_totals_total/);
    assert.match(String(failedLogs), /Error in model totals/);
    assert.equal((await standIn.requests('sql/statements')).length, 8);
  });
});
