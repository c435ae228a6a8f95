// The SQL Statement Execution API: statements with their states, results in chunks, and the one warehouse they run on.
import { randomUUID } from 'node:crypto';
import { ApiError, invalid, missing, notImplemented } from './errors.ts';
import { type Json, numberIn, objectsIn, required, textIn } from './json.ts';
import type { Store } from './store.ts';
import {
  type Column,
  type Parameter,
  type StatementAnswer,
  StatementError,
  type Warehouse,
} from './warehouse.ts';

export const WAREHOUSE_ID = 'local0000warehouse';

type State = 'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELED';

interface Statement {
  readonly id: string;
  readonly abort: AbortController;
  readonly done: Promise<void>;
  state: State;
  error?: { readonly message: string; readonly sqlState: string | undefined };
  columns: readonly Column[];
  chunks: (readonly (string | null)[])[][];
  truncated: boolean;
}

/** Bytes of a result that is answered with the statement (INLINE): Databricks' own limit. */
const MOST_INLINE = 25 * 1024 * 1024;
const CHUNK_ROWS = 10_000;
/** Ended statements that are kept; Databricks forgets them after an hour. */
const KEPT = 200;
const CATALOGS = new Set(['hive_metastore', 'spark_catalog']);

export class Statements {
  readonly #warehouse: Warehouse;
  readonly #store: Store;
  readonly #all = new Map<string, Statement>();

  constructor(warehouse: Warehouse, store: Store) {
    this.#warehouse = warehouse;
    this.#store = store;
  }

  /** POST /sql/statements: runs it, and waits as long as it is asked to. */
  async execute(body: Json): Promise<Json> {
    const text = required(textIn(body, 'statement'), 'statement');
    checkWarehouse(required(textIn(body, 'warehouse_id'), 'warehouse_id'));
    checkCatalog(textIn(body, 'catalog'));
    const disposition = textIn(body, 'disposition') ?? 'INLINE';
    const format = textIn(body, 'format') ?? 'JSON_ARRAY';
    if (disposition !== 'INLINE') throw notImplemented(`disposition ${disposition} of sql/statements`);
    if (format !== 'JSON_ARRAY') throw notImplemented(`format ${format} of sql/statements`);
    if (body['byte_limit'] !== undefined) throw notImplemented('byte_limit of sql/statements');
    const wait = waitOf(textIn(body, 'wait_timeout') ?? '10s');
    const onTimeout = textIn(body, 'on_wait_timeout') ?? 'CONTINUE';
    if (onTimeout !== 'CONTINUE' && onTimeout !== 'CANCEL')
      throw invalid(`on_wait_timeout must be CONTINUE or CANCEL, not ${onTimeout}.`);
    const limit = numberIn(body, 'row_limit');
    const statement = this.#begin(text, {
      parameters: parametersOf(body),
      schema: textIn(body, 'schema'),
      limit,
    });
    this.#store.logRequest('sql/statements', text.slice(0, 200), [statement.id]);
    if (wait > 0) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, wait);
      });
      await Promise.race([statement.done, late]);
      clearTimeout(timer);
      if (isOpen(statement) && onTimeout === 'CANCEL') this.#cancel(statement);
    }
    return view(statement);
  }

  /** Runs one statement for a task, to its end. Throws StatementError. */
  run(statement: string, parameters: readonly Parameter[], signal: AbortSignal): Promise<StatementAnswer> {
    return this.#warehouse.execute({ statement, parameters }, signal);
  }

  /** The warehouse's metastore for another process; statements wait meanwhile. */
  lend<T>(body: (environment: Readonly<Record<string, string>>) => Promise<T>): Promise<T> {
    return this.#warehouse.lend(body);
  }

  get(id: string): Json {
    return view(this.#find(id));
  }

  chunk(id: string, index: number): Json {
    const statement = this.#find(id);
    if (statement.state !== 'SUCCEEDED')
      throw invalid(`Statement ${id} is ${statement.state}, so it has no result.`);
    if (!(index >= 0 && index < Math.max(1, statement.chunks.length)))
      throw invalid(`Statement ${id} has no chunk ${index}.`);
    return chunkView(statement, index);
  }

  cancel(id: string): Json {
    this.#cancel(this.#find(id));
    return {};
  }

  close(): Promise<void> {
    return this.#warehouse.close();
  }

  #find(id: string): Statement {
    const found = this.#all.get(id);
    if (found) return found;
    throw missing(`The statement ${id} was not found.`);
  }

  #cancel(statement: Statement): void {
    if (!isOpen(statement)) return;
    statement.state = 'CANCELED';
    statement.abort.abort();
  }

  #begin(
    text: string,
    with_: { parameters: readonly Parameter[]; schema: string | undefined; limit: number | undefined },
  ): Statement {
    const abort = new AbortController();
    const { parameters, schema, limit } = with_;
    const running = this.#warehouse.execute(
      {
        statement: text,
        parameters,
        ...(schema === undefined ? {} : { schema }),
        ...(limit === undefined ? {} : { limit }),
      },
      abort.signal,
    );
    const statement: Statement = {
      id: randomUUID(),
      abort,
      done: running.then(
        (answer) => settle(statement, answer),
        (error: unknown) => {
          if (statement.state === 'CANCELED') return;
          statement.state = 'FAILED';
          const sqlState = error instanceof StatementError ? error.sqlState : undefined;
          statement.error = { message: error instanceof Error ? error.message : String(error), sqlState };
        },
      ),
      state: 'PENDING',
      columns: [],
      chunks: [],
      truncated: false,
    };
    this.#all.set(statement.id, statement);
    for (const one of this.#all.values()) {
      if (this.#all.size <= KEPT) break;
      if (!isOpen(one)) this.#all.delete(one.id);
    }
    return statement;
  }
}

