// Columns of every interim type with values at their bounds, seeded random rows, and the same rows as COPY BINARY.

import type { EncodedFile, ReadableFile } from '../../src/connectors/common/files/file-format.ts';
import type { FrameBatch } from '../../src/connectors/connector.ts';
import type { Column, InterimType, Row } from '../../src/core/types/column.ts';

const column = (name: string, type: InterimType, native: string, more: Partial<Column> = {}): Column => ({
  name,
  type,
  native,
  nullable: true,
  ...more,
});

const decimal = (precision: number, scale: number): Column =>
  column(`dec_${precision}_${scale}`, 'Decimal', 'numeric', { precision, scale });

/** One of each type, decimals of every physical size, and one column without NULLs. */
export const EVERY_TYPE: readonly Column[] = [
  column('id', 'Int64', 'bigint', { nullable: false }),
  column('small', 'Int16', 'smallint'),
  column('int', 'Int32', 'integer'),
  column('big', 'Int64', 'bigint'),
  decimal(9, 2),
  decimal(18, 0),
  decimal(18, 6),
  decimal(38, 10),
  decimal(38, 38),
  column('single', 'Single', 'real'),
  column('double', 'Double', 'double precision'),
  column('flag', 'Boolean', 'boolean'),
  column('text', 'String', 'text'),
  column('Quoted "näme", mit Komma', 'String', 'character varying', { length: 300 }),
  column('day', 'Date', 'date'),
  column('local', 'DateTime', 'timestamp without time zone', { scale: 6 }),
  column('instant', 'DateTimeOffset', 'timestamp with time zone', { scale: 6 }),
  column('clock', 'TimeSpan', 'time without time zone', { scale: 6 }),
  column('guid', 'Guid', 'uuid'),
  column('bytes', 'Byte[]', 'bytea'),
];

const BOUNDS: Record<InterimType, readonly string[]> = {
  Int16: ['-32768', '32767', '0', '-1'],
  Int32: ['-2147483648', '2147483647', '0', '-1'],
  Int64: ['-9223372036854775808', '9223372036854775807', '9007199254740993', '-9007199254740993', '0', '-1'],
  Decimal: [],
  Single: ['3.4028235e+38', '1e-45', '-0.1', '16777217', 'NaN', 'Infinity', '-Infinity', '0'].map((text) =>
    text === '16777217' ? '16777216' : text,
  ),
  Double: [
    '1.7976931348623157e+308',
    '5e-324',
    '0.1',
    '-0.30000000000000004',
    'NaN',
    'Infinity',
    '-Infinity',
    '-0',
  ],
  Boolean: ['0', '1'],
  String: [
    '',
    ' ',
    'NULL',
    '\\N',
    'a,"b"\r\n\t',
    'naïve café 東京 😀 \u{10FFFF}',
    '\uFFFD',
    '\uFEFFbom',
    'x'.repeat(159),
    'y'.repeat(160),
    'ß'.repeat(5_000),
  ],
  Date: ['0001-01-01', '9999-12-31', '1970-01-01', '1969-12-31', '2000-02-29', '1900-02-28'],
  DateTime: [
    '0001-01-01T00:00:00.000000',
    '9999-12-31T23:59:59.999999',
    '1969-12-31T23:59:59.999999',
    '2255-06-05T23:47:34.740993',
  ],
  DateTimeOffset: [
    '0001-01-01T00:00:00.000001Z',
    '9999-12-31T23:59:59.999999Z',
    '1970-01-01T00:00:00.000000Z',
    '2260-01-01T00:00:00.000001Z',
  ],
  TimeSpan: ['00:00:00.000000', '23:59:59.999999', '12:34:56.000001'],
  Guid: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  'Byte[]': ['', '00', 'FF00DEADBEEF', 'AB'.repeat(400)],
};

/** "-1.50" of -150 and scale 2. */
export const decimalOf = (units: bigint, scale: number): string => {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return units < 0n ? `-${text}` : text;
};

const decimalBounds = ({ precision = 38, scale = 0 }: Column): string[] => {
  const limit = 10n ** BigInt(precision);
  const units = [
    0n,
    1n,
    -1n,
    limit - 1n,
    1n - limit,
    limit / 10n,
    9_007_199_254_740_993n,
    10_000n,
    1_234_567n,
  ];
  return units.filter((unit) => unit < limit).map((unit) => decimalOf(unit, scale));
};

