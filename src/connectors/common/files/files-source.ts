// Files of one store and format as the source of a copy: the list is fixed by the plan, small files share a chunk.
import type { KeyRange } from '../../../core/copy/ranges.ts';
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../../core/json.ts';
import type { Column, Row } from '../../../core/types/column.ts';
import { conversionBetween } from '../../../core/types/conversion.ts';
import type {
  CopySource,
  EndpointContext,
  PlannedRanges,
  RejectedInput,
  SkippedFiles,
} from '../../connector.ts';
import { booleanSetting, textSetting } from '../settings.ts';
import type { FileDataset } from './file-dataset.ts';
import type { FileSplit } from './file-format.ts';
import type { StoredFile } from './file-store.ts';
import { type FoundFiles, findFiles } from './find-files.ts';
import { keyIn } from './keys.ts';
import { manifestKey, namedColumn } from './manifest.ts';
import { isPartitionColumn, partitionColumns, partitionValue } from './partition-folders.ts';

/** Where nobody says how many rows there are: bytes of an average row, for progress only. */
const BYTES_PER_ROW = 100;
/** Stored bytes that make a chunk of some seconds; compressed ones hold several times as much. */
const CHUNK_BYTES = 32 * 1_048_576;
const COMPRESSED_CHUNK_BYTES = 8 * 1_048_576;
const FILES_PER_CHUNK = 1_000;

/** A file as the plan keeps it: key, ETag, and the rows that a manifest says it has. */
type PlannedFile = [key: string, etag: string, rows: number | null];

export class FilesSource implements CopySource {
  readonly #dataset: FileDataset;
  #found: FoundFiles | undefined;
  #reading: string | undefined;

  readonly #skips: SkippedFiles | undefined;
  readonly #skipRows: boolean;
  #oddRows: { row: Row; error: WaybillError }[] = [];
  #badFiles: { key: string; error: WaybillError }[] = [];

  constructor(dataset: FileDataset, options: Pick<EndpointContext, 'skipFiles' | 'skipRows'> = {}) {
    this.#dataset = dataset;
    this.#skips = options.skipFiles;
    this.#skipRows = options.skipRows === true;
  }

