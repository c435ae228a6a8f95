// Reads little-endian TDS fields out of a buffer; throws NeedMoreBytes when the buffer ends too early.

/** Thrown by ByteReader when a field is not complete yet; streaming readers catch it and wait for more. */
export class NeedMoreBytes extends Error {}
const NEED_MORE = new NeedMoreBytes('more bytes needed');

export class ByteReader {
  readonly buffer: Buffer;
  offset: number;

  constructor(buffer: Buffer, offset = 0) {
    this.buffer = buffer;
    this.offset = offset;
  }

  get atEnd(): boolean {
    return this.offset >= this.buffer.length;
  }

  bytes(length: number): Buffer {
    if (this.offset + length > this.buffer.length) throw NEED_MORE;
    const value = this.buffer.subarray(this.offset, this.offset + length);
    this.offset += length;
    return value;
  }

  u8(): number {
    const at = this.offset;
    if (at >= this.buffer.length) throw NEED_MORE;
    this.offset = at + 1;
    return this.buffer[at] as number;
  }

  u16(): number {
    if (this.offset + 2 > this.buffer.length) throw NEED_MORE;
    const value = this.buffer.readUInt16LE(this.offset);
    this.offset += 2;
    return value;
  }

  u32(): number {
    if (this.offset + 4 > this.buffer.length) throw NEED_MORE;
    const value = this.buffer.readUInt32LE(this.offset);
    this.offset += 4;
    return value;
  }

  /** B_VARCHAR: one length byte counting UTF-16 units. */
  shortString(): string {
    return this.bytes(this.u8() * 2).toString('utf16le');
  }

  /** US_VARCHAR: two length bytes counting UTF-16 units. */
  longString(): string {
    return this.bytes(this.u16() * 2).toString('utf16le');
  }
}
