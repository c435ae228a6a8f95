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
  /** Chunks to run at once; absent in plans of older versions. */
  readonly parallelCopies?: number;
  /** What the chunks are cut by: "order_id", or absent for a source in one piece. */
  readonly partitionColumn?: string;
  /** Files the source consists of, where it is one of files. */
  readonly files?: number;
  /** Files are copied as they are: the plan's rows are files. */
  readonly binary?: boolean;
  /** Path of the session log's files, where rows that do not fit are skipped and logged. */
  readonly logPath?: string;
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
  /** Rows left out because they do not fit the sink. */
  readonly skipped?: number;
  /** Files left out because they cannot be read. */
  readonly filesSkipped?: number;
  /** ms until the source's first rows were there; absent where they came from an earlier attempt. */
  readonly firstRowsAfter?: number;
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
  /** Rows left out by the chunks and by publishing, together. */
  readonly skipped?: number;
  /** Files left out by the chunks; of files copied as they are, `skipped` counts them. */
  readonly filesSkipped?: number;
  /** ms that the pre-copy script took; absent where there is none or an earlier attempt ran it. */
  readonly preCopyScriptMs?: number;
}

/** One column's way, as `waybill plan` shows it. */
export interface PlannedColumn {
  readonly source: string;
  readonly sourceType: string;
  readonly sink: string;
  readonly sinkType: string;
  readonly fidelity: 'exact' | 'widened' | 'checked' | 'lossy' | 'refused';
  readonly note?: string;
}

/** What a copy would do, found out without moving a row or changing anything. */
export interface CopyPreview {
  readonly from: string;
  readonly to: string;
  readonly chunks: number;
  readonly rows: number;
  readonly partitionColumn?: string;
  /** "rows", or the wire form that passes through. */
  readonly wire: string;
  readonly parallelCopies: number;
  readonly verified: boolean;
  /** "insert", "upsert by id", ... */
  readonly writeBehavior: string;
  /** Whether the target is yet to be made. */
  readonly creates: boolean;
  readonly columns: readonly PlannedColumn[];
  readonly notes: readonly string[];
  /** Why the copy would be refused; empty where it would run. */
  readonly problems: readonly string[];
}

/** Every one is idempotent: repeated under the same copyId it finds what is done. */
export interface CopyActivities {
  planCopy(input: CopyInput): Promise<CopyPlan>;
  copyChunk(input: ChunkInput): Promise<ChunkResult>;
  publishCopy(input: PublishInput): Promise<PublishResult>;
  cleanUpCopy(input: CopyInput): Promise<void>;
  /** Reads catalogues and counts; writes nothing. */
  previewCopy(input: CopyInput): Promise<CopyPreview>;
}
