// A table as the sink of a copy: staging, chunks and publishing, the same for every SQL store.
//
// Exactly once rests on three rules. A chunk's rows and its ledger entry are committed by one transaction, so a chunk
// is either wholly there and known, or not at all (chunk-writer.ts; hence no clearing before a load). The entry changes only under the
// claiming generation (sink-ledger.ts), so an attempt that was overtaken rolls back. And the target itself is touched
// by one transaction only, publish (publisher.ts), guarded the same way.
import type { PublishResult } from '../../core/copy/activities.ts';
import type { Watermark } from '../../core/copy/incremental.ts';
import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Column, MappedColumn } from '../../core/types/column.ts';
import type {
  ChunkFigures,
  ClaimedChunk,
  CopySink,
  EndpointContext,
  FrameBatch,
  LedgerState,
  MeasuredRows,
  SkippedKeys,
  StoredPlan,
  WireFormat,
} from '../connector.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { stagingName, type TableName } from './identifier.ts';
import { sinkMismatch, WHOLE } from './ledger-entries.ts';
import { Publisher } from './publisher.ts';
import { SinkLedger } from './sink-ledger.ts';
import type { DirectLoad, LoadRequest, SqlStore } from './sql-store.ts';
import { ownColumns, stagedColumns } from './staged-columns.ts';
import { inTransaction } from './transaction.ts';
import type { TableSinkSettings } from './write-behavior.ts';

const CHUNK_COLUMN = '_wb_chunk';

export interface TableSinkOptions extends TableSinkSettings {
  readonly context: EndpointContext;
  readonly store: SqlStore;
  readonly target: TableName;
  readonly direct?: DirectLoad;
}

export class TableSink implements CopySink {
  readonly #store: SqlStore;
  readonly #options: TableSinkOptions;
  readonly #ledger: SinkLedger;
  #target: TableName;
  #resolved = false;

