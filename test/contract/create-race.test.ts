// Two attempts of one planning at once: neither the target nor the plan of the faster one is the slower one's error.
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

    test(`${store.id}: a planner that comes late takes the plan as it is, and fences nobody`, async () => {
      const sink = store.endpoint('late', { tableOption: 'autoCreate' });
      const input = runner.input(`late/${store.id}`, store.endpoint('unused'), sink);
      const id = { name: 'id', type: 'Int32', nullable: false, native: '' } as const;
      const [first, late] = [await runner.openSink(input), await runner.openSink(input)];
      try {
        assert.equal(await first.resumePlan(), undefined);
        assert.equal(await late.resumePlan(), undefined, 'both looked before either stored');
        const [made] = (await first.columns()) ?? (await first.createTarget([id]));
        assert.ok(made);
        const plan = {
          columns: [{ source: id, sink: made }],
          ...{ sourceState: {}, rows: 0, from: 'nothing', verify: true, notes: [] },
        };
        const stored = await first.storePlan(plan, []);
        const taken = await late.storePlan(plan, []);
        assert.equal(taken.epoch, stored.epoch);
        await first.publish(stored.epoch);
        await first.cleanUp();
      } finally {
        await first.close();
        await late.close();
      }
    });
  }
});
