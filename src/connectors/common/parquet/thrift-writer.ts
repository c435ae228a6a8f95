// Thrift's compact protocol, the part of it that Parquet's headers and footer are made of.

export const THRIFT = { i32: 5, i64: 6, binary: 8, list: 9, struct: 12 } as const;

/** Writes one struct, field by field in the order of their ids. */
export class ThriftWriter {
  #bytes = Buffer.allocUnsafe(256);
  #at = 0;
  /** Id of the last field of every struct that is open. */
  readonly #last: number[] = [0];

  i32(id: number, value: number): this {
    this.#field(id, THRIFT.i32);
    return this.zigzag(value);
  }

  i64(id: number, value: number): this {
    this.#field(id, THRIFT.i64);
    return this.zigzag(value);
  }

  i16(id: number, value: number): this {
    this.#field(id, 4);
    return this.zigzag(value);
  }

  i8(id: number, value: number): this {
    this.#field(id, 3);
    this.#byte(value);
    return this;
  }

  bool(id: number, value: boolean): this {
    this.#field(id, value ? 1 : 2);
    return this;
  }

  binary(id: number, value: string | Uint8Array): this {
    this.#field(id, THRIFT.binary);
    return this.element(value);
  }

  /** A field of `count` elements: follow with `element`, `zigzag` or `open` for each. */
  list(id: number, type: number, count: number): this {
    this.#field(id, THRIFT.list);
    if (count < 15) this.#byte((count << 4) | type);
    else {
      this.#byte(0xf0 | type);
      this.#varint(count);
    }
    return this;
  }

  /** Begins a struct: field `id` of the one that is open, or an element of a list. */
  open(id?: number): this {
    if (id !== undefined) this.#field(id, THRIFT.struct);
    this.#last.push(0);
    return this;
  }

  close(): this {
    this.#byte(0);
    this.#last.pop();
    return this;
  }

  /** An empty struct as field `id`: how Thrift spells the member of a union. */
  mark(id: number): this {
    return this.open(id).close();
  }

  element(value: string | Uint8Array): this {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    this.#varint(bytes.length);
    this.#need(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  zigzag(value: number): this {
    // Beyond 31 bits without BigInt: sizes and offsets are safe integers.
    this.#varint(value >= 0 ? value * 2 : -value * 2 - 1);
    return this;
  }

  /** The outermost struct, ended. */
  finish(): Buffer {
    this.#byte(0);
    return this.#bytes.subarray(0, this.#at);
  }

  #field(id: number, type: number): void {
    const top = this.#last.length - 1;
    const step = id - (this.#last[top] ?? 0);
    if (step > 0 && step < 16) this.#byte((step << 4) | type);
    else {
      this.#byte(type);
      this.zigzag(id);
    }
    this.#last[top] = id;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#byte((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.#byte(rest);
  }

  #byte(value: number): void {
    this.#need(1);
    this.#bytes[this.#at++] = value;
  }

  #need(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + count));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}
