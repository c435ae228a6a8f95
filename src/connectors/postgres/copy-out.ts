// COPY TO STDOUT (FORMAT binary) over pg: takes the socket for the length of the COPY and yields runs of tuples.
import type pg from 'pg';
import { WaybillError } from '../../core/errors.ts';
import type { FrameBatch } from '../connector.ts';
import { CopyTuples } from './copy-tuples.ts';

/** Batches read ahead of the consumer before the socket is paused. */
const BATCHES_AHEAD = 4;

type DataListener = (piece: Buffer) => void;

/**
 * A query that `client.query` takes. pg's own parser makes a Buffer and calls back for each tuple; this one sees whole
 * pieces of the socket instead, and gives the socket back with the first message that is not part of the COPY.
 */
export class BinaryCopyOut implements pg.Submittable {
  readonly #text: string;
  readonly #tuples = new CopyTuples((batch) => this.#ready.push(batch));
  #ready: FrameBatch[] = [];
  #connection: pg.Connection | undefined;
  #drivers: DataListener[] | undefined;
  #paused = false;
  #done = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  submit(connection: pg.Connection): void {
    const { stream } = connection;
    this.#connection = connection;
    this.#drivers = stream.listeners('data') as DataListener[];
    stream.removeAllListeners('data');
    stream.on('data', this.#take);
    connection.query(this.#text);
  }

  /** The tuples, back-pressured by the consumer. One that stops early ends the connection: the COPY cannot be left. */
  async *batches(): AsyncGenerator<FrameBatch> {
    try {
      for (;;) {
        const next = this.#ready.shift();
        if (next !== undefined) {
          if (this.#ready.length < BATCHES_AHEAD) this.#resume();
          yield next;
          continue;
        }
        if (this.#error !== undefined) throw this.#error;
        if (this.#done) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    } finally {
      if (!this.#done && this.#error === undefined) this.#connection?.stream.destroy();
    }
  }

  readonly #take = (piece: Buffer): void => {
    try {
      const rest = this.#tuples.push(piece);
      if (rest !== undefined) this.#giveBack(rest);
    } catch (error) {
      this.#error ??= error;
      this.#connection?.stream.destroy();
    }
    if (this.#drivers !== undefined && !this.#paused && this.#ready.length >= BATCHES_AHEAD) {
      this.#paused = true;
      this.#connection?.stream.pause();
    }
    this.#wake?.();
  };

  #giveBack(rest: Buffer): void {
    const stream = this.#connection?.stream;
    const drivers = this.#drivers ?? [];
    this.#drivers = undefined;
    stream?.removeListener('data', this.#take);
    for (const driver of drivers) stream?.on('data', driver);
    for (const driver of drivers) driver(rest);
    this.#resume();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#connection?.stream.resume();
  }

  // What pg's Client calls, from here on.

  handleCommandComplete({ text }: { text: string }): void {
    const counted = /^COPY (\d+)$/.exec(text)?.[1];
    if (counted !== undefined && Number(counted) !== this.#tuples.rows) {
      this.#error ??= new WaybillError(
        'INTERNAL',
        `PostgreSQL says it copied ${counted} rows, ${this.#tuples.rows} arrived.`,
      );
    }
  }

  handleReadyForQuery(): void {
    this.#done = true;
    this.#wake?.();
  }

  /** A refused COPY, or a connection that was lost. */
  handleError(error: unknown): void {
    this.#error ??= error;
    this.#wake?.();
  }
}
