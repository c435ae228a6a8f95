// What a file format offers to the stores that keep files: how rows become bytes, and bytes rows again.
import type { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { Column, MappedColumn, Row } from '../../../core/types/column.ts';
import type { FrameBatch, WireFormat } from '../../connector.ts';

/** A stored file, open for reading. Reads fail with SOURCE_CHANGED once the file is another one than was opened. */
export interface ReadableFile {
  /** Name within its container or folder, for messages. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`. */
  read(offset: number, length: number): Promise<Buffer>;
  /** The whole file in pieces, back-pressured by the consumer. */
  stream(): AsyncIterable<Buffer>;
}

/** A part of a file that can be read by itself: row groups `first` to `last` of a Parquet file, or the whole file. */
export interface FileSplit {
  /** Range text kept in the ledger; null for the whole file. */
  readonly part: string | null;
  /** Rows, where the file says so. */
  readonly rows?: number;
}

/** What an encoder knows of the file once its bytes have all been taken, and what `verify` finds in a stored one. */
export interface EncodedFigures {
  readonly rows: number;
  readonly bytes: number;
  /**
   * Sum over the file's parts of a checksum of each, in any order; decimal digits. Absent in a format without checksums
   * of its own: such a file is verified by reading its rows again.
   */
  readonly checksum?: string;
}

/** A file being made: `bytes` streams it, `figures` is complete once `bytes` has ended. */
export interface EncodedFile {
  readonly bytes: AsyncIterable<Buffer>;
  figures(): EncodedFigures;
}

/** One file format with the settings of its dataset (delimiters, compression) applied. */
export interface FileFormat {
  /** ADF's dataset type: "DelimitedText", "Parquet". */
  readonly name: string;
  /** Ending of names given to new files: ".csv.gz", ".parquet". */
  readonly extension: string;
  readonly contentType: string;
  /** True where every value is read as text, which the source then takes for what its columns say it is. */
  readonly givesText?: boolean;
  /** True where the columns are those that the copy's mapping names, whatever a file has. */
  readonly columnsAreMapped?: boolean;
  /** Columns of a file. Throws FILE_INVALID where it is not of this format. */
  columns(file: ReadableFile): Promise<Column[]>;
  /** Parts that can be read alone, each a sensible chunk. */
  split(file: ReadableFile): Promise<readonly FileSplit[]>;
  /**
   * Rows of one part in the interim form, in the order of `columns`; text formats give every value as text. `planned` are
   * all columns of the file that the copy was planned with, for formats that do not say it in every file.
   */
  read(
    file: ReadableFile,
    columns: readonly Column[],
    split: FileSplit,
    planned?: readonly Column[],
    /** Takes rows of another width than the file's, where such rows may be left out. */
    odd?: (row: Row, error: WaybillError) => void,
  ): AsyncIterable<Row[]>;
  /** Whole objects, nested ones too, of a format that has them. */
  objects?(file: ReadableFile): AsyncIterable<JsonObject>;
  /** Columns as the format will hold them; throws TYPE_UNSUPPORTED naming a column it has no type for. */
  columnsFor(columns: readonly Column[]): Column[];
  encode(columns: readonly Column[], rows: AsyncIterable<Row[]>): EncodedFile;
  /** Wire forms whose frames it encodes without making rows of them. */
  readonly wireFormats: readonly WireFormat[];
  /** The source column's own type says what its frames hold; the sink column names and types the field in the file. */
  acceptsFrames(format: WireFormat, columns: readonly MappedColumn[]): boolean;
  encodeFrames?(
    format: WireFormat,
    columns: readonly MappedColumn[],
    frames: AsyncIterable<FrameBatch>,
  ): EncodedFile;
  /**
   * Reads a stored file's bytes back and recomputes what its encoder's `figures` said: equal figures mean that the store
   * holds what the encoder made. Throws FILE_INVALID where the file contradicts itself.
   */
  verify?(file: ReadableFile): Promise<EncodedFigures>;
}
