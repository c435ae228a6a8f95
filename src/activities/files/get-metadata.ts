// Get Metadata: what a store says of a file, a folder or a table.
import { Context } from '@temporalio/activity';
import { objectSetting, textSetting } from '../../connectors/common/settings.ts';
import type { CopySource } from '../../connectors/connector.ts';
import { keepsFiles, openerFor } from '../../connectors/file-stores.ts';
import { connectorFor } from '../../connectors/registry.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';
import {
  type EvaluatedDataset,
  requiredDataset,
  type TaskInput,
  type TaskResult,
} from '../../core/pipeline/task.ts';
import type { Column } from '../../core/types/column.ts';
import { findItem, missingItem, storeField } from './file-metadata.ts';
import { type FileDependencies, withFiles } from './place.ts';

const STORE_FIELDS = ['itemName', 'itemType', 'size', 'created', 'lastModified', 'childItems', 'contentMD5'];
const COLUMN_FIELDS = ['structure', 'columnCount'];
const FIELDS = ['exists', ...STORE_FIELDS, ...COLUMN_FIELDS];

/** What the definition asks for, in Data Factory's spelling. Throws DEFINITION_INVALID for a field there is none of. */
function fieldsOf({ typeProperties, activity }: TaskInput): string[] {
  const list = typeProperties['fieldList'];
  return (Array.isArray(list) ? list : []).map((entry) => {
    const known = FIELDS.find((field) => field.toLowerCase() === String(entry).toLowerCase());
    if (known !== undefined) return known;
    throw new WaybillError(
      'DEFINITION_INVALID',
      `GetMetadata "${activity}" asks for "${String(entry)}"; there are ${FIELDS.join(', ')}.`,
      { activity },
    );
  });
}

/** Throws OBJECT_MISSING where the item does not exist and `exists` was not asked for. */
export async function getMetadata(dependencies: FileDependencies, input: TaskInput): Promise<TaskResult> {
  const dataset = requiredDataset(input);
  const fields = fieldsOf(input);
  const service = await dependencies.resolveLinkedService(
    dataset.linkedService.name,
    dataset.linkedService.parameters,
  );
  if (!keepsFiles(service.type)) return { output: await ofTable(dependencies, input, dataset, fields) };
  const account = await ofAccount(service, dataset, fields);
  return { output: account ?? (await ofFiles(dependencies, input, dataset, fields)) };
}

/** A dataset that names neither container nor file is the account: a folder whose folders are its containers. */
async function ofAccount(
  service: ConnectedLinkedService,
  { name, typeProperties }: EvaluatedDataset,
  fields: readonly string[],
): Promise<JsonObject | undefined> {
  const opener = await openerFor(service);
  const location = objectSetting(typeProperties, 'location');
  const named = [...opener.containerKeys, 'folderPath', 'fileName'].some(
    (key) => textSetting(location, key) !== undefined,
  );
  if (named || opener.containers === undefined) return undefined;
  const containers = (await opener.containers(service)).sort();
  const known: JsonObject = {
    exists: true,
    itemName: '',
    itemType: 'Folder',
    childItems: containers.map((container) => ({ name: container, type: 'Folder' })),
  };
  const output: Record<string, JsonValue> = {};
  for (const field of fields) {
    const value = known[field];
    if (value === undefined)
      throw new WaybillError(
        'DEFINITION_INVALID',
        `"${field}" is not known of a whole account ("${name}").`,
        {
          field,
        },
      );
    output[field] = value;
  }
  return output;
}

function ofFiles(
  dependencies: FileDependencies,
  input: TaskInput,
  dataset: EvaluatedDataset,
  fields: readonly string[],
): Promise<JsonObject> {
  return withFiles(dependencies, dataset, input.typeProperties, async (place) => {
    const item = await findItem(place);
    if (item === undefined) {
      if (fields.includes('exists')) return { exists: false };
      throw missingItem(place);
    }
    const output: Record<string, JsonValue> = {};
    for (const field of fields) {
      if (field === 'exists') output[field] = true;
      else if (STORE_FIELDS.includes(field)) output[field] = await storeField(place, item, field);
    }
    if (!fields.some((field) => COLUMN_FIELDS.includes(field))) return output;
    if (dataset.type === 'Binary')
      throw new WaybillError('DEFINITION_INVALID', `A Binary dataset ("${dataset.name}") has no structure.`, {
        dataset: dataset.name,
      });
    return { ...output, ...columnFields(await columnsOf(dependencies, input, dataset), fields) };
  });
}

async function ofTable(
  dependencies: FileDependencies,
  input: TaskInput,
  dataset: EvaluatedDataset,
  fields: readonly string[],
): Promise<JsonObject> {
  const files = fields.find((field) => STORE_FIELDS.includes(field));
  if (files !== undefined)
    throw new WaybillError(
      'DEFINITION_INVALID',
      `GetMetadata "${input.activity}" asks for "${files}", which tables do not have; they have exists, structure and columnCount.`,
      { activity: input.activity, field: files },
    );
  try {
    const columns = await columnsOf(dependencies, input, dataset);
    return { ...(fields.includes('exists') ? { exists: true } : {}), ...columnFields(columns, fields) };
  } catch (error) {
    const missing = error instanceof WaybillError && error.code === 'OBJECT_MISSING';
    if (!missing || !fields.includes('exists')) throw error;
    return { exists: false };
  }
}

/** Data Factory has no dates without a time. */
const columnFields = (columns: readonly Column[], fields: readonly string[]): JsonObject => ({
  ...(fields.includes('structure')
    ? { structure: columns.map(({ name, type }) => ({ name, type: type === 'Date' ? 'DateTime' : type })) }
    : {}),
  ...(fields.includes('columnCount') ? { columnCount: columns.length } : {}),
});

async function columnsOf(
  dependencies: FileDependencies,
  input: TaskInput,
  dataset: EvaluatedDataset,
): Promise<Column[]> {
  const { name, parameters } = dataset.linkedService;
  const linkedService = await dependencies.resolveLinkedService(name, parameters);
  const { openSource } = await connectorFor(linkedService.type);
  let source: CopySource | undefined;
  try {
    source = await openSource({
      linkedService,
      endpoint: {
        linkedService: name,
        ...(parameters === undefined ? {} : { linkedServiceParameters: parameters }),
        datasetType: dataset.type,
        dataset: dataset.typeProperties,
        settings: { formatSettings: input.typeProperties['formatSettings'] ?? {} },
      },
      copyId: input.attemptKey,
      workDirectory: dependencies.workDirectory,
      signal: Context.current().cancellationSignal,
    });
    return await source.columns();
  } finally {
    await source?.close().catch(() => undefined);
  }
}
