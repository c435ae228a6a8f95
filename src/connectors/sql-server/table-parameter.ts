// A table-valued parameter of a remote call, written in tedious's place: exact values, one buffer for all rows.
import type mssql from 'mssql';
import type { Row } from '../../core/types/column.ts';
import type { TableName } from '../common/identifier.ts';
import type { BulkColumn } from './bulk-column.ts';
import { RowBuffer } from './row-buffer.ts';

const ROW_TOKEN = 0x01;
const END_TOKEN = 0x00;
const TABLE_TYPE = 0xf3;
const FIRST_BYTES = 1 << 16;

const shortString = (text: string): Buffer =>
  Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'utf16le')]);

/** The rows of one batch (MS-TDS 2.2.5.5.5.3). Throws SINK_TYPE_OVERFLOW for a value that its column cannot hold. */
export const encodeTableRows = (rows: readonly Row[], columns: readonly BulkColumn[]): Buffer => {
  const out = new RowBuffer(FIRST_BYTES);
  for (const row of rows) {
    out.u8(ROW_TOKEN);
    for (const [i, column] of columns.entries()) column.write(out, row[i] ?? null);
  }
  out.u8(END_TOKEN);
  return out.take(0);
};

/** A data type as tedious calls it; mssql passes types that it does not know on as they are. */
export const tableParameter = (
  type: TableName,
  columns: readonly BulkColumn[],
  rows: Buffer,
): mssql.ISqlType => {
  const collation = Buffer.alloc(5);
  const described = columns.flatMap((column) => [
    Buffer.alloc(6),
    column.typeInfo(collation),
    Buffer.from([0]),
  ]);
  const count = Buffer.alloc(2);
  count.writeUInt16LE(columns.length);
  const tediousType = {
    id: TABLE_TYPE,
    name: 'TVP',
    declaration: () => `[${type.schema}].[${type.name}] readonly`,
    generateTypeInfo: () =>
      Buffer.concat([
        Buffer.from([TABLE_TYPE]),
        shortString(''),
        shortString(type.schema),
        shortString(type.name),
      ]),
    validate: (value: unknown) => value,
    generateParameterLength: () => count,
    generateParameterData: () => [...described, Buffer.from([END_TOKEN]), rows],
  };
  return { type: tediousType } as unknown as mssql.ISqlType;
};
