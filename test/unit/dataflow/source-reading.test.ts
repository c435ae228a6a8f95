// How sources are staged: what of the script and the dataset the copy into the staging folder is given.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkProgram } from '../../../src/core/dataflow/check-program.ts';
import { parseScript } from '../../../src/core/dataflow/parse-script.ts';
import { placeOf } from '../../../src/core/dataflow/place.ts';
import { sourceReading } from '../../../src/core/dataflow/source.ts';
import { WaybillError } from '../../../src/core/errors.ts';
import type { JsonObject } from '../../../src/core/json.ts';

function read(
  options: string,
  datasetType: string | undefined,
  dataset: JsonObject,
  service?: string,
  now?: string,
): ReturnType<typeof sourceReading>['reads'][number] | undefined {
  const [stream] = parseScript(`source(${options}) ~> In`).streams;
  assert.ok(stream !== undefined);
  const end = datasetType === undefined ? { dataset } : { datasetType, dataset };
  return sourceReading(stream, placeOf(stream, end, service, {}), {}, now).reads[0];
}

test('compressed JSON is unpacked on its way to Spark, which tells compression by the name only', () => {
  const location = { type: 'AmazonS3Location', bucketName: 'lake', folderPath: 'in' };
  const compression = { type: 'gzip', level: 'Fastest' };
  const drift = 'allowSchemaDrift: true';
  assert.deepEqual(read(drift, 'Json', { location, compression })?.dataset, { location, compression });
  assert.deepEqual(read(drift, 'Json', { location })?.dataset, { location });
  // Parquet's codec is inside of its files.
  assert.deepEqual(read(drift, 'Parquet', { location, compressionCodec: 'gzip' })?.dataset, { location });
});

test('a procedure is read by its result set, on SQL Server', () => {
  const options = "procedureName: 'vSales]Order', schemaName: 'src', resultSet: true, format: 'procedure'";
  const settings = { sqlReaderStoredProcedureName: '[src].[vSales]]Order]' };
  assert.deepEqual(read(options, 'SqlServerTable', { table: 't' })?.settings, {
    type: 'SqlServerSource',
    ...settings,
  });
  // By the linked service alone, too.
  const inline = read(options, undefined, {}, 'AzureSqlDatabase');
  assert.deepEqual(inline?.settings, { type: 'AzureSqlSource', ...settings });
  const refused =
    (code: string) =>
    (error: unknown): boolean =>
      error instanceof WaybillError && error.code === code;
  assert.throws(() => read(options, 'MySqlTable', {}), refused('DEFINITION_UNSUPPORTED'));
  assert.throws(() => read("format: 'procedure'", 'SqlServerTable', {}), refused('DEFINITION_INVALID'));
});

test('lines before the header are passed over; files to be deleted are those from before the run', () => {
  const location = { type: 'AzureBlobStorageLocation', container: 'in' };
  assert.deepEqual(read('skipLines: 7', 'DelimitedText', { location })?.settings['formatSettings'], {
    type: 'DelimitedTextReadSettings',
    skipLineCount: 7,
  });
  const settings = (options: string): unknown =>
    read(options, 'DelimitedText', { location }, undefined, '2026-02-01T00:00:00Z')?.settings[
      'storeSettings'
    ];
  const type = 'AzureBlobStorageReadSettings';
  assert.deepEqual(settings('purgeFiles: false'), { type, recursive: true });
  const modifiedDatetimeEnd = '2026-02-01T00:00:00Z';
  assert.deepEqual(settings('purgeFiles: true'), { type, recursive: true, modifiedDatetimeEnd });
  assert.deepEqual(settings("purgeFiles: true, modifiedBefore: (toTimestamp('2026-01-01T00:00:00Z'))"), {
    ...{ type, recursive: true },
    modifiedDatetimeEnd: '2026-01-01T00:00:00.000Z',
  });
});

test('a lookup may order what it picks from', () => {
  const program = parseScript(`source(allowSchemaDrift: true) ~> Left
source(output(id as integer, at as timestamp), allowSchemaDrift: true) ~> Right
Left, Right lookup(Left@id == Right@id, multiple: false, pickup: 'first', asc(at, true), desc(id, false)) ~> L
L sink(allowSchemaDrift: true) ~> Out`);
  assert.deepEqual(checkProgram(program), []);
});
