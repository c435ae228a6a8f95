// Times between PostgreSQL's clock (microseconds since 2000-01-01) and days with microseconds of the day, exactly.
import type { ByteWriter } from './byte-writer.ts';

/** Days from 0001-01-01 (TDS day zero) to 2000-01-01 (PostgreSQL day zero). */
export const DAYS_TO_2000 = 730119;
const DAY_MICROSECONDS = 86_400_000_000;
/** A double counts microseconds exactly for 285 years around 2000; times further away take a BigInt. */
const EXACT_DAYS = Math.floor(Number.MAX_SAFE_INTEGER / DAY_MICROSECONDS) - 1;
const EXACT_HIGH = 2 ** 21;

export interface Moment {
  /** Whole days, of either sign. */
  readonly days: number;
  /** Microseconds of that day, 0 to 86,399,999,999. */
  readonly microseconds: number;
}

/** Reads an int64 of microseconds; days count from where the microseconds do. */
export function readMoment(source: Buffer, start: number): Moment {
  const high = source.readInt32BE(start);
  if (high >= -EXACT_HIGH && high < EXACT_HIGH) {
    const all = high * 2 ** 32 + source.readUInt32BE(start + 4);
    const days = Math.floor(all / DAY_MICROSECONDS);
    return { days, microseconds: all - days * DAY_MICROSECONDS };
  }
  const all = source.readBigInt64BE(start);
  const day = BigInt(DAY_MICROSECONDS);
  const rest = ((all % day) + day) % day;
  return { days: Number((all - rest) / day), microseconds: Number(rest) };
}

/** Writes an int64 of microseconds as a COPY BINARY field. */
export function writeMoment(writer: ByteWriter, days: number, microseconds: number): void {
  writer.i32be(8);
  if (Math.abs(days) > EXACT_DAYS) {
    writer.reserve(8);
    const all = BigInt(days) * BigInt(DAY_MICROSECONDS) + BigInt(microseconds);
    writer.length = writer.buffer.writeBigInt64BE(all, writer.length);
    return;
  }
  const all = days * DAY_MICROSECONDS + microseconds;
  const high = Math.floor(all / 2 ** 32);
  writer.i32be(high);
  writer.reserve(4);
  writer.length = writer.buffer.writeUInt32BE(all - high * 2 ** 32, writer.length);
}
