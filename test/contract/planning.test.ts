// How sources are cut: by keys of every type with an order, evenly or by quantiles, and every row is read once.
//
// CONNECTORS=PostgreSqlV2,SqlServer chooses stores.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { rangesBetween } from '../../src/core/copy/ranges.ts';
import type { CopyEndpoint } from '../../src/core/copy.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';
import type { Column } from '../../src/core/types/column.ts';
import { sharedWorld } from '../support/world.ts';
import { CopyRunner } from './copy-runner.ts';
import { allStores } from './stores/index.ts';
import type { Store } from './stores/store.ts';

const chosen = process.env['CONNECTORS']?.split(',');
const every = allStores();
const stores = every.filter(({ id, kind }) => kind === 'table' && (!chosen || chosen.includes(id)));
/** More than a table that is not worth splitting, and little enough for a busy machine. */
const ROWS = 24_000;
const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;

describe('how sources are cut', { timeout: 1_200_000 }, () => {
  const name = `plans_${process.pid}`;
  const base = every.find(({ id }) => id === 'PostgreSqlV2') as Store;
  const services = new Map<string, ConnectedLinkedService>();
  let runner: CopyRunner;

  before(async () => {
    const world = await sharedWorld([
      ...new Set(['postgres' as const, ...stores.flatMap(({ engines }) => engines)]),
    ]);
    for (const store of new Set([base, ...stores])) {
      await store.start(world, name);
      services.set(store.id, store.service());
    }
    runner = await CopyRunner.start(name, (service) => services.get(service) as ConnectedLinkedService);
    await base.sql?.(
      `CREATE TABLE source AS SELECT i AS id, CASE WHEN i % 11 = 0 THEN NULL ELSE (i % 997) - 500 END AS part, ` +
        // Nine of ten rows have one of ten values; the others are far away.
        'CASE WHEN i % 10 = 0 THEN i::bigint * 1000000000 ELSE i % 10 END AS skewed, ' +
        "((i % 300) / 7.0)::numeric(12,3) AS price, date '2024-01-01' + (i % 700) AS day, " +
        "timestamp '2024-01-01 00:00:00.123456' + (i % 5000) * interval '37 seconds' AS at " +
        `FROM generate_series(1, ${ROWS}) AS i`,
    );
    await base.sql?.('ALTER TABLE source ADD PRIMARY KEY (id)');
    for (const store of stores) {
      if (store.id === base.id) continue;
      await runner.copy(`fill/${store.id}`, base.endpoint('source'), {
        ...store.endpoint('source', { tableOption: 'autoCreate' }),
      });
    }
  });
  after(async () => {
    await runner?.stop();
    for (const store of new Set([base, ...stores])) await store.stop();
  });

  const by = (column: string, more: JsonObject = {}): JsonObject => ({
    partitionOption: 'DynamicRange',
    partitionSettings: { partitionColumnName: column, ...more },
  });
  /** Rows per chunk of a copy from `from`, all of them together being every row once. */
  const chunksOf = async (label: string, from: CopyEndpoint): Promise<number[]> => {
    const place = `t_${label.replaceAll(/\W/g, '_')}`.toLowerCase();
    const { plan, chunks, published } = await runner.copy(
      label,
      from,
      base.endpoint(place, { tableOption: 'autoCreate' }),
      { parallelCopies: 4 },
    );
    assert.equal(plan.rows, ROWS);
    assert.equal(published.rows, ROWS);
    const [row] = (await base.sql?.(`SELECT count(DISTINCT id) AS n FROM ${place}`)) ?? [];
    assert.equal(Number(row?.['n']), ROWS, 'no row is read twice');
    return chunks.map((chunk) => chunk.rows);
  };

  for (const store of stores) {
    for (const column of ['id', 'part', 'price', 'day', 'at']) {
      test(`${store.id}: by ${column}`, async () => {
        const rows = await chunksOf(`by/${column}/${store.id}`, store.endpoint('source', by(column)));
        assert.equal(rows.length, 4);
        const largest = Math.max(...rows);
        // NULLs, a tenth of the rows of `part`, go with the first range.
        assert.ok(largest <= (ROWS / 4) * 1.6, `${rows.join(', ')} rows`);
      });
    }

    test(`${store.id}: by a skewed column no chunk is more than three times as large as it should be`, async () => {
      const rows = await chunksOf(`skewed/${store.id}`, store.endpoint('source', by('skewed')));
      assert.ok(rows.length >= 2 && Math.max(...rows) <= (ROWS / 4) * 3, `${rows.join(', ')} rows`);
    });

    test(`${store.id}: a query with a partition column is cut as a table is, and bounds set the stride only`, async () => {
      const upper = store.id === 'SnowflakeV2';
      const from = upper ? 'SOURCE' : 'source';
      const query = store.endpoint('unused', {
        query: `SELECT id, day, price FROM ${from} WHERE id > 0`,
        ...by('id', { partitionLowerBound: '20', partitionUpperBound: '80' }),
      });
      const rows = await chunksOf(`bounds/${store.id}`, query);
      assert.equal(rows.length, 4);
      assert.equal(
        rows.reduce((sum, one) => sum + one, 0),
        ROWS,
      );
      assert.ok((rows.at(-1) ?? 0) > ROWS - 80, 'everything above the bounds is in the last chunk');
    });

    test(`${store.id}: what a copy would do is found out without doing it`, async () => {
      const place = `preview_${store.id.toLowerCase()}`;
      const input = runner.input(
        place,
        base.endpoint('source', {
          ...by('day'),
          additionalColumns: [{ name: 'region', value: 'eu' }],
        }),
        store.endpoint(place, { tableOption: 'autoCreate' }),
      );
      const preview = await runner.run('previewCopy', input);
      assert.deepEqual(preview.problems, []);
      assert.equal(preview.rows, ROWS);
      assert.equal(preview.chunks, 4);
      assert.equal(preview.partitionColumn, 'day');
      assert.equal(preview.creates, true);
      assert.equal(preview.wire, 'rows', 'a given column makes rows of them');
      assert.deepEqual(
        preview.columns.map((one) => one.source),
        ['id', 'part', 'skewed', 'price', 'day', 'at', 'region'],
      );
      assert.ok(preview.columns.every(({ fidelity }) => fidelity === 'exact' || fidelity === 'widened'));
      await assert.rejects(
        runner.run('previewCopy', { ...input, sink: store.endpoint(place) }),
        coded('OBJECT_MISSING'),
        'the preview made no table',
      );
    });
  }

  for (const store of stores) {
    test(`${store.id}: a column that needs a value, and that nothing is mapped to, is refused before the first row`, async () => {
      const upper = store.id === 'SnowflakeV2';
      const place = `needs_${store.id.toLowerCase()}`;
      await store.sql?.(
        `CREATE TABLE ${upper ? place.toUpperCase() : place} (id int NOT NULL, kept int DEFAULT 7 NOT NULL, needed int NOT NULL)`,
      );
      const only = base.endpoint('unused', { query: 'SELECT id FROM source WHERE id < 4' });
      const input = runner.input(place, only, store.endpoint(place));
      await assert.rejects(
        runner.run('planCopy', input),
        (error) =>
          coded('DEFINITION_INVALID')(error) && /needed/i.test(String(error)) && !/kept/i.test(String(error)),
      );
      const both = base.endpoint('unused', { query: 'SELECT id, id AS needed FROM source WHERE id < 4' });
      const { published } = await runner.copy(`${place}/both`, both, store.endpoint(place));
      assert.equal(published.rows, 3);
    });

    // Its stand-in parses every inserted value in Python.
    const most = store.id === 'SnowflakeV2' ? 1_200 : 10_000;
    test(`${store.id}: ${most} chunks are planned, and any of them claimed`, async () => {
      const place = `ranges_${store.id.toLowerCase()}`;
      await runner.copy(
        `${place}/made`,
        base.endpoint('unused', { query: 'SELECT id FROM source WHERE id < 2' }),
        {
          ...store.endpoint(place, { tableOption: 'autoCreate' }),
        },
      );
      const input = runner.input(place, base.endpoint('source'), store.endpoint(place));
      const sink = await runner.openSink(input);
      try {
        const id: Column = { name: 'id', type: 'Int32', nullable: false, native: 'integer' };
        const ranges = rangesBetween(Array.from({ length: most - 1 }, (_, i) => String(10 * (i + 1))));
        const columns = [{ source: id, sink: (await sink.columns())?.[0] as Column }];
        assert.equal(await sink.resumePlan(), undefined);
        const plan = { columns, sourceState: {}, rows: 100_000, from: 'x', verify: true, notes: [] };
        const stored = await sink.storePlan(plan, ranges);
        assert.equal(stored.chunks, most);
        const last = await sink.claimChunk(most - 1, stored.epoch * 100_000 + 1);
        assert.deepEqual(last.state === 'claimed' && last.range, {
          lower: String(10 * (most - 1)),
          upper: null,
        });
        const middle = await sink.claimChunk(1_000, stored.epoch * 100_000 + 1);
        assert.deepEqual(middle.state === 'claimed' && middle.range, { lower: '10000', upper: '10010' });
        await sink.cleanUp();
      } finally {
        await sink.close();
      }
    });
  }

  test('a pair of types that loses is refused by name, and passes where the definition allows it', async () => {
    await base.sql?.('CREATE TABLE lossy (id int, price double precision, day date NOT NULL)');
    const input = runner.input('lossy', base.endpoint('source'), base.endpoint('lossy'), {
      translator: {
        mappings: [
          { source: { name: 'id' }, sink: { name: 'id' } },
          { source: { name: 'price' }, sink: { name: 'price' } },
        ],
      },
    });
    const preview = await runner.run('previewCopy', input);
    assert.equal(preview.problems.length, 2, preview.problems.join('\n'));
    assert.match(preview.problems[0] ?? '', /price → price: .*allowDataTruncation/);
    assert.match(preview.problems[1] ?? '', /nothing is mapped to day/);
    await assert.rejects(runner.run('planCopy', input), coded('TYPE_UNSUPPORTED'));
    const translator = {
      typeConversion: true,
      typeConversionSettings: { allowDataTruncation: true },
      mappings: ['id', 'price', 'day'].map((one) => ({ source: { name: one }, sink: { name: one } })),
    };
    const allowed = await runner.copy('lossy/allowed', base.endpoint('source'), base.endpoint('lossy'), {
      translator,
    });
    assert.equal(allowed.published.rows, ROWS);
  });

  test('text without a common order is refused as a partition column', async () => {
    await base.sql?.("CREATE TABLE texts AS SELECT 'a' AS k");
    const input = runner.input(
      'texts',
      base.endpoint('texts', by('k')),
      base.endpoint('texts2', { tableOption: 'autoCreate' }),
    );
    await assert.rejects(runner.run('planCopy', input), coded('DEFINITION_UNSUPPORTED'));
  });
});
