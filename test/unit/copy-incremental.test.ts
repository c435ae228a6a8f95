// Incremental copies, the parts without a store: options, bounds, parts, remembered rows, SQL conditions, validation.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RememberedRows } from '../../src/connectors/common/remembered-rows.ts';
import { filteredFrom } from '../../src/connectors/common/row-filter.ts';
import { tableSinkSettings } from '../../src/connectors/common/write-behavior.ts';
import { postgresDialect } from '../../src/connectors/postgres/dialect.ts';
import {
  addCounts,
  isBelow,
  lagged,
  MAX_REMEMBERED,
  mostOf,
  partsOf,
} from '../../src/core/copy/incremental.ts';
import { incrementalOptions } from '../../src/core/copy/incremental-options.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { Column, InterimType, Row } from '../../src/core/types/column.ts';
import { validateFactory } from '../../src/definitions/validate.ts';
import { copyOf, pipelineOf, STORES, writeFactory } from '../support/factory-files.ts';

const column = (type: InterimType, more: Partial<Column> = {}): Column => ({
  name: 'mark',
  type,
  nullable: true,
  native: '',
  ...more,
});
const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;

test('options: defaults, values as texts, and every key that is wrong by name', () => {
  assert.equal(incrementalOptions({}), undefined);
  assert.deepEqual(
    incrementalOptions({ incremental: { watermarkColumn: 'at', initialValue: 5, fullReload: 'True' } }),
    {
      watermarkColumn: 'at',
      initialValue: '5',
      onNull: 'fail',
      lag: 0,
      fullReload: true,
      name: undefined,
    },
  );
  const wrong: readonly JsonObject[] = [
    {},
    { watermarkColumn: 'at', onNull: 'ignore' },
    { watermarkColumn: 'at', lag: -1 },
    { watermarkColumn: 'at', lag: 'soon' },
    { watermarkColumn: 'at', initialValue: {} },
    { watermarkColumn: 'at', cursor: 'x' },
  ];
  for (const incremental of wrong)
    assert.throws(
      () => incrementalOptions({ incremental }),
      coded('DEFINITION_INVALID'),
      JSON.stringify(incremental),
    );
  assert.throws(() => incrementalOptions({ incremental: 'at' }), coded('DEFINITION_INVALID'));
});

test('a lag goes back by units, days or seconds, across months and below zero', () => {
  assert.equal(lagged(column('Int64'), '9223372036854775807', 7), '9223372036854775800');
  assert.equal(lagged(column('Int32'), '3', 5), '-2');
  assert.equal(lagged(column('Decimal', { scale: 2 }), '10.25', 3), '7.25');
  assert.equal(lagged(column('Decimal', { scale: 2 }), '0.25', 1), '-0.75');
  assert.equal(lagged(column('Date'), '2024-03-01', 1), '2024-02-29');
  assert.equal(lagged(column('DateTime'), '2024-03-01T00:00:00.1234567', 1), '2024-02-29T23:59:59.1234567');
  assert.equal(
    lagged(column('DateTimeOffset'), '2024-01-01T00:00:30.000000Z', 60),
    '2023-12-31T23:59:30.000000Z',
  );
  assert.equal(lagged(column('DateTime'), '0001-01-01T00:00:05.000000', 10), '0001-01-01T00:00:00.000000');
  assert.throws(() => lagged(column('Byte[]'), '00000000000007D1', 1), coded('DEFINITION_INVALID'));
  assert.equal(lagged(column('Byte[]'), '00000000000007D1', 0), '00000000000007D1');
});

test('bounds compare as values, not as texts', () => {
  assert.ok(isBelow(column('Int64'), '9', '10'));
  assert.ok(isBelow(column('Int64'), '-10', '-9'));
  assert.ok(!isBelow(column('Decimal', { scale: 2 }), '10.00', '10.00'));
  assert.ok(isBelow(column('Decimal'), '9.5', '10.25'));
  assert.ok(isBelow(column('Decimal'), '-0.50', '0.25'));
  assert.ok(isBelow(column('DateTime'), '2024-01-01T00:00:00.000000', '2024-01-01T00:00:00.000001'));
  assert.ok(isBelow(column('Byte[]'), '00000000000007D1', '00000000000007DA'));
});

test('a plan reads each row in just one part', () => {
  const base = { column: column('Int64'), remembers: true, resumed: true };
  assert.deepEqual(partsOf({ ...base, lower: '5', upper: '9' }, false), ['ties', 'between', 'newest']);
  assert.deepEqual(partsOf({ ...base, lower: '9', upper: '9' }, true), ['ties', 'nulls']);
  assert.deepEqual(partsOf({ ...base, resumed: false, lower: null, upper: '9' }, false), [
    'between',
    'newest',
  ]);
  assert.deepEqual(partsOf({ ...base, resumed: false, lower: '9', upper: '9' }, false), [
    'between',
    'newest',
  ]);
  assert.deepEqual(partsOf({ ...base, lower: '5', upper: null }, false), []);
  assert.deepEqual(partsOf({ ...base, remembers: false, lower: '5', upper: '9' }, true), ['window', 'nulls']);
});

