// Incremental copies: random sequences of inserts and updates, with ties and NULLs, against a model of what must be there.
//
// CONNECTORS=PostgreSqlV2,SqlServer chooses stores; WAYBILL_SEED repeats a run.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { sharedWorld } from '../support/world.ts';
import { CopyRunner } from './copy-runner.ts';
import { allStores } from './stores/index.ts';
import type { Store } from './stores/store.ts';

const chosen = process.env['CONNECTORS']?.split(',');
const every = allStores();
const stores = every.filter(({ id, kind }) => kind === 'table' && (!chosen || chosen.includes(id)));
const seed = Number(process.env['WAYBILL_SEED'] ?? Date.now() % 1_000_000);
const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;

/** mulberry32 */
const random = (start: number): (() => number) => {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
};

interface ModelRow {
  readonly id: number;
  text: string;
  /** Seconds since 2024, or a number; NULL where the row has none. */
  mark: number | null;
}

/** How a watermark of each type is written in SQL and shown by the store's own client. */
interface Kind {
  readonly type: Readonly<Record<string, string>>;
  literal(mark: number): string;
}

const moment = (mark: number): string =>
  new Date(Date.UTC(2024, 0, 1) + mark * 500).toISOString().slice(0, 23);

const KINDS: Readonly<Record<string, Kind>> = {
  integer: {
    type: { PostgreSqlV2: 'bigint', SqlServer: 'bigint', MySql: 'bigint', SnowflakeV2: 'NUMBER(18,0)' },
    literal: (mark) => String(mark),
  },
  moment: {
    type: {
      PostgreSqlV2: 'timestamp(6)',
      SqlServer: 'datetime2(7)',
      MySql: 'datetime(6)',
      SnowflakeV2: 'TIMESTAMP_NTZ(9)',
    },
    literal: (mark) => `'${moment(mark)}'`,
  },
  decimal: {
    type: {
      PostgreSqlV2: 'numeric(12,3)',
      SqlServer: 'decimal(12,3)',
      MySql: 'decimal(12,3)',
      SnowflakeV2: 'NUMBER(12,3)',
    },
    literal: (mark) => (mark / 8).toFixed(3),
  },
  date: {
    type: { PostgreSqlV2: 'date', SqlServer: 'date', MySql: 'date', SnowflakeV2: 'DATE' },
    literal: (mark) => `'${new Date(Date.UTC(2024, 0, 1) + mark * 86_400_000).toISOString().slice(0, 10)}'`,
  },
};

