// Chunks of a source: whatever the keys are, every row is in exactly one range.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  partitionColumn,
  planSqlRanges,
  type RangeRequest,
  rangeClause,
} from '../../src/connectors/common/range-plan.ts';
import { postgresDialect } from '../../src/connectors/postgres/dialect.ts';
import { canonicalText } from '../../src/connectors/postgres/types.ts';
import {
  axisOf,
  chunkCount,
  type KeyRange,
  MAX_CHUNKS,
  rangesBetween,
  rowsPerChunk,
  splitEvenly,
} from '../../src/core/copy/ranges.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { Column } from '../../src/core/types/column.ts';

const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;
const column = (type: Column['type'], more: Partial<Column> = {}): Column => ({
  name: 'k',
  type,
  nullable: true,
  native: type,
  ...more,
});

/** Numbers that look random and are the same in every run. */
const generator = (seed: number) => () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed / 2_147_483_648;
};

/** How many of the ranges hold the value; NULL belongs to the first range, or the only one. */
const holders = (subject: Column, ranges: readonly KeyRange[], value: bigint | null): number => {
  const axis = axisOf(subject);
  assert.ok(axis);
  return ranges.filter(({ lower, upper }) => {
    if (value === null) return lower === null;
    const from = lower === null ? undefined : axis.position(lower);
    const to = upper === null ? undefined : axis.position(upper);
    return (from === undefined || value >= from) && (to === undefined || value < to);
  }).length;
};

test('ranges of equal width hold every value once, in every type that has an order', () => {
  const random = generator(7);
  const day = 86_400_000_000n;
  const cases: [Column, bigint, bigint][] = [
    [column('Int32'), 1n, 336_776n],
    [column('Int32'), -5n, 5n],
    [column('Int16'), 7n, 7n],
    [column('Int64'), -9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n],
    [column('Decimal', { precision: 38, scale: 0 }), 0n, 10n ** 38n - 1n],
    [column('Decimal', { precision: 10, scale: 2 }), -99_999_999n, 12n],
    [column('Date'), -719_162n * day, 2_932_896n * day],
    [column('Date'), 0n, 2n * day],
    [column('DateTime', { scale: 6 }), -1_000_000n, 86_399_999_999n],
    [column('DateTime', { scale: 7 }), 0n, 5n],
    [column('DateTimeOffset', { scale: 3 }), 1_700_000_000_000_000n, 1_800_000_000_123_456n],
  ];
  for (const [subject, min, max] of cases) {
    const axis = axisOf(subject);
    assert.ok(axis);
    const step = subject.type === 'Date' ? day : 1n;
    for (const count of [1, 2, 3, 7, 64, 1000]) {
      const ranges = splitEvenly(subject, axis, min, max, count);
      const label = `${subject.type} ${min} to ${max} in ${count}`;
      assert.ok(ranges.length >= 1 && ranges.length <= count, label);
      assert.equal(ranges[0]?.lower, null, label);
      assert.equal(ranges.at(-1)?.upper, null, label);
      for (let i = 1; i < ranges.length; i++) assert.equal(ranges[i]?.lower, ranges[i - 1]?.upper, label);
      const span = max - min;
      const values: bigint[] = [
        min - step,
        min,
        max,
        max + step,
        ...ranges.flatMap(({ upper }) => {
          const at = upper === null ? undefined : axis.position(upper);
          return at === undefined ? [] : [at - step, at, at + step];
        }),
      ];
      for (let i = 0; i < 50; i++) {
        const at = min + (span * BigInt(Math.floor(random() * 1_000_000))) / 1_000_000n;
        values.push(at - (((at % step) + step) % step));
      }
      for (const value of values) assert.equal(holders(subject, ranges, value), 1, `${label}: ${value}`);
      assert.equal(holders(subject, ranges, null), 1, `${label}: NULL`);
    }
  }
});

test('every bound reads back as the position it was made from', () => {
  const random = generator(11);
  const subjects = [
    column('Int64'),
    column('Decimal', { precision: 20, scale: 5 }),
    column('DateTime', { scale: 3 }),
    column('DateTimeOffset', { scale: 7 }),
  ];
  for (const subject of subjects) {
    const axis = axisOf(subject);
    assert.ok(axis);
    for (let i = 0; i < 500; i++) {
      const at = BigInt(Math.floor((random() - 0.5) * 1e15));
      assert.equal(axis.position(axis.text(at)), at, `${subject.type} ${axis.text(at)}`);
    }
  }
  assert.equal(axisOf(column('DateTime'))?.position('infinity'), undefined);
  assert.equal(axisOf(column('String')), undefined);
});

test('chunks are sized by rows and by bytes, never more than the ledger holds', () => {
  const size = { rows: 100_000, bytes: 24 * 1_048_576 };
  assert.equal(rowsPerChunk(size, 50), 100_000);
  assert.equal(rowsPerChunk(size, 10_000), 2516);
  assert.equal(rowsPerChunk(size, 50_000_000), 500);
  assert.equal(chunkCount(0, 100_000, 4), 1);
  assert.equal(chunkCount(19_999, 100_000, 4), 1);
  assert.equal(chunkCount(20_000, 100_000, 4), 4);
  assert.equal(chunkCount(1_000_001, 100_000, 4), 11);
  assert.equal(chunkCount(10_000_000_000, 100_000, 4), MAX_CHUNKS);
});

interface Answers {
  readonly n: number;
  readonly lowest: string | null;
  readonly highest: string | null;
  readonly lows?: readonly string[];
}

