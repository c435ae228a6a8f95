// Which files a source reads, by the names it will ask for, and in which containers a sink writes.
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';
import { isObject } from '../../../src/definitions/factory.ts';
import { ANY_COLUMNS, type NamedColumn } from '../columns.ts';
import { DELTA_LOG, type FileNeed, needColumn, type StoreRef, storeKey } from '../needs.ts';
import type { EvaluatedDataset, Frame } from './frame.ts';

/** How many files stand in a folder of which no name is known, or match a pattern. */
const FILES = 2;

const textOf = (value: JsonValue | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** Where a dataset's files are, evaluated. */
export interface FilePlace {
  readonly container: string;
  readonly folder: string;
  readonly fileName: string | undefined;
}

export function placeOf(dataset: EvaluatedDataset): FilePlace {
  const location = isObject(dataset.properties['location'])
    ? dataset.properties['location']
    : dataset.properties;
  const folder = textOf(location['folderPath']) ?? '';
  const container =
    textOf(location['container']) ?? textOf(location['fileSystem']) ?? textOf(location['bucketName']);
  return {
    container: container ?? '',
    folder: clean(folder),
    fileName: textOf(location['fileName']),
  };
}

const clean = (path: string): string =>
  path
    .replaceAll('\\', '/')
    .replace(/\/{2,}/g, '/')
    .replace(/^\/+|\/+$/g, '');

const join = (...parts: string[]): string => parts.filter((part) => part !== '').join('/');

/** Notes the container, so that what writes into it finds it. */
export function needContainer(frame: Frame, store: StoreRef, container: string): void {
  if (container === '' && store.kind !== 'folder') return;
  frame.needs.containers.set(`${storeKey(store)}|${container}`, { store, container });
}

/** Names that a pattern matches: each `*` is a number, each `?` a digit. */
export function namesFor(pattern: string, count = FILES): string[] {
  if (!/[*?]/.test(pattern)) return [pattern];
  return Array.from({ length: count }, (_, at) =>
    pattern
      .replaceAll('**', `${at + 1}`)
      .replaceAll('*', `${at + 1}`)
      .replaceAll('?', String((at % 9) + 1)),
  );
}

const ENDINGS: Readonly<Record<string, string>> = {
  Parquet: '.parquet',
  Json: '.json',
  Binary: '.bin',
  Avro: '.avro',
  Orc: '.orc',
  Excel: '.xlsx',
  Xml: '.xml',
};

const COMPRESSED: Readonly<Record<string, string>> = {
  gzip: '.gz',
  bzip2: '.bz2',
  deflate: '.deflate',
  snappy: '',
  zipdeflate: '.zip',
  targzip: '.tar.gz',
  tar: '.tar',
};

/** An ending for a new file of a dataset. */
function endingOf(dataset: EvaluatedDataset): string {
  const { compressionCodec, compression } = dataset.properties;
  const codec = String(
    compressionCodec ?? (isObject(compression) ? compression['type'] : '') ?? '',
  ).toLowerCase();
  const base = ENDINGS[dataset.type] ?? '.csv';
  return dataset.type === 'Parquet' ? base : `${base}${COMPRESSED[codec] ?? ''}`;
}

/** Notes the files that a source will look for. */
export function fileSourceNeeds(
  frame: Frame,
  dataset: EvaluatedDataset,
  store: StoreRef,
  source: JsonObject,
  columns: readonly NamedColumn[],
  control: readonly JsonObject[] = [],
): FileNeed[] {
  const place = placeOf(dataset);
  const settings = isObject(source['storeSettings']) ? source['storeSettings'] : {};
  needContainer(frame, store, place.container);
  if (dataset.type === 'Delta') {
    const log = join(place.folder, DELTA_LOG);
    return [needFile(frame, dataset, store, place.container, log, columns)];
  }
  const folderPattern = textOf(settings['wildcardFolderPath']);
  const filePattern = textOf(settings['wildcardFileName']);
  const prefix = textOf(settings['prefix']);
  const folders = folderPattern === undefined ? [place.folder] : namesFor(clean(folderPattern));
  const files: string[] = [];
  if (prefix !== undefined) files.push(`${prefix}${/[./]$/.test(prefix) ? '' : '_'}1${endingOf(dataset)}`);
  else
    for (const folder of folders) {
      const names =
        filePattern !== undefined
          ? namesFor(filePattern.replace(/^\*$/, `*${endingOf(dataset)}`))
          : place.fileName !== undefined
            ? [place.fileName]
            : namesFor(`part_*${endingOf(dataset)}`);
      for (const name of names) files.push(join(folder, clean(name)));
    }
  const made = files.map((path, at) => {
    const file = needFile(frame, dataset, store, place.container, path, columns, control);
    file.place ??= at;
    return file;
  });
  const format = isObject(source['formatSettings']) ? source['formatSettings'] : {};
  const skipped = Number(format['skipLineCount'] ?? 0);
  if (skipped > 0) for (const file of made) file.skipped = skipped;
  const list = textOf(settings['fileListPath']);
  if (list !== undefined) {
    const plain = clean(list).replace(new RegExp(`^${place.container.replaceAll(/\W/g, '\\$&')}/`), '');
    const lines = files.map((path) => path.slice(place.folder === '' ? 0 : place.folder.length + 1));
    const text = { ...dataset, type: 'Text', properties: { content: `${lines.join('\n')}\n` } };
    needFile(frame, text, store, place.container, plain, []);
  }
  return made;
}

/** Whether a dataset takes whatever sheet is the first. */
const isFirst = ({ sheetName, sheetIndex }: JsonObject): boolean =>
  textOf(sheetName) === undefined && Number(sheetIndex ?? 0) === 0;

/** The need of the sheet that a dataset names: the workbook's own, which is the first, or one more. */
function sheetOf(workbook: FileNeed, dataset: JsonObject): FileNeed {
  if (isFirst(dataset)) return workbook;
  if (isFirst(workbook.dataset)) {
    workbook.dataset = dataset;
    return workbook;
  }
  const isAsked = ({ dataset: { sheetName, sheetIndex } }: FileNeed): boolean =>
    (sheetName ?? null) === (dataset['sheetName'] ?? null) &&
    (sheetIndex ?? null) === (dataset['sheetIndex'] ?? null);
  workbook.sheets ??= [];
  let sheet = [workbook, ...workbook.sheets].find(isAsked);
  if (sheet === undefined) {
    const { store, container, path, format } = workbook;
    sheet = { store, container, path, format, dataset, columns: new Map(), control: [] };
    workbook.sheets.push(sheet);
  }
  return sheet;
}

/** Notes one file, or one sheet of a workbook. */
export function needFile(
  frame: Frame,
  dataset: Pick<EvaluatedDataset, 'type' | 'properties'>,
  store: StoreRef,
  container: string,
  path: string,
  columns: readonly NamedColumn[],
  control: readonly JsonObject[] = [],
): FileNeed {
  const key = `${storeKey(store)}|${store.kind === 'folder' ? store.linkedService : ''}|${container}|${path}`;
  let file = frame.needs.files.get(key);
  // Who says more of a file says what it is: a Binary copy or a GetMetadata does not care.
  if (file === undefined || (file.format === 'Binary' && dataset.type !== 'Binary')) {
    const { type: format, properties } = dataset;
    file = { store, container, path, format, dataset: properties, columns: new Map(), control: [] };
    frame.needs.files.set(key, file);
  }
  if (file.format === 'Excel' && dataset.type === 'Excel') file = sheetOf(file, dataset.properties);
  const wanted = columns.length > 0 || file.columns.size > 0 ? columns : ANY_COLUMNS;
  // Studio calls every column of a text file a String: that says nothing of what stands in it.
  const saysText = ['DelimitedText', 'Excel', 'Json'].includes(file.format);
  for (const { name, kind, isKnown, holds } of wanted) {
    const need = needColumn(file.columns, name, kind, isKnown && !(saysText && kind === 'text'));
    if (holds !== undefined) need.holds ??= holds;
  }
  if (file.control.length === 0) file.control.push(...control);
  return file;
}