/** GET /sql/warehouses and /sql/warehouses/{id}: the one there is. */
export const warehouseView = (host: string): Json => ({
  id: WAREHOUSE_ID,
  name: 'local',
  cluster_size: '2X-Small',
  min_num_clusters: 1,
  max_num_clusters: 1,
  auto_stop_mins: 10,
  warehouse_type: 'PRO',
  enable_serverless_compute: false,
  state: 'RUNNING',
  num_clusters: 1,
  odbc_params: { hostname: host, path: `/sql/1.0/warehouses/${WAREHOUSE_ID}`, port: 443, protocol: 'https' },
});

export function checkWarehouse(id: string): void {
  if (id !== WAREHOUSE_ID) throw missing(`The warehouse ${id} was not found.`);
}

/** There is the one catalog that a Spark without Unity Catalog has. */
export function checkCatalog(catalog: string | undefined): void {
  if (catalog !== undefined && !CATALOGS.has(catalog.toLowerCase()))
    throw notImplemented(`catalog ${catalog}: Unity Catalog`);
}

function settle(statement: Statement, { columns, rows, truncated }: StatementAnswer): void {
  if (statement.state === 'CANCELED') return;
  if (
    rows.reduce((sum, row) => sum + row.reduce((all, value) => all + (value?.length ?? 4) + 3, 0), 0) >
    MOST_INLINE
  ) {
    statement.state = 'FAILED';
    statement.error = {
      message:
        'Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result size of at most 26214400 bytes.',
      sqlState: undefined,
    };
    return;
  }
  statement.state = 'SUCCEEDED';
  statement.columns = columns;
  statement.truncated = truncated;
  for (let at = 0; at < rows.length; at += CHUNK_ROWS) statement.chunks.push(rows.slice(at, at + CHUNK_ROWS));
}

const isOpen = ({ state }: Statement): boolean => state === 'PENDING' || state === 'RUNNING';

function view(statement: Statement): Json {
  const { id, state, error, columns, chunks, truncated } = statement;
  const status = {
    state,
    ...(error === undefined
      ? {}
      : {
          error: { error_code: 'BAD_REQUEST', message: error.message },
          ...(error.sqlState === undefined ? {} : { sql_state: error.sqlState }),
        }),
  };
  if (state !== 'SUCCEEDED') return { statement_id: id, status };
  const rows = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return {
    statement_id: id,
    status,
    manifest: {
      format: 'JSON_ARRAY',
      schema: { column_count: columns.length, columns },
      total_chunk_count: chunks.length,
      chunks: chunks.map((chunk, index) => ({
        chunk_index: index,
        row_offset: index * CHUNK_ROWS,
        row_count: chunk.length,
      })),
      total_row_count: rows,
      truncated,
    },
    result: chunkView(statement, 0),
  };
}

function chunkView({ id, chunks }: Statement, index: number): Json {
  const rows = chunks[index];
  if (rows === undefined) return {};
  const next = index + 1;
  return {
    chunk_index: index,
    row_offset: index * CHUNK_ROWS,
    row_count: rows.length,
    data_array: rows,
    ...(next < chunks.length
      ? {
          next_chunk_index: next,
          next_chunk_internal_link: `/api/2.0/sql/statements/${id}/result/chunks/${next}?row_offset=${next * CHUNK_ROWS}`,
        }
      : {}),
  };
}

function parametersOf(body: Json): Parameter[] {
  return objectsIn(body, 'parameters').map((one) => {
    const [type, value] = [textIn(one, 'type'), textIn(one, 'value')];
    return {
      name: required(textIn(one, 'name'), 'parameters.name'),
      ...(type === undefined ? {} : { type }),
      ...(value === undefined ? {} : { value }),
    };
  });
}

/** ms. */
function waitOf(text: string): number {
  const seconds = Number(/^(\d+)s$/.exec(text)?.[1] ?? Number.NaN);
  if (seconds === 0 || (seconds >= 5 && seconds <= 50)) return seconds * 1000;
  throw new ApiError(
    400,
    'INVALID_PARAMETER_VALUE',
    `wait_timeout must be 0s or between 5s and 50s, not ${text}.`,
  );
}