const request = (
  subject: Column,
  answers: Answers,
  more: Partial<RangeRequest> = {},
): RangeRequest & { asked: string[] } => {
  const asked: string[] = [];
  return {
    settings: {},
    columns: [subject],
    key: [],
    parallelCopies: 4,
    wire: undefined,
    from: 't',
    dialect: postgresDialect,
    text: canonicalText,
    query: async (sql) => {
      asked.push(sql);
      if (sql.includes('NTILE')) return (answers.lows ?? []).map((lo) => ({ lo }));
      return [{ n: String(answers.n), lowest: answers.lowest, highest: answers.highest }];
    },
    asked,
    ...more,
  };
};

test('a dense unique key is cut evenly, a sparse or repeating one by its quantiles', async () => {
  const id = column('Int32', { name: 'id', nullable: false });
  const dense = request(id, { n: 1_000_000, lowest: '1', highest: '1000000' }, { key: ['id'] });
  assert.equal((await planSqlRanges(dense)).ranges.length, 10);
  assert.equal(dense.asked.filter((sql) => sql.includes('NTILE')).length, 0);

  const lows = ['1', '5', '5', '70', '9000000000'];
  const sparse = request(id, { n: 500_000, lowest: '1', highest: '9000000001', lows }, { key: ['id'] });
  assert.deepEqual((await planSqlRanges(sparse)).ranges, rangesBetween(['5', '70', '9000000000']));

  const day = column('Date', { name: 'day' });
  const settings = { partitionOption: 'DynamicRange', partitionSettings: { partitionColumnName: 'DAY' } };
  const skewed = request(
    day,
    { n: 400_000, lowest: '2024-01-01', highest: '2024-12-31', lows: ['2024-01-01', '2024-06-01'] },
    { settings },
  );
  const plan = await planSqlRanges(skewed);
  assert.deepEqual(plan.ranges, rangesBetween(['2024-06-01']));
  assert.equal(plan.sourceState['partitionColumn'], 'day');
  assert.equal(
    rangeClause(plan.ranges[0] as KeyRange, plan.sourceState, postgresDialect),
    ` WHERE ("day" < '2024-06-01'::date OR "day" IS NULL)`,
  );
});

test("ADF's bounds set the stride and filter nothing", async () => {
  const id = column('Int32', { name: 'id' });
  const settings = {
    partitionOption: 'DynamicRange',
    partitionSettings: { partitionColumnName: 'ID', partitionLowerBound: '20', partitionUpperBound: '80' },
  };
  const plan = await planSqlRanges(request(id, { n: 300_000, lowest: '1', highest: '1000' }, { settings }));
  assert.deepEqual(
    plan.ranges.map((range) => rangeClause(range, plan.sourceState, postgresDialect)),
    [
      ` WHERE ("id" < '35'::integer OR "id" IS NULL)`,
      ` WHERE "id" >= '35'::integer AND "id" < '50'::integer`,
      ` WHERE "id" >= '50'::integer AND "id" < '65'::integer`,
      ` WHERE "id" >= '65'::integer`,
    ],
  );
  const wrong = {
    ...settings,
    partitionSettings: { ...settings.partitionSettings, partitionLowerBound: 'x' },
  };
  await assert.rejects(
    planSqlRanges(request(id, { n: 300_000, lowest: '1', highest: '9' }, { settings: wrong })),
    coded('DEFINITION_INVALID'),
  );
});

test('columns without a common order are refused where named, and left alone where not', () => {
  const settings = { partitionOption: 'DynamicRange', partitionSettings: { partitionColumnName: 'k' } };
  assert.throws(() => partitionColumn(settings, [column('String')], []), coded('DEFINITION_UNSUPPORTED'));
  assert.throws(() => partitionColumn(settings, [], []), coded('OBJECT_MISSING'));
  assert.equal(partitionColumn({}, [column('Guid')], ['k']), undefined);
  assert.equal(partitionColumn({}, [column('Int32'), column('Int32', { name: 'b' })], ['k', 'b'])?.name, 'k');
});

test('a bound that is no value of its column never becomes SQL, and a table of NULLs is one chunk', async () => {
  const state = { partitionColumn: 'id' };
  assert.throws(
    () => rangeClause({ lower: '1; DROP TABLE x', upper: null }, state, postgresDialect),
    coded('INTERNAL'),
  );
  assert.equal(
    rangeClause({ lower: null, upper: '5' }, state, postgresDialect),
    ` WHERE ("id" < '5'::bigint OR "id" IS NULL)`,
  );
  const id = column('Int32', { name: 'id' });
  const nulls = request(id, { n: 90_000, lowest: null, highest: null }, { key: ['id'] });
  assert.deepEqual((await planSqlRanges(nulls)).ranges, [{ lower: null, upper: null }]);
});

test('wide columns are measured by their first rows, and a column without a text is left out of that', async () => {
  const id = column('Int32', { name: 'id', nullable: false });
  const note = column('String', { name: 'note' });
  const place = column('String', { name: 'place', native: 'geography' });
  const wide = request(
    id,
    { n: 100_000, lowest: '1', highest: '100000' },
    {
      columns: [id, note, place],
      key: ['id'],
      text: (of, expression) => {
        if (of === place) throw new WaybillError('TYPE_UNSUPPORTED', 'no text');
        return canonicalText(of, expression);
      },
    },
  );
  const answer = wide.query;
  const asked: string[] = [];
  const plan = await planSqlRanges({
    ...wide,
    query: async (sql) => {
      asked.push(sql);
      return sql.includes('AVG(') ? [{ b: '25000.5' }] : answer(sql);
    },
  });
  const measured = asked.find((sql) => sql.includes('AVG('));
  assert.equal(
    measured,
    'SELECT AVG(COALESCE(LENGTH("note"::text), 0)) AS b FROM (SELECT "note" FROM t LIMIT 1000) AS sampled',
  );
  assert.equal(plan.ranges.length, 100, 'a hundred chunks of a thousand rows, 25 MB each');
});