  rejected(): RejectedInput {
    const rejected = { rows: this.#oddRows, files: this.#badFiles };
    this.#oddRows = [];
    this.#badFiles = [];
    return rejected;
  }

  get label(): string {
    const { store, folder, fileName } = this.#dataset;
    return `${store.label}/${keyIn(folder, fileName ?? '')}`;
  }

  async columns(): Promise<Column[]> {
    const { store, format } = this.#dataset;
    const { files, manifest } = await this.#files();
    let [first] = files;
    if (first === undefined)
      throw new WaybillError('OBJECT_MISSING', `There is no file under ${this.label}.`);
    let firstColumns: Column[] | undefined;
    const isNamed =
      format.givesText === true && manifest?.columns !== undefined && format.columnsAreMapped !== true;
    for (const file of isNamed ? [] : files) {
      try {
        firstColumns = await format.columns(await store.open(file.key, file.etag));
        first = file;
        break;
      } catch (error) {
        // The first that can be read says what the columns are.
        if (!this.#mayLeaveOut(error) || file === files.at(-1)) throw error;
      }
    }
    const partitions = this.#partitioned ? partitionColumns(this.#pathBelowRoot(first.key)) : [];
    const named = manifest?.columns?.map(namedColumn);
    if (format.givesText === true && named !== undefined && format.columnsAreMapped !== true)
      return [...named, ...partitions];
    const own = firstColumns ?? [];
    if (format.columnsAreMapped !== true) return [...own, ...partitions];
    // Of a folder that a copy wrote, the types are known.
    return [...own.map((column) => named?.find(({ name }) => name === column.name) ?? column), ...partitions];
  }

  async plan(parallelCopies: number): Promise<PlannedRanges> {
    const { files, manifest } = await this.#files();
    const columns = await this.columns();
    const rowsOf = new Map<string, number>();
    for (const file of manifest?.files ?? []) {
      if (file.rows !== undefined) rowsOf.set(manifestKey(this.#dataset.folder, file.path), file.rows);
    }
    const planned = files.map((file): PlannedFile => [file.key, file.etag, rowsOf.get(file.key) ?? null]);
    const { ranges, rows } = await this.#ranges(files, parallelCopies);
    return {
      ranges,
      rows: manifest?.rows ?? rows,
      files: files.length,
      sourceState: { columns: columns as unknown as JsonValue, files: planned },
    };
  }

  async *read(columns: readonly Column[], range: KeyRange, sourceState: JsonObject): AsyncGenerator<Row[]> {
    for (const { file, split } of await this.#parts(range, sourceState)) {
      yield* this.#readFile(file, split, columns, sourceState);
    }
  }

  /** Relative to the dataset's folder, as ADF has it. */
  filePath(): string | undefined {
    const { folder } = this.#dataset;
    return this.#reading !== undefined && folder !== '' && this.#reading.startsWith(`${folder}/`)
      ? this.#reading.slice(folder.length + 1)
      : this.#reading;
  }

  async cleanUp(): Promise<void> {
    // Reading leaves nothing behind.
  }

  async close(): Promise<void> {
    await this.#dataset.store.close();
  }

  /** `[from, to)` of the planned files, or "n" and the part of one large file. */
  async #ranges(
    files: readonly StoredFile[],
    parallelCopies: number,
  ): Promise<{ readonly ranges: KeyRange[]; readonly rows: number }> {
    const { format, store } = this.#dataset;
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const packed = format.extension.endsWith('.gz') || format.extension.endsWith('.deflate');
    const target = Math.min(
      packed ? COMPRESSED_CHUNK_BYTES : CHUNK_BYTES,
      Math.ceil(total / Math.max(1, parallelCopies)),
    );
    const ranges: KeyRange[] = [];
    let rows = 0;
    let from = 0;
    let bytes = 0;
    const flush = (to: number): void => {
      if (to > from) ranges.push({ lower: String(from), upper: String(to) });
      from = to;
      bytes = 0;
    };
    for (const [i, file] of files.entries()) {
      // A file that may be left out is left out as a whole.
      const splits =
        file.bytes > target && this.#skips === undefined
          ? await format.split(await store.open(file.key, file.etag))
          : [];
      if (splits.length > 1) {
        flush(i);
        for (const { part } of splits) ranges.push({ lower: String(i), upper: `${PART}${part ?? ''}` });
        rows += splits.reduce((sum, split) => sum + (split.rows ?? 0), 0);
        from = i + 1;
        continue;
      }
      if (bytes > 0 && bytes + file.bytes > target) flush(i);
      bytes += file.bytes;
      rows += splits[0]?.rows ?? Math.ceil(file.bytes / BYTES_PER_ROW);
      if (i + 1 - from >= FILES_PER_CHUNK) flush(i + 1);
    }
    flush(files.length);
    return { ranges, rows };
  }

  async #parts(
    range: KeyRange,
    sourceState: JsonObject,
  ): Promise<{ readonly file: PlannedFile; readonly split: FileSplit }[]> {
    const whole: FileSplit = { part: null };
    const files = sourceState['files'] as unknown as PlannedFile[] | undefined;
    if (files === undefined) {
      // A plan of waybill 0.1: the range names the file itself.
      if (range.lower !== null) return [{ file: [range.lower, range.upper ?? '', null], split: whole }];
      const found = await this.#files();
      return found.files.map((file) => ({ file: [file.key, file.etag, null], split: whole }));
    }
    if (range.lower === null) return files.map((file) => ({ file, split: whole }));
    const from = Number(range.lower);
    if (range.upper?.startsWith(PART)) {
      return files
        .slice(from, from + 1)
        .map((file) => ({ file, split: { part: range.upper?.slice(PART.length) ?? null } }));
    }
    return files.slice(from, Number(range.upper)).map((file) => ({ file, split: whole }));
  }

  async *#readFile(
    [key, etag, expected]: PlannedFile,
    split: FileSplit,
    columns: readonly Column[],
    sourceState: JsonObject,
  ): AsyncGenerator<Row[]> {
    const { store, format } = this.#dataset;
    const own = columns.filter((column) => !isPartitionColumn(column));
    const planned = plannedColumns(sourceState).filter((column) => !isPartitionColumn(column));
    const all = planned.length === 0 ? own : planned;
    if (this.#skips !== undefined && !(await this.#isSound([key, etag, expected], split, own, all))) return;
    const arrange = this.#arrangement(key, columns, own);
    let count = 0;
    const file = await store.open(key, etag);
    const odd = this.#skipRows
      ? (row: Row, error: WaybillError): void => {
          this.#oddRows.push({ row, error });
        }
      : undefined;
    for await (const batch of format.read(file, own, split, all, odd)) {
      count += batch.length;
      if (arrange !== undefined) for (let r = 0; r < batch.length; r++) batch[r] = arrange(batch[r] ?? []);
      this.#reading = key;
      yield batch;
    }
    refuseOtherCount(key, split, expected, count);
  }

  /**
   * Reads a file to its end before any of its rows is copied. One that may be left out is remembered with the reason; any
   * other failure is thrown.
   */
  async #isSound(
    [key, etag, expected]: PlannedFile,
    split: FileSplit,
    own: readonly Column[],
    planned: readonly Column[],
  ): Promise<boolean> {
    const { store, format } = this.#dataset;
    const ignore = this.#skipRows ? (): void => {} : undefined;
    try {
      let count = 0;
      const file = await store.open(key, etag);
      for await (const batch of format.read(file, own, split, planned, ignore)) count += batch.length;
      refuseOtherCount(key, split, expected, count);
      return true;
    } catch (error) {
      if (!this.#mayLeaveOut(error)) throw error;
      this.#badFiles.push({ key, error });
      return false;
    }
  }

  #mayLeaveOut(error: unknown): error is WaybillError {
    if (this.#skips === undefined || !(error instanceof WaybillError)) return false;
    const { missing, inconsistent, forbidden } = this.#skips;
    if (error.code === 'OBJECT_MISSING') return missing;
    if (error.code === 'AUTHENTICATION_FAILED') return forbidden;
    return inconsistent && ['FILE_INVALID', 'SOURCE_CHANGED', 'CHUNK_MISMATCH'].includes(error.code);
  }

  /** What still happens to a row: typed columns are parsed from text, values of the path are put in. */
  #arrangement(
    key: string,
    columns: readonly Column[],
    own: readonly Column[],
  ): ((row: Row) => Row) | undefined {
    const parsers = columns.map((column) =>
      this.#dataset.format.givesText !== true || column.type === 'String' || isPartitionColumn(column)
        ? undefined
        : conversionBetween({ ...column, type: 'String' }, column)?.convert,
    );
    if (own.length === columns.length && parsers.every((parser) => parser === undefined)) return undefined;
    const picks = columns.map((column) => own.indexOf(column));
    const given = columns.map((column) =>
      isPartitionColumn(column) ? partitionValue(column, this.#pathBelowRoot(key)) : null,
    );
    return (row) =>
      picks.map((at, i) => {
        if (at < 0) return given[i] ?? null;
        const value = row[at] ?? null;
        return value === null ? null : (parsers[i]?.(value) ?? value);
      });
  }

  get #partitioned(): boolean {
    return booleanSetting(this.#dataset.storeSettings, 'enablePartitionDiscovery') ?? false;
  }

  /** Path below the dataset's folder, or below partitionRootPath. */
  #pathBelowRoot(key: string): string {
    const { folder, storeSettings, container } = this.#dataset;
    const given = textSetting(storeSettings, 'partitionRootPath')?.replace(/^\/+|\/+$/g, '');
    const root =
      given?.startsWith(`${container}/`) === true ? given.slice(container.length + 1) : (given ?? folder);
    return root !== '' && key.startsWith(`${root}/`) ? key.slice(root.length + 1) : key;
  }

  async #files(): Promise<FoundFiles> {
    this.#found ??= await findFiles(this.#dataset);
    return this.#found;
  }
}

const refuseOtherCount = (key: string, { part }: FileSplit, expected: number | null, count: number): void => {
  if (expected === null || part !== null || expected === count) return;
  throw new WaybillError('CHUNK_MISMATCH', `${key} has ${count} rows; its manifest says ${expected}.`, {
    file: key,
    expected,
    found: count,
  });
};

const PART = 'part ';

const plannedColumns = (sourceState: JsonObject): Column[] => {
  const columns = sourceState['columns'];
  if (Array.isArray(columns)) return columns as unknown as Column[];
  // A plan of waybill 0.1.
  const names = (sourceState['names'] ?? []) as string[];
  return names.map((name) => ({ name, type: 'String', nullable: true, native: 'text' }));
};
