// The Parquet file format: what the file connectors call to write and read .parquet files.
import type { Column, MappedColumn, Row } from '../../../core/types/column.ts';
import type { FrameBatch, WireFormat } from '../../connector.ts';
import type { EncodedFile, FileFormat } from '../files/file-format.ts';
import { codecName, openCompressor } from './compression.ts';
import { encodeFile } from './encoded-file.ts';
import { FileEncoder } from './file-encoder.ts';
import { readColumns, readRows, splitFile } from './file-reader.ts';
import { PgBinaryAppender, takesPgBinary } from './pg-binary.ts';
import { RowAppender } from './row-values.ts';
import { columnsFor } from './schema.ts';
import { verifyFile } from './verify.ts';

export interface ParquetSettings {
  /** ADF's dataset property: none, snappy, gzip; zstd besides. Absent: zstd where this Node has it, else snappy. */
  readonly compressionCodec?: string;
  /** Times of day become text, for readers without a type for them: Delta tables have none. */
  readonly timesAsText?: boolean;
}

const timeAsText = (column: Column): Column => {
  if (column.type !== 'TimeSpan') return column;
  const { scale: _scale, ...rest } = column;
  return { ...rest, type: 'String', native: 'string' };
};

/** Throws DEFINITION_UNSUPPORTED for a codec that is not written. */
export const parquetFormat = (settings: ParquetSettings = {}): FileFormat => {
  const codec = codecName(settings.compressionCodec);
  return {
    name: 'Parquet',
    extension: '.parquet',
    contentType: 'application/vnd.apache.parquet',
    columns: readColumns,
    split: splitFile,
    read: readRows,
    verify: verifyFile,
    columnsFor: (columns) => columnsFor(settings.timesAsText ? columns.map(timeAsText) : columns),
    encode: (columns: readonly Column[], rows: AsyncIterable<Row[]>): EncodedFile =>
      encodeFile(async () => {
        const encoder = new FileEncoder(columns, await openCompressor(codec));
        return { encoder, appender: new RowAppender(encoder) };
      }, rows),
    wireFormats: ['pg-binary'],
    acceptsFrames: (format: WireFormat, columns: readonly MappedColumn[]): boolean =>
      format === 'pg-binary' && takesPgBinary(columns),
    encodeFrames: (
      _format: WireFormat,
      columns: readonly MappedColumn[],
      frames: AsyncIterable<FrameBatch>,
    ): EncodedFile =>
      encodeFile(async () => {
        const encoder = new FileEncoder(
          columns.map(({ sink }) => sink),
          await openCompressor(codec),
        );
        const appender = new PgBinaryAppender(encoder, columns);
        const append = (batch: FrameBatch): void => {
          appender.append(batch.data);
          batch.release?.();
        };
        return { encoder, appender: { append } };
      }, frames),
  };
};
