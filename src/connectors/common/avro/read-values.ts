// Columns of an Avro file's schema, and its values as canonical text.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../../core/json.ts';
import type { Column } from '../../../core/types/column.ts';
import { dateText, timeText } from '../parquet/calendar.ts';
import { bigIntOf, decimalText, doubleText, singleText } from '../parquet/value-text.ts';
import { notAvro } from './container.ts';

/** What avsc gives: unions wrapped as `{ branch: value }`, 64-bit numbers as bigint, bytes as Buffer. */
export type AvroValue = unknown;

/** One field of the record: its column, and how its values become text. */
export interface AvroField {
  readonly column: Column;
  /** Null for Avro's null. */
  read(value: AvroValue): string | null;
}

interface Shape {
  readonly type: Column['type'];
  readonly native: string;
  readonly precision?: number;
  readonly scale?: number;
  readonly length?: number;
  read(value: AvroValue): string;
}

type Named = Map<string, JsonObject>;

const DAY_MICROS = 86_400_000_000;

/** The fields of a file's record. Throws FILE_INVALID where the schema is none of a record. */
export function fieldsOf(file: string, schema: JsonValue): AvroField[] {
  try {
    return recordFields(file, schema);
  } catch (error) {
    // Of a schema that nests deeper than calls can.
    throw error instanceof RangeError ? notAvro(file, 'its schema nests too deep') : error;
  }
}

function recordFields(file: string, schema: JsonValue): AvroField[] {
  const record = isRecord(schema) ? schema : undefined;
  const fields = record?.['fields'];
  if (record?.['type'] !== 'record' || !Array.isArray(fields) || fields.length === 0)
    throw notAvro(file, 'its schema is not that of a record with fields');
  const named: Named = new Map();
  collectNames(schema, named);
  if (isEmpty(schema, named)) throw notAvro(file, 'its records have no bytes, and so no end');
  refuseEmptyItems(file, schema, named);
  return fields.map((field): AvroField => {
    if (!isRecord(field) || typeof field['name'] !== 'string' || field['type'] === undefined)
      throw notAvro(file, 'a field of its schema has no name or no type');
    const name = field['name'];
    const { branches, nullable } = branchesOf(field['type']);
    const [only = 'null'] = branches;
    const isUnion = Array.isArray(field['type']);
    const shape = branches.length > 1 ? anyShape(branches, named) : shapeOf(only, named, `${file}: ${name}`);
    const { read: inner, ...facts } = shape;
    return {
      column: { name, ...facts, nullable: nullable || branches.length === 0 },
      read: (value) => {
        if (value === null || value === undefined) return null;
        return inner(isUnion && branches.length <= 1 ? unwrapped(value) : value);
      },
    };
  });
}

const isRecord = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a union holds besides null. */
function branchesOf(type: JsonValue): { branches: JsonValue[]; nullable: boolean } {
  if (!Array.isArray(type)) return { branches: [type], nullable: type === 'null' };
  return { branches: type.filter((branch) => branch !== 'null'), nullable: type.includes('null') };
}

const unwrapped = (value: AvroValue): AvroValue => Object.values(value as object)[0];

/** Types by the names under which others refer to them, with and without their namespace. */
function collectNames(schema: JsonValue | undefined, named: Named): void {
  if (Array.isArray(schema)) for (const branch of schema) collectNames(branch, named);
  if (!isRecord(schema)) return;
  const { name, namespace, type, fields, items, values } = schema;
  if (typeof name === 'string') {
    named.set(name, schema);
    if (typeof namespace === 'string') named.set(`${namespace}.${name}`, schema);
    named.set(name.slice(name.lastIndexOf('.') + 1), schema);
  }
  for (const inner of [type, items, values]) if (typeof inner === 'object') collectNames(inner, named);
  for (const field of Array.isArray(fields) ? fields : [])
    collectNames(isRecord(field) ? field['type'] : undefined, named);
}

