// One column of a bulk load: its declaration, its TYPE_INFO (MS-TDS 2.2.5.6) and its values, out of canonical text.
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import {
  writeClock,
  writeDate,
  writeDateTime,
  writeDateTime2,
  writeDateTimeOffset,
  writeSmallDateTime,
} from './bulk-times.ts';
import { ATTEMPT_COLUMN, stagedDeclaration } from './dialect.ts';
import type { RowBuffer } from './row-buffer.ts';

const MAX = 0xffff;
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Where the bytes of a GUID's text stand, in the order of its binary form. */
const GUID_ORDER = [6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34] as const;

type Write = (out: RowBuffer, text: string) => void;

interface Kind {
  /** TYPE_INFO; texts have their collation after it. */
  readonly info: readonly number[];
  readonly collated?: boolean;
  readonly write: Write;
  readonly writeNull: (out: RowBuffer) => void;
}

export interface BulkColumn {
  readonly name: string;
  readonly declaration: string;
  typeInfo(collation: Buffer | undefined): Buffer;
  /** Appends the value; throws SINK_TYPE_OVERFLOW for one that the column cannot hold. */
  write(out: RowBuffer, text: string | null): void;
}

/** How `column` of the staging table is loaded. */
export const bulkColumn = (column: Column): BulkColumn => {
  const kind = kindOf(column);
  return {
    name: column.name,
    declaration: stagedDeclaration(column),
    typeInfo: (collation) =>
      Buffer.concat([Buffer.from(kind.info), ...(kind.collated ? [collation ?? Buffer.alloc(5)] : [])]),
    write(out, text) {
      if (text === null) {
        kind.writeNull(out);
        return;
      }
      try {
        kind.write(out, text);
      } catch (error) {
        if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
        throw new WaybillError(
          'SINK_TYPE_OVERFLOW',
          `A value does not fit column ${column.name} of type ${stagedDeclaration(column)} in SQL Server.`,
          { store: 'SQL Server', column: column.name },
        );
      }
    },
  };
};

/** The chunk's number and its attempt's, beside every row. */
export const ownColumns = (chunk: string): BulkColumn[] => [
  bulkColumn({ name: chunk, type: 'Int32', nullable: false, native: 'int' }),
  bulkColumn({ name: ATTEMPT_COLUMN, type: 'Int64', nullable: false, native: 'bigint' }),
];

const doesNotFit = (): never => {
  throw new RangeError('does not fit');
};

const shortNull = (out: RowBuffer): void => out.u8(0);
const simple = (info: readonly number[], write: Write): Kind => ({ info, write, writeNull: shortNull });

const kindOf = (column: Column): Kind => {
  const scale = Math.min(column.scale ?? 7, 7);
  switch (column.type) {
    case 'Int16':
      return column.native === 'tinyint' ? integer(1, 0, 255) : integer(2, -32_768, 32_767);
    case 'Int32':
      return integer(4, -2_147_483_648, 2_147_483_647);
    case 'Int64':
      return simple([0x26, 8], writeBigint);
    case 'Decimal':
      return decimal(column.precision ?? 38, column.scale ?? 0);
    case 'Single':
      return simple([0x6d, 4], (out, text) => {
        const value = finite(Math.fround(Number(text)));
        out.u8(4);
        out.float(value);
      });
    case 'Double':
      return simple([0x6d, 8], (out, text) => {
        const value = finite(Number(text));
        out.u8(8);
        out.double(value);
      });
    case 'Boolean':
      return simple([0x68, 1], (out, text) => {
        out.u8(1);
        out.u8(text === '1' ? 1 : 0);
      });
    case 'Date':
      return simple([0x28], writeDate);
    case 'DateTime':
      if (column.native === 'smalldatetime') return simple([0x6f, 4], writeSmallDateTime);
      return column.native === 'datetime'
        ? simple([0x6f, 8], writeDateTime)
        : simple([0x2a, scale], (out, text) => writeDateTime2(out, text, scale));
    case 'DateTimeOffset':
      return simple([0x2b, scale], (out, text) => writeDateTimeOffset(out, text, scale));
    case 'TimeSpan':
      return simple([0x29, scale], (out, text) => writeClock(out, text, scale));
    case 'Guid':
      return simple([0x24, 16], (out, text) => {
        if (!GUID.test(text)) doesNotFit();
        out.u8(16);
        for (const at of GUID_ORDER) out.u8(Number.parseInt(text.slice(at, at + 2), 16));
      });
    case 'Byte[]':
      return sized(0xa5, limit(column, 8000), false, (out, text) => out.hex(text), 0.5);
    case 'String':
      return sized(0xe7, 2 * limit(column, 4000), true, (out, text) => out.utf16(text), 2);
  }
};

