// What a table sink does with rows besides adding them: upsert, replace and changes, on every SQL store.
//
// CONNECTORS=PostgreSqlV2,SqlServer chooses stores.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import type { CopyEndpoint, CopyInput } from '../../src/core/copy.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';
import { sharedWorld } from '../support/world.ts';
import { CopyRunner } from './copy-runner.ts';
import { allStores } from './stores/index.ts';
import type { Store } from './stores/store.ts';

const chosen = process.env['CONNECTORS']?.split(',');
const every = allStores();
const stores = every.filter(({ id, kind }) => kind === 'table' && (!chosen || chosen.includes(id)));

const failsWith =
  (code: string, ...words: string[]) =>
  (error: unknown): boolean =>
    error instanceof WaybillError &&
    error.code === code &&
    words.every((word) => error.message.includes(word));

describe('write behaviours of table sinks', { timeout: 1_200_000 }, () => {
  const name = `writes_${process.pid}`;
  const base = every.find(({ id }) => id === 'PostgreSqlV2') as Store;
  const services = new Map<string, ConnectedLinkedService>();
  let runner: CopyRunner;
  let database: pg.Client;
  const source = (query: string): CopyEndpoint => base.endpoint('unused', { query });
  /** Rows (id, name, amount) as a query of literals. */
  const rows = (
    ...values: readonly (readonly [number | null, string | null, number | null])[]
  ): CopyEndpoint =>
    source(
      `SELECT * FROM (VALUES ${values
        .map(
          ([id, text, amount]) =>
            `(${id}::int, ${text === null ? 'NULL' : `'${text}'`}::text, ${amount}::numeric(10,2))`,
        )
        .join(', ')}) AS v (id, name, amount)`,
    );

  before(async () => {
    const world = await sharedWorld([
      ...new Set(['postgres' as const, ...stores.flatMap(({ engines }) => engines)]),
    ]);
    for (const store of new Set([base, ...stores])) {
      await store.start(world, name);
      services.set(store.id, store.service());
    }
    runner = await CopyRunner.start(name, (service) => services.get(service) as ConnectedLinkedService);
    const { host, port, user } = world.postgres;
    database = new pg.Client({ host, port, user, database: name });
    await database.connect();
  });
  after(async () => {
    await database?.end();
    await runner?.stop();
    for (const store of new Set([base, ...stores])) await store.stop();
  });

  for (const store of stores) {
    const snowflake = store.id === 'SnowflakeV2';
    const sql = async (statement: string): Promise<Record<string, unknown>[]> =>
      ((await store.sql?.(statement)) ?? []).map((row) =>
        Object.fromEntries(Object.entries(row).map(([key, value]) => [key.toLowerCase(), value])),
      );
    const table = (place: string): string => (snowflake ? place.toUpperCase() : place);
    /** A table of (id, name, amount) with a primary key on id. */
    const makeTable = async (place: string, key = ', PRIMARY KEY (id)'): Promise<void> => {
      const text =
        store.id === 'MySql' ? 'varchar(100)' : store.id === 'SqlServer' ? 'nvarchar(100)' : 'varchar(100)';
      await sql(`CREATE TABLE ${table(place)} (id int NOT NULL, name ${text}, amount decimal(10,2)${key})`);
      await sql(`INSERT INTO ${table(place)} VALUES (1, 'one', 1.5), (2, 'two', NULL), (3, 'three', 3)`);
    };
    const contents = async (place: string): Promise<string[]> => {
      const found = await sql(`SELECT id, name, amount FROM ${table(place)}`);
      const shown = found.map(
        ({ id, name: text, amount }) =>
          `${id} ${text ?? 'NULL'} ${amount === null || amount === undefined ? 'NULL' : Number(amount)}`,
      );
      return shown.sort();
    };
    const copy = (id: string, from: CopyEndpoint, place: string, settings: JsonObject): Promise<unknown> =>
      runner.copy(`${store.id}/${id}`, from, store.endpoint(place, settings));
    const refused = async (
      id: string,
      from: CopyEndpoint,
      place: string,
      settings: JsonObject,
    ): Promise<unknown> => {
      const input: CopyInput = runner.input(`${store.id}/${id}`, from, store.endpoint(place, settings));
      try {
        await copy(id, from, place, settings);
      } catch (error) {
        await runner.run('cleanUpCopy', input);
        return error;
      }
      return undefined;
    };
    const upsert = store.id === 'PostgreSqlV2' ? { writeMethod: 'Upsert' } : { writeBehavior: 'upsert' };

    test(`${store.id}: upsert changes what is there and adds the rest, by the primary key`, async () => {
      await makeTable('up_key');
      const from = rows([2, 'zwei', 2.25], [3, null, 3], [4, 'vier', 4]);
      await copy('up_key/1', from, 'up_key', { ...upsert, upsertSettings: { useTempDB: true } });
      assert.deepEqual(await contents('up_key'), ['1 one 1.5', '2 zwei 2.25', '3 NULL 3', '4 vier 4']);
      await copy('up_key/2', from, 'up_key', upsert);
      assert.deepEqual(await contents('up_key'), ['1 one 1.5', '2 zwei 2.25', '3 NULL 3', '4 vier 4']);
      assert.deepEqual(await store.leftovers(), []);
    });

    test(`${store.id}: upsert by named keys, with columns left out and without a constraint on the keys`, async () => {
      await makeTable('up_named', '');
      const keys = { upsertSettings: { keys: ['NAME'] } };
      const from = source(`SELECT * FROM (VALUES (7, 'two'::text), (8, 'eight')) AS v (id, name)`);
      await copy('up_named/1', from, 'up_named', { ...upsert, ...keys });
      assert.deepEqual(await contents('up_named'), ['1 one 1.5', '3 three 3', '7 two NULL', '8 eight NULL']);
      const both = { upsertSettings: { keys: ['id', 'name'] } };
      await copy('up_named/2', rows([7, 'two', 9], [7, 'three', 9]), 'up_named', { ...upsert, ...both });
      assert.deepEqual(await contents('up_named'), [
        '1 one 1.5',
        '3 three 3',
        '7 three 9',
        '7 two 9',
        '8 eight NULL',
      ]);
      const onlyKeys = source(`SELECT * FROM (VALUES (1, 'one'::text), (9, 'nine')) AS v (id, name)`);
      await copy('up_named/3', onlyKeys, 'up_named', { ...upsert, ...both });
      assert.equal((await contents('up_named')).length, 6);
    });

    test(`${store.id}: upsert without keys, or with keys that get no value, is refused while planning`, async () => {
      await makeTable('up_bad', '');
      const from = rows([4, 'vier', 4]);
      const planned = async (id: string, keys: JsonObject): Promise<unknown> =>
        runner.run(
          'planCopy',
          runner.input(
            `${store.id}/up_bad/${id}`,
            from,
            store.endpoint('up_bad', { ...upsert, upsertSettings: keys }),
          ),
        );
      await assert.rejects(
        planned('1', {}),
        failsWith('DEFINITION_INVALID', 'no primary key', 'upsertSettings'),
      );
      await assert.rejects(planned('2', { keys: ['nothing'] }), failsWith('DEFINITION_INVALID', 'nothing'));
      await assert.rejects(
        planned('3', { keys: 'id' }),
        failsWith('DEFINITION_INVALID', 'list of column names'),
      );
      await assert.rejects(
        runner.run(
          'planCopy',
          runner.input(`${store.id}/up_bad/4`, from, store.endpoint('up_bad', { writeBehavior: 'upsort' })),
        ),
        failsWith('DEFINITION_UNSUPPORTED', 'upsort'),
      );
    });

    test(`${store.id}: a key that comes twice, or not at all, fails and names itself; nothing is written`, async () => {
      await makeTable('up_twice');
      const before = await contents('up_twice');
      const twice = await refused(
        'up_twice/1',
        rows([5, 'a', 1], [5, 'b', 2], [6, 'c', 3]),
        'up_twice',
        upsert,
      );
      assert.ok(failsWith('CONSTRAINT_VIOLATED', 'more than once', '(5)')(twice), String(twice));
      const keys = { upsertSettings: { keys: ['name'] } };
      const none = await refused('up_twice/2', rows([5, null, 1]), 'up_twice', { ...upsert, ...keys });
      assert.ok(failsWith('CONSTRAINT_VIOLATED', 'NULL in the key')(none), String(none));
      assert.deepEqual(await contents('up_twice'), before);
      assert.deepEqual(await store.leftovers(), []);
    });

    test(`${store.id}: replace puts the rows in place of all others, or leaves all as it was`, async () => {
      await makeTable('all_new');
      await copy('all_new/1', rows([8, 'acht', 8], [9, 'neun', 9]), 'all_new', { writeBehavior: 'replace' });
      assert.deepEqual(await contents('all_new'), ['8 acht 8', '9 neun 9']);
      const broken = await refused('all_new/2', rows([5, 'a', 1], [5, 'b', 2]), 'all_new', {
        writeBehavior: 'replace',
      });
      // Snowflake enforces no primary key: there both rows are taken.
      if (!snowflake) {
        assert.ok(broken !== undefined, 'two rows of one primary key');
        assert.deepEqual(await contents('all_new'), ['8 acht 8', '9 neun 9']);
      }
      await copy('all_new/3', source('SELECT 1 AS id WHERE false'), 'all_new', { writeBehavior: 'replace' });
      assert.deepEqual(await contents('all_new'), [], 'no rows are all the rows there are');
    });

    test(`${store.id}: changes add, change and remove rows in one transaction`, async () => {
      await makeTable('changed');
      const changes = (...values: readonly string[]): CopyEndpoint =>
        source(`SELECT * FROM (VALUES ${values.join(', ')}) AS v ("SYS_CHANGE_OPERATION", id, name, amount)`);
      const settings = { writeBehavior: 'applyChanges' };
      await copy(
        'changed/1',
        changes(
          `('I'::text, 4, 'vier'::text, 4::numeric(10,2))`,
          `('U', 2, 'zwei', 2)`,
          `('D', 3, NULL, NULL)`,
          `('D', 99, NULL, NULL)`,
        ),
        'changed',
        settings,
      );
      assert.deepEqual(await contents('changed'), ['1 one 1.5', '2 zwei 2', '4 vier 4']);
      const unknown = await refused(
        'changed/2',
        changes(`('X'::text, 4, 'x'::text, 4::numeric(10,2))`, `('D', 1, NULL, NULL)`),
        'changed',
        settings,
      );
      assert.ok(failsWith('CONSTRAINT_VIOLATED', 'I, U or D')(unknown), String(unknown));
      const twice = await refused(
        'changed/3',
        changes(`('I'::text, 7, 'x'::text, 4::numeric(10,2))`, `('D', 7, NULL, NULL)`),
        'changed',
        settings,
      );
      assert.ok(failsWith('CONSTRAINT_VIOLATED', '(7)')(twice), String(twice));
      assert.deepEqual(await contents('changed'), ['1 one 1.5', '2 zwei 2', '4 vier 4']);
      const missing = await refused('changed/4', rows([1, 'x', 1]), 'changed', settings);
      assert.ok(missing !== undefined, 'rows without an operation are no changes');
    });

    test(`${store.id}: exact changes update rows that are there only; S updates or adds`, async () => {
      await makeTable('exactly');
      const values = [
        `('U'::text, 2, 'zwei'::text, 2::numeric(10,2))`,
        `('U', 8, 'acht', 8)`,
        `('S', 3, 'drei', 3)`,
        `('S', 9, 'neun', 9)`,
        `('D', 1, NULL, NULL)`,
      ];
      const changes = source(
        `SELECT * FROM (VALUES ${values.join(', ')}) AS v ("SYS_CHANGE_OPERATION", id, name, amount)`,
      );
      await copy('exactly/1', changes, 'exactly', {
        writeBehavior: 'applyChanges',
        changeSettings: { exact: true },
      });
      assert.deepEqual(await contents('exactly'), ['2 zwei 2', '3 drei 3', '9 neun 9']);
    });

    test(`${store.id}: repeated and overtaken publishing upserts once`, async () => {
      await makeTable('up_again');
      const input = runner.input(
        `${store.id}/up_again`,
        rows([1, 'eins', 1], [4, 'vier', 4]),
        store.endpoint('up_again', upsert),
      );
      const first = await runner.run('planCopy', input);
      const plan = await runner.run('planCopy', input);
      await runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch });
      await assert.rejects(
        runner.run('publishCopy', { copy: input, epoch: first.epoch }),
        failsWith('CHUNK_FENCED'),
      );
      const published = await runner.run('publishCopy', { copy: input, epoch: plan.epoch });
      await sql(`DELETE FROM ${table('up_again')} WHERE id = 4`);
      assert.deepEqual(await runner.run('publishCopy', { copy: input, epoch: plan.epoch }), published);
      assert.deepEqual(await contents('up_again'), ['1 eins 1', '2 two NULL', '3 three 3']);
      await runner.run('cleanUpCopy', input);
      assert.deepEqual(await store.leftovers(), []);
    });

    test(`${store.id}: two attempts that plan at once share one plan, and the copy is published once`, async () => {
      await makeTable('planned');
      for (let round = 0; round < 5; round++) {
        const input = runner.input(
          `${store.id}/planned/${round}`,
          rows([10 + round, 'x', 1]),
          store.endpoint('planned'),
        );
        const attempts = await Promise.allSettled([1, 2, 3].map(() => runner.run('planCopy', input)));
        const busy = attempts.filter(
          (attempt) => attempt.status === 'rejected' && !failsWith('STORE_BUSY')(attempt.reason),
        );
        assert.deepEqual(busy, [], 'an attempt may be told to come back, and nothing else');
        const plan = await runner.run('planCopy', input);
        assert.equal(plan.chunks, 1);
        const [entries] = await sql(
          `SELECT COUNT(*) AS n FROM ${table('_waybill_ledger')} WHERE copy_id = '${input.copyId}'`,
        );
        assert.equal(Number(entries?.['n']), 2, 'one for the copy, one for its chunk');
        await runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch });
        await runner.run('publishCopy', { copy: input, epoch: plan.epoch });
        await runner.run('cleanUpCopy', input);
      }
      assert.equal((await contents('planned')).length, 8);
    });

    test(`${store.id}: the staging table stands in the schema that the definition names`, async () => {
      if (store.id === 'MySql') return;
      await makeTable('elsewhere');
      await sql(`CREATE SCHEMA ${table('interim')}`);
      const settings = {
        ...upsert,
        upsertSettings: { useTempDB: false, interimSchemaName: table('interim') },
      };
      const input = runner.input(
        `${store.id}/elsewhere`,
        rows([1, 'eins', 1]),
        store.endpoint('elsewhere', settings),
      );
      const plan = await runner.run('planCopy', input);
      const staged = async (): Promise<number> => {
        const [row] = await sql(
          `SELECT COUNT(*) AS n FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '${table('interim')}'`,
        );
        return Number(row?.['n']);
      };
      assert.equal(await staged(), 1);
      await runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch });
      await runner.run('publishCopy', { copy: input, epoch: plan.epoch });
      await runner.run('cleanUpCopy', input);
      assert.equal(await staged(), 0);
      assert.deepEqual((await contents('elsewhere'))[0], '1 eins 1');
    });
  }

  test('a table that is made for an upsert needs its keys named', async () => {
    const into = base.endpoint('made', {
      tableOption: 'autoCreate',
      writeMethod: 'Upsert',
      upsertSettings: { keys: ['id'] },
    });
    await runner.copy('made/1', rows([1, 'a', 1]), into);
    await runner.copy('made/2', rows([1, 'b', 1], [2, 'c', 2]), into);
    const { rows: found } = await database.query('SELECT id, name FROM made ORDER BY id');
    assert.deepEqual(found, [
      { id: 1, name: 'b' },
      { id: 2, name: 'c' },
    ]);
  });
});
