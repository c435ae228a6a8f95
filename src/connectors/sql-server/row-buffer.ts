// A buffer that rows of a bulk load are written into: little-endian numbers and UTF-16 text.

/** Above this many characters the runtime's own copy is faster than a loop. */
const SHORT_TEXT = 24;

export class RowBuffer {
  bytes: Buffer;
  length = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, needed));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  u16(value: number): void {
    this.unsigned(value, 2);
  }

  u32(value: number): void {
    this.unsigned(value, 4);
  }

  /** The lowest `count` bytes of a whole number from 0 to 2^53. */
  unsigned(value: number, count: number): void {
    this.reserve(count);
    const { bytes } = this;
    let low = (value % 2 ** 32) | 0;
    for (let i = 0; i < count; i++) {
      if (i === 4) low = Math.floor(value / 2 ** 32);
      bytes[this.length++] = low & 0xff;
      low >>>= 8;
    }
  }

  double(value: number): void {
    this.reserve(8);
    this.length = this.bytes.writeDoubleLE(value, this.length);
  }

  float(value: number): void {
    this.reserve(4);
    this.length = this.bytes.writeFloatLE(value, this.length);
  }

  i64(value: bigint): void {
    this.reserve(8);
    this.length = this.bytes.writeBigInt64LE(value, this.length);
  }

  /** Throws a RangeError for what is not hexadecimal. */
  hex(text: string): void {
    this.reserve(Math.ceil(text.length / 2));
    const written = this.bytes.write(text, this.length, 'hex');
    if (written * 2 !== text.length) throw new RangeError('not hexadecimal');
    this.length += written;
  }

  utf16(text: string): void {
    this.reserve(text.length * 2);
    if (text.length > SHORT_TEXT) {
      this.length += this.bytes.write(text, this.length, 'utf16le');
      return;
    }
    const { bytes } = this;
    let to = this.length;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      bytes[to++] = unit & 0xff;
      bytes[to++] = unit >> 8;
    }
    this.length = to;
  }

  /** What was written; the buffer is the taker's from then on. */
  take(size: number): Buffer {
    const written = this.bytes.subarray(0, this.length);
    this.bytes = Buffer.allocUnsafe(size);
    this.length = 0;
    return written;
  }
}
