// One copy, as workflows see it: what to copy, what came of it, how far it is. Names, ranges and counts only.
import type { JsonObject, JsonValue } from './json.ts';

/** One end of a copy. Every expression has been evaluated; secrets are only ever referred to by linked service. */
export interface CopyEndpoint {
  /** Name of the linked service; the activity looks it up in factory and settings, and resolves its secrets there. */
  readonly linkedService: string;
  readonly linkedServiceParameters?: Record<string, JsonValue>;
  /** ADF's dataset type, such as SqlServerTable, SnowflakeV2Table, DelimitedText. */
  readonly datasetType: string;
  /** The dataset's typeProperties (schema, table | location, columnDelimiter, ...). */
  readonly dataset: JsonObject;
  /** The copy source's or sink's own object: `{ "type": "SqlServerSource", ... }`. */
  readonly settings: JsonObject;
}

/** Input of the workflow `copyData`. */
export interface CopyInput {
  /** Identity of the logical copy; the ledger's key. The workflow id, so a rerun under the same id resumes. */
  readonly copyId: string;
  readonly pipeline: string;
  readonly activity: string;
  readonly source: CopyEndpoint;
  readonly sink: CopyEndpoint;
  /** Copy's own typeProperties other than source and sink: enableStaging, stagingSettings, translator, parallelCopies, ... */
  readonly options: JsonObject;
  /** An envelope of core/pipeline/secure.ts, where nothing of the copy may be readable in history. */
  readonly secure?: JsonObject;
  readonly trigger?: string;
  /** ISO 8601 instant of the window's start, where the run has one. */
  readonly windowStart?: string;
}

export interface DataConsistencyVerification {
  readonly VerificationResult: 'Verified' | 'NotVerified' | 'Unsupported';
  readonly InconsistentData: 'Found' | 'Skipped' | 'None';
}

/** Result of `copyData`: ADF's Copy activity output (its field names and units), and what ADF does not have under `waybill`. */
export interface CopyOutput {
  /** Bytes. */
  readonly dataRead: number;
  /** Bytes. */
  readonly dataWritten: number;
  /** Absent, like the next two, where files were copied as they are. */
  readonly rowsRead: number;
  readonly rowsCopied: number;
  readonly rowsSkipped: number;
  /** Where files were copied as they are. */
  readonly filesSkipped?: number;
  readonly filesRead?: number;
  readonly filesWritten?: number;
  /** Seconds. */
  readonly copyDuration: number;
  /** KB/s, as ADF. */
  readonly throughput: number;
  readonly usedParallelCopies: number;
  /** Of the runtime, as Data Factory says it of a self-hosted one. Absent before version 0.2. */
  readonly effectiveIntegrationRuntime?: JsonValue;
  readonly usedDataIntegrationUnits?: JsonValue;
  readonly billingReference?: JsonValue;
  readonly durationInQueue?: JsonValue;
  /** Every chunk at work has one connection to each end. */
  readonly sourcePeakConnections?: number;
  readonly sinkPeakConnections?: number;
  /** Folder of the session log, where rows were skipped and logged. */
  readonly logFilePath?: string;
  /** The same under its older name, where the definition uses that. */
  readonly redirectRowPath?: string;
  /** Only what would help this very copy. */
  readonly perfRecommendation?: JsonValue[];
  readonly errors: JsonValue[];
  readonly executionDetails: JsonValue[];
  readonly dataConsistencyVerification: DataConsistencyVerification;
  readonly waybill: {
    readonly copyId: string;
    readonly chunks: number;
    /** Sum over rows of the unsigned upper 64 bits of the MD5 of the row's canonical text, as a decimal string. */
    readonly sourceChecksum: string;
    readonly sinkChecksum: string;
    /** Rows found in the sink by the sink's own count. */
    readonly sinkRows: number;
    /** Human names: "SQL Server dbo.flights". */
    readonly from: string;
    readonly to: string;
    /** Version of the Delta table that was written, or read. */
    readonly deltaVersion?: number;
  };
}

/** Answer of the query `progress` on `copyData`: what is committed. Rows in flight are in the pending activities' heartbeats. */
export interface CopyProgress {
  readonly kind: 'copy';
  readonly activity: string;
  readonly from: string;
  readonly to: string;
  readonly state: 'planning' | 'copying' | 'publishing' | 'done' | 'failed';
  /** Whether every chunk is counted and hashed in the sink before it commits. */
  readonly verified: boolean;
  readonly chunksTotal: number;
  readonly chunksDone: number;
  /** Rows the plan expects; exact where the source can count, else an estimate. */
  readonly rowsTotal: number;
  readonly rowsDone: number;
  /** Rows left out because they do not fit the sink; absent in answers of older workers. */
  readonly rowsSkipped?: number;
  /** Bytes written to the sink so far. */
  readonly bytesDone: number;
  /** Workflow time when copying began, ms since epoch; 0 before that. */
  readonly startedAt: number;
}

/** Heartbeat details of the activity `copyChunk`: what the current attempt has moved so far. */
export interface ChunkHeartbeat {
  readonly chunk: number;
  readonly rows: number;
  readonly bytes: number;
}