/** The column's length, or more than fits 16 bits for a (max) column. */
const limit = ({ length }: Column, most: number): number =>
  length === undefined || length > most ? MAX : length;

const finite = (value: number): number => (Number.isFinite(value) ? value : doesNotFit());

const integer = (bytes: number, low: number, high: number): Kind =>
  simple([0x26, bytes], (out, text) => {
    const value = Number(text);
    if (!(value >= low && value <= high)) doesNotFit();
    out.u8(bytes);
    out.unsigned(value < 0 ? value + 2 ** (8 * bytes) : value, bytes);
  });

const writeBigint: Write = (out, text) => {
  if (text.length <= 15 && text[0] !== '-') {
    const value = Number(text);
    if (!Number.isInteger(value)) doesNotFit();
    out.u8(8);
    out.unsigned(value, 8);
    return;
  }
  const value = BigInt(text);
  if (BigInt.asIntN(64, value) !== value) doesNotFit();
  out.u8(8);
  out.i64(value);
};

/** Sign and magnitude in units of 10^-scale (MS-TDS 2.2.5.5.1.6), exact to 38 digits. */
const decimal = (precision: number, scale: number): Kind => {
  const words = precision <= 9 ? 1 : precision <= 19 ? 2 : precision <= 28 ? 3 : 4;
  const size = words * 4 + 1;
  const most = 10n ** BigInt(precision);
  return simple([0x6a, size, precision, scale], (out, text) => {
    const negative = text[0] === '-';
    const units = unscaled(negative ? text.slice(1) : text, scale);
    out.u8(size);
    if (units.length <= 15) {
      const value = Number(units);
      if (!(value < 10 ** precision)) doesNotFit();
      out.u8(negative && value > 0 ? 0 : 1);
      out.unsigned(value, Math.min(8, size - 1));
      for (let word = 2; word < words; word++) out.u32(0);
      return;
    }
    let rest = BigInt(units);
    if (rest >= most) doesNotFit();
    out.u8(negative && rest > 0n ? 0 : 1);
    for (let word = 0; word < words; word++) {
      out.u32(Number(rest & 0xffff_ffffn));
      rest >>= 32n;
    }
  });
};

/** The digits of a number in units of 10^-scale: "1.5" with scale 2 is "150". Digits beyond the scale must be zeros. */
const unscaled = (text: string, scale: number): string => {
  const point = text.indexOf('.');
  if (point < 0) return scale === 0 ? text : text + '0'.repeat(scale);
  const digits = text.length - point - 1;
  if (digits === scale) return text.slice(0, point) + text.slice(point + 1);
  if (digits < scale) return text.slice(0, point) + text.slice(point + 1) + '0'.repeat(scale - digits);
  if (/[^0]/.test(text.slice(point + 1 + scale))) doesNotFit();
  return text.slice(0, point) + text.slice(point + 1, point + 1 + scale);
};

/** Text or bytes: with a length of 16 bits, or in one part of a (max) value whose length is not said in advance. */
const sized = (type: number, most: number, collated: boolean, body: Write, bytesPerUnit: number): Kind => {
  if (most < MAX) {
    return {
      info: [type, most & 0xff, most >> 8],
      collated,
      write(out, text) {
        const bytes = text.length * bytesPerUnit;
        if (bytes > most) doesNotFit();
        out.u16(bytes);
        body(out, text);
      },
      writeNull: (out) => out.u16(MAX),
    };
  }
  return {
    info: [type, 0xff, 0xff],
    collated,
    write(out, text) {
      out.u32(0xffff_fffe);
      out.u32(0xffff_ffff);
      const bytes = text.length * bytesPerUnit;
      if (bytes > 0) {
        out.u32(bytes);
        body(out, text);
      }
      out.u32(0);
    },
    writeNull(out) {
      out.u32(0xffff_ffff);
      out.u32(0xffff_ffff);
    },
  };
};
