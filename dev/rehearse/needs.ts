// What one pipeline's rehearsal has to find in the local world before it runs.
import type { JsonObject, JsonValue } from '../../src/core/json.ts';

/** Which of the local world's stores stands in for a linked service, and where in it. */
export interface StoreRef {
  readonly kind: StoreKind;
  /** As in the factory. */
  readonly linkedService: string;
  /** Database of a database, "" of a store of files. */
  readonly database: string;
  /** Schema of names that give none. */
  readonly schema: string;
}

export type StoreKind = 'sql-server' | 'postgres' | 'mysql' | 'snowflake' | 's3' | 'azure-blob' | 'folder';

export const isDatabase = (kind: StoreKind): boolean =>
  kind === 'sql-server' || kind === 'postgres' || kind === 'mysql' || kind === 'snowflake';

/** What a column holds, whatever its store calls the type. */
export type ColumnKind = 'text' | 'integer' | 'number' | 'date' | 'boolean' | 'binary' | 'guid' | 'time';

export interface ColumnNeed {
  readonly name: string;
  kind: ColumnKind;
  /** Declared somewhere, or told by a use; otherwise guessed from its name. */
  isKnown: boolean;
  /** Values that conditions ask for; rows hold one after another. */
  readonly equals: JsonValue[];
  /** What its texts can be read as: the kind of the column that they are copied into. */
  holds?: ColumnKind;
}

export interface TableNeed {
  readonly store: StoreRef;
  readonly schema: string;
  readonly name: string;
  /** By lower-case name, in order. */
  readonly columns: Map<string, ColumnNeed>;
  /** Rows with a meaning, for a table that steers; a table without any gets generated ones. */
  readonly control: JsonObject[];
  /** It is read, so it needs rows. */
  isRead: boolean;
  /** The pipeline makes it itself. */
  isMade: boolean;
  /** The columns by which an upsert finds rows. */
  readonly keys: string[];
  /** The number that the server gave to an inserted row is asked for. */
  isNumbered?: boolean;
  /** Its changes are read: columns of its key, as far as they are told. */
  tracked?: string[];
  /** Its changes are read under the name of this capture instance. */
  captured?: string;
}

export interface ProcedureNeed {
  readonly store: StoreRef;
  readonly schema: string;
  readonly name: string;
  /** By lower-case name: kind of its value. */
  readonly parameters: Map<
    string,
    {
      readonly name: string;
      readonly kind: ColumnKind;
      readonly tableType?: string;
      readonly isOutput?: boolean;
    }
  >;
  /** What its SELECT gives, where something reads it. */
  readonly rows: JsonObject[];
}

/** How a Delta table's first log is named, within its folder: as a file, a table is named by it. */
export const DELTA_LOG = '_delta_log/00000000000000000000.json';

export interface FileNeed {
  readonly store: StoreRef;
  readonly container: string;
  /** Path within the container, without a slash in front. */
  readonly path: string;
  /** Dataset type: DelimitedText, Json, Parquet, Binary ... "Folder" for a folder with nothing in it. */
  readonly format: string;
  /** The dataset's evaluated typeProperties: delimiters, header, compression. */
  dataset: JsonObject;
  readonly columns: Map<string, ColumnNeed>;
  readonly control: JsonObject[];
  /** Where in a JSON file the rows stand: the source's collectionReference. */
  collection?: string;
  /** Lines before the header that its reader passes over: the source's skipLineCount. */
  skipped?: number;
  /** Which of several files that are read as one it is, from 0: their keys differ. */
  place?: number;
  /** Columns, in lower case, that its readers add themselves, by additionalColumns: the file has none of these names. */
  without?: Set<string>;
  /** Further sheets of a workbook: what other datasets want of the same path. */
  sheets?: FileNeed[];
}

/** What a call to something outside is answered with. */
export interface StubNeed {
  readonly activity: string;
  readonly response: JsonValue;
  /** A file that is answered instead: what a copy reads from there. */
  readonly answer?: FileNeed;
}

/** Everything one pipeline needs, and what had to be assumed. */
export interface Needs {
  readonly tables: Map<string, TableNeed>;
  readonly procedures: Map<string, ProcedureNeed>;
  readonly files: Map<string, FileNeed>;
  /** Copies that take over whatever columns their source has. */
  readonly flows: { readonly from: TableNeed | FileNeed; readonly to: TableNeed }[];
  /** Copies into tables: which of the sink's columns, in lower case, takes each of the source's; undefined for those of the same names. */
  readonly passages: {
    readonly from: TableNeed | FileNeed;
    readonly to: TableNeed;
    readonly names?: ReadonlyMap<string, string>;
  }[];
  /** "container" per store of files, so that sinks find theirs. */
  readonly containers: Map<string, { readonly store: StoreRef; readonly container: string }>;
  readonly stores: Map<string, StoreRef>;
  readonly stubs: Map<string, StubNeed>;
  /** Databases whose list of tables is read: what stands there beside is found too. By `storeKey`. */
  readonly catalogs: Set<string>;
  /** Sentences for the report: what was made up beyond data. */
  readonly notes: Set<string>;
  /** Data flows that will be run: each takes the time of a Spark job. */
  dataFlows: number;
}

export const noNeeds = (): Needs => ({
  tables: new Map(),
  procedures: new Map(),
  files: new Map(),
  flows: [],
  passages: [],
  containers: new Map(),
  stores: new Map(),
  stubs: new Map(),
  catalogs: new Set(),
  notes: new Set(),
  dataFlows: 0,
});

export const storeKey = (store: StoreRef): string => `${store.kind}|${store.database.toLowerCase()}`;

/** Names that differ in case are two names to PostgreSQL and Snowflake. */
const foldedName = ({ kind }: StoreRef, name: string): string =>
  kind === 'postgres' || kind === 'snowflake' ? name : name.toLowerCase();

/** The table of that name, noted as needed. */
export function needTable(needs: Needs, store: StoreRef, path: readonly string[]): TableNeed | undefined {
  const name = path.at(-1);
  if (name === undefined || name === '' || path.length > 3) return undefined;
  const schema = store.kind === 'mysql' ? '' : path.at(-2) || store.schema;
  const database = path.at(-3) || (store.kind === 'mysql' ? path.at(-2) : undefined) || store.database;
  if (/^(information_schema|sys|pg_catalog|mysql|performance_schema)$/i.test(path.at(-2) ?? '')) {
    needs.catalogs.add(storeKey(store));
    return undefined;
  }
  if (/^(pg_tables|pg_class|pg_stat\w*|dual)$/i.test(name)) {
    needs.catalogs.add(storeKey(store));
    return undefined;
  }
  const place = database === store.database ? store : { ...store, database };
  needs.stores.set(storeKey(place), place);
  const key = `${storeKey(place)}|${foldedName(place, `${schema}|${name}`)}`;
  let table = needs.tables.get(key);
  if (table === undefined) {
    table = {
      store: place,
      schema,
      name,
      columns: new Map(),
      control: [],
      isRead: false,
      isMade: false,
      keys: [],
    };
    needs.tables.set(key, table);
  }
  return table;
}

/** The column of that name, noted as needed; what is known of its kind is kept over what is guessed. */
export function needColumn(
  columns: Map<string, ColumnNeed>,
  name: string,
  kind: ColumnKind,
  isKnown: boolean,
): ColumnNeed {
  const key = name.toLowerCase();
  let column = columns.get(key);
  if (column === undefined) {
    column = { name, kind, isKnown, equals: [] };
    columns.set(key, column);
  } else if (isKnown && !column.isKnown) {
    column.kind = kind;
    column.isKnown = true;
  }
  return column;
}
