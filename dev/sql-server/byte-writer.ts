// A growing output buffer for TDS tokens (little-endian) and PostgreSQL messages (big-endian).

const INITIAL_BYTES = 1 << 16;

export class ByteWriter {
  buffer: Buffer;
  length = 0;

  constructor(initialBytes = INITIAL_BYTES) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
  }

  /** Makes room for `bytes` more bytes, so a caller may write into `buffer` directly. */
  reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, needed));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }

  u8(value: number): this {
    this.reserve(1);
    this.buffer[this.length++] = value;
    return this;
  }

  u16(value: number): this {
    this.reserve(2);
    this.length = this.buffer.writeUInt16LE(value, this.length);
    return this;
  }

  u32(value: number): this {
    this.reserve(4);
    this.length = this.buffer.writeUInt32LE(value >>> 0, this.length);
    return this;
  }

  u64(value: number | bigint): this {
    this.reserve(8);
    this.length = this.buffer.writeBigUInt64LE(BigInt(value), this.length);
    return this;
  }

  i16be(value: number): this {
    this.reserve(2);
    this.length = this.buffer.writeInt16BE(value, this.length);
    return this;
  }

  i32be(value: number): this {
    this.reserve(4);
    this.length = this.buffer.writeInt32BE(value, this.length);
    return this;
  }

  bytes(value: Buffer): this {
    this.reserve(value.length);
    value.copy(this.buffer, this.length);
    this.length += value.length;
    return this;
  }

  /** B_VARCHAR, cut at 255 UTF-16 units. */
  shortString(value: string): this {
    const text = value.slice(0, 255);
    return this.u8(text.length).bytes(Buffer.from(text, 'utf16le'));
  }

  /** US_VARCHAR. */
  longString(value: string): this {
    return this.u16(value.length).bytes(Buffer.from(value, 'utf16le'));
  }

  /** Hands over what was written and starts again with a fresh buffer of a similar size. */
  take(): Buffer {
    const written = this.buffer.subarray(0, this.length);
    const next = Math.max(INITIAL_BYTES, Math.min(this.buffer.length, 1 << 20));
    this.buffer = Buffer.allocUnsafe(next);
    this.length = 0;
    return written;
  }

  /** Drops the first `count` bytes, keeping the rest at the front. */
  dropFirst(count: number): void {
    this.buffer.copyWithin(0, count, this.length);
    this.length -= count;
  }
}