/** Whether values of a type take no bytes: then a number of them, however large, proves nothing. */
function isEmpty(type: JsonValue | undefined, named: Named, within: readonly JsonObject[] = []): boolean {
  const schema = typeof type === 'string' ? named.get(type) : isRecord(type) ? type : undefined;
  if (schema === undefined) return type === 'null';
  if (within.includes(schema)) return false;
  const { type: kind, fields, size } = schema;
  if (kind === 'fixed') return Number(size) === 0;
  if (kind === 'record' && Array.isArray(fields))
    return fields.every((field) => isRecord(field) && isEmpty(field['type'], named, [...within, schema]));
  return typeof kind === 'object' ? isEmpty(kind, named, [...within, schema]) : kind === 'null';
}

function refuseEmptyItems(file: string, schema: JsonValue | undefined, named: Named): void {
  if (Array.isArray(schema)) for (const branch of schema) refuseEmptyItems(file, branch, named);
  if (!isRecord(schema)) return;
  const { type, items, values, fields } = schema;
  if (type === 'array' && isEmpty(items, named))
    throw notAvro(file, 'it has arrays whose items have no bytes');
  for (const inner of [type, items, values])
    if (typeof inner === 'object') refuseEmptyItems(file, inner, named);
  for (const field of Array.isArray(fields) ? fields : [])
    refuseEmptyItems(file, isRecord(field) ? field['type'] : undefined, named);
}

const text = (native: string, read: (value: AvroValue) => string): Shape => ({
  type: 'String',
  native,
  read,
});

/** Several types in one column: each value as it would stand in JSON, texts without quotes. */
const anyShape = (branches: readonly JsonValue[], named: Named): Shape =>
  text('union', (value) => {
    const plain = plainJson(value, [...branches], named);
    return typeof plain === 'string' ? plain : JSON.stringify(plain);
  });

function shapeOf(type: JsonValue, named: Named, place: string): Shape {
  const schema: JsonObject = isRecord(type)
    ? type
    : typeof type === 'string'
      ? (named.get(type) ?? { type })
      : { type: 'null' };
  const kind = schema['type'];
  // { "type": { "type": "string" } }, which some writers make.
  if (isRecord(kind) || Array.isArray(kind)) return shapeOf(kind, named, place);
  const logical = String(schema['logicalType'] ?? '');
  switch (kind) {
    case 'null':
      return text('null', () => '');
    case 'boolean':
      return { type: 'Boolean', native: kind, read: (value) => (value === true ? '1' : '0') };
    case 'int':
      return intShape(logical, place);
    case 'long':
      return longShape(logical, place);
    case 'float':
      return { type: 'Single', native: kind, read: (value) => singleText(value as number) };
    case 'double':
      return { type: 'Double', native: kind, read: (value) => doubleText(value as number) };
    case 'bytes':
    case 'fixed':
      return bytesShape(schema, kind, logical);
    case 'string':
      if (logical === 'uuid')
        return { type: 'Guid', native: 'string uuid', read: (value) => String(value).toLowerCase() };
      return text(kind, (value) => value as string);
    case 'enum':
      return text(kind, (value) => value as string);
    case 'record':
    case 'array':
    case 'map':
      return text(kind, (value) => JSON.stringify(plainJson(value, schema, named)));
    default:
      throw new WaybillError(
        'FILE_INVALID',
        `${place} has the type ${JSON.stringify(kind ?? null)}, which Avro does not know.`,
      );
  }
}

const outside = (place: string): WaybillError =>
  new WaybillError('TYPE_UNSUPPORTED', `${place} has a value outside the years 1 to 9999, or outside a day.`);

function intShape(logical: string, place: string): Shape {
  if (logical === 'date')
    return {
      ...{ type: 'Date', native: 'int date' },
      read: (value) => {
        const found = dateText(value as number);
        if (found === undefined) throw outside(place);
        return found;
      },
    };
  if (logical === 'time-millis')
    return {
      ...{ type: 'TimeSpan', native: 'int time-millis', scale: 3 },
      read: (value) => dayTime((value as number) * 1000, place),
    };
  return { type: 'Int32', native: 'int', read: String };
}

function dayTime(micros: number, place: string): string {
  if (!(micros >= 0 && micros < DAY_MICROS)) throw outside(place);
  return timeText(micros);
}

