// Transactions of a session: nesting, savepoints, isolation, and the notices that clients follow them by.
import { SqlError } from './errors.ts';
import type { PostgresConnection } from './postgres-wire.ts';
import { DoneStatus, type Response } from './response.ts';
import { quoteName } from './translate/token-stream.ts';

/** TDS isolation level numbers and T-SQL's names, as PostgreSQL knows them. */
const ISOLATION: Readonly<Record<string, string>> = {
  1: 'READ UNCOMMITTED',
  2: 'READ COMMITTED',
  3: 'REPEATABLE READ',
  4: 'SERIALIZABLE',
  5: 'REPEATABLE READ',
  'read uncommitted': 'READ UNCOMMITTED',
  'read committed': 'READ COMMITTED',
  'repeatable read': 'REPEATABLE READ',
  serializable: 'SERIALIZABLE',
  snapshot: 'REPEATABLE READ',
};
const SNAPSHOT_LEVEL = 5;
const Change = { begin: 8, commit: 9, rollback: 10 };
const NO_DESCRIPTOR = Buffer.alloc(0);

let lastDescriptor = 0n;

export class Transactions {
  postgres: PostgresConnection;
  readonly #response: Response;
  #descriptor: Buffer | undefined;
  #savepoints = new Set<string>();
  #isolation = 'read committed';
  /** @@TRANCOUNT. */
  depth = 0;
  snapshot = false;

  constructor(postgres: PostgresConnection, response: Response) {
    this.postgres = postgres;
    this.#response = response;
  }

  /** The level of the transactions to come. */
  get isolation(): string {
    return this.#isolation;
  }

  get open(): boolean {
    return this.depth > 0;
  }

  /** The bit that DONE tokens carry while a transaction is open. */
  get doneStatus(): number {
    return this.open ? DoneStatus.inTransaction : 0;
  }

  /** BEGIN TRANSACTION; an isolation level of 0 means the session's own. */
  async begin(isolation = 0): Promise<void> {
    if (this.open) {
      this.depth++;
      return;
    }
    const level = isolation === 0 ? this.#isolation : String(isolation);
    await this.postgres.simple(`BEGIN ISOLATION LEVEL ${ISOLATION[level] ?? 'READ COMMITTED'}`);
    this.snapshot = isolation === SNAPSHOT_LEVEL || (isolation === 0 && this.#isolation === 'snapshot');
    this.depth = 1;
    this.#savepoints.clear();
    this.#descriptor = Buffer.alloc(8);
    this.#descriptor.writeBigUInt64LE(++lastDescriptor);
    this.#response.environmentBytes(Change.begin, this.#descriptor, NO_DESCRIPTOR);
  }

  async commit(): Promise<void> {
    if (!this.open)
      throw new SqlError(3902, 'The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.');
    if (this.depth > 1) {
      this.depth--;
      return;
    }
    try {
      await this.postgres.simple('COMMIT');
    } catch (error) {
      this.#ended(Change.rollback);
      throw error;
    }
    this.#ended(Change.commit);
  }

  /** ROLLBACK of everything, or to a savepoint when its name is given and known. */
  async rollback(savepoint = ''): Promise<void> {
    if (!this.open)
      throw new SqlError(3903, 'The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.');
    const name = savepoint.toLowerCase();
    if (name !== '' && this.#savepoints.has(name)) {
      await this.postgres.simple(`ROLLBACK TO ${quoteName(`save_${name}`)}`);
      return;
    }
    await this.postgres.simple('ROLLBACK');
    this.#ended(Change.rollback);
  }

  /** What a deadlock or an update conflict does: the whole transaction is gone. */
  async abort(): Promise<void> {
    if (this.open) await this.rollback();
  }

  async save(name: string): Promise<void> {
    if (!this.open)
      throw new SqlError(628, 'Cannot issue SAVE TRANSACTION when there is no active transaction.');
    await this.postgres.simple(`SAVEPOINT ${quoteName(`save_${name.toLowerCase()}`)}`);
    this.#savepoints.add(name.toLowerCase());
  }

  async isolate(level: string): Promise<void> {
    const held = ISOLATION[level];
    if (held === undefined) throw new SqlError(102, `Incorrect syntax near '${level}'.`, 15);
    this.#isolation = level;
    await this.postgres.simple(`SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL ${held}`);
  }

  #ended(change: number): void {
    this.depth = 0;
    this.snapshot = false;
    this.#savepoints.clear();
    if (this.#descriptor) this.#response.environmentBytes(change, NO_DESCRIPTOR, this.#descriptor);
    this.#descriptor = undefined;
  }
}
