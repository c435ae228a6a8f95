// What a SQL store offers besides copies: statements and procedures, as Lookup, Script and Stored Procedure activities
// ask for them.
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { ConnectedLinkedService } from '../core/linked-service.ts';

/** What opening a session needs. */
export interface SqlContext {
  readonly linkedService: ConnectedLinkedService;
  /** Names the session in the store, where it has names for sessions. */
  readonly tag: string;
  /** Aborted when the activity is cancelled: the running statement ends in the store too. */
  readonly signal: AbortSignal;
}

export type ParameterDirection = 'Input' | 'Output' | 'InputOutput';

/** One parameter; its value never becomes part of a statement's text. */
export interface SqlParameter {
  /** Without "@". */
  readonly name: string;
  readonly value: JsonValue;
  /** One of ADF's interim types, or the store's own name of a type; absent where the value decides. */
  readonly type?: string;
  readonly direction: ParameterDirection;
  /** Most characters or bytes of an output; -1 or absent for any. */
  readonly size?: number;
}

export interface SqlLimits {
  /** Rows kept of each result. */
  readonly maxRows: number;
  /**
   * Whether reading ends in the store once enough rows are here. Only for statements that change nothing: ended early,
   * they could be undone.
   */
  readonly stopEarly: boolean;
  /**
   * A column without a name stays without one, as in a Lookup's rows: pipelines read `substring(string(output.firstRow), 5, 10)`
   * of `{"":"2024-01-01"}`. Otherwise it is "Column<n>".
   */
  readonly keepsNameless?: boolean;
}

export interface SqlResultSet {
  readonly rows: JsonObject[];
  /** Rows the result has; at least so many where reading ended early. */
  readonly rowCount: number;
  /** Names of the columns that hold bytes, which JSON shows in base64. */
  readonly byteColumns: readonly string[];
}

export interface SqlAnswer {
  readonly resultSets: SqlResultSet[];
  /** Rows that statements other than queries changed, all together. */
  readonly recordsAffected: number;
  readonly outputParameters: JsonObject;
  /** What the store said besides results (PRINT, RAISE NOTICE), in order. */
  readonly messages: string[];
}

/** A session: temporary tables and settings of one statement are there for the next. */
export interface SqlCommands {
  /** "SQL Server". */
  readonly product: string;
  /** Runs a text of one or more statements, each in a transaction of its own unless the text says otherwise. */
  run(text: string, parameters: readonly SqlParameter[], limits: SqlLimits): Promise<SqlAnswer>;
  /** Calls a procedure. A store without this method has none that ADF calls by name. */
  call?(procedure: string, parameters: readonly SqlParameter[], limits: SqlLimits): Promise<SqlAnswer>;
  /** A statement that reads at most `rows` rows of the dataset's table or view; undefined where it names none. */
  selectFrom(dataset: JsonObject, rows: number): Promise<string | undefined>;
  close(): Promise<void>;
}