/** A small generator of our own: the same numbers on every machine (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

const digitsOf = (random: () => number, count: number): bigint => {
  let text = '';
  for (let i = 0; i < count; i++) text += Math.floor(random() * 10);
  return BigInt(text === '' ? '0' : text);
};

const pad = (value: number, width: number): string => String(Math.floor(value)).padStart(width, '0');

const randomValue = (of: Column, random: () => number): string => {
  const bounds = of.type === 'Decimal' ? decimalBounds(of) : BOUNDS[of.type];
  if (random() < 0.2) return bounds[Math.floor(random() * bounds.length)] ?? '';
  const day = (): string =>
    `${pad(1 + random() * 9998, 4)}-${pad(1 + random() * 12, 2)}-${pad(1 + random() * 28, 2)}`;
  const clock = (): string =>
    `${pad(random() * 24, 2)}:${pad(random() * 60, 2)}:${pad(random() * 60, 2)}.${pad(random() * 1e6, 6)}`;
  const sign = random() < 0.5 ? -1n : 1n;
  switch (of.type) {
    case 'Int16':
      return String(Math.floor(random() * 65_536) - 32_768);
    case 'Int32':
      return String(Math.floor(random() * 4_294_967_296) - 2_147_483_648);
    case 'Int64':
      return String(sign * digitsOf(random, 1 + Math.floor(random() * 18)));
    case 'Decimal':
      return decimalOf(
        sign * digitsOf(random, Math.floor(random() * ((of.precision ?? 38) + 1))),
        of.scale ?? 0,
      );
    case 'Single':
      return String(Number(Math.fround(random() * 10 ** Math.floor(random() * 30)).toPrecision(6)));
    case 'Double':
      return String(random() * 10 ** (Math.floor(random() * 600) - 300));
    case 'Boolean':
      return random() < 0.5 ? '0' : '1';
    case 'String':
      return Array.from({ length: Math.floor(random() * 40) }, () =>
        String.fromCodePoint(32 + (Math.floor(random() ** 6 * 60_000) % 55_000)),
      ).join('');
    case 'Date':
      return day();
    case 'DateTime':
      return `${day()}T${clock()}`;
    case 'DateTimeOffset':
      return `${day()}T${clock()}Z`;
    case 'TimeSpan':
      return clock();
    case 'Guid': {
      const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('');
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    }
    case 'Byte[]':
      return Array.from({ length: Math.floor(random() * 20) }, () =>
        Math.floor(random() * 256)
          .toString(16)
          .padStart(2, '0'),
      )
        .join('')
        .toUpperCase();
  }
};

/** Every bound of every column, the other columns NULL; then a row of NULLs. The first column counts. */
export const boundaryRows = (columns: readonly Column[]): Row[] => {
  const rows: Row[] = [];
  for (const [i, of] of columns.entries()) {
    if (i === 0) continue;
    for (const bound of of.type === 'Decimal' ? decimalBounds(of) : BOUNDS[of.type]) {
      const row: Row = columns.map(() => null);
      row[0] = String(rows.length);
      row[i] = bound;
      rows.push(row);
    }
  }
  rows.push(columns.map((_, i) => (i === 0 ? '-1' : null)));
  return rows;
};

export const randomRows = (columns: readonly Column[], count: number, seed: number): Row[] => {
  const random = seeded(seed);
  return Array.from({ length: count }, (_, n) =>
    columns.map((of, i) => {
      if (i === 0) return String(n);
      return random() < 0.15 ? null : randomValue(of, random);
    }),
  );
};

const int = (value: number | bigint, bytes: number): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64BE(BigInt.asIntN(64, BigInt(value)));
  return buffer.subarray(8 - bytes);
};