  constructor(options: TableSinkOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#target = options.target;
    this.#ledger = new SinkLedger(
      options.store,
      options.context.copyId,
      () => this.#target.schema,
      () => this.label,
    );
  }

  get notes(): readonly string[] {
    return this.#store.notes ?? [];
  }

  get label(): string {
    return `${this.#store.dialect.product} ${this.#target.schema}.${this.#target.name}`;
  }

  get verifies(): boolean {
    return this.#options.direct === undefined;
  }

  get repeatable(): boolean {
    const { kind } = this.#options.writeBehavior;
    return kind === 'upsert' || kind === 'changes';
  }

  async columns(): Promise<Column[] | undefined> {
    const { autoCreate, direct } = this.#options;
    if (direct !== undefined) return direct.columns();
    const found = await this.#store.findTable(this.#target);
    if (found !== undefined) {
      this.#target = found.table;
      return this.#staged(found.columns);
    }
    if (autoCreate) return undefined;
    throw new WaybillError(
      'OBJECT_MISSING',
      `${this.label} does not exist. Create it, or set "tableOption": "autoCreate" on the sink.`,
      { table: `${this.#target.schema}.${this.#target.name}` },
    );
  }

  previewTarget(columns: readonly Column[]): Column[] {
    return this.#staged(ownColumns(columns, this.#options.writeBehavior, this.#store.dialect));
  }

  async createTarget(columns: readonly Column[]): Promise<Column[]> {
    const { dialect } = this.#store;
    const statement = dialect.createTable(
      this.#target,
      ownColumns(columns, this.#options.writeBehavior, dialect),
    );
    // An attempt whose worker died may have sent the same statement, and the store may have run it a moment ago.
    const refused = await this.#store.execute(statement).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const found = await this.#store.findTable(this.#target);
    if (found === undefined && refused !== undefined) throw refused.error;
    if (found === undefined) throw new WaybillError('OBJECT_MISSING', `${this.label} was not created.`);
    this.#target = found.table;
    return this.#staged(found.columns);
  }

  async resumePlan(): Promise<LedgerState | undefined> {
    // Refuses a script that publish could not run, before the first row moves.
    this.#preCopyStatements();
    await this.#resolveTarget();
    await this.#ledger.ensure();
    const state = await this.#ledger.raiseEpoch();
    if (state !== undefined && !state.published) await this.#createStaging(state.plan);
    return state;
  }

  async storePlan(plan: StoredPlan, ranges: readonly KeyRange[]): Promise<LedgerState> {
    await this.#resolveTarget();
    const { direct, writeBehavior } = this.#options;
    if (plan.incremental !== undefined && writeBehavior.kind === 'replace') {
      throw new WaybillError(
        'DEFINITION_INVALID',
        `What is new would take the place of all rows of ${this.label}: use insert or upsert with "incremental".`,
        { key: 'writeBehavior' },
      );
    }
    if (direct === undefined) await this.#publisher().plan(plan.columns.map(({ sink }) => sink));
    const stored = await this.#ledger.storePlan(plan, ranges, async () => {
      if (direct !== undefined) await this.#runPreCopyScript();
    });
    if (stored === undefined) {
      // Another attempt of this planning was faster: its plan holds, under its epoch. Raising that would fence the copy
      // that goes on if this attempt is the one that was given up.
      const theirs = await this.#ledger.state();
      if (!theirs.published) await this.#createStaging(theirs.plan);
      return theirs;
    }
    await this.#createStaging(plan);
    return stored;
  }

  async claimChunk(chunk: number, generation: number): Promise<ClaimedChunk> {
    await this.#resolveTarget();
    return this.#ledger.claim(chunk, generation);
  }

  async watermark(stream: string): Promise<Watermark> {
    await this.#resolveTarget();
    await this.#ledger.ensure();
    return this.#ledger.watermarks.read(stream);
  }

  async writeChunk(
    chunk: number,
    generation: number,
    plan: StoredPlan,
    rows: MeasuredRows,
  ): Promise<ChunkFigures> {
    await this.#resolveTarget();
    return this.#chunks.writeRows(this.#loadRequest(chunk, generation, plan), plan, rows);
  }

  acceptsFrames(format: WireFormat, columns: readonly MappedColumn[]): boolean {
    return this.#options.direct === undefined && this.#store.acceptsFrames?.(format, columns) === true;
  }

  async writeFrames(
    chunk: number,
    generation: number,
    plan: StoredPlan,
    frames: AsyncIterable<FrameBatch>,
  ): Promise<ChunkFigures> {
    await this.#resolveTarget();
    return this.#chunks.writeFrames(this.#loadRequest(chunk, generation, plan), plan, frames);
  }

  async publish(epoch: number, skipped?: SkippedKeys): Promise<PublishResult> {
    await this.#resolveTarget();
    const published = await inTransaction(this.#store, async () => {
      if (!(await this.#ledger.markPublished(epoch))) return undefined;
      const { plan } = await this.#ledger.state();
      const totals = await this.#ledger.totals();
      let preCopyScriptMs: number | undefined;
      if (this.#options.direct === undefined) {
        preCopyScriptMs = await this.#moveIntoTarget(plan, totals.rows, skipped);
      }
      await this.#ledger.moveWatermark(plan);
      return {
        ...(await this.#ledger.totals()),
        ...(preCopyScriptMs === undefined ? {} : { preCopyScriptMs }),
      };
    });
    if (published !== undefined) return published;
    const { published: done } = await this.#ledger.state();
    if (!done) throw this.#ledger.fenced(WHOLE, epoch);
    return this.#ledger.totals();
  }

  /**
   * A copy that was not published goes altogether, ledger entries first, so that a rerun starts anew. Chunks that went
   * straight to their place stay known: a rerun goes on after them.
   */
  async cleanUp(): Promise<void> {
    await this.#resolveTarget();
    await this.#ledger.ensure();
    if (this.#options.direct !== undefined) return;
    await this.#ledger.forgetUnpublished();
    await this.#store.execute(this.#store.dialect.dropTable(this.#staging));
    await this.#store.removeStaged();
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  #staged(target: readonly Column[]): Column[] {
    return stagedColumns(target, this.#options.writeBehavior, this.#store.dialect);
  }

  #preCopyStatements(): readonly string[] {
    const script = this.#options.preCopyScript;
    return script === undefined || script.trim() === '' ? [] : this.#store.dialect.transactional(script);
  }

  async #runPreCopyScript(): Promise<void> {
    for (const statement of this.#preCopyStatements()) await this.#store.execute(statement);
  }

  /**
   * Runs the pre-copy script and moves all staged rows; the caller's transaction makes both visible at once. Returns how
   * many ms the script took, if there is one.
   */
  async #moveIntoTarget(
    plan: StoredPlan,
    expected: number,
    skipped?: SkippedKeys,
  ): Promise<number | undefined> {
    const started = Date.now();
    await this.#runPreCopyScript();
    const script = this.#preCopyStatements().length === 0 ? undefined : Date.now() - started;
    if (script !== undefined && this.#options.autoCreate) await this.#createAnew(plan);
    const replace = this.#options.writeBehavior.kind === 'replace' || plan.incremental?.reload === true;
    let left = 0;
    const moved = await this.#publisher().move(plan, replace, async (rows) => {
      left = rows.length;
      await skipped?.(rows);
    });
    if (moved !== expected - left) throw sinkMismatch(this.label, WHOLE, 'rows', expected - left, moved);
    if (left > 0) await this.#ledger.noteTaken(left);
    return script;
  }

  /** A script may drop the table that autoCreate is to make, as in Data Factory: it is made of what is written. */
  async #createAnew(plan: StoredPlan): Promise<void> {
    if ((await this.#store.findTable(this.#target)) !== undefined) return;
    const { dialect } = this.#store;
    const columns = plan.columns.map(({ sink }) => sink);
    const own = ownColumns(columns, this.#options.writeBehavior, dialect);
    await this.#store.execute(dialect.createTable(this.#target, own));
  }

  get #chunks(): ChunkWriter {
    const { direct } = this.#options;
    return new ChunkWriter({ store: this.#store, ledger: this.#ledger, direct, label: this.label });
  }

  #publisher(): Publisher {
    return new Publisher({
      store: this.#store,
      target: this.#target,
      staging: this.#staging,
      behavior: this.#options.writeBehavior,
      label: this.label,
    });
  }

  /**
   * Never drops a staging table that is there: it may hold the chunks of a faster attempt. Tried twice: of two attempts
   * at the same moment, IF NOT EXISTS may fail the second (PostgreSQL by the name of the table's row type); it is there then.
   */
  async #createStaging(plan: StoredPlan): Promise<void> {
    if (this.#options.direct !== undefined) return;
    await this.#makeStaging(plan).catch(() => this.#makeStaging(plan));
  }

  async #makeStaging(plan: StoredPlan): Promise<void> {
    const { dialect } = this.#store;
    const chunkColumn = dialect.own(CHUNK_COLUMN);
    if (this.#store.createStaging !== undefined) {
      const { kind } = this.#options.writeBehavior;
      await this.#store.createStaging({
        target: this.#target,
        staging: this.#staging,
        columns: plan.columns,
        chunkColumn,
        wire: plan.wire,
        takesOver: (kind === 'insert' || kind === 'replace') && plan.skips !== true,
        emptied:
          kind === 'replace' || plan.incremental?.reload === true || this.#preCopyStatements().length > 0,
      });
      return;
    }
    const columns = plan.columns.map(({ sink }) => sink);
    await this.#store.execute(dialect.createStaging(this.#staging, columns, chunkColumn));
  }

  #loadRequest(chunk: number, generation: number, plan: StoredPlan): LoadRequest {
    return {
      staging: this.#staging,
      columns: plan.columns,
      chunkColumn: this.#store.dialect.own(CHUNK_COLUMN),
      chunk,
      generation,
    };
  }

  /** Finds the target's own spelling, which names the staging table too. */
  async #resolveTarget(): Promise<void> {
    if (this.#resolved) return;
    const found = await this.#store.findTable(this.#target);
    if (found !== undefined) this.#target = found.table;
    this.#resolved = true;
  }

  get #staging(): TableName {
    const { dialect } = this.#store;
    const name = stagingName(this.#target.name, this.#options.context.copyId, dialect.nameLimit);
    return { schema: this.#options.stagingSchema ?? this.#target.schema, name };
  }
}
