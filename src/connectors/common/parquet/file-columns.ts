// Columns of a Parquet file, ours or another writer's, as interim types.
import type { FileMetaData, SchemaElement } from 'hyparquet';
import { WaybillError } from '../../../core/errors.ts';
import type { Column, InterimType } from '../../../core/types/column.ts';
import { METADATA_KEY } from './file-encoder.ts';

/** A column of a file, with what reading its values takes. */
export interface StoredColumn {
  readonly column: Column;
  readonly element: SchemaElement;
  /** Place among the columns of a row group. */
  readonly index: number;
}

type Facts = Pick<Column, 'type' | 'precision' | 'scale' | 'length'>;

const UNIT_DIGITS = { MILLIS: 3, MICROS: 6, NANOS: 9 } as const;

const unsupported = (element: SchemaElement, why: string): WaybillError =>
  new WaybillError('TYPE_UNSUPPORTED', `Column ${element.name} of the Parquet file ${why}.`, {
    column: element.name,
    type: nativeName(element),
  });

const integerFacts = (bits: number, signed: boolean): Facts => {
  if (bits === 8 || (bits === 16 && signed)) return { type: 'Int16' };
  if (bits === 16 || (bits === 32 && signed)) return { type: 'Int32' };
  return bits === 32 || signed ? { type: 'Int64' } : { type: 'Decimal', precision: 20, scale: 0 };
};

/** By the newer annotation; undefined where there is none that says something. */
const logicalFacts = (element: SchemaElement): Facts | undefined => {
  const logical = element.logical_type;
  switch (logical?.type) {
    case 'STRING':
    case 'ENUM':
    case 'JSON':
    case 'NULL':
      return { type: 'String' };
    case 'UUID':
      return { type: 'Guid' };
    case 'DATE':
      return { type: 'Date' };
    case 'DECIMAL':
      return { type: 'Decimal', precision: logical.precision, scale: logical.scale };
    case 'INTEGER':
      return integerFacts(logical.bitWidth, logical.isSigned);
    case 'TIME':
      return { type: 'TimeSpan', scale: UNIT_DIGITS[logical.unit] };
    case 'TIMESTAMP':
      return {
        type: logical.isAdjustedToUTC ? 'DateTimeOffset' : 'DateTime',
        scale: UNIT_DIGITS[logical.unit],
      };
    case 'FLOAT16':
      return { type: 'Single' };
    case 'VARIANT':
      throw unsupported(element, 'is a variant, which has no interim type');
    default:
      return undefined;
  }
};

const CONVERTED: Partial<Record<NonNullable<SchemaElement['converted_type']>, Facts>> = {
  UTF8: { type: 'String' },
  ENUM: { type: 'String' },
  JSON: { type: 'String' },
  DATE: { type: 'Date' },
  TIME_MILLIS: { type: 'TimeSpan', scale: 3 },
  TIME_MICROS: { type: 'TimeSpan', scale: 6 },
  // Without a logical type these are instants in UTC.
  TIMESTAMP_MILLIS: { type: 'DateTimeOffset', scale: 3 },
  TIMESTAMP_MICROS: { type: 'DateTimeOffset', scale: 6 },
  INT_8: integerFacts(8, true),
  INT_16: integerFacts(16, true),
  INT_32: integerFacts(32, true),
  INT_64: integerFacts(64, true),
  UINT_8: integerFacts(8, false),
  UINT_16: integerFacts(16, false),
  UINT_32: integerFacts(32, false),
  UINT_64: integerFacts(64, false),
};

const physicalFacts = (element: SchemaElement): Facts => {
  switch (element.type) {
    case 'BOOLEAN':
      return { type: 'Boolean' };
    case 'INT32':
      return { type: 'Int32' };
    case 'INT64':
      return { type: 'Int64' };
    case 'INT96':
      return { type: 'DateTime', scale: 9 };
    case 'FLOAT':
      return { type: 'Single' };
    case 'DOUBLE':
      return { type: 'Double' };
    case 'BYTE_ARRAY':
      return { type: 'Byte[]' };
    case 'FIXED_LEN_BYTE_ARRAY':
      return { type: 'Byte[]', length: element.type_length ?? 0 };
    default:
      throw unsupported(element, 'has no physical type');
  }
};

const factsOf = (element: SchemaElement): Facts => {
  const logical = logicalFacts(element);
  if (logical !== undefined) return logical;
  const converted = element.converted_type;
  if (converted === 'DECIMAL') {
    return { type: 'Decimal', precision: element.precision ?? 38, scale: element.scale ?? 0 };
  }
  if (converted === 'INTERVAL' || converted === 'BSON') {
    throw unsupported(element, `is of type ${converted}, which has no interim type`);
  }
  return (converted && CONVERTED[converted]) ?? physicalFacts(element);
};

/** "INT64 TIMESTAMP(MICROS, UTC)", "BYTE_ARRAY STRING", "INT32". */
const nativeName = ({ type, type_length, logical_type: logical, ...element }: SchemaElement): string => {
  const physical = type === 'FIXED_LEN_BYTE_ARRAY' ? `${type}(${type_length})` : (type ?? 'group');
  if (logical?.type === 'DECIMAL') return `${physical} DECIMAL(${logical.precision},${logical.scale})`;
  if (logical?.type === 'TIMESTAMP' || logical?.type === 'TIME') {
    return `${physical} ${logical.type}(${logical.unit}${logical.isAdjustedToUTC ? ', UTC' : ''})`;
  }
  const annotation = logical?.type ?? element.converted_type;
  return annotation === undefined ? physical : `${physical} ${annotation}`;
};

interface KnownColumn {
  readonly type: InterimType;
  readonly length?: number;
  readonly scale?: number;
}

/** What our own encoder noted of columns beyond Parquet's types. */
const knownColumns = (metadata: FileMetaData): readonly KnownColumn[] => {
  const entry = metadata.key_value_metadata?.find(({ key }) => key === METADATA_KEY)?.value;
  if (entry === undefined) return [];
  try {
    const parsed = JSON.parse(entry) as { columns?: readonly KnownColumn[] };
    return Array.isArray(parsed.columns) ? parsed.columns : [];
  } catch {
    return [];
  }
};

/** What our note adds to the facts of the schema, where it does not contradict them. */
const notedFacts = (noted: KnownColumn, facts: Facts): Partial<Facts> => {
  if (noted.type === 'Guid' && facts.type === 'String') return { type: 'Guid' };
  if (noted.type !== facts.type || facts.type === 'Decimal') return {};
  return {
    ...(noted.length === undefined ? {} : { length: noted.length }),
    ...(noted.scale === undefined ? {} : { scale: noted.scale }),
  };
};

/** The file's columns in its order. Throws TYPE_UNSUPPORTED for one that is nested or of a type without a counterpart. */
export const storedColumns = (metadata: FileMetaData): StoredColumn[] => {
  const known = knownColumns(metadata);
  const elements = metadata.schema.slice(1);
  return elements.map((element, index) => {
    // Elements of a nested column follow it: the first one met is the column itself.
    if (element.num_children !== undefined || element.repetition_type === 'REPEATED') {
      throw unsupported(element, 'is nested (a list, map or struct), and rows have no such values');
    }
    const facts = factsOf(element);
    const noted = known[index];
    const more = noted === undefined ? {} : notedFacts(noted, facts);
    const nullable = element.repetition_type !== 'REQUIRED';
    return {
      element,
      index,
      column: { name: element.name, nullable, native: nativeName(element), ...facts, ...more },
    };
  });
};
