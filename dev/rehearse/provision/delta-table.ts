// A made-up Delta table: one Parquet file, and the log that names it. By the Delta transaction log protocol, reader 1.
import { type ColumnNeed, DELTA_LOG, type FileNeed } from '../needs.ts';

/** A column in a kind that Parquet and the log mean the same by: moments are texts, which data flows cast. */
export const deltaColumn = (column: ColumnNeed): ColumnNeed =>
  column.kind === 'date' ? { ...column, kind: 'text' } : column;

const TYPES: Readonly<Partial<Record<ColumnNeed['kind'], string>>> = {
  integer: 'long',
  number: 'decimal(18,4)',
  boolean: 'boolean',
  binary: 'binary',
};

/** The table's files by path. `file` is named by its log; `rows` are the bytes of the Parquet file. */
export function deltaTable(file: FileNeed, rows: Buffer): (readonly [string, Buffer])[] {
  const folder = file.path.slice(0, -DELTA_LOG.length);
  const fields = [...file.columns.values()].map(deltaColumn).map(({ name, kind }) => {
    return { name, type: TYPES[kind] ?? 'string', nullable: true, metadata: {} };
  });
  const path = 'part-00000.parquet';
  const log = [
    { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
    {
      metaData: {
        id: '00000000-0000-0000-0000-000000000000',
        format: { provider: 'parquet', options: {} },
        schemaString: JSON.stringify({ type: 'struct', fields }),
        partitionColumns: [],
        configuration: {},
        createdTime: 0,
      },
    },
    { add: { path, partitionValues: {}, size: rows.length, modificationTime: 0, dataChange: true } },
  ];
  return [
    [`${folder}${path}`, rows],
    [file.path, Buffer.from(`${log.map((action) => JSON.stringify(action)).join('\n')}\n`)],
  ];
}
