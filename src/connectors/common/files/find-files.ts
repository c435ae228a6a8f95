// Which files a source reads: the one that is named, those a manifest or a list names, or what its filters leave over.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import { booleanSetting, textSetting } from '../settings.ts';
import type { StoredFile } from './file-store.ts';
import { type FilesPlace, refuseOddName } from './files-place.ts';
import { keyIn } from './keys.ts';
import { MANIFEST, type Manifest, manifestKey, readManifest } from './manifest.ts';
import { plainFolder, wildcard } from './wildcards.ts';

export interface FoundFiles {
  readonly files: readonly StoredFile[];
  readonly manifest: Manifest | undefined;
}

/** The plan of a copy names every file, and is read by every chunk. */
const MOST_FILES = 50_000;

const missing = (what: string): WaybillError => new WaybillError('OBJECT_MISSING', what);

/** Folder of the ledgers of copies. */
export const LEDGERS = '_waybill';

const FILTERS = [
  'wildcardFolderPath',
  'wildcardFileName',
  'prefix',
  'modifiedDatetimeStart',
  'modifiedDatetimeEnd',
];

/** Whether files are chosen by anything but the dataset's own folder and file name. */
export const isFiltered = ({ storeSettings }: FilesPlace): boolean =>
  [...FILTERS, 'fileListPath'].some((name) => textSetting(storeSettings, name) !== undefined);

/**
 * Files as they are, for who moves or removes them: those without a byte too, and whatever their names begin with; only
 * the ledgers of copies are passed over. In the order of their keys; none where nothing is there. A name that ends with
 * a slash stands for an empty folder.
 */
export const findAllFiles = async (place: FilesPlace): Promise<StoredFile[]> => {
  const { store, folder, fileName, storeSettings } = place;
  const list = textSetting(storeSettings, 'fileListPath');
  if (list !== undefined) return listedFiles(place, list);
  if (fileName !== undefined && !isFiltered(place)) {
    const file = await store.head(keyIn(folder, fileName));
    return file === undefined ? [] : [file];
  }
  return filteredFiles(place, (name) => !name.split('/').includes(LEDGERS));
};

/** What the names of all files begin with: a folder and its slash, or a prefix. */
export const listRoot = ({ folder, fileName, storeSettings }: FilesPlace): string => {
  if (textSetting(storeSettings, 'fileListPath') !== undefined) return under(folder);
  const prefix = textSetting(storeSettings, 'prefix');
  if (prefix !== undefined) return prefix;
  const pattern = textSetting(storeSettings, 'wildcardFolderPath')?.replace(/^\/+|\/+$/g, '');
  if (pattern !== undefined) return plainFolder(`${pattern}/`);
  const filtered = FILTERS.some((name) => textSetting(storeSettings, name) !== undefined);
  return filtered || fileName === undefined ? under(folder) : keyIn(folder, fileName);
};

/** The path of a file that copies keep: below the folder, below a pattern's plain beginning, after a prefix's last slash. */
export const pathBelow = (place: FilesPlace, key: string): string => {
  const root = listRoot(place);
  const folder = root.slice(0, root.lastIndexOf('/') + 1);
  return key.startsWith(folder) ? key.slice(folder.length) : key;
};

/** In the order of their keys. Throws OBJECT_MISSING where there is none. */
export const findFiles = async (dataset: FilesPlace): Promise<FoundFiles> => {
  const { store, folder, fileName, storeSettings } = dataset;
  const filtered = FILTERS;
  const list = textSetting(storeSettings, 'fileListPath');
  if (list !== undefined) return { files: await listedFiles(dataset, list), manifest: undefined };
  if (!filtered.some((name) => textSetting(storeSettings, name) !== undefined)) {
    if (fileName !== undefined) {
      const key = keyIn(folder, fileName);
      const file = await store.head(key);
      if (file === undefined) throw missing(`There is no ${key} in ${store.label}.`);
      return { files: [file], manifest: undefined };
    }
  }
  // A pattern of names chooses among the files that a manifest publishes; other filters look elsewhere, or at times.
  const others = filtered.filter((name) => name !== 'wildcardFileName');
  if (fileName === undefined && !others.some((name) => textSetting(storeSettings, name) !== undefined)) {
    const manifest = await readManifest(store, keyIn(folder, MANIFEST));
    if (manifest !== undefined) return chosen(dataset, manifest, await manifestFiles(dataset, manifest));
  }
  const files = (await filteredFiles(dataset, isOpen)).filter(({ bytes }) => bytes > 0);
  if (files.length === 0) throw missing(`There is no file to read under ${store.label}/${folder}.`);
  return { files, manifest: undefined };
};

/** Without a part of its files, a manifest's total says nothing. */
const chosen = (dataset: FilesPlace, manifest: Manifest, all: readonly StoredFile[]): FoundFiles => {
  const pattern = textSetting(dataset.storeSettings, 'wildcardFileName');
  const matches = pattern === undefined ? () => true : wildcard(pattern);
  const files = all.filter(({ key }) => matches(key.slice(key.lastIndexOf('/') + 1)));
  if (files.length === 0)
    throw missing(`No file of the manifest in ${dataset.store.label}/${dataset.folder} matches ${pattern}.`);
  const { rows, ...rest } = manifest;
  return { files, manifest: files.length === all.length && rows !== undefined ? { ...rest, rows } : rest };
};

