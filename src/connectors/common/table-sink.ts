// A table as the sink of a copy: ledger, staging table, chunks and publishing, the same for every SQL store.
//
// Exactly once rests on three rules. A chunk's rows and its ledger entry are committed by one transaction, so a chunk
// is either wholly there and known, or not at all (hence no clearing before a load). The entry changes only from
// `planned` under the claiming generation, so an attempt that was overtaken changes no row and rolls back. And the
// target itself is touched by one transaction only, publish, guarded the same way.
import type { PublishResult } from '../../core/copy/activities.ts';
import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Column } from '../../core/types/column.ts';
import type {
  ChunkFigures,
  ClaimedChunk,
  CopySink,
  EndpointContext,
  LedgerState,
  MeasuredRows,
  StoredPlan,
} from '../connector.ts';
import { copyKey, stagingName, type TableName } from './identifier.ts';
import type { LoadRequest, SqlRow, SqlStore } from './sql-store.ts';

const LEDGER = '_waybill_ledger';
const CHUNK_COLUMN = '_wb_chunk';
/** The entry of the copy itself, besides those of its chunks. */
const WHOLE = -1;
const ROWS_PER_INSERT = 500;

const asNumber = (value: unknown): number => Number(value ?? 0);
const asText = (value: unknown): string | null =>
  value === null || value === undefined ? null : String(value);

const figuresOf = (row: SqlRow): ChunkFigures => ({
  rows: asNumber(row['row_count']),
  bytesRead: asNumber(row['bytes_read']),
  bytesWritten: asNumber(row['bytes_written']),
  sourceChecksum: asText(row['checksum']) ?? '',
  sinkChecksum: asText(row['checksum']) ?? '',
});

export interface TableSinkOptions {
  readonly context: EndpointContext;
  readonly store: SqlStore;
  readonly target: TableName;
  readonly preCopyScript: string | undefined;
  readonly autoCreate: boolean;
}

export class TableSink implements CopySink {
  readonly #store: SqlStore;
  readonly #options: TableSinkOptions;
  readonly #key: string;
  #target: TableName;
  #resolved = false;

  constructor(options: TableSinkOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#target = options.target;
    this.#key = copyKey(options.context.copyId);
  }

  get label(): string {
    return `${this.#store.dialect.product} ${this.#target.schema}.${this.#target.name}`;
  }

