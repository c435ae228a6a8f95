// The values of a column chunk, page by page, as canonical text. Pages of PLAIN values are read in place, a value when it
// is asked for; other encodings are decoded by hyparquet, a page at a time.
import type { ColumnMetaData, Compressors, PageHeader } from 'hyparquet';
import { decompressPage, readDataPage, readDataPageV2 } from 'hyparquet/src/datapage.js';
import { readPlain } from 'hyparquet/src/plain.js';
import { WaybillError } from '../../../core/errors.ts';
import type { Row } from '../../../core/types/column.ts';
import type { ReadableFile } from '../files/file-format.ts';
import type { StoredColumn } from './file-columns.ts';
import { fileInvalid } from './file-footer.ts';
import { LevelReader } from './level-reader.ts';
import { type WalkedPage, walkPages } from './page-walk.ts';
import { PlainReader } from './plain-reader.ts';
import { type RawValue, textOf } from './value-text.ts';

type ColumnDecoder = Parameters<typeof readDataPage>[2];

/** Values of a page in order, NULLs left out. */
interface ValueReader {
  next(): string;
}

/** Whether the next row has a value. */
interface Levels {
  next(): boolean;
}

/** A page in the middle of being handed out. */
interface OpenPage {
  rows: number;
  readonly levels: Levels | undefined;
  readonly values: ValueReader;
}

/** Hands out a column chunk's texts in order; no more than one page of it is open at a time. */
export class PageValues {
  readonly #file: ReadableFile;
  readonly #column: StoredColumn;
  readonly #decoder: ColumnDecoder;
  readonly #pages: Generator<WalkedPage>;
  readonly #toText: (value: RawValue) => string;
  #dictionary: string[] | undefined;
  #page: OpenPage | undefined;

  constructor(
    file: ReadableFile,
    column: StoredColumn,
    chunk: ColumnMetaData,
    bytes: Buffer,
    compressors: Compressors,
  ) {
    this.#file = file;
    this.#column = column;
    this.#pages = walkPages(file, column.column.name, bytes);
    this.#toText = textOf(column);
    const { element } = column;
    const schemaPath = [{ name: 'schema', num_children: 1 }, element].map((part) => ({
      element: part,
      children: [],
      count: 1,
      path: [],
    }));
    const { path_in_schema: pathInSchema, type, codec } = chunk;
    // The parsers that are missing belong to a step of hyparquet's that is not used here.
    this.#decoder = {
      pathInSchema,
      type,
      element,
      schemaPath,
      codec,
      compressors,
    } as unknown as ColumnDecoder;
  }

  /** Sets field `position` of each row. Throws FILE_INVALID where the chunk has fewer values, or cannot be decoded. */
  fill(rows: readonly Row[], position: number): void {
    const { name } = this.#column.column;
    try {
      for (const row of rows) row[position] = this.#next();
    } catch (error) {
      if (error instanceof WaybillError) throw error;
      const why = `a page of column ${name} cannot be decoded (${(error as Error).message})`;
      throw fileInvalid(this.#file, why, error);
    }
  }

  #next(): string | null {
    let page = this.#page;
    while (page === undefined || page.rows === 0) page = this.#nextPage();
    page.rows--;
    return page.levels !== undefined && !page.levels.next() ? null : page.values.next();
  }

  #nextPage(): OpenPage | undefined {
    const { value: page, done } = this.#pages.next();
    if (done === true || page === undefined) {
      const { name } = this.#column.column;
      throw fileInvalid(this.#file, `column ${name} has fewer values than its row group rows`);
    }
    const { header, data } = page;
    if (header.dictionary_page_header !== undefined) this.#keepDictionary(header, data);
    else if (header.data_page_header !== undefined) this.#page = this.#openPage(header, data);
    else if (header.data_page_header_v2 !== undefined) this.#page = this.#openPageV2(header, data);
    return this.#page;
  }

  #keepDictionary(header: PageHeader, data: Buffer): void {
    const { type, element } = this.#decoder;
    const page = this.#decompress(header, data);
    const reader = { view: new DataView(page.buffer, page.byteOffset, page.byteLength), offset: 0 };
    const count = header.dictionary_page_header?.num_values ?? 0;
    const values = readPlain(reader, type, count, element.type_length);
    this.#dictionary = Array.from(values as ArrayLike<RawValue>, this.#toText);
  }

  #openPage(header: PageHeader, data: Buffer): OpenPage | undefined {
    const facts = header.data_page_header;
    if (facts === undefined) return undefined;
    const page = this.#decompress(header, data);
    if (facts.encoding !== 'PLAIN') {
      const { definitionLevels, dataPage } = readDataPage(page, facts, this.#decoder);
      return this.#decoded(facts.num_values, definitionLevels, dataPage, facts.encoding);
    }
    let at = 0;
    let levels: Levels | undefined;
    if (this.#column.column.nullable) {
      at = 4 + page.readUInt32LE(0);
      levels = new LevelReader(page, 4, at);
    }
    return { rows: facts.num_values, levels, values: this.#plain(page, at) };
  }

  /** Levels stand before the compressed values in this version of a page. */
  #openPageV2(header: PageHeader, data: Buffer): OpenPage | undefined {
    const facts = header.data_page_header_v2;
    if (facts === undefined) return undefined;
    const { encoding, num_rows: rows } = facts;
    if (encoding !== 'PLAIN') {
      const { definitionLevels, dataPage } = readDataPageV2(data, header, this.#decoder);
      return this.#decoded(rows, definitionLevels, dataPage, encoding);
    }
    const from = facts.repetition_levels_byte_length;
    const to = from + facts.definition_levels_byte_length;
    const levels = this.#column.column.nullable ? new LevelReader(data, from, to) : undefined;
    const stored = data.subarray(to);
    const size = { ...header, uncompressed_page_size: header.uncompressed_page_size - to };
    const page =
      facts.is_compressed === false || stored.length === 0 ? stored : this.#decompress(size, stored);
    return { rows, levels, values: this.#plain(page, 0) };
  }

  #decompress(header: PageHeader, data: Buffer): Buffer {
    const { codec, compressors } = this.#decoder;
    const page = decompressPage(data, header.uncompressed_page_size, codec, compressors);
    return Buffer.from(page.buffer, page.byteOffset, page.length);
  }

  #plain(page: Buffer, at: number): ValueReader {
    return new PlainReader(page, at, this.#column, this.#toText);
  }

  #decoded(
    rows: number,
    levels: number[] | undefined,
    values: ArrayLike<unknown>,
    encoding: string,
  ): OpenPage {
    const dictionary = encoding.endsWith('_DICTIONARY') ? (this.#dictionary ?? []) : undefined;
    const toText = this.#toText;
    let value = 0;
    let row = 0;
    return {
      rows,
      levels: levels === undefined || levels.length === 0 ? undefined : { next: () => levels[row++] !== 0 },
      values: {
        next: () => {
          if (value >= values.length) throw new RangeError('it has too few values');
          const raw = values[value++];
          if (dictionary === undefined) return toText(raw as RawValue);
          const text = dictionary[raw as number];
          if (text === undefined) throw new RangeError('it refers beyond its dictionary');
          return text;
        },
      },
    };
  }
}
