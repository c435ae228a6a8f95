// The receiving side of a bulk load: packets queue up while PostgreSQL is busy, and the client is slowed down.
import { BulkLoad } from './bulk-load.ts';
import { isTransactionError, toSqlError } from './errors.ts';
import { DoneStatus, Token } from './response.ts';
import type { SessionState } from './session-state.ts';

const MOST_QUEUED = 64;
const BULK_COMMAND = 0xf0;

/** What the client's socket must do for the queue. */
export interface BulkSource {
  pause(): void;
  resume(): void;
}

/** The packets of one bulk load, from the first that came to the last one handed on. */
export class IncomingBulk {
  readonly #source: BulkSource;
  readonly #queue: Buffer[] = [];
  #last = false;
  #wake: () => void = () => {};
  aborted = false;

  constructor(source: BulkSource) {
    this.#source = source;
  }

  /** A packet arrived. */
  push(payload: Buffer, last: boolean): void {
    this.#queue.push(Buffer.from(payload));
    this.#last ||= last;
    if (!last && this.#queue.length > MOST_QUEUED) this.#source.pause();
    this.#wake();
  }

  /** The client gave up or is gone: nothing is to be stored. */
  abort(): void {
    this.aborted = true;
    this.#last = true;
    this.#wake();
  }

  /** The next packet, waiting for it; undefined after the last. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const payload = this.#queue.shift();
      if (payload !== undefined) return payload;
      if (this.#last) return undefined;
      this.#source.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Drops what still comes. */
  async discard(): Promise<void> {
    while ((await this.next()) !== undefined);
  }
}

/** Runs the load that INSERT BULK announced, and writes its response but the end of the message. */
export async function runBulk(state: SessionState, incoming: IncomingBulk): Promise<void> {
  const { postgres, response, transactions, bulk: target } = state;
  if (target === undefined) throw new Error('bulk rows without INSERT BULK');
  state.bulk = undefined;
  const saved = transactions.open;
  try {
    if (saved) await postgres.simple('SAVEPOINT tsql_bulk');
    const load = await BulkLoad.prepare(postgres, target);
    await load.start();
    for (let payload = await incoming.next(); payload !== undefined; payload = await incoming.next()) {
      if (!incoming.aborted && !load.push(payload)) await postgres.drained();
    }
    const rows = await load.finish(incoming.aborted);
    if (saved) await postgres.simple('RELEASE tsql_bulk');
    state.rowCount = rows;
    response.done(Token.done, DoneStatus.count | transactions.doneStatus, BULK_COMMAND, rows);
  } catch (error) {
    await incoming.discard();
    const { database, processId } = state;
    const shown = toSqlError(error, {
      verb: 'insert bulk',
      database,
      processId,
      snapshot: transactions.snapshot,
    });
    if (isTransactionError(shown)) await transactions.abort();
    else if (saved) await postgres.simple('ROLLBACK TO tsql_bulk; RELEASE tsql_bulk');
    if (!incoming.aborted) response.error(shown);
    response.done(Token.done, DoneStatus.error | transactions.doneStatus, BULK_COMMAND, 0);
  }
}