  async columns(): Promise<Column[] | undefined> {
    const found = await this.#store.findTable(this.#target);
    if (found !== undefined) {
      this.#target = found.table;
      return found.columns;
    }
    if (this.#options.autoCreate) return undefined;
    throw new WaybillError(
      'OBJECT_MISSING',
      `${this.label} does not exist. Create it, or set "tableOption": "autoCreate" on the sink.`,
      { table: `${this.#target.schema}.${this.#target.name}` },
    );
  }

  async createTarget(columns: readonly Column[]): Promise<Column[]> {
    const { dialect } = this.#store;
    const own = columns.map((column) => dialect.columnFor(column));
    await this.#store.execute(dialect.createTable(this.#target, own));
    const found = await this.#store.findTable(this.#target);
    if (found === undefined) throw new WaybillError('OBJECT_MISSING', `${this.label} was not created.`);
    this.#target = found.table;
    return found.columns;
  }

  async resumePlan(): Promise<LedgerState | undefined> {
    // Refuses a script that publish could not run, before the first row moves.
    this.#preCopyStatements();
    await this.#resolveTarget();
    await this.#ensureLedger();
    const state = await this.#inTransaction(async () => {
      const raised = await this.#store.execute(
        `UPDATE ${this.#ledgerTable} SET ${this.#c('generation')} = ${this.#c('generation')} + 1 WHERE ${this.#where(WHOLE)}`,
      );
      return raised === 0 ? undefined : this.#state();
    });
    if (state !== undefined && !state.published) await this.#createStaging(state.plan);
    return state;
  }

  async storePlan(plan: StoredPlan, ranges: readonly KeyRange[]): Promise<LedgerState> {
    await this.#resolveTarget();
    // From the clock, so that a copy planned anew after its clean-up stands above every attempt of the old one.
    const epoch = Math.floor(Date.now() / 1000);
    const detail = JSON.stringify({ ...plan, chunks: ranges.length });
    try {
      await this.#inTransaction(async () => {
        await this.#insert([[WHOLE, 'planned', epoch, null, null, detail]]);
        for (let i = 0; i < ranges.length; i += ROWS_PER_INSERT) {
          await this.#insert(
            ranges
              .slice(i, i + ROWS_PER_INSERT)
              .map((range, j) => [i + j, 'planned', 0, range.lower, range.upper, null] as const),
          );
        }
        return true;
      });
    } catch (error) {
      // Another attempt of this planning was faster: its plan holds.
      const theirs =
        error instanceof WaybillError && error.code === 'CONSTRAINT_VIOLATED'
          ? await this.resumePlan()
          : undefined;
      if (theirs === undefined) throw error;
      return theirs;
    }
    await this.#createStaging(plan);
    return { plan, chunks: ranges.length, epoch, published: false };
  }

  async claimChunk(chunk: number, generation: number): Promise<ClaimedChunk> {
    await this.#resolveTarget();
    const claimed = await this.#store.execute(
      `UPDATE ${this.#ledgerTable} SET ${this.#c('generation')} = ${generation} ` +
        `WHERE ${this.#where(chunk)} AND ${this.#c('state')} = 'planned' AND ${this.#c('generation')} <= ${generation}`,
    );
    const entry = await this.#entry(chunk);
    if (entry['state'] === 'committed') return { state: 'committed', figures: figuresOf(entry) };
    if (claimed !== 1) throw this.#fenced(chunk, generation);
    const { plan } = await this.#state();
    const range = { lower: asText(entry['lower_bound']), upper: asText(entry['upper_bound']) };
    return { state: 'claimed', range, plan };
  }

  async writeChunk(
    chunk: number,
    generation: number,
    plan: StoredPlan,
    rows: MeasuredRows,
  ): Promise<ChunkFigures> {
    await this.#resolveTarget();
    const request: LoadRequest = {
      staging: this.#staging,
      columns: plan.columns,
      chunkColumn: this.#store.dialect.own(CHUNK_COLUMN),
      chunk,
      generation,
    };
    const staged = await this.#store.stage(request, rows);
    const outcome = await this.#inTransaction(async () => {
      const loaded = await this.#store.load(request, rows, staged);
      const source = rows.figures();
      if (loaded.rows !== source.rows) throw this.#mismatch(chunk, 'rows', source.rows, loaded.rows);
      const sinkChecksum = plan.verify ? await this.#verify(request, source) : '';
      const figures: ChunkFigures = {
        rows: source.rows,
        bytesRead: source.bytes,
        bytesWritten: loaded.bytes,
        sourceChecksum: source.checksum,
        sinkChecksum,
      };
      // Last before the commit, so that stores which lock the whole ledger for an update hold it for a moment only.
      return (await this.#commitEntry(chunk, generation, figures)) ? figures : undefined;
    });
    if (outcome !== undefined) return outcome;
    const entry = await this.#entry(chunk);
    if (entry['state'] === 'committed') return figuresOf(entry);
    throw this.#fenced(chunk, generation);
  }

  async publish(epoch: number): Promise<PublishResult> {
    await this.#resolveTarget();
    const published = await this.#inTransaction(async () => {
      const guard = await this.#store.execute(
        `UPDATE ${this.#ledgerTable} SET ${this.#c('state')} = 'published', ` +
          `${this.#c('committed_at')} = ${this.#store.dialect.now} WHERE ${this.#where(WHOLE)} ` +
          `AND ${this.#c('state')} = 'planned' AND ${this.#c('generation')} = ${epoch}`,
      );
      if (guard === 0) return undefined;
      return this.#moveIntoTarget();
    });
    if (published !== undefined) return published;
    const entry = await this.#entry(WHOLE);
    if (entry['state'] !== 'published') throw this.#fenced(WHOLE, epoch);
    return this.#totals();
  }

  /** A copy that was not published goes altogether, ledger entries first, so that a rerun starts anew. */
  async cleanUp(): Promise<void> {
    await this.#resolveTarget();
    await this.#ensureLedger();
    const key = `${this.#c('copy_key')} = ${this.#store.dialect.literal(this.#key)}`;
    await this.#inTransaction(async () => {
      await this.#store.execute(
        `DELETE FROM ${this.#ledgerTable} WHERE ${key} AND NOT EXISTS (SELECT 1 FROM ${this.#ledgerTable} AS p ` +
          `WHERE p.${key} AND p.${this.#c('chunk')} = ${WHOLE} AND p.${this.#c('state')} = 'published')`,
      );
      return true;
    });
    await this.#store.execute(this.#store.dialect.dropTable(this.#staging));
    await this.#store.removeStaged();
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  /** Two first copies into one schema may both create the ledger: the one that loses finds it made when it looks again. */
  async #ensureLedger(): Promise<void> {
    const statement = this.#store.dialect.createLedger(this.#ledger);
    try {
      await this.#store.execute(statement);
    } catch {
      await this.#store.execute(statement);
    }
  }

  #preCopyStatements(): readonly string[] {
    const script = this.#options.preCopyScript;
    return script === undefined || script.trim() === '' ? [] : this.#store.dialect.transactional(script);
  }

  /** Runs the pre-copy script and inserts all staged rows; the caller's transaction makes both visible at once. */
  async #moveIntoTarget(): Promise<PublishResult> {
    const { dialect } = this.#store;
    const { plan } = await this.#state();
    const totals = await this.#totals();
    for (const statement of this.#preCopyStatements()) await this.#store.execute(statement);
    const columns = plan.columns.map(({ sink }) => sink);
    const inserted = await this.#store.execute(
      `INSERT INTO ${this.#name(this.#target)} (${columns.map((column) => dialect.quote(column.name)).join(', ')}) ` +
        `SELECT ${columns.map((column) => dialect.fromStaging(column)).join(', ')} FROM ${this.#name(this.#staging)}`,
    );
    if (inserted !== totals.rows) throw this.#mismatch(WHOLE, 'rows', totals.rows, inserted);
    return totals;
  }

  /** Never drops a staging table that is there: it may hold the chunks of a faster attempt. */
  async #createStaging(plan: StoredPlan): Promise<void> {
    const { dialect } = this.#store;
    const columns = plan.columns.map(({ sink }) => sink);
    await this.#store.execute(dialect.createStaging(this.#staging, columns, dialect.own(CHUNK_COLUMN)));
  }

  /** Sums of the committed chunks. Throws CHUNK_MISMATCH while one of them is not committed. */
  async #totals(): Promise<PublishResult> {
    const rows = await this.#store.query(
      `SELECT ${this.#c('state')}, ${this.#c('row_count')}, ${this.#c('bytes_read')}, ${this.#c('bytes_written')}, ` +
        `${this.#c('checksum')} FROM ${this.#ledgerTable} WHERE ${this.#c('copy_key')} = ${this.#store.dialect.literal(this.#key)} ` +
        `AND ${this.#c('chunk')} >= 0`,
    );
    const open = rows.filter((row) => row['state'] !== 'committed').length;
    if (open > 0) {
      throw new WaybillError('CHUNK_MISMATCH', `${open} of ${rows.length} chunks are not committed.`, {
        open,
      });
    }
    const figures = rows.map(figuresOf);
    const sum = (pick: (one: ChunkFigures) => number): number =>
      figures.reduce((total, one) => total + pick(one), 0);
    const checksum = figures.reduce((total, one) => total + BigInt(one.sourceChecksum || '0'), 0n).toString();
    return {
      rows: sum((one) => one.rows),
      bytesRead: sum((one) => one.bytesRead),
      bytesWritten: sum((one) => one.bytesWritten),
      sourceChecksum: checksum,
      sinkChecksum: checksum,
      files: 0,
    };
  }

  async #verify(
    request: LoadRequest,
    source: { readonly rows: number; readonly checksum: string },
  ): Promise<string> {
    const columns = request.columns.map(({ sink }) => sink);
    const [found] = await this.#store.query(
      this.#store.dialect.checksum(request.staging, columns, request.chunkColumn, request.chunk),
    );
    const rows = asNumber(found?.['n']);
    const checksum = asText(found?.['c']) ?? '0';
    if (rows !== source.rows) throw this.#mismatch(request.chunk, 'rows', source.rows, rows);
    if (checksum !== source.checksum) {
      throw this.#mismatch(request.chunk, 'checksum', source.checksum, checksum);
    }
    return checksum;
  }

  async #commitEntry(chunk: number, generation: number, figures: ChunkFigures): Promise<boolean> {
    const { dialect } = this.#store;
    const changed = await this.#store.execute(
      `UPDATE ${this.#ledgerTable} SET ${this.#c('state')} = 'committed', ${this.#c('row_count')} = ${figures.rows}, ` +
        `${this.#c('bytes_read')} = ${figures.bytesRead}, ${this.#c('bytes_written')} = ${figures.bytesWritten}, ` +
        `${this.#c('checksum')} = ${dialect.literal(figures.sourceChecksum)}, ${this.#c('committed_at')} = ${dialect.now} ` +
        `WHERE ${this.#where(chunk)} AND ${this.#c('state')} = 'planned' AND ${this.#c('generation')} = ${generation}`,
    );
    return changed === 1;
  }

  async #state(): Promise<LedgerState> {
    const entry = await this.#entry(WHOLE);
    const { chunks, ...plan } = JSON.parse(String(entry['detail'])) as StoredPlan & { chunks: number };
    return { plan, chunks, epoch: asNumber(entry['generation']), published: entry['state'] === 'published' };
  }

  async #entry(chunk: number): Promise<SqlRow> {
    const [entry] = await this.#store.query(`SELECT * FROM ${this.#ledgerTable} WHERE ${this.#where(chunk)}`);
    if (entry === undefined) {
      throw new WaybillError(
        'SOURCE_CHANGED',
        `The ledger of ${this.label} has no entry ${chunk} for this copy.`,
        {
          chunk,
        },
      );
    }
    return entry;
  }

  async #insert(
    entries: readonly (readonly [number, string, number, string | null, string | null, string | null])[],
  ): Promise<void> {
    const { dialect } = this.#store;
    const text = (value: string | null): string => (value === null ? 'NULL' : dialect.literal(value));
    const values = entries.map(
      ([chunk, state, generation, lower, upper, detail]) =>
        `(${text(this.#key)}, ${chunk}, ${text(this.#options.context.copyId)}, ${text(state)}, ${generation}, ` +
        `${text(lower)}, ${text(upper)}, ${text(detail)})`,
    );
    const columns = [
      'copy_key',
      'chunk',
      'copy_id',
      'state',
      'generation',
      'lower_bound',
      'upper_bound',
      'detail',
    ];
    await this.#store.execute(
      `INSERT INTO ${this.#ledgerTable} (${columns.map((name) => this.#c(name)).join(', ')}) VALUES ${values.join(', ')}`,
    );
  }

  async #inTransaction<T>(work: () => Promise<T | undefined>): Promise<T | undefined>;
  async #inTransaction<T>(work: () => Promise<T>): Promise<T>;
  async #inTransaction<T>(work: () => Promise<T>): Promise<T> {
    await this.#store.begin();
    try {
      const result = await work();
      // Work that changed nothing it may keep says so with undefined.
      if (result === undefined) await this.#store.rollback();
      else await this.#store.commit();
      return result;
    } catch (error) {
      await this.#store.rollback().catch(() => undefined);
      throw error;
    }
  }

  /** Finds the target's own spelling, which names the staging table too. */
  async #resolveTarget(): Promise<void> {
    if (this.#resolved) return;
    const found = await this.#store.findTable(this.#target);
    if (found !== undefined) this.#target = found.table;
    this.#resolved = true;
  }

  get #ledger(): TableName {
    return { schema: this.#target.schema, name: this.#store.dialect.own(LEDGER) };
  }

  get #ledgerTable(): string {
    return this.#name(this.#ledger);
  }

  get #staging(): TableName {
    const { dialect } = this.#store;
    const name = stagingName(this.#target.name, this.#options.context.copyId, dialect.nameLimit);
    return { schema: this.#target.schema, name };
  }

  #name(table: TableName): string {
    return `${this.#store.dialect.quote(table.schema)}.${this.#store.dialect.quote(table.name)}`;
  }

  /** A ledger column, quoted. */
  #c(name: string): string {
    return this.#store.dialect.quote(this.#store.dialect.own(name));
  }

  #where(chunk: number): string {
    return `${this.#c('copy_key')} = ${this.#store.dialect.literal(this.#key)} AND ${this.#c('chunk')} = ${chunk}`;
  }

  #fenced(chunk: number, generation: number): WaybillError {
    const what = chunk === WHOLE ? 'publishing' : `chunk ${chunk}`;
    return new WaybillError('CHUNK_FENCED', `A newer attempt has taken over ${what} of ${this.label}.`, {
      chunk,
      generation,
    });
  }

  #mismatch(chunk: number, what: string, source: number | string, sink: number | string): WaybillError {
    const where = chunk === WHOLE ? 'The whole copy' : `Chunk ${chunk}`;
    return new WaybillError(
      'CHUNK_MISMATCH',
      `${where} in ${this.label}: ${what} ${source} left the source, the sink holds ${sink}.`,
      { chunk, what, source, sink },
    );
  }
}
