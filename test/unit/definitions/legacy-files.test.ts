// Datasets, sources and sinks of files from before 2019: AzureBlob with a `format` inside, BlobSource, BlobSink.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { evaluateCopy } from '../../../src/core/pipeline/copy-input.ts';
import { compileFactory } from '../../../src/definitions/compile-factory.ts';
import { readFactory } from '../../../src/definitions/factory.ts';
import { examineFactory } from '../../../src/definitions/validate.ts';

const text = { type: 'TextFormat', columnDelimiter: '|', firstRowAsHeader: true };

/** A factory that copies from one dataset to another; the linked services are an old AzureStorage and a SQL Server. */
function withFactory<T>(
  { from, to, source, sink }: Record<'from' | 'to' | 'source' | 'sink', object>,
  use: (directory: string) => T,
): T {
  const directory = mkdtempSync(join(tmpdir(), 'waybill-legacy-'));
  const service = (referenceName: string): object => ({ referenceName, type: 'LinkedServiceReference' });
  const dataset = (properties: object): object => ({
    linkedServiceName: service('type' in properties && properties.type === 'SqlServerTable' ? 'db' : 'blobs'),
    ...properties,
  });
  const reference = (name: string): object[] => [{ referenceName: name, type: 'DatasetReference' }];
  const files: Record<string, object> = {
    'linkedService/blobs': {
      type: 'AzureStorage',
      typeProperties: { connectionString: 'UseDevelopmentStorage=true' },
    },
    'linkedService/db': { type: 'SqlServer', typeProperties: { connectionString: 'Server=x;Database=y' } },
    'dataset/from': dataset(from),
    'dataset/to': dataset(to),
    'pipeline/p': {
      activities: [
        {
          name: 'c',
          type: 'Copy',
          inputs: reference('from'),
          outputs: reference('to'),
          typeProperties: { source, sink },
        },
      ],
    },
  };
  try {
    for (const [file, properties] of Object.entries(files)) {
      mkdirSync(join(directory, file, '..'), { recursive: true });
      writeFileSync(
        join(directory, `${file}.json`),
        JSON.stringify({ name: file.split('/')[1], properties }),
      );
    }
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const settings = { linkedService: {}, linkedServiceType: {} };

function evaluated(factory: Parameters<typeof withFactory>[0]): ReturnType<typeof evaluateCopy> {
  return withFactory(factory, (directory) => {
    const { report } = examineFactory(directory, settings);
    assert.deepEqual(report.errors, []);
    assert.deepEqual(
      report.pipelines.map(({ verdict }) => verdict),
      ['runnable'],
    );
    const compiled = compileFactory(readFactory(directory), () => []);
    const activity = compiled.pipelines[0]?.snapshot?.activities[0];
    assert.ok(activity !== undefined);
    const datasets = Object.fromEntries(
      [...compiled.datasets].map(([{ name }, snapshot]) => [name, snapshot]),
    );
    return evaluateCopy(activity, datasets, {
      roots: { pipeline: () => ({ RunId: 'run-1' }) },
      now: () => 0,
      guid: () => '',
      random: () => 0,
    });
  });
}

const table = { type: 'SqlServerTable', typeProperties: { tableName: 'dbo.t' } };

test('a folder of text becomes a table: container, pattern, format and skipped lines stand where they do today', () => {
  const { source } = evaluated({
    from: {
      type: 'AzureBlob',
      structure: [{ name: 'id', type: 'Int32' }],
      typeProperties: {
        folderPath: 'landing/in/daily/',
        fileName: '*.csv',
        format: text,
        compression: { type: 'GZip', level: 'Optimal' },
      },
    },
    to: table,
    source: { type: 'BlobSource', recursive: false, skipHeaderLineCount: 2, treatEmptyAsNull: true },
    sink: { type: 'SqlSink', writeBatchSize: 10 },
  });
  assert.equal(source.datasetType, 'DelimitedText');
  assert.deepEqual(source.dataset, {
    location: {
      type: 'AzureBlobStorageLocation',
      container: 'landing',
      folderPath: 'in/daily',
      wildcardFileName: '*.csv',
    },
    compressionCodec: 'gzip',
    compressionLevel: 'Optimal',
    columnDelimiter: '|',
    firstRowAsHeader: true,
    schema: [{ name: 'id', type: 'Int32' }],
  });
  assert.deepEqual(source.settings['storeSettings'], { wildcardFileName: '*.csv', recursive: false });
  assert.deepEqual(source.settings['formatSettings'], { skipLineCount: 2 });
});

test('paths and names may be expressions; without a format a file beside a table is text, and beside a file bytes', () => {
  const named = {
    type: 'AzureBlob',
    typeProperties: {
      folderPath: { value: "@concat('out', '/', 'x')", type: 'Expression' },
      fileName: { value: "@concat(pipeline().RunId, '.txt')", type: 'Expression' },
    },
  };
  const { sink } = evaluated({
    from: table,
    to: named,
    source: { type: 'SqlSource' },
    sink: { type: 'BlobSink' },
  });
  assert.equal(sink.datasetType, 'DelimitedText');
  assert.deepEqual(sink.dataset['location'], {
    type: 'AzureBlobStorageLocation',
    container: 'out',
    folderPath: 'x',
    fileName: 'run-1.txt',
  });
  const both = evaluated({
    from: { type: 'AzureBlobFSFile', typeProperties: { folderPath: 'lake/a', fileName: 'b.zip' } },
    to: named,
    source: { type: 'AzureBlobFSSource', recursive: true },
    sink: { type: 'BlobSink', copyBehavior: 'FlattenHierarchy' },
  });
  assert.deepEqual([both.source.datasetType, both.sink.datasetType], ['Binary', 'Binary']);
  assert.deepEqual(both.source.dataset['location'], {
    type: 'AzureBlobFSLocation',
    fileSystem: 'lake',
    folderPath: 'a',
    fileName: 'b.zip',
  });
  assert.deepEqual(both.sink.settings['storeSettings'], { copyBehavior: 'FlattenHierarchy' });
});

test('what cannot be carried over is named, and the pipeline is unsupported', () => {
  for (const [properties, pointer] of [
    [{ folderPath: 'c/f', format: { type: 'OrcFormat' } }, '/properties/typeProperties/format/type'],
    [
      { folderPath: 'c/f', format: { type: 'JsonFormat', jsonNodeReference: '$.a' } },
      '/properties/typeProperties/format/jsonNodeReference',
    ],
    [
      { folderPath: 'c/f', format: text, partitionedBy: [{ name: 'y', value: {} }] },
      '/properties/typeProperties/partitionedBy',
    ],
  ] as const)
    withFactory(
      {
        from: { type: 'AzureBlob', typeProperties: properties },
        to: table,
        source: { type: 'BlobSource' },
        sink: { type: 'SqlSink' },
      },
      (directory) => {
        const { report } = examineFactory(directory, settings);
        assert.equal(report.pipelines[0]?.verdict, 'unsupported');
        assert.match(JSON.stringify(report.pipelines[0]?.reasons), new RegExp(pointer));
      },
    );
});
