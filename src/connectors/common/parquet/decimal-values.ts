// Decimals on their way into pages: exact, as whole numbers of the column's smallest unit, fast where they are small.
import { WaybillError } from '../../../core/errors.ts';
import type { Column } from '../../../core/types/column.ts';
import type { PageBuilder } from './page-builder.ts';

const WORD = 4_294_967_296;

/** Powers of ten that a double holds exactly, as far as they are needed. */
export const POWERS: readonly number[] = Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

/** What a value that the file's column cannot hold is refused with. */
export const doesNotFit = (column: Column, why: string): WaybillError =>
  new WaybillError(
    'SINK_TYPE_OVERFLOW',
    `A value does not fit the file's column ${column.name} (${column.type}): ${why}.`,
    { column: column.name, type: column.type },
  );

/** Largest magnitude, in smallest units, that goes the fast way: fits the precision and a double exactly. */
export const fastLimit = (precision: number): number =>
  precision > 15 ? Number.MAX_SAFE_INTEGER : 10 ** precision - 1;

/** Writes a safe integer as the column's physical type. */
export const writeSmall = (builder: PageBuilder, value: number): void => {
  const { view, at } = builder;
  const { width } = builder.file;
  if (width === 4) {
    view.setInt32(at, value, true);
    builder.at = at + 4;
    return;
  }
  const high = Math.floor(value / WORD);
  const low = value - high * WORD;
  if (width === 8) {
    view.setInt32(at, low, true);
    view.setInt32(at + 4, high, true);
    builder.at = at + 8;
    return;
  }
  const sign = value < 0 ? -1 : 0;
  view.setInt32(at, sign);
  view.setInt32(at + 4, sign);
  view.setInt32(at + 8, high);
  view.setInt32(at + 12, low);
  builder.at = at + 16;
};

/** Writes any whole number of smallest units; throws SINK_TYPE_OVERFLOW where it has more digits than the column. */
export const writeUnits = (builder: PageBuilder, units: bigint): void => {
  const { view, at, file } = builder;
  const limit = 10n ** BigInt(file.precision);
  if (units >= limit || units <= -limit) {
    throw doesNotFit(file.column, `it has more than ${file.precision - file.scale} whole digits`);
  }
  if (file.width < 16) {
    writeSmallOrWide(builder, units);
    return;
  }
  view.setBigInt64(at, units >> 64n);
  view.setBigUint64(at + 8, BigInt.asUintN(64, units));
  builder.at = at + 16;
};

const writeSmallOrWide = (builder: PageBuilder, units: bigint): void => {
  const { view, at } = builder;
  if (builder.file.width === 4) view.setInt32(at, Number(units), true);
  else view.setBigInt64(at, units, true);
  builder.at = at + builder.file.width;
};
