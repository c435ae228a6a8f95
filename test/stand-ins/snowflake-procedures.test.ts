// Stored procedures of the Snowflake stand-in, called by the real snowflake-sdk.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { execute, type Fixture, failsWith, rows, startFixture } from '../support/snowflake-stand-in.ts';

describe('stored procedures', () => {
  let fixture: Fixture;

  before(async () => {
    fixture = await startFixture();
  });

  after(() => fixture?.stop());

  const run = (text: string): Promise<unknown> => execute(fixture.db, text);

  it('run their statements with the arguments, and give the row that RETURN says', async () => {
    await run('CREATE TABLE log (id INT, what VARCHAR)');
    await run(`CREATE OR REPLACE PROCEDURE note(n NUMBER(38,0), what VARCHAR) RETURNS VARCHAR NOT NULL LANGUAGE SQL EXECUTE AS CALLER AS
      $$
      BEGIN
        INSERT INTO log VALUES (:n, :what || '; not the end'); -- one; and
        UPDATE log SET id = id + 1 WHERE id = :N;
        RETURN 'noted ' || what;
      END;
      $$`);
    assert.deepEqual(await rows(fixture.db, "CALL note(1 + 1, 'it''s')"), [{ NOTE: "noted it's" }]);
    assert.deepEqual(await rows(fixture.db, 'SELECT * FROM log'), [{ ID: 3, WHAT: "it's; not the end" }]);
    await run(
      "CREATE PROCEDURE twice() RETURNS VARCHAR LANGUAGE SQL AS 'BEGIN CALL note(5, ''a''); CALL note(6, ''b''); END'",
    );
    assert.deepEqual(await rows(fixture.db, 'CALL twice();'), [{ TWICE: null }]);
    assert.deepEqual(await rows(fixture.db, 'SELECT COUNT(*) AS n FROM log'), [{ N: 3 }]);
  });

  it('are told apart by how many arguments they have, and dropped', async () => {
    await run('CREATE PROCEDURE same() RETURNS NUMBER LANGUAGE SQL AS $$ BEGIN RETURN 0; END $$');
    await run(
      'CREATE PROCEDURE same(a NUMBER) RETURNS NUMBER LANGUAGE SQL AS $$ BEGIN RETURN :a * 2; END $$',
    );
    assert.deepEqual(await rows(fixture.db, 'CALL same(21)'), [{ SAME: 42 }]);
    await assert.rejects(
      run('CREATE PROCEDURE same() RETURNS NUMBER LANGUAGE SQL AS $$ BEGIN RETURN 1; END $$'),
      failsWith('002002'),
    );
    await run('DROP PROCEDURE same(NUMBER)');
    await assert.rejects(run('CALL same(21)'), failsWith('002140'));
    assert.deepEqual(await rows(fixture.db, 'CALL same()'), [{ SAME: 0 }]);
  });

  it('with more scripting than statements and RETURN are refused by name', async () => {
    for (const [body, word] of [
      ['LET x := 1; RETURN x;', /LET/],
      ['IF (TRUE) THEN RETURN 1; END IF;', /IF/],
      ["EXECUTE IMMEDIATE 'SELECT 1';", /EXECUTE/],
    ] as const)
      await assert.rejects(
        run(`CREATE PROCEDURE script() RETURNS NUMBER LANGUAGE SQL AS $$ BEGIN ${body} END $$`),
        (error: Error) => word.test(error.message),
      );
    await assert.rejects(
      run('CREATE PROCEDURE js() RETURNS VARCHAR LANGUAGE JAVASCRIPT AS $$ return 1; $$'),
      /LANGUAGE JAVASCRIPT/,
    );
  });
});
