// Streams one SELECT or batch as rows of canonical text, with back-pressure.
import type { Row } from '../../core/types/column.ts';
import { BatchQueue } from '../common/batch-queue.ts';
import type { SqlServerConnection } from './connection.ts';
import { sqlServerError } from './errors.ts';

/** `milliseconds` bound the wait for the first row; 0 waits for ever. */
export async function* streamRows(
  connection: SqlServerConnection,
  sql: string,
  decode: (row: unknown[]) => Row,
  doing: string,
  milliseconds: number,
): AsyncGenerator<Row[]> {
  const request = connection.request(milliseconds);
  request.stream = true;
  request.arrayRowMode = true;
  const queue = new BatchQueue({ pause: () => request.pause(), resume: () => request.resume() });
  let ended = false;
  const fail = (error: unknown): void => queue.fail(sqlServerError(error, doing));
  request.on('row', (row: unknown) => {
    try {
      queue.push(decode(row as unknown[]));
    } catch (error) {
      fail(error);
    }
  });
  request.on('error', fail);
  request.on('done', () => {
    ended = true;
    queue.end();
  });
  // The promise only repeats what the events say.
  request.query(sql).catch(fail);
  try {
    yield* queue.batches();
  } finally {
    if (!ended) request.cancel();
    connection.finished(request);
  }
}
