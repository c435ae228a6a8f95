// Plans copies from and to Delta tables: where the table lies, what runs Spark for it, where rows are staged.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { CopyEndpoint, CopyInput } from '../core/copy.ts';
import { type DeltaActivities, type DeltaCopyPlan, isDelta } from '../core/delta.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { LinkedServiceResolver } from '../core/linked-service.ts';
import { resolveLakehouse } from '../definitions/lakehouse/resolve.ts';

export interface DeltaDependencies {
  readonly resolveLinkedService: LinkedServiceResolver;
  readonly factoryDirectory: string;
}

const location = z.string().regex(/^s3:\/\/[^/]+\/.+[^/]$/, 'must be an address such as s3://bucket/prefix');

/** typeProperties of a linked service of type DeltaLake, which is waybill's own. */
const deltaLake = z.object({
  /** Folder that the tables lie below. */
  location,
  /** The lakehouse definition whose engine and storage run the Spark jobs. */
  lakehouse: z.string().min(1),
  lakehouseParameters: z.record(z.string(), z.json()).default({}),
  staging: z.object({
    linkedServiceName: z.object({ referenceName: z.string().min(1) }),
    location,
  }),
});

const TABLE = /^[A-Za-z0-9_][A-Za-z0-9_./-]*$/;
const EMPTIES = /^\s*(truncate\s+table|delete\s+from)\s+\S+\s*;?\s*$/i;

export const createDeltaActivities = (dependencies: DeltaDependencies): DeltaActivities => ({
  async prepareDeltaCopy(input) {
    const end = isDelta(input.sink) ? 'sink' : 'source';
    if (isDelta(input.sink) && isDelta(input.source)) {
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        'Both ends of the copy are Delta tables: let a Spark job of a lakehouse pipeline do that.',
        { activity: input.activity },
      );
    }
    return planFor(dependencies, input, end);
  },
});

async function planFor(
  { resolveLinkedService, factoryDirectory }: DeltaDependencies,
  input: CopyInput,
  end: 'source' | 'sink',
): Promise<DeltaCopyPlan> {
  const endpoint = input[end];
  const { name, properties } = await resolveLinkedService(
    endpoint.linkedService,
    endpoint.linkedServiceParameters,
  );
  const parsed = deltaLake.safeParse(properties);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new WaybillError(
      'DEFINITION_INVALID',
      `Linked service "${name}": "${issue?.path.join('.')}" ${issue?.message ?? 'is wrong'}.`,
      { linkedService: name, key: issue?.path.join('.') ?? '' },
    );
  }
  const { lakehouse, lakehouseParameters, staging } = parsed.data;
  const table = tableOf(endpoint);
  // Whatever the copy's id holds, its hash fits a path and a Delta transaction id.
  const key = createHash('sha256').update(input.copyId).digest('hex').slice(0, 24);
  const { engine, storage } = resolveLakehouse(factoryDirectory, {
    name: lakehouse,
    window: '2000-01-01',
    runId: input.copyId,
    trigger: input.trigger ?? '',
    triggerTime: new Date().toISOString(),
    parameters: lakehouseParameters as JsonObject,
  });
  const stagingUri = `${staging.location}/${key}`;
  const [, bucketName = '', folderPath = ''] = /^s3:\/\/([^/]+)\/(.*)$/.exec(stagingUri) ?? [];
  return {
    engine,
    storage,
    window: `copies/${key}`,
    end,
    label: `Delta ${parsed.data.location}/${table}`,
    arguments: {
      lake: parsed.data.location,
      run: `copy-${key}`,
      table,
      ...(end === 'sink'
        ? { source: stagingUri, ...loading(endpoint.settings) }
        : unloading(endpoint, stagingUri)),
    },
    stagingUri,
    staged: {
      linkedService: staging.linkedServiceName.referenceName,
      datasetType: 'Parquet',
      dataset: { location: { type: 'AmazonS3Location', bucketName, folderPath }, timesAsText: true },
      settings: { type: end === 'sink' ? 'ParquetSink' : 'ParquetSource' },
    },
  };
}

const tableOf = ({ dataset }: CopyEndpoint): string => {
  const table = dataset['table'];
  if (typeof table === 'string' && TABLE.test(table) && !table.includes('..') && !table.endsWith('/'))
    return table;
  throw new WaybillError(
    'DEFINITION_INVALID',
    'A DeltaTable dataset needs "table": the folder of the table below the linked service\'s location.',
    { key: 'table' },
  );
};

const textIn = (settings: JsonObject, key: string): string | undefined => {
  const value = settings[key];
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
};

/** `load`'s mode, from the write behaviour or a pre-copy script that does no more than empty the table. */
function loading(settings: JsonObject): Record<string, string> {
  const script = textIn(settings, 'preCopyScript');
  const behavior = (textIn(settings, 'writeBehavior') ?? 'insert').toLowerCase();
  if (script !== undefined && !EMPTIES.test(script)) {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      'The pre-copy script of a Delta sink can be TRUNCATE TABLE or DELETE FROM the table, nothing else.',
      { key: 'preCopyScript' },
    );
  }
  if (behavior === 'insert') return { mode: script === undefined ? 'append' : 'overwrite' };
  if (behavior === 'replace') return { mode: 'overwrite' };
  const upsert = settings['upsertSettings'] as JsonObject | undefined;
  const keys = Array.isArray(upsert?.['keys']) ? upsert['keys'].map(String) : [];
  if (behavior === 'upsert' && keys.length > 0 && script === undefined)
    return { mode: 'merge', keys: keys.join(',') };
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    'A Delta sink writes by "writeBehavior" insert, replace, or upsert with upsertSettings.keys and no pre-copy script.',
    { key: 'writeBehavior', writeBehavior: behavior },
  );
}

function unloading({ settings }: CopyEndpoint, stagingUri: string): Record<string, string> {
  if (textIn(settings, 'query') !== undefined) {
    throw new WaybillError('DEFINITION_UNSUPPORTED', 'A Delta source reads a table, not a query.', {
      key: 'query',
    });
  }
  const version = settings['versionAsOf'];
  return { target: stagingUri, ...(version === undefined ? {} : { version: String(version) }) };
}
