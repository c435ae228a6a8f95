// Smallest and largest value of a column chunk, for the types where one pass over the page tells them cheaply.
import { type FileColumn, PHYSICAL } from './schema.ts';
import type { ThriftWriter } from './thrift-writer.ts';

/** What is known of a page's, then of a chunk's values. */
export interface Bounds {
  readonly min: number | bigint;
  readonly max: number | bigint;
}

const int32Bounds = (view: DataView, count: number): Bounds => {
  let min = view.getInt32(0, true);
  let max = min;
  for (let at = 4; at < count * 4; at += 4) {
    const value = view.getInt32(at, true);
    if (value < min) min = value;
    else if (value > max) max = value;
  }
  return { min, max };
};

/** Compares upper and lower halves, so that no BigInt is made per value. */
const int64Bounds = (view: DataView, count: number): Bounds => {
  let minHigh = view.getInt32(4, true);
  let minLow = view.getUint32(0, true);
  let maxHigh = minHigh;
  let maxLow = minLow;
  for (let at = 8; at < count * 8; at += 8) {
    const high = view.getInt32(at + 4, true);
    if (high < minHigh || high > maxHigh || high === minHigh || high === maxHigh) {
      const low = view.getUint32(at, true);
      if (high < minHigh || (high === minHigh && low < minLow)) {
        minHigh = high;
        minLow = low;
      }
      if (high > maxHigh || (high === maxHigh && low > maxLow)) {
        maxHigh = high;
        maxLow = low;
      }
    }
  }
  const join = (high: number, low: number): bigint => (BigInt(high) << 32n) | BigInt(low);
  return { min: join(minHigh, minLow), max: join(maxHigh, maxLow) };
};

const floatBounds = (view: DataView, count: number, width: 4 | 8): Bounds | undefined => {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < count * width; at += width) {
    const value = width === 8 ? view.getFloat64(at, true) : view.getFloat32(at, true);
    // NaN has no place in an order; a chunk that holds one has no bounds.
    if (Number.isNaN(value)) return undefined;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
};

/** Bounds of the `count` values that `values` holds; undefined for types without, and where there are none. */
export const boundsOf = ({ physical }: FileColumn, values: Buffer, count: number): Bounds | undefined => {
  if (count === 0) return undefined;
  const view = new DataView(values.buffer, values.byteOffset, values.length);
  switch (physical) {
    case PHYSICAL.INT32:
      return int32Bounds(view, count);
    case PHYSICAL.INT64:
      return int64Bounds(view, count);
    case PHYSICAL.FLOAT:
      return floatBounds(view, count, 4);
    case PHYSICAL.DOUBLE:
      return floatBounds(view, count, 8);
    default:
      return undefined;
  }
};

const plain = ({ physical }: FileColumn, value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(physical === PHYSICAL.INT32 || physical === PHYSICAL.FLOAT ? 4 : 8);
  if (physical === PHYSICAL.INT32) bytes.writeInt32LE(Number(value));
  else if (physical === PHYSICAL.INT64) bytes.writeBigInt64LE(BigInt(value));
  else if (physical === PHYSICAL.FLOAT) bytes.writeFloatLE(Number(value));
  else bytes.writeDoubleLE(Number(value));
  return bytes;
};

/** The Statistics struct as field `id`. `bounds` is undefined where some page's are not known. */
export const writeStatistics = (
  thrift: ThriftWriter,
  id: number,
  file: FileColumn,
  nulls: number,
  bounds: Bounds | undefined,
): void => {
  thrift.open(id).i64(3, nulls);
  if (bounds !== undefined) {
    const float = file.physical === PHYSICAL.FLOAT || file.physical === PHYSICAL.DOUBLE;
    // Zero has two signs and comparisons do not tell them apart: bounds take in both.
    const max = float && bounds.max === 0 ? 0 : bounds.max;
    const min = float && bounds.min === 0 ? -0 : bounds.min;
    thrift.binary(5, plain(file, max)).binary(6, plain(file, min));
  }
  thrift.close();
};
