// Hands whole batches of encoded rows to tedious, which would otherwise serialise every value through a generator.
import type mssql from 'mssql';
import type { Row } from '../../core/types/column.ts';
import type { BulkColumn } from './bulk-column.ts';
import type { Driver } from './connection.ts';
import { RowBuffer } from './row-buffer.ts';

const BATCH_BYTES = 1 << 17;
const ROW_TOKEN = 0xd1;
const NOTHING = Buffer.alloc(0);

/**
 * A table to bulk load in which each "row" is a batch of encoded rows. tedious writes, per row, a row token and then
 * what each column's type makes of its value: here the first column's type writes the batch, and the others nothing.
 * mssql passes types it does not know on to tedious as they are.
 */
export const bulkTable = (
  driver: Driver,
  name: string,
  columns: readonly BulkColumn[],
  batches: AsyncIterable<Buffer>,
): mssql.Table => {
  const table = new driver.Table(name);
  table.create = false;
  for (const [index, column] of columns.entries()) {
    const type = { type: tediousType(column, index === 0) } as unknown as mssql.ISqlType;
    table.columns.add(column.name, type, { nullable: true });
  }
  (table as { rows: unknown }).rows = asRows(batches);
  return table;
};

/** The members of a tedious data type that its bulk load calls. */
const tediousType = (column: BulkColumn, carrier: boolean): object => ({
  id: 0,
  name: 'waybill',
  declaration: () => column.declaration,
  generateTypeInfo: ({ collation }: { collation?: { toBuffer(): Buffer } }) =>
    column.typeInfo(collation?.toBuffer()),
  validate: (value: unknown) => value,
  generateParameterLength: ({ value }: { value: Buffer }) => (carrier ? value : NOTHING),
  generateParameterData: () => [],
});

async function* asRows(batches: AsyncIterable<Buffer>): AsyncGenerator<Buffer[]> {
  for await (const batch of batches) yield [batch];
}

/**
 * Encodes rows into batches; the first row of a batch goes without its token, which tedious writes. `chunk` and
 * `attempt` are the values of the last two columns.
 */
export async function* encodeRows(
  batches: AsyncIterable<readonly Row[]>,
  columns: readonly BulkColumn[],
  chunk: number,
  attempt: number,
): AsyncGenerator<Buffer> {
  const out = new RowBuffer(2 * BATCH_BYTES);
  const last = [String(chunk), String(attempt)];
  const fields = columns.length - last.length;
  for await (const batch of batches) {
    for (const row of batch) {
      if (out.length > 0) out.u8(ROW_TOKEN);
      for (let i = 0; i < fields; i++) columns[i]?.write(out, row[i] ?? null);
      for (const [i, value] of last.entries()) columns[fields + i]?.write(out, value);
      if (out.length >= BATCH_BYTES) yield out.take(2 * BATCH_BYTES);
    }
  }
  if (out.length > 0) yield out.take(0);
}
