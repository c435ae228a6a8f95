// Values of a page in Parquet's PLAIN form, read in place: no array of a page's values is made.
import type { ParquetType } from 'hyparquet';
import type { StoredColumn } from './file-columns.ts';
import { checkedText, type RawValue } from './value-text.ts';

const WORD = 4_294_967_296;

/** Reads `page` from byte `at` on. Throws RangeError beyond its end. */
export class PlainReader {
  readonly #page: Buffer;
  readonly #view: DataView;
  readonly #type: ParquetType | undefined;
  readonly #width: number;
  readonly #toText: (value: RawValue) => string;
  /** The column's name where its values are text, which takes a shorter way. */
  readonly #text: string | undefined;
  #at: number;
  #bit = 0;

  constructor(
    page: Buffer,
    at: number,
    { column, element }: StoredColumn,
    toText: (value: RawValue) => string,
  ) {
    this.#page = page;
    this.#view = new DataView(page.buffer, page.byteOffset, page.length);
    this.#at = at;
    this.#type = element.type;
    this.#width = element.type_length ?? 0;
    this.#toText = toText;
    const isText = column.type === 'String' || column.type === 'Guid';
    this.#text = isText && element.type === 'BYTE_ARRAY' ? column.name : undefined;
  }

  next(): string {
    const at = this.#at;
    switch (this.#type) {
      case 'BYTE_ARRAY': {
        const from = at + 4;
        const to = from + this.#view.getUint32(at, true);
        this.#at = this.#within(to);
        if (this.#text !== undefined) return checkedText(this.#text, this.#page, from, to);
        return this.#toText(this.#page.subarray(from, to));
      }
      case 'INT64': {
        this.#at = at + 8;
        return this.#toText(this.#int64(at));
      }
      case 'INT32':
        this.#at = at + 4;
        return this.#toText(this.#view.getInt32(at, true));
      case 'DOUBLE':
        this.#at = at + 8;
        return this.#toText(this.#view.getFloat64(at, true));
      case 'FLOAT':
        this.#at = at + 4;
        return this.#toText(this.#view.getFloat32(at, true));
      case 'BOOLEAN': {
        const bit = this.#bit;
        this.#bit = (bit + 1) & 7;
        if (bit === 7) this.#at = at + 1;
        return this.#toText(((this.#view.getUint8(at) >> bit) & 1) !== 0);
      }
      case 'INT96': {
        this.#at = at + 12;
        const low = this.#view.getBigInt64(at, true);
        return this.#toText((BigInt(this.#view.getInt32(at + 8, true)) << 64n) | BigInt.asUintN(64, low));
      }
      default: {
        const to = this.#within(at + this.#width);
        this.#at = to;
        return this.#toText(this.#page.subarray(at, to));
      }
    }
  }

  /** A number where it is exact, which most are, else a BigInt. */
  #int64(at: number): number | bigint {
    const high = this.#view.getInt32(at + 4, true);
    if (high >= 0x200000 || high < -0x200000) return this.#view.getBigInt64(at, true);
    return high * WORD + this.#view.getUint32(at, true);
  }

  #within(end: number): number {
    if (end > this.#page.length) throw new RangeError('a value is longer than its page');
    return end;
  }
}
