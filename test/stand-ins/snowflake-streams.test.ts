// Streams of the Snowflake stand-in, driven by the real snowflake-sdk: what they show, and what consumes them.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createChangeActivities } from '../../src/activities/watch-changes.ts';
import type { FoundChanges } from '../../src/core/trigger/activities.ts';
import type { ChangeTrigger } from '../../src/core/trigger/trigger.ts';
import {
  disconnect,
  execute,
  type Fixture,
  failsWith,
  password,
  rows,
  startFixture,
  user,
} from '../support/snowflake-stand-in.ts';

describe('streams', () => {
  let fixture: Fixture;

  before(async () => {
    fixture = await startFixture();
  });

  after(() => fixture?.stop());

  const run = (text: string): Promise<unknown> => execute(fixture.db, text);
  const changes = (stream: string): Promise<unknown[]> =>
    rows(
      fixture.db,
      `SELECT id, v, METADATA$ACTION AS a, METADATA$ISUPDATE AS u FROM ${stream} ORDER BY id, a`,
    );
  const hasData = async (stream: string): Promise<unknown> =>
    (await rows(fixture.db, `SELECT SYSTEM$STREAM_HAS_DATA('${stream}') AS x`))[0]?.['X'];
  const offset = async (stream: string): Promise<string> =>
    String((await rows(fixture.db, `SELECT SYSTEM$STREAM_GET_TABLE_TIMESTAMP('${stream}') AS x`))[0]?.['X']);

  it('shows the net changes since its offset, and reading alone moves nothing', async () => {
    await run('CREATE TABLE t (id INT, v VARCHAR)');
    await run("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (2, 'b'), (3, NULL)");
    await run('CREATE STREAM s ON TABLE t');
    assert.equal(await hasData('s'), false);
    const begun = await offset('s');
    await run("INSERT INTO t VALUES (4, 'd'), (5, 'e')");
    await run("UPDATE t SET v = 'A' WHERE id = 1");
    await run('DELETE FROM t WHERE id = 3');
    await run('DELETE FROM t WHERE id = 5');
    const expected = [
      { ID: 1, V: 'a', A: 'DELETE', U: true },
      { ID: 1, V: 'A', A: 'INSERT', U: true },
      { ID: 3, V: null, A: 'DELETE', U: false },
      { ID: 4, V: 'd', A: 'INSERT', U: false },
    ];
    assert.deepEqual(await changes('s'), expected);
    assert.deepEqual(await changes('s'), expected);
    assert.equal(await hasData('S'), true);
    assert.equal(await offset('s'), begun);
    await run('CREATE TABLE taken AS SELECT * FROM s');
    assert.deepEqual(await rows(fixture.db, 'SELECT COUNT(*) AS n FROM taken'), [{ N: 4 }]);
    assert.equal(await hasData('s'), false);
    assert.ok(BigInt(await offset('s')) > BigInt(begun));
  });

  it('is consumed by a transaction that commits, and not by one that is rolled back', async () => {
    await run('CREATE TABLE source (id INT, v VARCHAR)');
    await run('CREATE TABLE target (id INT, v VARCHAR)');
    await run("INSERT INTO source VALUES (1, 'first')");
    await run('CREATE STREAM initial ON TABLE source SHOW_INITIAL_ROWS = TRUE');
    assert.deepEqual(await changes('initial'), [{ ID: 1, V: 'first', A: 'INSERT', U: false }]);
    const begun = await offset('initial');
    await run('BEGIN');
    await run("INSERT INTO target SELECT id, v FROM initial WHERE METADATA$ACTION = 'INSERT'");
    await run('ROLLBACK');
    assert.equal(await offset('initial'), begun);
    await run(
      'MERGE INTO target USING (SELECT id, v FROM initial) AS s ON target.id = s.id WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)',
    );
    assert.deepEqual(await rows(fixture.db, 'SELECT * FROM target'), [{ ID: 1, V: 'first' }]);
    assert.equal(await hasData('initial'), false);
    await run("INSERT INTO source VALUES (2, 'second')");
    const other = await fixture.server.connect();
    assert.deepEqual(await rows(other, 'SELECT id FROM initial'), [{ ID: 2 }]);
    await disconnect(other);
  });

  it('fires a ChangeTrigger once for what it holds, and again after that was consumed', async () => {
    await run('CREATE TABLE orders (id INT, v VARCHAR)');
    await run('CREATE TABLE batch (id INT, v VARCHAR)');
    await run('CREATE STREAM orders_changes ON TABLE orders');
    const trigger: ChangeTrigger = {
      type: 'ChangeTrigger',
      name: 'tr_orders',
      runtimeState: 'Started',
      pipelines: [],
      linkedService: 'ls',
      table: { schema: 'public', table: 'orders_changes' },
      mode: 'stream',
      pollSeconds: 1,
      snapshotFirst: true,
      retry: { count: 0, intervalSeconds: 30 },
    };
    const { lookForChanges } = createChangeActivities({
      workDirectory: '/nowhere',
      resolveLinkedService: async (name) => ({
        name,
        type: 'SnowflakeV2',
        properties: {
          ...{ host: fixture.server.url, accountIdentifier: 'local', database: 'DB1', warehouse: 'W' },
          ...{ user, password, schema: 'PUBLIC', authenticationType: 'Basic' },
        },
      }),
    });
    const look = (since: string | null): Promise<FoundChanges> =>
      new MockActivityEnvironment().run(lookForChanges, { trigger, since });
    assert.deepEqual(await look(null), { version: null, changed: false });
    await run("INSERT INTO orders VALUES (1, 'a')");
    const first = await look(null);
    assert.equal(first.changed, true);
    await assert.rejects(look(first.version), /are still in it/);
    await run('INSERT INTO batch SELECT id, v FROM orders_changes');
    assert.deepEqual(await look(first.version), { version: first.version, changed: false });
    await run("UPDATE orders SET v = 'b'");
    const second = await look(first.version);
    assert.equal(second.changed, true);
    assert.ok(BigInt(second.version ?? 0) > BigInt(first.version ?? 0));
    await run('DROP STREAM orders_changes');
    await assert.rejects(look(first.version), { code: 'OBJECT_MISSING' });
  });

  it('is listed, replaced and dropped; what is not there or not built is named', async () => {
    await run('CREATE TABLE listed (id INT)');
    await run('CREATE STREAM listed_s ON TABLE listed');
    await assert.rejects(run('CREATE STREAM listed_s ON TABLE listed'), failsWith('002002'));
    await run('CREATE STREAM IF NOT EXISTS listed_s ON TABLE listed');
    await run('CREATE OR REPLACE STREAM listed_s ON TABLE listed SHOW_INITIAL_ROWS = FALSE');
    const shown = await rows(fixture.db, "SHOW STREAMS LIKE 'LISTED%'");
    assert.deepEqual(
      shown.map((row) => [row['name'], row['stale']]),
      [['LISTED_S', 'false']],
    );
    await run('DROP STREAM listed_s');
    await run('DROP STREAM IF EXISTS listed_s');
    await assert.rejects(run('DROP STREAM listed_s'), failsWith('002003'));
    await assert.rejects(run("SELECT SYSTEM$STREAM_HAS_DATA('listed_s')"), failsWith('002003'));
    await assert.rejects(run('CREATE STREAM a ON TABLE listed APPEND_ONLY = TRUE'), /APPEND_ONLY/);
    await assert.rejects(run('CREATE STREAM v ON VIEW listed'), /ON VIEW/);
  });
});
