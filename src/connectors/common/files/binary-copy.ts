// A copy of files as they are, from one store to another: the plan names every file and where it goes, a chunk is some of
// them, a receipt says that they are there. Each file appears whole or not at all; writing it twice writes the same bytes.
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { PublishResult } from '../../../core/copy/activities.ts';
import type { KeyRange } from '../../../core/copy/ranges.ts';
import { WaybillError } from '../../../core/errors.ts';
import type { JsonValue } from '../../../core/json.ts';
import type { ChunkFigures, LedgerState } from '../../connector.ts';
import { copyKey } from '../identifier.ts';
import { booleanSetting, textSetting } from '../settings.ts';
import { CopyLedger, type Receipt, totalsOf } from './copy-ledger.ts';
import type { ReadableFile } from './file-format.ts';
import type { StoredFile } from './file-store.ts';
import type { FilesPlace } from './files-place.ts';
import { findAllFiles, LEDGERS, listRoot, pathBelow } from './find-files.ts';
import { keyIn } from './keys.ts';
import { type Packing, packed, packedName, plainName, unpacked } from './packing.ts';

/** Files and bytes of one chunk: what a lost worker's successor does again at most. A larger file is one alone. */
const FILES_PER_CHUNK = 32;
const CHUNK_BYTES = 32 * 1_048_576;
const AT_ONCE = 4;

/** A file as the plan keeps it. The target of an archive ends with a slash: the folder of what comes out of it. */
type PlannedFile = [key: string, etag: string, bytes: number, target: string];

/** Failures of one file that leave it out instead of failing the copy: ADF's skipErrorFile. */
export interface SkippedFiles {
  readonly missing: boolean;
  readonly changed: boolean;
  readonly forbidden: boolean;
}

export interface BinaryCopyOptions {
  readonly copyId: string;
  readonly inputHash: string;
  readonly verify: boolean;
  /** What is unpacked on its way, and what is packed. */
  readonly unpacks: Packing;
  readonly packs: Packing;
  /** Whether source and sink are the same container. */
  readonly sameContainer: boolean;
  readonly skips: SkippedFiles;
  /** Called as bytes pass: how many so far in this chunk. */
  readonly progress?: (files: number, bytes: number) => void;
  /** Told of every file that is left out. */
  readonly skipped?: (key: string, error: WaybillError) => void;
}

export class BinaryCopy {
  readonly #source: FilesPlace;
  readonly #sink: FilesPlace;
  readonly #options: BinaryCopyOptions;
  readonly #ledger: CopyLedger;
  readonly #merges: boolean;

  constructor(source: FilesPlace, sink: FilesPlace, options: BinaryCopyOptions) {
    this.#source = source;
    this.#sink = sink;
    this.#options = options;
    this.#ledger = new CopyLedger(sink.store, (name) => this.#ledgerKey(name), this.to);
    this.#merges = this.#behavior === 'mergefiles';
  }

  get from(): string {
    return `${this.#source.store.label}/${listRoot(this.#source)}`;
  }

  get to(): string {
    const { store, folder, fileName } = this.#sink;
    return `${store.label}/${keyIn(folder, fileName ?? '')}`;
  }

  /** Finds the plan, or makes it. Throws OBJECT_MISSING where a file is named that does not exist. */
  async plan(): Promise<LedgerState> {
    const published = async (): Promise<boolean> =>
      (await this.#sink.store.readJson(this.#ledgerKey(PUBLISHED))) !== undefined;
    const resumed = await this.#ledger.resume(published);
    if (resumed !== undefined) return resumed;
    const files = await this.findTargets();
    const ranges = this.#merges ? [{ lower: '0', upper: String(files.length) }] : rangesOf(files);
    const stored = await this.#ledger.store(
      {
        columns: [],
        sourceState: { files: files as unknown as JsonValue },
        rows: files.length,
        from: this.from,
        files: files.length,
        verify: this.#options.verify,
        notes: [],
        inputHash: this.#options.inputHash,
      },
      ranges,
    );
    const state = stored === false ? await this.#ledger.resume(published) : stored;
    if (state !== undefined) return state;
    throw new WaybillError('STAGING_FAILED', 'The plan of this copy cannot be read back.');
  }

