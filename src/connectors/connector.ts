// What a connector offers to the copy activities. One folder per store implements it; registry.ts finds it by type.

import type { PublishResult } from '../core/copy/activities.ts';
import type { KeyRange } from '../core/copy/ranges.ts';
import type { CopyEndpoint } from '../core/copy.ts';
import type { JsonObject } from '../core/json.ts';
import type { ConnectedLinkedService } from '../core/linked-service.ts';
import type { Column, MappedColumn, Row } from '../core/types/column.ts';

/** What opening one end of a copy needs. */
export interface EndpointContext {
  readonly linkedService: ConnectedLinkedService;
  readonly endpoint: CopyEndpoint;
  readonly copyId: string;
  /** A directory of this machine for files in passing; the connector removes what it puts there. */
  readonly workDirectory: string;
  /** Aborted when the activity is cancelled: connections break and running statements end. */
  readonly signal: AbortSignal;
}

/**
 * A store's own wire form that another connector can take as it is. `pg-binary`: tuples of PostgreSQL's COPY BINARY
 * (int16 field count, then per field an int32 length, -1 for NULL, and the type's binary form), without header and trailer.
 */
export type WireFormat = 'pg-binary';

/** A run of whole rows in a wire form. */
export interface FrameBatch {
  readonly data: Buffer;
  readonly rows: number;
}

/** Everything a copy was planned with. Kept in the sink's ledger, so that a resumed copy does not plan anew. */
export interface StoredPlan {
  readonly columns: MappedColumn[];
  /** What the source needs besides a range to read a chunk, such as the partition column. */
  readonly sourceState: JsonObject;
  readonly rows: number;
  readonly from: string;
  readonly verify: boolean;
  readonly notes: string[];
  /** The wire form chunks travel in; absent where they travel as rows of canonical text. */
  readonly wire?: WireFormat;
  /** Hash of what the copy was asked to do; plans of older versions have none. */
  readonly inputHash?: string;
}

export interface PlannedRanges {
  readonly ranges: KeyRange[];
  /** Expected rows; exact where the source can count cheaply. */
  readonly rows: number;
  readonly sourceState: JsonObject;
}

/** A table, query or folder of files to read. */
export interface CopySource {
  /** "SQL Server dbo.flights". */
  readonly label: string;
  columns(): Promise<Column[]>;
  /** Cuts the source into chunks. `parallelCopies` is how many run at once. */
  plan(parallelCopies: number): Promise<PlannedRanges>;
  /** Streams a chunk in batches of rows, back-pressured by the consumer. Repeatable as long as the source rests. */
  read(columns: readonly Column[], range: KeyRange, sourceState: JsonObject): AsyncIterable<Row[]>;
  /** Wire forms in which this source can hand over just these columns. A source without this method reads rows only. */
  wireFormats?(columns: readonly Column[]): readonly WireFormat[];
  /** As `read`, in a wire form that `wireFormats` named. */
  readFrames?(
    format: WireFormat,
    columns: readonly Column[],
    range: KeyRange,
    sourceState: JsonObject,
  ): AsyncIterable<FrameBatch>;
  /** Removes what reading left behind, such as unloaded files of an attempt that was killed. */
  cleanUp(): Promise<void>;
  close(): Promise<void>;
}

/** Figures of one committed chunk, as the ledger keeps them. */
export interface ChunkFigures {
  readonly rows: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly sourceChecksum: string;
  readonly sinkChecksum: string;
}

/** Rows on their way, counted and hashed as they pass; `figures` is complete once `batches` has ended. */
export interface MeasuredRows {
  readonly batches: AsyncIterable<Row[]>;
  figures(): { readonly rows: number; readonly bytes: number; readonly checksum: string };
}

export interface LedgerState {
  readonly plan: StoredPlan;
  readonly chunks: number;
  readonly epoch: number;
  readonly published: boolean;
}

/** A chunk as `claimChunk` found it: committed before, or ours to do. */
export type ClaimedChunk =
  | { readonly state: 'committed'; readonly figures: ChunkFigures }
  | { readonly state: 'claimed'; readonly range: KeyRange; readonly plan: StoredPlan };

/** A table or folder to write, and the ledger beside it that makes every step repeatable. */
export interface CopySink {
  /** "Snowflake PUBLIC.FLIGHTS". */
  readonly label: string;
  /** The target's columns; undefined where it does not exist and may be created; null where any columns will do. */
  columns(): Promise<Column[] | undefined | null>;
  /** Creates the target for these columns and returns its columns. */
  createTarget(columns: readonly Column[]): Promise<Column[]>;
  /** Raises the epoch of an earlier plan of this copy, which fences every attempt made under the old one. */
  resumePlan(): Promise<LedgerState | undefined>;
  /** Stores the plan with its ranges, and makes the staging place. */
  storePlan(plan: StoredPlan, ranges: readonly KeyRange[]): Promise<LedgerState>;
  /** Takes the chunk for `generation`, refusing all lower ones from here on. Throws CHUNK_FENCED if it is one. */
  claimChunk(chunk: number, generation: number): Promise<ClaimedChunk>;
  /** Commits the chunk's rows and its ledger entry together, after comparing them with what left the source. */
  writeChunk(chunk: number, generation: number, plan: StoredPlan, rows: MeasuredRows): Promise<ChunkFigures>;
  /** Whether `writeFrames` takes these columns in this wire form: no value needs a conversion on the way. */
  acceptsFrames?(format: WireFormat, columns: readonly MappedColumn[]): boolean;
  /** As `writeChunk`, for rows in the plan's wire form; counts and verifies by means of its own. */
  writeFrames?(
    chunk: number,
    generation: number,
    plan: StoredPlan,
    frames: AsyncIterable<FrameBatch>,
  ): Promise<ChunkFigures>;
  /** Makes all chunks visible at once; the second call returns the first one's result. */
  publish(epoch: number): Promise<PublishResult>;
  /** Removes staging of this copy. Ledger entries of a published copy stay: they are the proof. */
  cleanUp(): Promise<void>;
  close(): Promise<void>;
}

export interface Connector {
  /** Whether reading stages files in the store; one that does not is not even opened to clean up after reading. */
  readonly readingLeavesFiles: boolean;
  openSource(context: EndpointContext): Promise<CopySource>;
  openSink(context: EndpointContext): Promise<CopySink>;
}
