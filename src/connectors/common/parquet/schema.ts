// What a column is in a Parquet file: physical type, annotations of both generations, and its place in the footer.
import { WaybillError } from '../../../core/errors.ts';
import type { Column } from '../../../core/types/column.ts';
import type { ThriftWriter } from './thrift-writer.ts';

/** Parquet's physical types by the numbers of parquet.thrift. */
export const PHYSICAL = {
  BOOLEAN: 0,
  INT32: 1,
  INT64: 2,
  FLOAT: 4,
  DOUBLE: 5,
  BYTE_ARRAY: 6,
  FIXED_LEN_BYTE_ARRAY: 7,
} as const;

export type Physical = (typeof PHYSICAL)[keyof typeof PHYSICAL];

/** Most digits that every reader of DECIMAL can hold (16 bytes). */
export const MAX_PRECISION = 38;
const DECIMAL_BYTES = 16;

/** One column of a file to be written. */
export interface FileColumn {
  readonly column: Column;
  readonly physical: Physical;
  /** Bytes of each value; 0 for booleans (bits) and byte arrays. */
  readonly width: number;
  /** Precision and scale of a decimal as the file declares them. */
  readonly precision: number;
  readonly scale: number;
  /** OPTIONAL, as opposed to REQUIRED. */
  readonly optional: boolean;
}

const physicalOf = (column: Column, precision: number): [Physical, number] => {
  switch (column.type) {
    case 'Boolean':
      return [PHYSICAL.BOOLEAN, 0];
    case 'Int16':
    case 'Int32':
    case 'Date':
      return [PHYSICAL.INT32, 4];
    case 'Int64':
    case 'DateTime':
    case 'DateTimeOffset':
    case 'TimeSpan':
      return [PHYSICAL.INT64, 8];
    case 'Decimal':
      if (precision <= 9) return [PHYSICAL.INT32, 4];
      return precision <= 18 ? [PHYSICAL.INT64, 8] : [PHYSICAL.FIXED_LEN_BYTE_ARRAY, DECIMAL_BYTES];
    case 'Single':
      return [PHYSICAL.FLOAT, 4];
    case 'Double':
      return [PHYSICAL.DOUBLE, 8];
    case 'Guid':
    case 'String':
    case 'Byte[]':
      return [PHYSICAL.BYTE_ARRAY, 0];
  }
};

/** How a file holds `column`. Throws TYPE_UNSUPPORTED for a decimal that no file holds. */
export const fileColumn = (column: Column): FileColumn => {
  const scale = column.type === 'Decimal' ? (column.scale ?? 0) : 0;
  // PostgreSQL has numeric(3,5); Parquet wants at least as many digits as stand after the point.
  const precision = column.type === 'Decimal' ? Math.max(column.precision ?? MAX_PRECISION, scale) : 0;
  if (precision > MAX_PRECISION || scale < 0) {
    throw new WaybillError(
      'TYPE_UNSUPPORTED',
      `Column ${column.name} (${column.native}) has ${precision} digits, ${scale} of them after the point; Parquet ` +
        `decimals are read with at most ${MAX_PRECISION} digits and no negative scale.`,
      { column: column.name, type: column.native },
    );
  }
  const [physical, width] = physicalOf(column, precision);
  return { column, physical, width, precision, scale, optional: column.nullable };
};

/** ConvertedType numbers, which readers from before 2018 go by. */
const CONVERTED = { UTF8: 0, DECIMAL: 5, DATE: 6, TIME_MICROS: 8, TIMESTAMP_MICROS: 10, INT_16: 16 } as const;

const writeTime = (thrift: ThriftWriter, id: number, utc: boolean): void => {
  thrift.open(id).bool(1, utc).open(2).mark(2).close().close();
};

/** The annotations: ConvertedType (field 6, with 7 and 8 for decimals) and LogicalType (field 10). */
const writeAnnotations = (thrift: ThriftWriter, { column, precision, scale }: FileColumn): void => {
  switch (column.type) {
    case 'Int16':
      thrift.i32(6, CONVERTED.INT_16).open(10).open(10).i8(1, 16).bool(2, true).close().close();
      return;
    case 'Decimal':
      thrift.i32(6, CONVERTED.DECIMAL).i32(7, scale).i32(8, precision);
      thrift.open(10).open(5).i32(1, scale).i32(2, precision).close().close();
      return;
    case 'String':
    // Spark (4.2) refuses a whole file for one column of Parquet's UUID type; ADF writes GUIDs as text too.
    case 'Guid':
      thrift.i32(6, CONVERTED.UTF8).open(10).mark(1).close();
      return;
    case 'Date':
      thrift.i32(6, CONVERTED.DATE).open(10).mark(6).close();
      return;
    case 'TimeSpan':
      thrift.i32(6, CONVERTED.TIME_MICROS).open(10);
      writeTime(thrift, 7, false);
      thrift.close();
      return;
    case 'DateTime':
    case 'DateTimeOffset':
      // The specification wants the older annotation on local times too, though it says "UTC".
      thrift.i32(6, CONVERTED.TIMESTAMP_MICROS).open(10);
      writeTime(thrift, 8, column.type === 'DateTimeOffset');
      thrift.close();
      return;
    default:
  }
};

/** The SchemaElement of one column, as an element of the footer's list. */
export const writeSchemaElement = (thrift: ThriftWriter, file: FileColumn): void => {
  thrift.open().i32(1, file.physical);
  if (file.physical === PHYSICAL.FIXED_LEN_BYTE_ARRAY) thrift.i32(2, file.width);
  thrift.i32(3, file.optional ? 1 : 0).binary(4, file.column.name);
  writeAnnotations(thrift, file);
  thrift.close();
};

/** Columns as a file keeps them: decimals as wide as they must be, times to the microsecond. */
export const columnsFor = (columns: readonly Column[]): Column[] =>
  columns.map((column) => {
    const { precision, scale } = fileColumn(column);
    if (column.type === 'Decimal') return { ...column, precision, scale };
    return column.scale !== undefined && column.scale > 6 ? { ...column, scale: 6 } : column;
  });