describe(`incremental copies (WAYBILL_SEED=${seed})`, { timeout: 1_800_000 }, () => {
  const name = `incremental_${process.pid}`;
  const base = every.find(({ id }) => id === 'PostgreSqlV2') as Store;
  const services = new Map<string, ConnectedLinkedService>();
  let runner: CopyRunner;

  const sql = async (store: Store, statement: string): Promise<Record<string, unknown>[]> =>
    ((await store.sql?.(statement)) ?? []).map((row) =>
      Object.fromEntries(Object.entries(row).map(([key, value]) => [key.toLowerCase(), value])),
    );
  const named = (store: Store, place: string): string =>
    store.id === 'SnowflakeV2' ? place.toUpperCase() : place;

  before(async () => {
    const world = await sharedWorld([
      ...new Set(['postgres' as const, ...stores.flatMap(({ engines }) => engines)]),
    ]);
    for (const store of new Set([base, ...stores])) {
      await store.start(world, name);
      services.set(store.id, store.service());
    }
    runner = await CopyRunner.start(name, (service) => services.get(service) as ConnectedLinkedService);
  });
  after(async () => {
    await runner?.stop();
    for (const store of new Set([base, ...stores])) await store.stop();
  });

  /** A source of its own with a model beside it, and a target. */
  class Stage {
    readonly model: ModelRow[] = [];
    readonly place: string;
    readonly source: Store;
    sink: Store;
    readonly kind: Kind;
    readonly #random: () => number;
    #run = 0;
    #id = 0;
    /** Above every mark that was given. */
    high = 10;

    constructor(place: string, source: Store, sink: Store, kind: Kind, start: number) {
      this.place = place;
      this.source = source;
      this.sink = sink;
      this.kind = kind;
      this.#random = random(start);
    }

    async make(): Promise<void> {
      const { source, place } = this;
      const text = source.id === 'SqlServer' ? 'nvarchar(50)' : 'varchar(50)';
      await sql(
        source,
        `CREATE TABLE ${named(source, `${place}_from`)} (id int NOT NULL, note ${text}, mark ${this.kind.type[source.id]}, PRIMARY KEY (id))`,
      );
    }

    pick(limit: number): number {
      return Math.floor(this.#random() * limit);
    }

    async insert(mark: number | null): Promise<void> {
      const row = { id: ++this.#id, text: `n${this.pick(1000)}`, mark };
      this.model.push(row);
      await sql(
        this.source,
        `INSERT INTO ${named(this.source, `${this.place}_from`)} (id, note, mark) VALUES ` +
          `(${row.id}, '${row.text}', ${mark === null ? 'NULL' : this.kind.literal(mark)})`,
      );
    }

    async update(row: ModelRow, mark: number | null): Promise<void> {
      row.text = `u${this.pick(1000)}`;
      row.mark = mark;
      await sql(
        this.source,
        `UPDATE ${named(this.source, `${this.place}_from`)} SET note = '${row.text}', ` +
          `mark = ${mark === null ? 'NULL' : this.kind.literal(mark)} WHERE id = ${row.id}`,
      );
    }

    options(more: JsonObject = {}): JsonObject {
      return { incremental: { watermarkColumn: 'mark', ...more } };
    }

    input(settings: JsonObject, incremental: JsonObject, key = `${++this.#run}`) {
      const input = runner.input(
        `${this.place}/${key}`,
        this.source.endpoint(`${this.place}_from`),
        this.sink.endpoint(`${this.place}_into`, { tableOption: 'autoCreate', ...settings }),
        this.options(incremental),
      );
      // Runs of one pipeline share their activity; only the key differs.
      return { ...input, activity: this.place };
    }

    /** A whole copy whose every step is tried again as Temporal would, and only for errors that it would. */
    async persist(settings: JsonObject, incremental: JsonObject): Promise<void> {
      const input = this.input(settings, incremental);
      const retried = async <T>(step: (attempt: number) => Promise<T>): Promise<T> => {
        for (let attempt = 1; ; attempt++) {
          try {
            return await step(attempt);
          } catch (error) {
            assert.ok(error instanceof WaybillError && error.retryable, `not to be retried: ${error}`);
            assert.ok(attempt < 4, `attempt ${attempt}: ${error}`);
          }
        }
      };
      const plan = await retried((attempt) => runner.run('planCopy', input, attempt));
      for (let chunk = 0; chunk < plan.chunks; chunk++) {
        await retried((attempt) =>
          runner.run('copyChunk', { copy: input, chunk, epoch: plan.epoch }, attempt),
        );
      }
      await retried((attempt) => runner.run('publishCopy', { copy: input, epoch: plan.epoch }, attempt));
      await retried((attempt) => runner.run('cleanUpCopy', input, attempt));
    }

    /** A whole copy; at `stop` its worker is gone for a moment, and the attempt after it goes on. */
    async copy(settings: JsonObject, incremental: JsonObject, stop = -1): Promise<number> {
      const input = this.input(settings, incremental);
      let step = 0;
      const dies = (): boolean => step++ === stop;
      let plan = await runner.run('planCopy', input);
      if (dies()) plan = await runner.run('planCopy', input);
      for (let chunk = 0; chunk < plan.chunks; chunk++) {
        await runner.run('copyChunk', { copy: input, chunk, epoch: plan.epoch });
        if (dies()) {
          plan = await runner.run('planCopy', input);
          await runner.run('copyChunk', { copy: input, chunk, epoch: plan.epoch });
        }
      }
      let published = await runner.run('publishCopy', { copy: input, epoch: plan.epoch });
      if (dies()) {
        plan = await runner.run('planCopy', input);
        assert.equal(plan.published, true);
      }
      assert.deepEqual(await runner.run('publishCopy', { copy: input, epoch: plan.epoch }), published);
      await runner.run('cleanUpCopy', input);
      if (dies()) published = await runner.run('publishCopy', { copy: input, epoch: plan.epoch });
      return published.rows;
    }

    async target(): Promise<string[]> {
      const found = await sql(this.sink, `SELECT id, note FROM ${named(this.sink, `${this.place}_into`)}`);
      return found.map(({ id, note }) => `${id} ${note}`).sort();
    }
  }

  const upsert = (store: Store): JsonObject => ({
    ...(store.id === 'PostgreSqlV2' ? { writeMethod: 'Upsert' } : { writeBehavior: 'upsert' }),
    upsertSettings: { keys: ['id'] },
  });

  for (const store of stores) {
    const directions =
      store === base
        ? [[base, base]]
        : [
            [base, store],
            [store, base],
          ];
    for (const [source, sink] of directions as [Store, Store][]) {
      const way = `${source.id} → ${sink.id}`;
      const kindNames = Object.keys(KINDS);

      test(`${way}: rows that only come are inserted once each, ties and NULLs too`, async () => {
        const kindName = kindNames[seed % kindNames.length] as string;
        const stage = new Stage(
          `ins_${source.id}_${sink.id}`.toLowerCase(),
          source,
          sink,
          KINDS[kindName] as Kind,
          seed,
        );
        await stage.make();
        for (let round = 0; round < 5; round++) {
          const count = round === 2 ? 0 : 1 + stage.pick(6);
          for (let i = 0; i < count; i++) {
            const what = stage.pick(4);
            // Ties with the newest row, a later one, or none.
            if (what === 0) await stage.insert(null);
            else await stage.insert(what === 1 ? stage.high : ++stage.high);
          }
          const stop = stage.pick(6);
          await stage.copy({}, { onNull: 'include' }, stop);
          const expected = stage.model.map(({ id, text }) => `${id} ${text}`).sort();
          assert.deepEqual(await stage.target(), expected, `round ${round}, ${kindName}, stopped at ${stop}`);
        }
        assert.deepEqual(await sink.leftovers(), []);
      });

      test(`${way}: rows that change are upserted by key`, async () => {
        const kindName = kindNames[(seed + 1) % kindNames.length] as string;
        const place = `up_${source.id}_${sink.id}`.toLowerCase();
        const stage = new Stage(place, source, sink, KINDS[kindName] as Kind, seed + 7);
        await stage.make();
        for (let round = 0; round < 5; round++) {
          for (let i = 0; i < 1 + stage.pick(5); i++) await stage.insert(stage.high + stage.pick(2));
          for (let i = 0; i < stage.pick(4); i++) {
            const row = stage.model[stage.pick(stage.model.length)] as ModelRow;
            await stage.update(row, stage.high + stage.pick(2));
          }
          stage.high++;
          const stop = stage.pick(5);
          await stage.copy(upsert(sink), {}, stop);
          const expected = stage.model.map(({ id, text }) => `${id} ${text}`).sort();
          assert.deepEqual(await stage.target(), expected, `round ${round}, ${kindName}, stopped at ${stop}`);
        }
      });
    }

    for (const behaviour of ['insert', 'upsert']) {
      test(`${store.id}: connections cut at any moment of an incremental ${behaviour} lose and double nothing`, async () => {
        const { address } = store;
        if (address === undefined) return;
        const place = `cut_${behaviour}_${store.id}`.toLowerCase();
        const stage = new Stage(place, base, store, KINDS['integer'] as Kind, seed + 3);
        const settings = behaviour === 'upsert' ? upsert(store) : {};
        await stage.make();
        const proxy = await TcpProxy.start(address.host, address.port);
        services.set(`${store.id}_cut`, store.service(proxy.port));
        const { endpoint } = store;
        stage.sink = {
          ...store,
          endpoint: (name, more) => ({ ...endpoint(name, more), linkedService: `${store.id}_cut` }),
        };
        try {
          let bytes = Number.POSITIVE_INFINITY;
          for (let round = 0; round < 8; round++) {
            for (let i = 0; i < 3; i++)
              await stage.insert(stage.pick(3) === 0 ? null : stage.high + stage.pick(2));
            stage.high++;
            const cut =
              round < 2 ? Number.POSITIVE_INFINITY : Math.ceil((bytes * (1 + stage.pick(99))) / 100);
            proxy.reset(cut);
            await stage.persist(settings, { onNull: 'include' });
            bytes = round < 2 ? proxy.sent : bytes;
            const expected = stage.model.map(({ id, text }) => `${id} ${text}`).sort();
            assert.deepEqual(
              await stage.target(),
              expected,
              `round ${round}, cut at ${cut} of ${bytes} bytes`,
            );
          }
          assert.deepEqual(await store.leftovers(), []);
        } finally {
          await proxy.stop();
        }
      });
    }

    test(`${store.id}: a run under the same key finds its result; a new one goes on; a full reload begins anew`, async () => {
      const stage = new Stage(`keys_${store.id}`.toLowerCase(), base, store, KINDS['integer'] as Kind, seed);
      await stage.make();
      for (const mark of [1, 2, 3]) await stage.insert(mark);
      const first = stage.input({}, {}, 'a');
      const plan = await runner.run('planCopy', first);
      for (let chunk = 0; chunk < plan.chunks; chunk++) {
        await runner.run('copyChunk', { copy: first, chunk, epoch: plan.epoch });
      }
      // Comes after the plan: beyond its upper bound.
      await stage.insert(4);
      const published = await runner.run('publishCopy', { copy: first, epoch: plan.epoch });
      assert.equal(published.rows, 3);
      await runner.run('cleanUpCopy', first);
      const again = await runner.run('planCopy', first);
      assert.equal(again.published, true);
      assert.deepEqual(await runner.run('publishCopy', { copy: first, epoch: again.epoch }), published);
      assert.ok(plan.notes.includes('Incremental by mark: from the beginning to 3.'), String(plan.notes));
      assert.equal(await stage.copy({}, {}), 1);
      assert.equal(await stage.copy({}, {}), 0);
      await sql(base, `DELETE FROM ${stage.place}_from WHERE id = 1`);
      stage.model.shift();
      assert.equal(await stage.copy({}, { fullReload: true }), 3, 'everything that is there');
      assert.deepEqual(
        await stage.target(),
        stage.model.map(({ id, text }) => `${id} ${text}`),
        'in place of what was there',
      );
      await stage.insert(5);
      assert.equal(await stage.copy({}, {}), 1);
    });

    test(`${store.id}: of two copies of one stream at once, one is told that the other was faster`, async () => {
      const stage = new Stage(`race_${store.id}`.toLowerCase(), base, store, KINDS['integer'] as Kind, seed);
      await stage.make();
      await stage.insert(1);
      await stage.copy({}, {});
      await stage.insert(2);
      const inputs = [stage.input({}, {}), stage.input({}, {})];
      const plans = [];
      for (const input of inputs) {
        const plan = await runner.run('planCopy', input);
        for (let chunk = 0; chunk < plan.chunks; chunk++) {
          await runner.run('copyChunk', { copy: input, chunk, epoch: plan.epoch });
        }
        plans.push({ copy: input, epoch: plan.epoch });
      }
      const [one, two] = plans as [(typeof plans)[0], (typeof plans)[0]];
      await runner.run('publishCopy', two);
      await assert.rejects(runner.run('publishCopy', one), coded('WATERMARK_MOVED'));
      for (const { copy } of plans) await runner.run('cleanUpCopy', copy);
      assert.equal((await stage.target()).length, 2, 'no row twice');
    });
  }

  test('what cannot be done incrementally is refused while planning, by name', async () => {
    const stage = new Stage('refused', base, base, KINDS['integer'] as Kind, seed);
    await stage.make();
    await stage.insert(1);
    await stage.insert(null);
    const planned = (settings: JsonObject, incremental: JsonObject) =>
      runner.run('planCopy', stage.input(settings, incremental));
    await assert.rejects(
      planned({}, {}),
      (error) => coded('CONSTRAINT_VIOLATED')(error) && /onNull/.test(String(error)),
    );
    await assert.rejects(planned({}, { watermarkColumn: 'note' }), coded('DEFINITION_UNSUPPORTED'));
    await assert.rejects(planned({}, { watermarkColumn: 'gone' }), coded('OBJECT_MISSING'));
    await assert.rejects(planned({}, { onNull: 'skip', lag: 3 }), coded('DEFINITION_INVALID'));
    await assert.rejects(planned({}, { onNull: 'skip', watermark: 'x' }), coded('DEFINITION_INVALID'));
    await assert.rejects(planned({}, { onNull: 'skip', initialValue: 'soon' }), coded('DEFINITION_INVALID'));
    await assert.rejects(
      planned({ writeBehavior: 'replace' }, { onNull: 'skip' }),
      coded('DEFINITION_INVALID'),
    );
  });

  test('an initial value, a lag, and NULLs that are skipped', async () => {
    const stage = new Stage('settings', base, base, KINDS['moment'] as Kind, seed);
    await stage.make();
    for (const mark of [2, 4, 6]) await stage.insert(mark);
    await stage.insert(null);
    const settings = { onNull: 'skip', initialValue: moment(4), lag: 2 };
    assert.equal(await stage.copy(upsert(base), settings), 2);
    // Committed late, below the watermark of 6 by less than two seconds (of two marks each).
    await stage.insert(3);
    await stage.insert(1);
    assert.equal(await stage.copy(upsert(base), settings), 4, 'marks 2 to 6: all within the lag');
    assert.deepEqual((await stage.target()).length, 4);
  });
});
