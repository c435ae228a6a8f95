// What a store of files says of one file or folder, as Get Metadata and Validation show it.
import type { FolderChildren, StoredFile } from '../../connectors/common/files/file-store.ts';
import type { FilesPlace } from '../../connectors/common/files/files-place.ts';
import { isFiltered, LEDGERS, readTime } from '../../connectors/common/files/find-files.ts';
import { keyIn } from '../../connectors/common/files/keys.ts';
import { MANIFEST } from '../../connectors/common/files/manifest.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import { wholeSeconds } from './place.ts';

export type FoundItem =
  | { readonly type: 'File'; readonly name: string; readonly file: StoredFile }
  | { readonly type: 'Folder'; readonly name: string; readonly children: FolderChildren };

/**
 * The file or folder that the dataset names; undefined where it does not exist. Data Factory's own templates give `*` as
 * the name of a file where they mean its folder.
 */
export async function findItem({ store, folder, fileName }: FilesPlace): Promise<FoundItem | undefined> {
  if (fileName !== undefined && fileName !== '*') {
    const file = await store.head(keyIn(folder, fileName));
    return file === undefined ? undefined : { type: 'File', name: fileName, file };
  }
  const children = await store.children(folder);
  if (children === undefined) return undefined;
  return { type: 'Folder', name: folder.slice(folder.lastIndexOf('/') + 1), children };
}

/** Says what is missing in Data Factory's words. */
export const missingItem = ({ store, folder, fileName }: FilesPlace): WaybillError =>
  new WaybillError(
    'OBJECT_MISSING',
    `The required ${fileName === undefined ? 'folder' : 'file'} is missing: ${store.label}/${keyIn(folder, fileName ?? '')}.`,
  );

/**
 * `[{ name, type }]` of a folder, by name. Copies' own ledgers, and the manifest beside them, are not shown. Limits on
 * times, where there are any, are for files: folders have no time in most stores.
 */
export function childItems(place: FilesPlace, { files, folders }: FolderChildren): JsonObject[] {
  const { from, to } = modifiedBetween(place);
  const timed = isFiltered(place);
  const written = folders.includes(LEDGERS);
  const name = (key: string): string => key.slice(key.lastIndexOf('/') + 1);
  const items = [
    ...files
      .filter(({ modified = 0 }) => modified >= from && modified < to)
      .map(({ key }) => ({ name: name(key), type: 'File' }))
      .filter((item) => !(written && item.name === MANIFEST)),
    ...(timed ? [] : folders.filter((folder) => folder !== LEDGERS)).map((folder) => ({
      name: folder,
      type: 'Folder',
    })),
  ];
  return items.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

const modifiedBetween = ({ storeSettings }: FilesPlace): { from: number; to: number } => ({
  from: readTime(storeSettings, 'modifiedDatetimeStart') ?? Number.NEGATIVE_INFINITY,
  to: readTime(storeSettings, 'modifiedDatetimeEnd') ?? Number.POSITIVE_INFINITY,
});

/** One field of Get Metadata that a store answers by itself. Throws DEFINITION_INVALID where the item has no such field. */
export async function storeField(place: FilesPlace, item: FoundItem, field: string): Promise<JsonValue> {
  switch (field) {
    case 'itemName':
      return item.name === '' ? place.container : item.name;
    case 'itemType':
      return item.type;
    case 'childItems':
      if (item.type === 'Folder') return childItems(place, item.children);
      throw wrongItem(place, field, 'folders');
    case 'size':
      if (item.type === 'File') return item.file.bytes;
      throw wrongItem(place, field, 'files');
    case 'lastModified':
      return moment(item.type === 'File' ? item.file.modified : await newest(place, item.children));
    case 'created':
      if (item.type === 'Folder') throw wrongItem(place, field, 'files');
      return moment(item.file.created, () => notKept(place, field));
    default:
      if (item.type === 'Folder') throw wrongItem(place, field, 'files');
      if (item.file.contentMD5 !== undefined) return item.file.contentMD5;
      throw notKept(place, field);
  }
}

function moment(time: number | undefined, otherwise?: () => WaybillError): JsonValue {
  if (time !== undefined) return wholeSeconds(time);
  if (otherwise !== undefined) throw otherwise();
  return null;
}

/** A folder changed when a file of it did last. */
async function newest(
  { store, folder }: FilesPlace,
  { files, folders }: FolderChildren,
): Promise<number | undefined> {
  let latest: number | undefined;
  const note = ({ modified }: StoredFile): void => {
    if (modified !== undefined && modified > (latest ?? 0)) latest = modified;
  };
  if (folders.length === 0) for (const file of files) note(file);
  else for await (const file of store.list(folder === '' ? '' : `${folder}/`)) note(file);
  return latest;
}

const wrongItem = ({ store, folder, fileName }: FilesPlace, field: string, of: string): WaybillError =>
  new WaybillError(
    'DEFINITION_INVALID',
    `"${field}" is metadata of ${of}; ${store.label}/${keyIn(folder, fileName ?? '')} is none of them.`,
    { field },
  );

const notKept = ({ store }: FilesPlace, field: string): WaybillError =>
  new WaybillError('DEFINITION_UNSUPPORTED', `${store.label} keeps no "${field}" of this file.`, { field });