const manifestFiles = async ({ store, folder }: FilesPlace, manifest: Manifest): Promise<StoredFile[]> => {
  const byKey = new Map<string, StoredFile>();
  for await (const file of store.list(folder === '' ? '' : `${folder}/`)) byKey.set(file.key, file);
  return manifest.files.map((entry) => {
    const key = manifestKey(folder, entry.path);
    const file = byKey.get(key);
    if (file !== undefined) return file;
    throw missing(`${key} is in the manifest but not in the folder.`);
  });
};

/** fileListPath: a text file with one path a line, relative to the dataset's folder. */
const listedFiles = async ({ store, folder, container }: FilesPlace, path: string): Promise<StoredFile[]> => {
  const plain = path.replace(/^\/+/, '');
  const key =
    container !== '' && plain.startsWith(`${container}/`) ? plain.slice(container.length + 1) : plain;
  const pieces: Buffer[] = [];
  for await (const piece of (await store.open(key)).stream()) pieces.push(piece);
  const lines = Buffer.concat(pieces)
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/);
  const files: StoredFile[] = [];
  for (const line of lines) {
    const name = line.trim().replace(/^\/+/, '');
    if (name === '') continue;
    refuseOddName(name);
    const file = await store.head(keyIn(folder, name));
    if (file === undefined) throw missing(`${name} is in the list ${key} but not in ${store.label}.`);
    files.push(file);
  }
  if (files.length === 0) throw missing(`The list ${key} names no file.`);
  return refuseTooMany(files);
};

const filteredFiles = async (
  dataset: FilesPlace,
  takes: (path: string) => boolean,
): Promise<StoredFile[]> => {
  const { store, storeSettings } = dataset;
  const { from, passes } = nameFilter(dataset, takes);
  const start = readTime(storeSettings, 'modifiedDatetimeStart') ?? Number.NEGATIVE_INFINITY;
  const end = readTime(storeSettings, 'modifiedDatetimeEnd') ?? Number.POSITIVE_INFINITY;
  const files: StoredFile[] = [];
  for await (const file of store.list(from)) {
    if (!passes(file.key)) continue;
    const modified = file.modified ?? 0;
    if (modified < start || modified >= end) continue;
    files.push(file);
  }
  return refuseTooMany(files);
};

const refuseTooMany = (files: StoredFile[]): StoredFile[] => {
  if (files.length <= MOST_FILES) return files;
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `The source has ${files.length} files; one copy reads at most ${MOST_FILES}. Copy its folders one by one.`,
    { files: files.length },
  );
};

interface NameFilter {
  /** What all keys begin with. */
  readonly from: string;
  readonly passes: (key: string) => boolean;
}

const nameFilter = (
  { folder, fileName, storeSettings }: FilesPlace,
  takes: (path: string) => boolean,
): NameFilter => {
  for (const name of ['prefix', 'wildcardFolderPath', 'wildcardFileName'])
    refuseOddName(textSetting(storeSettings, name) ?? '');
  const recursive = booleanSetting(storeSettings, 'recursive') ?? true;
  const namePattern = textSetting(storeSettings, 'wildcardFileName') ?? escaped(fileName);
  const name = namePattern === undefined ? undefined : wildcard(namePattern);
  const prefix = textSetting(storeSettings, 'prefix');
  if (prefix !== undefined)
    return { from: prefix, passes: (key) => takes(key.slice(prefix.lastIndexOf('/') + 1)) };
  const folderPattern = textSetting(storeSettings, 'wildcardFolderPath')?.replace(/^\/+|\/+$/g, '');
  const start = folderPattern === undefined ? under(folder) : plainFolder(`${folderPattern}/`);
  const inFolder =
    folderPattern === undefined
      ? (parent: string) => (recursive ? under(parent).startsWith(under(folder)) : parent === folder)
      : wildcardFolder(folderPattern, recursive);
  return {
    from: start,
    passes: (key) => {
      const slash = key.lastIndexOf('/');
      if (!takes(key.slice(start.length))) return false;
      return inFolder(key.slice(0, Math.max(slash, 0))) && (name === undefined || name(key.slice(slash + 1)));
    },
  };
};

const under = (folder: string): string => (folder === '' ? '' : `${folder}/`);

/** The pattern that matches just this name. */
const escaped = (name: string | undefined): string | undefined => name?.replaceAll(/[*?^]/g, '^$&');

/** Whether a folder, or (recursively) one above it, matches. */
const wildcardFolder = (pattern: string, recursive: boolean): ((folder: string) => boolean) => {
  const matches = wildcard(pattern);
  return (folder) => {
    if (matches(folder)) return true;
    if (!recursive) return false;
    for (let at = folder.lastIndexOf('/'); at > 0; at = folder.lastIndexOf('/', at - 1)) {
      if (matches(folder.slice(0, at))) return true;
    }
    return false;
  };
};

/** Names that begin with an underscore or a dot are other programs' own (and ours): no data. */
const isOpen = (key: string): boolean =>
  !key.split('/').some((part) => part.startsWith('_') || part.startsWith('.')) &&
  !/(^|\/)manifest\.json$/.test(key);

/** ADF takes an instant without a zone as UTC. */
export const readTime = (settings: JsonObject, name: string): number | undefined => {
  const text = textSetting(settings, name);
  if (text === undefined) return undefined;
  const time = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`);
  if (!Number.isNaN(time)) return time;
  throw new WaybillError('DEFINITION_INVALID', `${name} is not a date and time: ${text}.`, { value: text });
};
