// The Snowflake stand-in driven by the real snowflake-sdk: transactions, locks, repeated requests, data kept on disk.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  disconnect,
  execute,
  type Fixture,
  failsWith,
  makeHome,
  password,
  rows,
  StandIn,
  startFixture,
  user,
} from '../support/snowflake-stand-in.ts';

interface Reply {
  data: Record<string, unknown>;
  code: string | null;
  success: boolean;
}

let fixture: Fixture;

before(async () => {
  fixture = await startFixture('--sync-seconds', '2', '--idle-transaction-seconds', '3');
});

after(() => fixture?.stop());

describe('transactions', () => {
  before(async () => {
    await execute(fixture.db, 'CREATE STAGE st');
    await execute(fixture.db, 'CREATE TABLE ledger (k INT, n INT)');
    await execute(fixture.db, 'INSERT INTO ledger VALUES (1, 0)');
    await execute(fixture.db, 'CREATE TABLE loaded (id INT, s VARCHAR)');
    await fixture.put('tx.csv', '1,a\n2,b\n', '@st/tx/');
  });
  const copy = 'COPY INTO loaded FROM @st/tx/ FILE_FORMAT = (TYPE = CSV)';

  it('rolls COPY back with its load history, and TRUNCATE too', async () => {
    await execute(fixture.db, 'BEGIN');
    assert.equal((await rows(fixture.db, copy))[0]?.['rows_loaded'], 2);
    await execute(fixture.db, 'ROLLBACK');
    assert.equal(await fixture.count('loaded'), 0);
    await execute(fixture.db, 'BEGIN TRANSACTION');
    assert.equal(
      (await rows(fixture.db, copy))[0]?.['rows_loaded'],
      2,
      'the history must have gone with the rows',
    );
    await execute(fixture.db, 'COMMIT');
    await execute(fixture.db, 'BEGIN');
    await execute(fixture.db, 'TRUNCATE TABLE loaded');
    await execute(fixture.db, 'ROLLBACK');
    assert.equal(await fixture.count('loaded'), 2);
    assert.deepEqual(await rows(fixture.db, copy), [{ status: 'Copy executed with 0 files processed.' }]);
  });

  it('goes on after a failed statement, which alone is undone', async () => {
    await execute(fixture.db, 'BEGIN');
    await execute(fixture.db, 'UPDATE ledger SET n = n + 1');
    await assert.rejects(execute(fixture.db, "INSERT INTO ledger VALUES (2, 'x')"), failsWith('100038'));
    await assert.rejects(execute(fixture.db, 'SELECT * FROM nowhere_at_all'), failsWith('002003'));
    await execute(fixture.db, 'INSERT INTO ledger VALUES (2, 5)');
    await execute(fixture.db, 'COMMIT');
    assert.deepEqual(await rows(fixture.db, 'SELECT * FROM ledger ORDER BY k'), [
      { K: 1, N: 1 },
      { K: 2, N: 5 },
    ]);
    await execute(fixture.db, 'DELETE FROM ledger WHERE k = 2');
  });

  it('shows nothing to others before COMMIT, reads what others committed, and commits at DDL', async () => {
    const other = await fixture.server.connect();
    await execute(fixture.db, 'BEGIN');
    await execute(fixture.db, 'INSERT INTO ledger VALUES (3, 0)');
    assert.equal(await fixture.count('ledger', other), 1);
    await execute(fixture.db, 'CREATE TABLE made_inside (a INT)');
    assert.equal(await fixture.count('ledger', other), 2);
    await execute(fixture.db, 'ROLLBACK');
    assert.equal(await fixture.count('ledger'), 2);
    await execute(fixture.db, 'DELETE FROM ledger WHERE k = 3');
  });

  it('queues writers of one table instead of failing them', async () => {
    await execute(fixture.db, 'UPDATE ledger SET n = 0');
    const work = async (id: number) => {
      const session = await fixture.server.connect();
      await fixture.put(`p${id}.csv`, `${id},p\n`, `@st/p${id}/`);
      await execute(session, 'BEGIN');
      await execute(session, 'SELECT * FROM ledger');
      await execute(session, 'UPDATE ledger SET n = n + 1 WHERE k = 1');
      await execute(session, `COPY INTO loaded FROM @st/p${id}/ FILE_FORMAT = (TYPE = CSV)`);
      await execute(session, 'COMMIT');
      await disconnect(session);
    };
    const single = async () => {
      const session = await fixture.server.connect();
      await execute(session, 'UPDATE ledger SET n = n + 100 WHERE k = 1');
      await disconnect(session);
    };
    await Promise.all([...[1, 2, 3, 4, 5, 6].map(work), single(), single(), single()]);
    assert.deepEqual(await rows(fixture.db, 'SELECT n FROM ledger'), [{ N: 306 }]);
    assert.deepEqual(await rows(fixture.db, "SELECT COUNT(*) AS N FROM loaded WHERE s = 'p'"), [{ N: 6 }]);
  });

  it('ends a transaction whose client went away while others wait, and never lets it commit later', async () => {
    const lost = await fixture.server.connect();
    await execute(lost, 'BEGIN');
    await execute(lost, 'UPDATE ledger SET n = -1');
    await execute(fixture.db, 'UPDATE ledger SET n = 7');
    await assert.rejects(execute(lost, 'COMMIT'), failsWith('000604', '57014', /rolled back/));
    assert.deepEqual(await rows(fixture.db, 'SELECT n FROM ledger'), [{ N: 7 }]);
  });

  it('keeps changes together without autocommit', async () => {
    const session = await fixture.server.connect();
    await execute(session, 'ALTER SESSION SET AUTOCOMMIT = FALSE');
    await execute(session, 'UPDATE ledger SET n = 8');
    assert.deepEqual(await rows(fixture.db, 'SELECT n FROM ledger'), [{ N: 7 }]);
    await execute(session, 'COMMIT');
    assert.deepEqual(await rows(fixture.db, 'SELECT n FROM ledger'), [{ N: 8 }]);
    await disconnect(session);
  });
});

describe('the protocol', () => {
  /** A request as the driver sends it, so that it can be sent twice. */
  async function request(path: string, body: unknown, token?: string): Promise<Reply> {
    const response = await fetch(`${fixture.server.url}${path}`, {
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
    await execute(fixture.db, 'CREATE TABLE once (a VARCHAR)');
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
        const response = await fetch(`${fixture.server.url}${url}`, {
          headers: { authorization: `Snowflake Token="${token}"` },
        });
        current = (await response.json()) as Reply;
      }
      settled.push(current);
    }
    assert.equal(new Set(settled.map((answer) => answer.data['queryId'])).size, 1);
    for (const answer of settled) assert.deepEqual(answer.data['rowset'], [['1']]);
    assert.equal(await fixture.count('once'), 1);
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
    assert.equal(
      (await fetch(`${fixture.server.url}/gcs/stage/named/DB1/PUBLIC/ST/in/a.csv.gz`)).status,
      401,
    );
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
