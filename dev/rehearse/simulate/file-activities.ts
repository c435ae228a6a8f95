// What GetMetadata, Validation and Delete need to find, and what GetMetadata will tell.
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';
import type { ActivitySnapshot } from '../../../src/core/pipeline/snapshot.ts';
import { isObject } from '../../../src/definitions/factory.ts';
import { ANY_COLUMNS, declaredColumns } from '../columns.ts';
import { Shape } from '../infer/shape.ts';
import { CONTROL_ROWS, valueFor } from '../infer/values.ts';
import { isDatabase, needColumn, needTable, type StoreRef } from '../needs.ts';
import { type FilePlace, fileSourceNeeds, needContainer, needFile, placeOf } from './file-needs.ts';
import type { EvaluatedDataset, Frame } from './frame.ts';
import { tableOfDataset } from './sql-needs.ts';

function datasetOf(frame: Frame, { typeProperties }: ActivitySnapshot): EvaluatedDataset | undefined {
  const reference = isObject(typeProperties['dataset']) ? typeProperties['dataset'] : {};
  return frame.dataset(String(reference['referenceName']), reference['parameters']);
}

/** GetMetadata: a file, a folder with files in it whose names fit what is read of them, or a table. */
export function getMetadata(frame: Frame, activity: ActivitySnapshot): JsonObject {
  const dataset = datasetOf(frame, activity);
  const fields = frame.evaluate(activity.typeProperties['fieldList']);
  const wanted = Array.isArray(fields) ? fields.map((field) => String(field).toLowerCase()) : [];
  const now = new Date(frame.stage.now).toISOString();
  const columns = declaredColumns(dataset?.schema);
  const shown = columns.length > 0 ? columns : ANY_COLUMNS;
  const structure = shown.map(({ name, kind }) => ({ name, type: kind === 'integer' ? 'Int32' : 'String' }));
  const result: JsonObject = {
    exists: true,
    lastModified: now,
    structure,
    columnCount: structure.length,
    size: 1000,
  };
  if (dataset?.store === undefined) return result;
  const { store } = dataset;
  if (isDatabase(store.kind)) {
    const table = needTable(frame.needs, store, tableOfDataset(dataset.properties) ?? []);
    if (table !== undefined)
      for (const { name, kind, isKnown } of shown) needColumn(table.columns, name, kind, isKnown);
    if (table !== undefined) table.isRead = true;
    return result;
  }
  const place = placeOf(dataset);
  if (isAccount(place) && store.kind === 'azure-blob') return { ...result, ...ofAccount(frame, store) };
  needContainer(frame, store, place.container);
  if (place.fileName !== undefined && !wanted.includes('childitems')) {
    fileSourceNeeds(frame, dataset, store, {}, columns);
    return { ...result, itemName: place.fileName, itemType: 'File' };
  }
  const names = childNames(frame, activity, dataset);
  for (const name of names)
    needFile(
      frame,
      { ...dataset, type: formatOf(name) },
      store,
      place.container,
      path(place.folder, name),
      columns,
    );
  const childItems = names.map((name) => ({
    name: name.split('/')[0] ?? name,
    type: name.includes('/') ? 'Folder' : 'File',
  }));
  return {
    ...result,
    itemName: place.folder.split('/').at(-1) ?? place.container,
    itemType: 'Folder',
    childItems,
  };
}

const isAccount = ({ container, folder, fileName }: FilePlace): boolean =>
  container === '' && folder === '' && fileName === undefined;

/** A whole account: a folder of containers, of which there is one at least. */
function ofAccount(frame: Frame, store: StoreRef): JsonObject {
  needContainer(frame, store, 'rehearsal');
  return { itemName: '', itemType: 'Folder', childItems: [{ name: 'rehearsal', type: 'Folder' }] };
}

const path = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);

function formatOf(name: string): string {
  if (/\.parquet$/i.test(name)) return 'Parquet';
  if (/\.json$/i.test(name)) return 'Json';
  if (/\.xlsx$/i.test(name)) return 'Excel';
  if (/\.avro$/i.test(name)) return 'Avro';
  return /\.(csv|txt|tsv)$/i.test(name) ? 'DelimitedText' : 'Binary';
}

/** Names for the children of a folder: what expressions search in them, else plain ones. */
function childNames(frame: Frame, activity: ActivitySnapshot, dataset: EvaluatedDataset): string[] {
  const output = frame.shapes.activities.get(activity.name.toLowerCase())?.property('output');
  const item = output?.property('childItems').element();
  const shape = item?.properties.get('name') ?? new Shape('name');
  const kind = item?.properties.get('type');
  const wantsFolders =
    kind !== undefined && [...kind.literals].some((value) => String(value).toLowerCase() === 'folder');
  const ending =
    { Parquet: '.parquet', Json: '.json', Excel: '.xlsx', Avro: '.avro' }[dataset.type] ?? '.csv';
  const goal = new Shape('file');
  shape.flowsTo(goal);
  return Array.from({ length: CONTROL_ROWS }, (_, index): string => {
    const value: JsonValue = valueFor(shape, 'file_name', { seed: frame.stage.seed, index });
    const text = typeof value === 'string' ? value : `file_${index + 1}`;
    const plain = text.replace(/^name_/, 'file_');
    if (wantsFolders) return `${plain.replace(/\.\w+$/, '')}/part_1${ending}`;
    return /\.\w+$/.test(plain)
      ? plain.replace(/_(\d+)\.csv$/, `_$1${shape.ends.size > 0 ? '.csv' : ending}`)
      : `${plain}${ending}`;
  });
}

/** Whether a Validation waits for a folder with nothing in it. */
const isEmptyWanted = (frame: Frame, { typeProperties }: ActivitySnapshot): boolean =>
  String(frame.evaluate(typeProperties['childItems'] ?? null)).toLowerCase() === 'false';

/** Validation waits for what is there already. */
export function validation(frame: Frame, activity: ActivitySnapshot): JsonObject {
  const dataset = datasetOf(frame, activity);
  if (dataset?.store === undefined) return {};
  if (isDatabase(dataset.store.kind)) {
    const table = needTable(frame.needs, dataset.store, tableOfDataset(dataset.properties) ?? []);
    if (table !== undefined)
      for (const { name, kind, isKnown } of ANY_COLUMNS) needColumn(table.columns, name, kind, isKnown);
  } else if (isEmptyWanted(frame, activity) && placeOf(dataset).fileName === undefined) {
    const { container, folder } = placeOf(dataset);
    needContainer(frame, dataset.store, container);
    if (folder !== '')
      needFile(frame, { type: 'Folder', properties: {} }, dataset.store, container, folder, []);
  } else fileSourceNeeds(frame, dataset, dataset.store, {}, declaredColumns(dataset.schema));
  return {};
}

/** Delete finds something to delete. */
export function wipe(frame: Frame, activity: ActivitySnapshot): JsonObject {
  const dataset = datasetOf(frame, activity);
  const settings = frame.evaluate(activity.typeProperties['storeSettings'] ?? null);
  if (dataset?.store !== undefined && !isDatabase(dataset.store.kind))
    fileSourceNeeds(frame, dataset, dataset.store, isObject(settings) ? { storeSettings: settings } : {}, []);
  return {};
}