/** Digits of a second by the end of a logical type's name, and how many of its units a second has. */
const UNITS: Readonly<Record<string, readonly [digits: number, perSecond: bigint]>> = {
  millis: [3, 1_000n],
  micros: [6, 1_000_000n],
  nanos: [9, 1_000_000_000n],
};

function longShape(logical: string, place: string): Shape {
  const [, kind, unit = ''] = /^(time|timestamp|local-timestamp)-(millis|micros|nanos)$/.exec(logical) ?? [];
  const [digits, perSecond] = UNITS[unit] ?? [];
  if (kind === undefined || digits === undefined || perSecond === undefined)
    return { type: 'Int64', native: 'long', read: String };
  const native = `long ${logical}`;
  if (kind === 'time')
    return { type: 'TimeSpan', native, scale: digits, read: (value) => dayTime(Number(value), place) };
  const zone = kind === 'timestamp' ? 'Z' : '';
  const perDay = 86_400n * perSecond;
  return {
    ...{ type: zone === '' ? 'DateTime' : 'DateTimeOffset', native, scale: digits },
    read: (value) => {
      const units = value as bigint;
      const days = (units - (((units % perDay) + perDay) % perDay)) / perDay;
      const date = dateText(Number(days));
      if (date === undefined) throw outside(place);
      const rest = units - days * perDay;
      // Nanoseconds beyond microseconds are written only where there are some.
      const nanos = digits === 9 ? Number(rest % 1_000n) : 0;
      const micros = digits === 9 ? rest / 1_000n : rest * (1_000_000n / perSecond);
      const more = nanos === 0 ? '' : String(nanos).padStart(3, '0');
      return `${date}T${timeText(Number(micros))}${more}${zone}`;
    },
  };
}

function bytesShape(schema: JsonObject, kind: string, logical: string): Shape {
  const precision = Number(schema['precision']);
  const scale = Number(schema['scale'] ?? 0);
  if (logical === 'decimal' && Number.isInteger(precision) && Number.isInteger(scale) && scale <= precision)
    return {
      ...{ type: 'Decimal', native: `${kind} decimal(${precision},${scale})`, precision, scale },
      read: (value) => decimalText(String(bigIntOf(value as Buffer)), scale),
    };
  const length = kind === 'fixed' ? { length: Number(schema['size']) } : {};
  return {
    type: 'Byte[]',
    native: kind,
    ...length,
    read: (value) => (value as Buffer).toString('hex').toUpperCase(),
  };
}

/** A nested value as JSON: bytes in base 64, 64-bit numbers beyond what a double holds as texts. */
function plainJson(value: AvroValue, type: JsonValue, named: Named): JsonValue {
  if (value === null || value === undefined) return null;
  if (Array.isArray(type)) {
    const [name = '', inner] = Object.entries(value as object)[0] ?? [];
    return plainJson(inner, branchNamed(type, name, named), named);
  }
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (typeof value !== 'object') return value as JsonValue;
  const schema = isRecord(type) ? type : typeof type === 'string' ? (named.get(type) ?? {}) : {};
  const items = schema['items'] ?? 'null';
  if (Array.isArray(value)) return value.map((each) => plainJson(each, items, named));
  const fields = Array.isArray(schema['fields']) ? schema['fields'].filter(isRecord) : undefined;
  const result: JsonObject = {};
  for (const [key, each] of Object.entries(value)) {
    const field = fields?.find(({ name }) => name === key);
    result[key] = plainJson(each, field?.['type'] ?? schema['values'] ?? 'null', named);
  }
  return result;
}

/** The branch of a union by the name under which avsc wraps its values. */
const branchNamed = (branches: readonly JsonValue[], name: string, named: Named): JsonValue =>
  branches.find((branch) => {
    const schema = isRecord(branch)
      ? branch
      : typeof branch === 'string'
        ? (named.get(branch) ?? { type: branch })
        : {};
    const own = typeof schema['name'] === 'string' ? schema['name'] : schema['type'];
    return (
      own === name ||
      (typeof own === 'string' &&
        own.slice(own.lastIndexOf('.') + 1) === name.slice(name.lastIndexOf('.') + 1))
    );
  }) ?? 'null';
