// The activities of one copy as the workflow sees them. Inputs and results are small: no rows, no secrets.
import type { CopyInput } from '../copy.ts';

/** What `planCopy` found out; the ranges and columns themselves stay in the sink's ledger. */
export interface CopyPlan {
  readonly chunks: number;
  /** Rows the plan expects. */
  readonly rows: number;
  /** Fencing epoch: raised by every planning, so chunks of an older planning are refused. */
  readonly epoch: number;
  readonly from: string;
  readonly to: string;
  /** Whether this copy is already published: nothing is left to do but to read its figures. */
  readonly published: boolean;
  /** Things the reader of the result should know, such as columns outside the checksum. */
  readonly notes: string[];
  readonly verified: boolean;
}

export interface ChunkInput {
  readonly copy: CopyInput;
  readonly chunk: number;
  readonly epoch: number;
}

export interface ChunkResult {
  readonly chunk: number;
  readonly rows: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Decimal strings; see core/copy/row-text.ts. */
  readonly sourceChecksum: string;
  readonly sinkChecksum: string;
  /** True where an earlier attempt had committed it. */
  readonly resumed: boolean;
}

export interface PublishInput {
  readonly copy: CopyInput;
  readonly epoch: number;
}

export interface PublishResult {
  readonly rows: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly sourceChecksum: string;
  readonly sinkChecksum: string;
  readonly files: number;
}

/** Every one is idempotent: repeated under the same copyId it finds what is done. */
export interface CopyActivities {
  planCopy(input: CopyInput): Promise<CopyPlan>;
  copyChunk(input: ChunkInput): Promise<ChunkResult>;
  publishCopy(input: PublishInput): Promise<PublishResult>;
  cleanUpCopy(input: CopyInput): Promise<void>;
}
