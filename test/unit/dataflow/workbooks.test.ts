// Workbooks at the ends of a data flow: read as text from the place that is said, never written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseScript } from '../../../src/core/dataflow/parse-script.ts';
import { placeOf } from '../../../src/core/dataflow/place.ts';
import { sinkWriting } from '../../../src/core/dataflow/sink.ts';
import { sourceReading } from '../../../src/core/dataflow/source.ts';
import { WaybillError } from '../../../src/core/errors.ts';

const SCRIPT = `source(output(id as integer), wildcardPaths: ['in/*.xlsx'], rowUrlColumn: 'file') ~> Given
source(format: 'excel', container: 'c', folderPath: 'f', fileName: 'b.xlsx', sheetIndex: 1, range: 'B2:D9', firstRowAsHeader: true) ~> Inline
Given sink(allowSchemaDrift: true) ~> Out`;

const dataset = {
  location: { type: 'AzureBlobFSLocation', fileSystem: 'lake' },
  sheetName: 'Orders',
  schema: [{ name: 'id', type: 'Int32' }],
};

test('a workbook is read where its dataset or the script says, with its columns as text', () => {
  const [given, inline] = parseScript(SCRIPT).streams;
  assert.ok(given !== undefined && inline !== undefined);
  const byDataset = placeOf(given, { datasetType: 'Excel', dataset }, undefined, {});
  assert.deepEqual(sourceReading(given, byDataset, {}), {
    kind: 'staged-parquet',
    options: {},
    optional: false,
    purge: false,
    reads: [
      {
        datasetType: 'Excel',
        dataset: {
          location: dataset.location,
          sheetName: 'Orders',
          schema: [{ name: 'id', type: 'String' }],
        },
        settings: {
          type: 'ExcelSource',
          storeSettings: {
            type: 'AzureBlobFSReadSettings',
            recursive: true,
            wildcardFolderPath: 'in',
            wildcardFileName: '*.xlsx',
          },
          additionalColumns: [{ name: 'file', value: '$$FILEPATH' }],
        },
      },
    ],
  });
  const byScript = placeOf(inline, { dataset: {} }, 'AzureBlobStorage', {});
  const [read] = sourceReading(inline, byScript, {}).reads;
  assert.deepEqual(read?.dataset, {
    location: {
      type: 'AzureBlobStorageLocation',
      container: 'c',
      folderPath: 'f',
      fileName: 'b.xlsx',
    },
    sheetIndex: '1',
    range: 'B2:D9',
    firstRowAsHeader: true,
  });
});

test('a workbook is not written', () => {
  const sink = parseScript(SCRIPT).streams[2];
  assert.ok(sink !== undefined);
  const place = placeOf(sink, { datasetType: 'Excel', dataset }, undefined, {});
  assert.throws(
    () => sinkWriting(sink, place, {}, false),
    (error) => error instanceof WaybillError && error.code === 'DEFINITION_UNSUPPORTED',
  );
});
