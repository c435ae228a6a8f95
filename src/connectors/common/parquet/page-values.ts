// The values of a column chunk, page by page: hyparquet decodes a page, its values become canonical text.
import type { ColumnMetaData, Compressors, DecodedArray } from 'hyparquet';
import { decompressPage, readDataPage, readDataPageV2 } from 'hyparquet/src/datapage.js';
import { readPlain } from 'hyparquet/src/plain.js';
import type { ReadableFile } from '../files/file-format.ts';
import type { StoredColumn } from './file-columns.ts';
import { fileInvalid } from './file-footer.ts';
import { type WalkedPage, walkPages } from './page-walk.ts';
import { type RawValue, textOf } from './value-text.ts';

type ColumnDecoder = Parameters<typeof readDataPage>[2];

/** Hands out a column chunk's texts in order; no more than one page of it is decoded at a time. */
export class PageValues {
  readonly #file: ReadableFile;
  readonly #column: StoredColumn;
  readonly #decoder: ColumnDecoder;
  readonly #pages: Generator<WalkedPage>;
  readonly #toText: (value: RawValue) => string;
  #dictionary: string[] | undefined;
  #texts: (string | null)[] = [];
  #at = 0;

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
    const path = [{ name: 'schema', num_children: 1 }, element].map((part) => ({
      element: part,
      children: [],
      count: 1,
      path: [],
    }));
    this.#decoder = {
      pathInSchema: chunk.path_in_schema,
      type: chunk.type,
      element,
      schemaPath: path,
      codec: chunk.codec,
      compressors,
    } as unknown as ColumnDecoder;
  }

  /** The next text; throws FILE_INVALID where the chunk has no more. */
  next(): string | null {
    while (this.#at === this.#texts.length) this.#nextPage();
    return this.#texts[this.#at++] ?? null;
  }

  #nextPage(): void {
    const { name } = this.#column.column;
    const { value: page, done } = this.#pages.next();
    if (done === true || page === undefined) {
      throw fileInvalid(this.#file, `column ${name} has fewer values than its row group rows`);
    }
    let texts: (string | null)[] | undefined;
    try {
      texts = this.#decode(page);
    } catch (error) {
      if ((error as { code?: string }).code !== undefined) throw error;
      throw fileInvalid(
        this.#file,
        `a page of column ${name} cannot be decoded (${(error as Error).message})`,
        error,
      );
    }
    if (texts !== undefined) {
      this.#texts = texts;
      this.#at = 0;
    }
  }

  /** Undefined for a dictionary page, which is kept, and for other pages without values. */
  #decode({ header, data }: WalkedPage): (string | null)[] | undefined {
    const decoder = this.#decoder;
    const size = Number(header.uncompressed_page_size);
    if (header.dictionary_page_header !== undefined) {
      const page = decompressPage(data, size, decoder.codec, decoder.compressors);
      const reader = { view: new DataView(page.buffer, page.byteOffset, page.byteLength), offset: 0 };
      const { num_values: count } = header.dictionary_page_header;
      const values = readPlain(reader, decoder.type, count, decoder.element.type_length);
      this.#dictionary = Array.from(values as ArrayLike<RawValue>, this.#toText);
      return undefined;
    }
    if (header.data_page_header !== undefined) {
      const { num_values: rows, encoding } = header.data_page_header;
      const page = decompressPage(data, size, decoder.codec, decoder.compressors);
      const { definitionLevels, dataPage } = readDataPage(page, header.data_page_header, decoder);
      return this.#textsOf(rows, definitionLevels, dataPage, encoding);
    }
    if (header.data_page_header_v2 !== undefined) {
      const { num_rows: rows, encoding } = header.data_page_header_v2;
      const { definitionLevels, dataPage } = readDataPageV2(data, header, decoder);
      return this.#textsOf(rows, definitionLevels, dataPage, encoding);
    }
    return undefined;
  }

  #textsOf(
    rows: number,
    levels: number[] | undefined,
    values: DecodedArray,
    encoding: string,
  ): (string | null)[] {
    const dictionary = encoding.endsWith('_DICTIONARY') ? this.#dictionary : undefined;
    const toText = this.#toText;
    const texts: (string | null)[] = new Array(rows);
    const sparse = levels !== undefined && levels.length > 0;
    let from = 0;
    for (let row = 0; row < rows; row++) {
      if (sparse && levels[row] === 0) {
        texts[row] = null;
        continue;
      }
      const value = values[from++] as RawValue;
      texts[row] = dictionary === undefined ? toText(value) : (dictionary[value as number] as string);
    }
    return texts;
  }
}
