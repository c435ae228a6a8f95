// Sweeping: removing what copies left behind that ended without cleaning up.

/** A closed run of `copyData`. */
export interface OrphanedCopy {
  /** The workflow id, which is the copy's id. */
  readonly copyId: string;
  readonly runId: string;
}

export interface FindOrphansInput {
  /** Only copies that closed at least so many seconds ago: until then a rerun may want their chunks. */
  readonly olderThanSeconds: number;
  /** At most so many. */
  readonly limit: number;
}

export interface SweepInput {
  /** See FindOrphansInput; a day by default. */
  readonly olderThanSeconds?: number;
}

export interface SweepResult {
  /** Ids of copies whose leftovers were removed. */
  readonly swept: string[];
  /** Ids of copies that were started again meanwhile: theirs is left alone. */
  readonly running: string[];
  /** Ids of copies that could not be swept; the next sweep tries again. */
  readonly failed: string[];
}

export interface SweepActivities {
  /** Copies that closed without success and were neither run again nor swept since, oldest first. */
  findOrphans(input: FindOrphansInput): Promise<OrphanedCopy[]>;
  /** Removes staging tables, staged files, multipart uploads and ledger entries of a copy. Idempotent. */
  removeOrphan(orphan: OrphanedCopy): Promise<void>;
}