test('the parts as SQL meet at their bounds and do not overlap', () => {
  const from = (part: 'window' | 'ties' | 'between' | 'newest' | 'nulls', lowerIncluded = false): string =>
    filteredFrom(
      '"t"',
      { column: column('Int64'), part, lower: '5', upper: '9', lowerIncluded },
      postgresDialect,
    ).replace('(SELECT * FROM "t" WHERE ', '');
  assert.equal(from('window'), `"mark" >= '5'::bigint AND "mark" <= '9'::bigint) AS w`);
  assert.equal(from('ties'), `"mark" = '5'::bigint) AS w`);
  assert.equal(from('between'), `"mark" > '5'::bigint AND "mark" < '9'::bigint) AS w`);
  assert.equal(from('between', true), `"mark" >= '5'::bigint AND "mark" < '9'::bigint) AS w`);
  assert.equal(from('newest'), `"mark" = '9'::bigint) AS w`);
  assert.equal(from('nulls'), '"mark" IS NULL) AS w');
});

test('rows are known again by their content, as often as they were there', async () => {
  async function* batches(...all: Row[][]): AsyncGenerator<Row[]> {
    yield* all;
  }
  const pass = async (memory: RememberedRows, ...all: Row[][]): Promise<Row[]> => {
    const passed: Row[] = [];
    for await (const batch of memory.watch(batches(...all))) passed.push(...batch);
    return passed;
  };
  const first = new RememberedRows({});
  assert.equal(
    (
      await pass(
        first,
        [
          ['1', 'a'],
          ['1', 'a'],
        ],
        [['1', null]],
      )
    ).length,
    3,
  );
  const second = new RememberedRows(first.counts());
  const now: Row[] = [
    ['1', 'a'],
    ['1', null],
    ['1', 'a'],
    ['1', 'a'],
    ['1', ''],
  ];
  assert.deepEqual(await pass(second, now), [
    ['1', 'a'],
    ['1', ''],
  ]);
  // A row that went from the source stays known: it is still in the target.
  const third = new RememberedRows(mostOf(second.counts(), {}));
  assert.deepEqual(await pass(third, [['1', null]]), []);
  assert.equal(Object.keys(addCounts([first.counts(), { x: 1 }])).length, 3);
});

test('more rows at one bound than can be remembered are refused', async () => {
  const many = Object.fromEntries(Array.from({ length: MAX_REMEMBERED + 1 }, (_, i) => [String(i), 1]));
  assert.throws(() => addCounts([many]), coded('WATERMARK_TIES'));
  async function* endless(): AsyncGenerator<Row[]> {
    for (let i = 0; i < MAX_REMEMBERED + 1000; i++) yield [[String(i)]];
  }
  const memory = new RememberedRows({});
  await assert.rejects(async () => {
    for await (const _batch of memory.watch(endless()));
  }, coded('WATERMARK_TIES'));
});

test('write behaviours by the names that each sink of Data Factory uses', () => {
  const kind = (settings: JsonObject) => tableSinkSettings(settings).writeBehavior;
  assert.deepEqual(kind({}), { kind: 'insert' });
  assert.deepEqual(kind({ writeMethod: 'CopyCommand' }), { kind: 'insert' });
  assert.deepEqual(kind({ writeMethod: 'BulkInsert', writeBehavior: 'Insert' }), { kind: 'insert' });
  assert.deepEqual(kind({ writeMethod: 'Upsert', upsertSettings: { keys: ['a'] } }), {
    kind: 'upsert',
    keys: ['a'],
  });
  assert.deepEqual(kind({ writeBehavior: 'Upsert' }), { kind: 'upsert', keys: [] });
  assert.deepEqual(kind({ writeBehavior: 'replace' }), { kind: 'replace' });
  assert.deepEqual(kind({ sqlWriterStoredProcedureName: 'p' }), { kind: 'storedProcedure' });
  assert.deepEqual(kind({ writeBehavior: 'applyChanges', changeSettings: { keys: ['k'] } }), {
    kind: 'changes',
    keys: ['k'],
    operationColumn: 'SYS_CHANGE_OPERATION',
  });
  assert.equal(tableSinkSettings({ upsertSettings: { interimSchemaName: 'stg' } }).stagingSchema, 'stg');
  assert.throws(() => kind({ writeBehavior: 'append' }), coded('DEFINITION_UNSUPPORTED'));
  assert.throws(
    () => kind({ writeBehavior: 'upsert', upsertSettings: { keys: [1] } }),
    coded('DEFINITION_INVALID'),
  );
});

test('definitions: unknown keys and bad values are errors at their place, expressions are left to the run', () => {
  const errors = (incremental: unknown): string[] => {
    const copy = copyOf('copy', 't') as { typeProperties: object };
    const activity = { ...copy, typeProperties: { ...copy.typeProperties, incremental } };
    const more = { parameters: { full: { type: 'bool', defaultValue: false } } };
    const factory = writeFactory({
      ...STORES,
      'pipeline/p.json': { name: 'p', ...pipelineOf([activity], more) },
    });
    try {
      return validateFactory(factory.directory, { linkedService: {} }).errors.map(({ pointer, advice }) =>
        [pointer.replace('/properties/activities/0/typeProperties', ''), advice ?? ''].join(' ').trim(),
      );
    } finally {
      factory.remove();
    }
  };
  assert.deepEqual(errors({ watermarkColumn: 'at', fullReload: '@pipeline().parameters.full' }), []);
  assert.deepEqual(errors({ watermarkColumn: '@concat(1)', lag: 5, onNull: 'skip' }), []);
  assert.deepEqual(errors({ watermarkColum: 'at' }), [
    '/incremental',
    '/incremental/watermarkColum Did you mean "watermarkColumn"?',
  ]);
  assert.deepEqual(errors({ watermarkColumn: 'at', onNull: 'ignore' }), ['/incremental/onNull']);
  assert.deepEqual(errors('at'), ['/incremental']);
});
