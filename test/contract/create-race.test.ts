// A target that another attempt made a moment ago is the target, not an error.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';
import { sharedWorld } from '../support/world.ts';
import { CopyRunner } from './copy-runner.ts';
import { mysqlStore } from './stores/mysql.ts';
import { postgresStore } from './stores/postgres.ts';
import { snowflakeStore } from './stores/snowflake.ts';
import { sqlServerStore } from './stores/sql-server.ts';

const stores = [postgresStore(), sqlServerStore(), mysqlStore(), snowflakeStore()];

describe('a target made by two attempts at once', { timeout: 240_000 }, () => {
  const name = `create_race_${process.pid}`;
  let runner: CopyRunner;

  before(async () => {
    const world = await sharedWorld([...new Set(stores.flatMap(({ engines }) => engines))]);
    const services = new Map<string, ConnectedLinkedService>();
    for (const store of stores) {
      await store.start(world, name);
      services.set(store.type, store.service());
    }
    runner = await CopyRunner.start(name, (service) => services.get(service) as ConnectedLinkedService);
  });
  after(async () => {
    await runner?.stop();
    for (const store of stores) await store.stop();
  });

  for (const store of stores) {
    test(`${store.id}: the second finds the table that the first one made`, async () => {
      const sink = store.endpoint('raced', { tableOption: 'autoCreate' });
      const input = runner.input(`race/${store.id}`, store.endpoint('unused'), sink);
      const columns = [{ name: 'id', type: 'Int32', nullable: false, native: '' } as const];
      const [first, second] = [await runner.openSink(input), await runner.openSink(input)];
      try {
        assert.equal(await first.columns(), undefined);
        assert.equal(await second.columns(), undefined, 'both looked before either created');
        const made = await first.createTarget(columns);
        assert.deepEqual(await second.createTarget(columns), made);
      } finally {
        await first.close();
        await second.close();
      }
    });
  }
});
