// Loads one chunk into the staging table (or straight to its place), compares, and commits it with its ledger entry.
import { WaybillError } from '../../core/errors.ts';
import type { ChunkFigures, FrameBatch, MeasuredRows, StoredPlan } from '../connector.ts';
import { sinkMismatch } from './ledger-entries.ts';
import type { SinkLedger } from './sink-ledger.ts';
import type { DirectLoad, LoadRequest, SqlStore } from './sql-store.ts';
import { inTransaction } from './transaction.ts';

export interface ChunkPlace {
  readonly store: SqlStore;
  readonly ledger: SinkLedger;
  readonly direct: DirectLoad | undefined;
  readonly label: string;
}

export class ChunkWriter {
  readonly #place: ChunkPlace;

  constructor(place: ChunkPlace) {
    this.#place = place;
  }

  async writeRows(request: LoadRequest, plan: StoredPlan, rows: MeasuredRows): Promise<ChunkFigures> {
    const { store, direct, label } = this.#place;
    const staged = direct === undefined ? await store.stage(request, rows) : undefined;
    return this.#commit(request, rows, async () => {
      const loaded =
        direct === undefined ? await store.load(request, rows, staged) : await direct.load(request, rows);
      const source = rows.figures();
      if (loaded.rows !== source.rows) {
        throw sinkMismatch(label, request.chunk, 'rows', source.rows, loaded.rows);
      }
      const sinkChecksum = plan.verify && direct === undefined ? await this.#verify(request, source) : '';
      return {
        rows: source.rows,
        bytesRead: source.bytes,
        bytesWritten: loaded.bytes,
        sourceChecksum: source.checksum,
        sinkChecksum,
        ...(source.skipped === undefined ? {} : { skipped: source.skipped }),
        ...(source.filesSkipped === undefined ? {} : { filesSkipped: source.filesSkipped }),
      };
    });
  }

  async writeFrames(
    request: LoadRequest,
    plan: StoredPlan,
    frames: AsyncIterable<FrameBatch>,
  ): Promise<ChunkFigures> {
    const { store, label } = this.#place;
    const { chunk } = request;
    let passed = 0;
    async function* counted(): AsyncGenerator<FrameBatch> {
      for await (const batch of frames) {
        passed += batch.rows;
        yield batch;
      }
    }
    return this.#commit(request, undefined, async () => {
      const loaded = await store.loadFrames?.(request, counted(), plan.verify);
      if (loaded === undefined) throw new WaybillError('INTERNAL', `${label} takes rows only.`);
      const { rows, bytes, bytesRead, sourceChecksum, sinkChecksum } = loaded;
      if (rows !== passed) throw sinkMismatch(label, chunk, 'rows', passed, rows);
      if (sourceChecksum !== sinkChecksum) {
        throw sinkMismatch(label, chunk, 'checksum', sourceChecksum, sinkChecksum);
      }
      return { rows, bytesRead, bytesWritten: bytes, sourceChecksum, sinkChecksum };
    });
  }

  /** One transaction for what `load` does and the chunk's entry; or the figures of whoever committed it before us. */
  async #commit(
    { chunk, generation }: LoadRequest,
    rows: MeasuredRows | undefined,
    load: () => Promise<ChunkFigures>,
  ): Promise<ChunkFigures> {
    const { store, ledger } = this.#place;
    const outcome = await inTransaction(store, async () => {
      const figures = await load();
      // Last before the commit, so that stores which lock the whole ledger for an update hold it for a moment only.
      const committed = await ledger.commitChunk(chunk, generation, figures, rows?.remembered?.());
      return committed ? figures : undefined;
    });
    return outcome ?? ledger.committedFigures(chunk, generation);
  }

  async #verify(
    request: LoadRequest,
    source: { readonly rows: number; readonly checksum: string },
  ): Promise<string> {
    const { store, label } = this.#place;
    const columns = request.columns.map(({ sink }) => sink);
    const { staging, chunkColumn, chunk } = request;
    const [found] =
      store.chunkChecksum === undefined
        ? await store.query(store.dialect.checksum(staging, columns, chunkColumn, chunk))
        : [await store.chunkChecksum(request, source.rows)];
    const rows = Number(found?.['n'] ?? 0);
    const checksum = String(found?.['c'] ?? '0');
    if (rows !== source.rows) throw sinkMismatch(label, chunk, 'rows', source.rows, rows);
    if (checksum !== source.checksum) {
      throw sinkMismatch(label, chunk, 'checksum', source.checksum, checksum);
    }
    return checksum;
  }
}
