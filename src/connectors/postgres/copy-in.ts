// COPY FROM STDIN (FORMAT binary) over pg: runs of tuples go to the socket as they are.
import { once } from 'node:events';
import type pg from 'pg';
import type { FrameBatch } from '../connector.ts';

/** Signature, no flags, no extension. */
const HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
const TRAILER = Buffer.from([0xff, 0xff]);

/** What pg's own types leave out. */
type CopyConnection = pg.Connection & { sendCopyFail(why: string): void; endCopyFrom(): void };

/** Type byte and length of a CopyData message with a body of `length` bytes. */
const messageHead = (length: number): Buffer => {
  const head = Buffer.allocUnsafe(5);
  head[0] = 0x64;
  head.writeInt32BE(length + 4, 1);
  return head;
};

/** A query that `client.query` takes; `load` then feeds it. */
export class BinaryCopyIn implements pg.Submittable {
  readonly #text: string;
  #connection: CopyConnection | undefined;
  #ready = false;
  #rows = 0;
  #done = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  submit(connection: pg.Connection): void {
    this.#connection = connection as CopyConnection;
    connection.query(this.#text);
  }

  /**
   * Sends all tuples, back-pressured by the socket. Where `frames` fails, the COPY is called off first, so that the
   * connection can roll back.
   */
  async load(frames: AsyncIterable<FrameBatch>): Promise<{ rows: number; bytes: number }> {
    await this.#until(() => this.#ready);
    const connection = this.#connection as CopyConnection;
    const { stream } = connection;
    let bytes = 0;
    const send = async (data: Buffer): Promise<void> => {
      stream.cork();
      stream.write(messageHead(data.length));
      const more = stream.write(data);
      stream.uncork();
      bytes += data.length;
      if (!more) await this.#drained();
    };
    try {
      await send(HEADER);
      for await (const { data } of frames) {
        if (this.#error !== undefined) throw this.#error;
        await send(data);
      }
      await send(TRAILER);
    } catch (error) {
      if (this.#error === undefined) connection.sendCopyFail('the source of the rows failed');
      await this.#until(() => this.#done).catch(() => undefined);
      throw error;
    }
    connection.endCopyFrom();
    await this.#until(() => this.#done);
    return { rows: this.#rows, bytes: bytes - HEADER.length - TRAILER.length };
  }

  /** Until the socket takes more, or the COPY has ended in an error (a lost connection is one). */
  async #drained(): Promise<void> {
    const stream = this.#connection?.stream;
    if (stream === undefined) return;
    const stop = new AbortController();
    const drain = once(stream, 'drain', { signal: stop.signal }).catch(() => undefined);
    await Promise.race([drain, this.#until(() => stop.signal.aborted)]).finally(() => {
      stop.abort();
      this.#wake?.();
    });
  }

  /** Until `condition` holds. Throws what PostgreSQL answered instead. */
  async #until(condition: () => boolean): Promise<void> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      if (condition()) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  // What pg's Client calls, from here on.

  handleCopyInResponse(): void {
    this.#ready = true;
    this.#wake?.();
  }

  handleCommandComplete({ text }: { text: string }): void {
    this.#rows = Number(/^COPY (\d+)$/.exec(text)?.[1] ?? 0);
  }

  handleReadyForQuery(): void {
    this.#done = true;
    this.#wake?.();
  }

  /** A refused COPY or row, or a connection that was lost. */
  handleError(error: unknown): void {
    this.#error ??= error;
    this.#wake?.();
  }
}
