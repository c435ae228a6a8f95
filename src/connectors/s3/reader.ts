// Reads a folder of delimited-text files on S3: one chunk per file, the list fixed by the plan.
import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Column, Row } from '../../core/types/column.ts';
import { conversionBetween } from '../../core/types/conversion.ts';
import type { CopySource, PlannedRanges } from '../connector.ts';
import type { ObjectBucket, StoredObject } from './bucket.ts';
import { type FileLocation, keyIn } from './config.ts';
import { readDelimited } from './delimited.ts';
import { MANIFEST, type Manifest, manifestColumn, manifestKey, readManifest } from './manifest.ts';

/** Where nobody says how many rows there are: bytes of an average row, for progress only. */
const BYTES_PER_ROW = 100;

export class S3Source implements CopySource {
  readonly #bucket: ObjectBucket;
  readonly #location: FileLocation;
  #found: { files: StoredObject[]; manifest: Manifest | undefined } | undefined;

  constructor(bucket: ObjectBucket, location: FileLocation) {
    this.#bucket = bucket;
    this.#location = location;
  }

  get label(): string {
    const { bucket, fileName } = this.#location;
    return `S3 ${bucket}/${keyIn(this.#location, fileName ?? '')}`;
  }

  async columns(): Promise<Column[]> {
    const { files, manifest } = await this.#files();
    if (manifest?.columns !== undefined) return manifest.columns.map(manifestColumn);
    const [first] = files;
    if (first === undefined)
      throw new WaybillError('OBJECT_MISSING', `There is no file under ${this.label}.`);
    for await (const rows of this.#rows(first.key, first.etag)) {
      const [row = []] = rows;
      return row.map((value, i) => ({
        name: this.#location.header ? (value ?? `Prop_${i}`) : `Prop_${i}`,
        type: 'String',
        nullable: true,
        native: 'text',
      }));
    }
    throw new WaybillError('OBJECT_MISSING', `${first.key} is empty: it has not even a header.`, {
      key: first.key,
    });
  }

  async plan(): Promise<PlannedRanges> {
    const { files, manifest } = await this.#files();
    const columns = await this.columns();
    const expected: JsonObject = {};
    for (const file of manifest?.files ?? []) {
      if (file.rows !== undefined) expected[manifestKey(this.#location, file.path)] = file.rows;
    }
    const bytes = files.reduce((total, file) => total + file.bytes, 0);
    return {
      ranges: files.map((file) => ({ lower: file.key, upper: file.etag })),
      rows: manifest?.rows ?? Math.ceil(bytes / BYTES_PER_ROW),
      sourceState: { names: columns.map((column) => column.name), expected },
    };
  }

  async *read(columns: readonly Column[], range: KeyRange, sourceState: JsonObject): AsyncGenerator<Row[]> {
    if (range.lower === null) {
      for (const file of (await this.#files()).files) {
        yield* this.#readFile(columns, file.key, file.etag, sourceState);
      }
      return;
    }
    yield* this.#readFile(columns, range.lower, range.upper ?? '', sourceState);
  }

  async cleanUp(): Promise<void> {
    // Reading leaves nothing behind.
  }

  async close(): Promise<void> {
    this.#bucket.close();
  }

  async *#readFile(
    columns: readonly Column[],
    key: string,
    etag: string,
    sourceState: JsonObject,
  ): AsyncGenerator<Row[]> {
    const names = (sourceState['names'] ?? []) as string[];
    const picks = columns.map((column) => names.indexOf(column.name));
    // Typed columns (of a manifest) arrive as text in the file's way of writing and leave as canonical text.
    const parsers = columns.map((column) =>
      column.type === 'String'
        ? undefined
        : conversionBetween({ ...column, type: 'String' }, column)?.convert,
    );
    let header = this.#location.header;
    let count = 0;
    for await (const batch of this.#rows(key, etag)) {
      if (header) {
        this.#checkHeader(key, batch.shift() ?? [], names);
        header = false;
      }
      for (let r = 0; r < batch.length; r++) {
        const row = batch[r] ?? [];
        count++;
        if (row.length !== names.length) {
          throw new WaybillError(
            'SOURCE_CHANGED',
            `Row ${count} of ${key} has ${row.length} fields where ${names.length} were planned.`,
            { key, row: count },
          );
        }
        batch[r] = picks.map((at, i) => {
          const value = row[at];
          if (value === null || value === undefined) return null;
          return parsers[i]?.(value) ?? value;
        });
      }
      if (batch.length > 0) yield batch;
    }
    const expected = (sourceState['expected'] as JsonObject | undefined)?.[key];
    if (typeof expected === 'number' && expected !== count) {
      throw new WaybillError('CHUNK_MISMATCH', `${key} has ${count} rows; its manifest says ${expected}.`, {
        key,
        expected,
        found: count,
      });
    }
  }

  #checkHeader(key: string, header: Row, names: readonly string[]): void {
    if (header.length === names.length && header.every((name, i) => name === names[i])) return;
    throw new WaybillError(
      'SOURCE_CHANGED',
      `${key} has other columns than the file this copy was planned with.`,
      { key },
    );
  }

  #rows(key: string, etag: string): AsyncGenerator<Row[]> {
    const { format, gzip } = this.#location;
    return readDelimited(this.#bucket, { key, etag, format, gzip });
  }

  /** The files: one by name, those a manifest lists, or all in the folder but hidden ones. */
  async #files(): Promise<{ files: StoredObject[]; manifest: Manifest | undefined }> {
    this.#found ??= await this.#find();
    return this.#found;
  }

  async #find(): Promise<{ files: StoredObject[]; manifest: Manifest | undefined }> {
    const { fileName, folder } = this.#location;
    if (fileName !== undefined) {
      const file = await this.#bucket.head(keyIn(this.#location, fileName));
      if (file === undefined) throw new WaybillError('OBJECT_MISSING', `${this.label} does not exist.`);
      return { files: [file], manifest: undefined };
    }
    const listed = await this.#bucket.list(folder === '' ? '' : `${folder}/`);
    const manifest = await readManifest(this.#bucket, keyIn(this.#location, MANIFEST));
    if (manifest !== undefined) {
      const byKey = new Map(listed.map((file) => [file.key, file]));
      const files = manifest.files.map((entry) => {
        const key = manifestKey(this.#location, entry.path);
        const file = byKey.get(key);
        if (file !== undefined) return file;
        throw new WaybillError('OBJECT_MISSING', `${key} is in the manifest but not in the folder.`, { key });
      });
      return { files, manifest };
    }
    const hidden = (key: string): boolean =>
      key
        .slice(folder.length)
        .split('/')
        .some((part) => part.startsWith('_') || part.startsWith('.'));
    const files = listed.filter(
      (file) => file.bytes > 0 && !hidden(file.key) && !file.key.endsWith(MANIFEST),
    );
    if (files.length === 0) throw new WaybillError('OBJECT_MISSING', `There is no file under ${this.label}.`);
    return { files, manifest: undefined };
  }
}
