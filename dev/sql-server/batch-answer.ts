// What a batch answers at the end of its statements: DONE tokens that say whether more follows, and errors.
import { type SqlError, toSqlError } from './errors.ts';
import { DoneStatus, Token } from './response.ts';
import type { SessionState } from './session-state.ts';

const NO_COMMAND = 0xfd;

export class BatchAnswer {
  readonly #state: SessionState;
  readonly #doneToken: number;
  #pendingDone: { status: number; command: number; rows: number } | undefined;
  /** Whether an error was reported. */
  failed = false;

  /** `doneToken` is DONE for a batch; DONEINPROC inside a procedure call, where more always follows. */
  constructor(state: SessionState, doneToken: number) {
    this.#state = state;
    this.#doneToken = doneToken;
  }

  /** A statement ended. Its token waits until it is known whether another follows. */
  done(status: number, command: number, rows: number): void {
    this.flush(true);
    this.#pendingDone = { status: status | this.#state.transactions.doneStatus, command, rows };
  }

  /** Sends the waiting token; `more`: another statement or result follows. */
  flush(more: boolean): void {
    const done = this.#pendingDone;
    if (done === undefined) return;
    const follows = more || this.#doneToken === Token.doneInProcedure ? DoneStatus.more : 0;
    this.#state.response.done(this.#doneToken, done.status | follows, done.command, done.rows);
    this.#pendingDone = undefined;
  }

  /** The batch ended. */
  finish(): void {
    if (this.#doneToken === Token.done && this.#pendingDone === undefined) this.done(0, NO_COMMAND, 0);
    this.flush(false);
  }

  /** Sends the error, as the end of its statement. */
  report(error: unknown, verb: string): SqlError {
    const shown = this.shown(error, verb);
    this.failed = true;
    this.flush(true);
    if (!this.#state.cancelled) this.#state.response.error(shown);
    this.done(DoneStatus.error, NO_COMMAND, 0);
    return shown;
  }

  /** The error as SQL Server would put it. */
  shown(error: unknown, verb: string): SqlError {
    const { database, processId, transactions } = this.#state;
    return toSqlError(error, { verb, database, processId, snapshot: transactions.snapshot });
  }
}
