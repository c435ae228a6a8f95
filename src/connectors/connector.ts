// What a connector offers to the copy activities. One folder per store implements it; registry.ts finds it by type.

import type { PublishResult } from '../core/copy/activities.ts';
import type { IncrementalPlan, RowCounts, Watermark, WatermarkPart } from '../core/copy/incremental.ts';
import type { KeyRange } from '../core/copy/ranges.ts';
import type { CopyEndpoint } from '../core/copy.ts';
import type { WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { ConnectedLinkedService } from '../core/linked-service.ts';
import type { Column, MappedColumn, Row } from '../core/types/column.ts';
import type { OpenFolder } from './common/files/file-opener.ts';
import type { SqlCommands, SqlContext } from './sql-commands.ts';

/** What opening one end of a copy needs. */
export interface EndpointContext {
  readonly linkedService: ConnectedLinkedService;
  readonly endpoint: CopyEndpoint;
  readonly copyId: string;
  /** A directory of this machine for files in passing; the connector removes what it puts there. */
  readonly workDirectory: string;
  /** Aborted when the activity is cancelled: connections break and running statements end. */
  readonly signal: AbortSignal;
  /** What the definition's stagingSettings name, where it enables staging; looked up when it is used. */
  readonly staging?: StagingPlace;
  /** Sources: reads and counts only these rows; absent for all. */
  readonly filter?: RowFilter;
  /** The copy's translator, for ends whose documents it takes apart or puts together. */
  readonly translator?: JsonValue;
  /** Sources of files: files that may be left out; absent where none may. */
  readonly skipFiles?: SkippedFiles;
  /** Sources of files: rows of another width are left out instead of failing the copy. */
  readonly skipRows?: boolean;
  /** Sources of documents: each is one value, because the sink keeps documents as they are. */
  readonly asDocuments?: boolean;
}

/** A folder that both ends of a copy can reach. */
export interface StagingPlace {
  /** "container/folder". */
  readonly path: string;
  linkedService(): Promise<ConnectedLinkedService>;
  /** Whoever opens it closes its store. */
  openFolder(): Promise<OpenFolder>;
}

/** Which rows of a source are read, by the value of one column. */
export interface RowFilter {
  readonly column: Column;
  readonly part: WatermarkPart;
  /** Canonical texts of the bounds; null is open. What they mean depends on `part`. */
  readonly lower: string | null;
  readonly upper: string | null;
  /** Whether `between` begins with the lower bound itself: it does where no copy read that bound before. */
  readonly lowerIncluded: boolean;
}

/**
 * A store's own wire form that another connector can take as it is. `pg-binary`: tuples of PostgreSQL's COPY BINARY
 * (int16 field count, then per field an int32 length, -1 for NULL, and the type's binary form), without header and trailer.
 * `csv`: UTF-8 records as PLAIN_CSV of core/copy/csv.ts has them: canonical texts, String always quoted, NULL empty. Floats
 * and decimals without a scale may stand as their store prints them. A batch may end within a record; `rows` adds up at
 * the end.
 */
export type WireFormat = 'pg-binary' | 'csv';

/** A run of whole rows in a wire form. */
export interface FrameBatch {
  readonly data: Buffer;
  readonly rows: number;
  /** Gives the memory back for another batch, once: `data` may not be used from then on. Who keeps `data` does not call it. */
  release?(): void;
}

/** Everything a copy was planned with. Kept in the sink's ledger, so that a resumed copy does not plan anew. */
export interface StoredPlan {
  readonly columns: MappedColumn[];
  /** What the source needs besides a range to read a chunk, such as the partition column. */
  readonly sourceState: JsonObject;
  readonly rows: number;
  readonly from: string;
  /** Files the source consists of. */
  readonly files?: number;
  readonly verify: boolean;
  readonly notes: string[];
  /** The wire form chunks travel in; absent where they travel as rows of canonical text. */
  readonly wire?: WireFormat;
  /** Whether rows that do not fit, or whose key is taken, are left out instead of failing the copy. */
  readonly skips?: boolean;
  /** Where the copy is incremental. */
  readonly incremental?: IncrementalPlan;
  /** Hash of what the copy was asked to do; plans of older versions have none. */
  readonly inputHash?: string;
}

export interface PlannedRanges {
  readonly ranges: KeyRange[];
  /** Expected rows; exact where the source can count cheaply. */
  readonly rows: number;
  readonly sourceState: JsonObject;
  /** What the reader of the result should know of how the source is read. */
  readonly notes?: readonly string[];
  /** How many files the source consists of, where it is one of files. */
  readonly files?: number;
}

/** Failures of one file that leave it out instead of failing the copy: ADF's skipErrorFile. */
export interface SkippedFiles {
  readonly missing: boolean;
  /** It changed, or is not what its format says. */
  readonly inconsistent: boolean;
  readonly forbidden: boolean;
}

/** What reading left out, and why. */
export interface RejectedInput {
  readonly rows: readonly { readonly row: Row; readonly error: WaybillError }[];
  readonly files: readonly { readonly key: string; readonly error: WaybillError }[];
}

/** A table, query or folder of files to read. */
export interface CopySource {
  /** "SQL Server dbo.flights". */
  readonly label: string;
  columns(): Promise<Column[]>;
  /** Cuts the source into chunks. `parallelCopies` is how many run at once, `wire` how they will travel, if not as rows. */
  plan(parallelCopies: number, wire?: WireFormat): Promise<PlannedRanges>;
  /** Streams a chunk in batches of rows, back-pressured by the consumer. Repeatable as long as the source rests. */
  read(columns: readonly Column[], range: KeyRange, sourceState: JsonObject): AsyncIterable<Row[]>;
  /**
   * The highest value of a column as canonical text, at the precision the store keeps (null without one), and how many
   * rows have none. A source without this method cannot be copied incrementally.
   */
  highest?(column: Column): Promise<{ readonly value: string | null; readonly nulls: number }>;
  /** Wire forms in which this source can hand over just these columns. A source without this method reads rows only. */
  wireFormats?(columns: readonly Column[]): readonly WireFormat[];
  /** As `read`, in a wire form that `wireFormats` named. */
  readFrames?(
    format: WireFormat,
    columns: readonly Column[],
    range: KeyRange,
    sourceState: JsonObject,
  ): AsyncIterable<FrameBatch>;
  /** The file that the batch last read comes from, as `$$FILEPATH` shows it. Sources of files have it. */
  filePath?(): string | undefined;
  /** Rows and files that reading left out since it was asked last, because the copy may. */
  rejected?(): RejectedInput;
  /** Removes what reading left behind, such as unloaded files of an attempt that was killed. */
  cleanUp(): Promise<void>;
  close(): Promise<void>;
}

/** Figures of one committed chunk, as the ledger keeps them. */
export interface ChunkFigures {
  readonly rows: number;
  /** Rows of the source that were left out because they do not fit the sink; absent where none were. */
  readonly skipped?: number;
  /** Files of the source that were left out; absent where none were. */
  readonly filesSkipped?: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly sourceChecksum: string;
  readonly sinkChecksum: string;
}

/** Rows on their way, counted and hashed as they pass; `figures` is complete once `batches` has ended. */
export interface MeasuredRows {
  readonly batches: AsyncIterable<Row[]>;
  /** `rows` is what `batches` gave: rows that were left out are counted in `skipped` alone. */
  figures(): {
    readonly rows: number;
    readonly bytes: number;
    readonly checksum: string;
    readonly skipped?: number;
    readonly filesSkipped?: number;
  };
  /** Hashes of the rows that passed, for a chunk at a bound of an incremental copy; complete like `figures`. */
  remembered?(): RowCounts;
}

/** Takes the rows that publishing leaves out because their key is taken, before they are out for good. */
export type SkippedKeys = (rows: readonly { readonly row: Row; readonly reason: string }[]) => Promise<void>;

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
  /** False where the sink cannot look at what it was given, such as a stored procedure. */
  readonly verifies?: boolean;
  /** What the reader of the result should know of how rows are written; complete once `columns` was asked. */
  readonly notes?: readonly string[];
  /** Whether rows written twice are still there once: upserts. Absent or false for sinks that only add. */
  readonly repeatable?: boolean;
  /** The state that `publish` committed last for an incremental copy. A sink without this method keeps none. */
  watermark?(stream: string): Promise<Watermark>;
  /** The target's columns; undefined where it does not exist and may be created; null where any columns will do. */
  columns(): Promise<Column[] | undefined | null>;
  /** The columns that `createTarget` would make, or that files will have. Without it they are as given. */
  previewTarget?(columns: readonly Column[]): Column[];
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
  publish(epoch: number, skipped?: SkippedKeys): Promise<PublishResult>;
  /** Removes staging of this copy. Ledger entries of a published copy stay: they are the proof. */
  cleanUp(): Promise<void>;
  close(): Promise<void>;
}

export interface Connector {
  /** Whether reading stages files in the store; one that does not is not even opened to clean up after reading. */
  readonly readingLeavesFiles: boolean;
  openSource(context: EndpointContext): Promise<CopySource>;
  openSink(context: EndpointContext): Promise<CopySink>;
  /** SQL stores: a session for statements and procedures. */
  openCommands?(context: SqlContext): Promise<SqlCommands>;
  /** Stores of files: the rows of a dataset as JSON, typed as its format has them. Ending the iteration ends the reading. */
  lookUp?(context: EndpointContext): AsyncIterable<JsonObject>;
}