/** PostgreSQL's numeric: digits of base 10,000 around the point, without zeros at either end. */
export const numericField = (text: string): Buffer => {
  const negative = text.startsWith('-');
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  const left = whole.padStart(Math.ceil(whole.length / 4) * 4, '0');
  const right = fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0');
  let digits = (left + right).match(/.{4}/g)?.map(Number) ?? [];
  let weight = left.length / 4 - 1;
  while (digits[0] === 0) {
    digits = digits.slice(1);
    weight--;
  }
  while (digits.at(-1) === 0) digits = digits.slice(0, -1);
  if (digits.length === 0) weight = 0;
  const head = [
    int(digits.length, 2),
    int(weight, 2),
    int(negative ? 0x4000 : 0, 2),
    int(fraction.length, 2),
  ];
  return Buffer.concat([...head, ...digits.map((digit) => int(digit, 2))]);
};

const MICROS_2000 = 946_684_800_000_000n;

const microsOf = (text: string): bigint => {
  const [date = '', time = '00:00:00.000000'] = text.replace('Z', '').split('T');
  const days = BigInt(Math.round(new Date(`${date}T00:00:00Z`).getTime() / 86_400_000));
  return days * 86_400_000_000n + clockMicros(time);
};

const clockMicros = (text: string): bigint => {
  const [hours = 0, minutes = 0, seconds = 0, micros = 0] = text.split(/[:.]/).map(Number);
  return BigInt((hours * 60 + minutes) * 60 + seconds) * 1_000_000n + BigInt(micros);
};

const fieldOf = (of: Column, text: string): Buffer => {
  switch (of.type) {
    case 'Int16':
      return int(Number(text), 2);
    case 'Int32':
      return int(Number(text), 4);
    case 'Int64':
      return int(BigInt(text), 8);
    case 'Decimal':
      return numericField(text);
    case 'Single': {
      const field = Buffer.alloc(4);
      field.writeFloatBE(Number(text));
      return field;
    }
    case 'Double': {
      const field = Buffer.alloc(8);
      field.writeDoubleBE(Number(text));
      return field;
    }
    case 'Boolean':
      return Buffer.from([Number(text)]);
    case 'String':
      return of.native === 'jsonb' ? Buffer.concat([Buffer.from([1]), Buffer.from(text)]) : Buffer.from(text);
    case 'Date':
      return int(
        microsOf(text) / 86_400_000_000n -
          10_957n -
          (microsOf(text) < 0n && microsOf(text) % 86_400_000_000n !== 0n ? 1n : 0n),
        4,
      );
    case 'DateTime':
    case 'DateTimeOffset':
      return int(microsOf(text) - MICROS_2000, 8);
    case 'TimeSpan':
      return int(clockMicros(text), 8);
    case 'Guid':
      return Buffer.from(text.replaceAll('-', ''), 'hex');
    case 'Byte[]':
      return Buffer.from(text, 'hex');
  }
};

/** A tuple of COPY BINARY out of fields as they are. */
export const tupleOf = (fields: readonly (Buffer | null)[]): Buffer =>
  Buffer.concat([
    int(fields.length, 2),
    ...fields.flatMap((field) => (field === null ? [int(-1, 4)] : [int(field.length, 4), field])),
  ]);

export const tuplesOf = (columns: readonly Column[], rows: readonly Row[]): Buffer[] =>
  rows.map((row) =>
    tupleOf(
      columns.map((of, i) => {
        const value = row[i];
        return value === null || value === undefined ? null : fieldOf(of, value);
      }),
    ),
  );

/** Batches of `size` tuples each. */
export async function* framesOf(tuples: readonly Buffer[], size: number): AsyncGenerator<FrameBatch> {
  for (let at = 0; at < tuples.length; at += size) {
    const some = tuples.slice(at, at + size);
    yield { data: Buffer.concat(some), rows: some.length };
  }
}

export async function* batchesOf(rows: readonly Row[], size = 1_000): AsyncGenerator<Row[]> {
  for (let at = 0; at < rows.length; at += size) yield rows.slice(at, at + size);
}

export const bytesOf = async (file: EncodedFile): Promise<Buffer> => {
  const pieces: Buffer[] = [];
  for await (const piece of file.bytes) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
};

/** Bytes in memory as a stored file that refuses to be read beyond its end. */
export const memoryFile = (bytes: Buffer, name = 'memory.parquet'): ReadableFile => ({
  name,
  size: bytes.length,
  async read(offset, length) {
    if (offset < 0 || offset + length > bytes.length)
      throw new Error(`read ${offset}+${length} beyond the end`);
    return bytes.subarray(offset, offset + length);
  },
  async *stream() {
    yield bytes;
  },
});