  /** Every file of the source and the key it gets. */
  async findTargets(): Promise<PlannedFile[]> {
    const { fileName } = this.#source;
    const found = (await findAllFiles(this.#source)).filter(({ key }) => !key.endsWith('/'));
    if (found.length === 0 && (fileName !== undefined || (await this.#isMissing())))
      throw new WaybillError('OBJECT_MISSING', `There is nothing to copy at ${this.from}.`);
    if (this.#sink.fileName !== undefined && !this.#merges && found.length > 1)
      throw new WaybillError(
        'DEFINITION_INVALID',
        `${found.length} files cannot all become ${this.to}: leave out the sink's fileName, or set copyBehavior to MergeFiles.`,
        { files: found.length },
      );
    const planned = found.map((file): PlannedFile => [file.key, file.etag, file.bytes, this.#target(file)]);
    const own = this.#options.sameContainer
      ? planned.find(([key]) => planned.some(([, , , target]) => target === key))
      : undefined;
    if (own !== undefined)
      throw new WaybillError('DEFINITION_INVALID', `The copy would write ${own[0]} over what it reads.`, {
        key: own[0],
      });
    return planned;
  }

  /** Copies the files of one chunk, unless its receipt is there already. */
  async copyChunk(chunk: number): Promise<{ readonly figures: ChunkFigures; readonly resumed: boolean }> {
    const ledger = await this.#ledger.require();
    const earlier = await this.#ledger.receipt(chunk);
    if (earlier !== undefined) return { figures: earlier.figures, resumed: true };
    const range = ledger.ranges[chunk];
    if (range === undefined)
      throw new WaybillError('SOURCE_CHANGED', `${this.to} has no entry ${chunk} for this copy.`, { chunk });
    const all = (ledger.plan.sourceState['files'] ?? []) as unknown as PlannedFile[];
    const files = all.slice(Number(range.lower), Number(range.upper));
    const receipt = this.#merges ? await this.#merge(files) : await this.#copyAll(files);
    return { figures: (await this.#ledger.commit(chunk, receipt)).figures, resumed: false };
  }

  /** Says that everything is there; only then the files read may go. */
  async publish(epoch: number): Promise<PublishResult> {
    const ledger = await this.#ledger.require();
    const receipts = await this.#ledger.receipts(ledger.ranges.length);
    const published = await this.#sink.store.readJson(this.#ledgerKey(PUBLISHED));
    if (published === undefined && ledger.epoch !== epoch)
      throw new WaybillError('CHUNK_FENCED', `A newer attempt has taken over publishing ${this.to}.`, {
        epoch,
      });
    await this.#sink.store.writeJson(this.#ledgerKey(PUBLISHED), { copyId: this.#options.copyId }, true);
    if (booleanSetting(this.#source.storeSettings, 'deleteFilesAfterCompletion') === true) {
      const skipped = new Set(receipts.flatMap((receipt) => (receipt as BinaryReceipt).left ?? []));
      const files = (ledger.plan.sourceState['files'] ?? []) as unknown as PlannedFile[];
      await inLanes(files, AT_ONCE, async ([key, etag]) => {
        // One that was written anew meanwhile is not the one that was copied.
        if (skipped.has(key) || (await this.#source.store.head(key))?.etag !== etag) return;
        await this.#source.store.remove(key);
      });
    }
    return totalsOf(receipts);
  }

  /** Of a copy that is published the ledger stays, as proof; of another one nothing does but whole files in their places. */
  async cleanUp(): Promise<void> {
    const { store } = this.#sink;
    if ((await store.readJson(this.#ledgerKey(PUBLISHED))) !== undefined) return;
    const keys: string[] = [];
    for await (const { key } of store.list(this.#ledgerKey(''))) keys.push(key);
    for (const key of keys) await store.remove(key);
  }

  async #copyAll(files: readonly PlannedFile[]): Promise<BinaryReceipt> {
    const written: StoredFile[] = [];
    const left: string[] = [];
    const sum = new ByteSum(this.#options);
    await inLanes(files, this.#connections, async (file) => {
      const [key, , , target] = file;
      try {
        let parts = 0;
        for await (const part of unpacked(await this.#open(file), this.#options.unpacks)) {
          if (parts++ > 0 && !isFolder(target)) throw this.#onlyOne(key);
          const bytes = sum.counted(part.stream());
          const place = this.#partTarget(key, target, part.within);
          const pieces = packed(bytes.pieces, this.#options.packs);
          const done = await this.#sink.store.write(place, pieces, this.#writeOptions);
          sum.done(bytes.crc());
          written.push({ key: done.key, bytes: done.bytes, etag: done.etag });
        }
      } catch (error) {
        this.#skipOrThrow(key, error);
        left.push(key);
      }
    });
    return { files: written, left, figures: this.#figures(sum, written, files.length - left.length, left) };
  }

  async #merge(files: readonly PlannedFile[]): Promise<BinaryReceipt> {
    const target = keyIn(this.#sink.folder, this.#sink.fileName ?? this.#made(this.#options.copyId, ''));
    const left: string[] = [];
    const sum = new ByteSum(this.#options);
    const { unpacks, packs } = this.#options;
    const open = (file: PlannedFile): Promise<ReadableFile> => this.#open(file);
    const skip = (key: string, error: unknown): void => this.#skipOrThrow(key, error);
    async function* all(): AsyncGenerator<Buffer> {
      for (const file of files) {
        let opened: ReadableFile;
        try {
          opened = await open(file);
        } catch (error) {
          skip(file[0], error);
          left.push(file[0]);
          continue;
        }
        for await (const part of unpacked(opened, unpacks)) {
          const bytes = sum.counted(part.stream());
          yield* bytes.pieces;
          sum.done(bytes.crc());
        }
      }
    }
    const pieces = packed(all(), packs);
    const { key, bytes, etag } = await this.#sink.store.write(target, pieces, this.#writeOptions);
    const written = [{ key, bytes, etag }];
    return { files: written, left, figures: this.#figures(sum, written, files.length - left.length, left) };
  }

  #open([key, etag]: PlannedFile): Promise<ReadableFile> {
    return this.#source.store.open(key, etag);
  }

  #onlyOne(key: string): WaybillError {
    return new WaybillError(
      'DEFINITION_INVALID',
      `${key} holds more than one file, which cannot all become ${this.to}: leave out the sink's fileName, or set copyBehavior to MergeFiles.`,
      { key },
    );
  }

  #partTarget(key: string, target: string, within: string | undefined): string {
    if (within === undefined || !isFolder(target)) return target;
    const name = this.#behavior === 'flattenhierarchy' ? this.#made(`${key}!${within}`, within) : within;
    return packedName(`${target}${name}`, this.#options.packs);
  }

  #skipOrThrow(key: string, error: unknown): void {
    const { skips, skipped } = this.#options;
    if (!(error instanceof WaybillError)) throw error;
    const leaves =
      (error.code === 'OBJECT_MISSING' && skips.missing) ||
      (error.code === 'SOURCE_CHANGED' && skips.changed) ||
      (error.code === 'AUTHENTICATION_FAILED' && skips.forbidden);
    if (!leaves) throw error;
    skipped?.(key, error);
  }

  #figures(
    sum: ByteSum,
    written: readonly StoredFile[],
    rows: number,
    left: readonly string[],
  ): ChunkFigures {
    return {
      rows,
      ...(left.length === 0 ? {} : { skipped: left.length }),
      bytesRead: sum.bytes,
      bytesWritten: written.reduce((total, { bytes }) => total + bytes, 0),
      sourceChecksum: this.#options.verify ? sum.total : '',
      // Each store compared what it holds with what was sent, or it was read back.
      sinkChecksum: this.#options.verify ? sum.total : '',
    };
  }

  #target({ key }: StoredFile): string {
    const { folder, fileName } = this.#sink;
    const path =
      this.#source.fileName !== undefined
        ? key.slice(key.lastIndexOf('/') + 1)
        : pathBelow(this.#source, key);
    if (fileName !== undefined) return keyIn(folder, fileName);
    const { unpacks, packs } = this.#options;
    const flat = this.#behavior === 'flattenhierarchy';
    if (unpacks.archive !== undefined) {
      if (flat) return keyIn(folder, '');
      return keyIn(folder, unpacks.namesFolder ? `${path}/` : path.slice(0, path.lastIndexOf('/') + 1));
    }
    const name = packedName(plainName(path, unpacks), packs);
    return keyIn(folder, flat ? this.#made(key, name) : name);
  }

  /** A name that is made up, always the same for the same file of this copy; the ending stays. */
  #made(what: string, key: string): string {
    const hex = createHash('sha256').update(`${this.#options.copyId}\n${what}`).digest('hex');
    const ending = /\.[A-Za-z0-9]{1,16}(?:\.gz)?$/.exec(key)?.[0] ?? '';
    return `data_${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}${ending}`;
  }

  async #isMissing(): Promise<boolean> {
    const { store, folder } = this.#source;
    return (await store.children(folder)) === undefined;
  }

  get #behavior(): string {
    const given = textSetting(this.#sink.storeSettings, 'copyBehavior') ?? 'PreserveHierarchy';
    const known = given.toLowerCase();
    if (['preservehierarchy', 'flattenhierarchy', 'mergefiles'].includes(known)) return known;
    throw new WaybillError('DEFINITION_INVALID', `There is no copyBehavior "${given}".`);
  }

  get #connections(): number {
    const given = [this.#source, this.#sink]
      .map(({ storeSettings }) => Number(textSetting(storeSettings, 'maxConcurrentConnections') ?? 0))
      .filter((most) => Number.isInteger(most) && most > 0);
    return Math.min(AT_ONCE, ...given);
  }

  get #writeOptions(): { readonly contentType: string; readonly verify: boolean } {
    return { contentType: 'application/octet-stream', verify: this.#options.verify };
  }

  #ledgerKey(name: string): string {
    return keyIn(this.#sink.folder, `${LEDGERS}/${copyKey(this.#options.copyId)}/${name}`);
  }
}

const PUBLISHED = 'published.json';

/** The target of an archive: "" is the container itself. */
const isFolder = (target: string): boolean => target === '' || target.endsWith('/');

/** A receipt with the files that were left out. */
interface BinaryReceipt extends Receipt {
  readonly left?: readonly string[];
}

/** Counts and sums up bytes on their way. */
class ByteSum {
  readonly #options: BinaryCopyOptions;
  bytes = 0;
  #files = 0;
  #sum = 0n;

  constructor(options: BinaryCopyOptions) {
    this.#options = options;
  }

  get total(): string {
    return this.#sum.toString();
  }

  counted(pieces: AsyncIterable<Buffer>): { readonly pieces: AsyncIterable<Buffer>; crc(): number } {
    let crc = 0;
    const note = (piece: Buffer): void => {
      crc = crc32(piece, crc);
      this.bytes += piece.length;
      this.#options.progress?.(this.#files, this.bytes);
    };
    async function* all(): AsyncGenerator<Buffer> {
      for await (const piece of pieces) {
        note(piece);
        yield piece;
      }
    }
    return { pieces: all(), crc: () => crc };
  }

  done(crc: number): void {
    this.#files++;
    this.#sum += BigInt(crc);
  }
}

const rangesOf = (files: readonly PlannedFile[]): KeyRange[] => {
  const ranges: KeyRange[] = [];
  let from = 0;
  let bytes = 0;
  for (const [i, file] of files.entries()) {
    const full = i > from && (i - from >= FILES_PER_CHUNK || bytes + file[2] > CHUNK_BYTES);
    if (full) {
      ranges.push({ lower: String(from), upper: String(i) });
      from = i;
      bytes = 0;
    }
    bytes += file[2];
  }
  if (files.length > from) ranges.push({ lower: String(from), upper: String(files.length) });
  return ranges;
};

/** Works on some at once; the first failure ends it, and is thrown when those under way have ended. */
const inLanes = async <T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> => {
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    while (failure === undefined && next < items.length) {
      const item = items[next++] as T;
      await work(item).catch((error: unknown) => {
        failure ??= { error };
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  if (failure !== undefined) throw failure.error;
};
