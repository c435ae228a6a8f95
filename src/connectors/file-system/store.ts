// A folder of this machine as a file store: files appear by rename, whole and synced, and only below the root.
import { type BigIntStats, constants } from 'node:fs';
import {
  copyFile,
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
} from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { crc32 } from 'node:zlib';
import { WaybillError } from '../../core/errors.ts';
import type { ReadableFile } from '../common/files/file-format.ts';
import type {
  FileStore,
  FolderChildren,
  StoredFile,
  WriteOptions,
  WrittenFile,
} from '../common/files/file-store.ts';
import { otherBytes } from '../common/files/read-back.ts';
import { readResumably } from '../common/files/resumable-read.ts';
import {
  removeEmpty,
  scratchName,
  syncFile,
  syncFolder,
  writeAll,
  writeSynced,
  writeTogether,
} from './disk.ts';
import { fileSystemError } from './errors.ts';
import { keyOf, pathOf, refuseEscape } from './paths.ts';

const READ_SIZE = 1_048_576;
/** Pieces are written together up to this size: a small write costs as much as a large one. */
const WRITE_SIZE = 1_048_576;
/** No more of them than any system takes at once (IOV_MAX). */
const WRITE_PIECES = 512;
/** Files on their way are named ".<name>.<uuid>.uploading" beside their place. */
const UPLOADING = /^\.(.+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.uploading$/s;

export class FolderStore implements FileStore {
  readonly #root: string;
  readonly #signal: AbortSignal;

  constructor(root: string, signal: AbortSignal) {
    this.#root = root;
    this.#signal = signal;
  }

  get label(): string {
    return `folder ${this.#root}`;
  }

  async *list(prefix: string): AsyncGenerator<StoredFile> {
    for await (const { key, path } of this.#walk(prefix)) {
      if (UPLOADING.test(basename(path))) continue;
      const found = await this.#stat(path);
      if (found !== undefined) yield stored(key, found);
    }
  }

  async children(folder: string): Promise<FolderChildren | undefined> {
    const path = folder === '' ? this.#root : await this.#path(folder);
    const there = await stat(path).catch(() => undefined);
    if (there?.isDirectory() !== true) return undefined;
    const entries = await this.#do(`listing ${folder}`, () => readdir(path, { withFileTypes: true }));
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    const files: StoredFile[] = [];
    for (const { name } of entries.filter((entry) => !entry.isDirectory())) {
      if (UPLOADING.test(name)) continue;
      const file = await this.head(folder === '' ? name : `${folder}/${name}`);
      if (file !== undefined) files.push(file);
    }
    const byName = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
    return { files: files.sort((a, b) => byName(a.key, b.key)), folders: folders.sort(byName) };
  }

  async removeEmptyFolders(folder: string): Promise<void> {
    const path = folder === '' ? this.#root : await this.#path(folder);
    await this.#do(`removing the folder ${folder}`, () => removeEmpty(path, path === this.#root));
  }

  async head(key: string): Promise<StoredFile | undefined> {
    const path = await this.#path(key);
    const found = await this.#stat(path);
    return found === undefined ? undefined : stored(key, found);
  }

  async open(key: string, etag?: string): Promise<ReadableFile> {
    const there = await this.head(key);
    if (there === undefined)
      throw new WaybillError('OBJECT_MISSING', `There is no ${key} in ${this.label}.`, { key });
    const path = await this.#path(key);
    const pinned = etag === undefined || etag === '' ? there.etag : etag;
    if (there.etag !== pinned) throw changed(key);
    const reading = <T>(work: (handle: FileHandle) => Promise<T>): Promise<T> =>
      this.#do(`reading ${key}`, async () => {
        const handle = await open(path, constants.O_RDONLY);
        try {
          if (stored(key, await handle.stat({ bigint: true })).etag !== pinned) throw changed(key);
          return await work(handle);
        } finally {
          await handle.close();
        }
      });
    const from = async (offset: number): Promise<AsyncIterable<Buffer>> =>
      this.#stream(path, key, pinned, offset);
    return {
      name: key,
      size: there.bytes,
      read: (offset, length) =>
        reading(async (handle) => {
          const buffer = Buffer.allocUnsafe(length);
          let at = 0;
          while (at < length) {
            const { bytesRead } = await handle.read(buffer, at, length - at, offset + at);
            if (bytesRead === 0) throw changed(key);
            at += bytesRead;
          }
          return buffer;
        }),
      stream: () =>
        readResumably(
          { name: key, size: there.bytes, from, error: (error) => fileSystemError(error, `reading ${key}`) },
          this.#signal,
        ),
    };
  }

  async write(key: string, bytes: AsyncIterable<Buffer>, options: WriteOptions): Promise<WrittenFile> {
    const path = await this.#path(key);
    let crc = 0;
    const file = await this.#replace(path, `writing ${key}`, async (handle) => {
      let pieces: Buffer[] = [];
      let size = 0;
      for await (const piece of bytes) {
        this.#signal.throwIfAborted();
        if (options.verify) crc = crc32(piece, crc);
        pieces.push(piece);
        size += piece.length;
        if (size < WRITE_SIZE && pieces.length < WRITE_PIECES) continue;
        await writeTogether(handle, pieces, size);
        pieces = [];
        size = 0;
      }
      await writeTogether(handle, pieces, size);
    });
    const written = stored(key, file);
    if (!options.verify) return { ...written, check: 'none' };
    if ((await this.#storedCrc(path, key)) !== crc) throw otherBytes(this.label, key);
    return { ...written, check: 'readBack' };
  }

  async copy(from: StoredFile, to: string): Promise<void> {
    if (from.key === to) return;
    const source = await this.#path(from.key);
    const target = await this.#path(to);
    const there = await this.#stat(source);
    if (there === undefined)
      throw new WaybillError('OBJECT_MISSING', `There is no ${from.key} in ${this.label}.`, {
        key: from.key,
      });
    if (from.etag !== '' && stored(from.key, there).etag !== from.etag) throw changed(from.key);
    await this.#do(`copying ${from.key} to ${to}`, async () => {
      await mkdir(dirname(target), { recursive: true });
      const scratch = scratchName(target);
      try {
        // A clone where the file system can make one.
        await copyFile(source, scratch, constants.COPYFILE_FICLONE);
        await syncFile(scratch);
        await rename(scratch, target);
        await syncFolder(dirname(target));
      } catch (error) {
        await rm(scratch, { force: true });
        throw error;
      }
    });
  }

  async remove(key: string): Promise<void> {
    const path = await this.#path(key);
    await this.#do(`removing ${key}`, async () => {
      await rm(path, { force: true });
      await this.#removeEmptyLedger(dirname(path));
    });
  }

  async readJson(key: string): Promise<unknown> {
    const path = await this.#path(key);
    const text = await this.#do(`reading ${key}`, () =>
      readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
        throw error;
      }),
    );
    return text === undefined ? undefined : JSON.parse(text);
  }

  async writeJson(key: string, value: unknown, once = false): Promise<boolean> {
    this.#signal.throwIfAborted();
    const path = await this.#path(key);
    const text = Buffer.from(JSON.stringify(value));
    if (!once) {
      await this.#replace(path, `writing ${key}`, (handle) => writeAll(handle, text));
      return true;
    }
    return this.#do(`writing ${key}`, async () => {
      const scratch = scratchName(path);
      await mkdir(dirname(path), { recursive: true });
      try {
        await writeSynced(scratch, (handle) => writeAll(handle, text));
        // Unlike a rename, a link fails where there is a file of that name.
        await link(scratch, path);
        await syncFolder(dirname(path));
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
        throw error;
      } finally {
        await rm(scratch, { force: true });
      }
    });
  }

  async abortUploads(prefix: string, ours: (key: string) => boolean): Promise<void> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    for await (const { key, path } of this.#walk(folder)) {
      const target = UPLOADING.exec(basename(path))?.[1];
      if (target === undefined) continue;
      const place = key.slice(0, key.length - basename(path).length) + target;
      if (place.startsWith(prefix) && ours(place)) await rm(path, { force: true });
    }
  }

  async close(): Promise<void> {
    // Handles are closed by whoever opened them.
  }

  /** CRC32 of a file, read into one buffer. */
  #storedCrc(path: string, key: string): Promise<number> {
    return this.#do(`reading ${key} back`, async () => {
      const handle = await open(path, constants.O_RDONLY);
      try {
        const buffer = Buffer.allocUnsafe(READ_SIZE);
        let crc = 0;
        for (;;) {
          this.#signal.throwIfAborted();
          const { bytesRead } = await handle.read(buffer, 0, READ_SIZE);
          if (bytesRead === 0) return crc;
          crc = crc32(buffer.subarray(0, bytesRead), crc);
        }
      } finally {
        await handle.close();
      }
    });
  }

  async *#stream(path: string, key: string, etag: string, offset: number): AsyncGenerator<Buffer> {
    const handle = await open(path, constants.O_RDONLY);
    try {
      let at = offset;
      for (;;) {
        this.#signal.throwIfAborted();
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ_SIZE), 0, READ_SIZE, at);
        if (bytesRead === 0) break;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
      // A file has no versions: what was written to it meanwhile shows in its times only.
      if (stored(key, await handle.stat({ bigint: true })).etag !== etag) throw changed(key);
    } finally {
      await handle.close();
    }
  }

  /** Files whose keys begin with the prefix, by name; links to places outside are left out. */
  async *#walk(prefix: string): AsyncGenerator<{ readonly key: string; readonly path: string }> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1).replace(/\/$/, '');
    const start = folder === '' ? this.#root : pathOf(this.#root, folder);
    await this.#do(`listing ${prefix}`, () => refuseEscape(this.#root, start)).catch(
      (error: WaybillError) => {
        if (error.code !== 'OBJECT_MISSING') throw error;
      },
    );
    yield* this.#walkFolder(start, prefix);
  }

  async *#walkFolder(
    folder: string,
    prefix: string,
  ): AsyncGenerator<{ readonly key: string; readonly path: string }> {
    this.#signal.throwIfAborted();
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
      throw fileSystemError(error, `listing ${prefix}`);
    });
    // As an object store sorts: by whole keys, so that "a.csv" comes before "a/b.csv".
    const named = entries.map((entry) => ({
      entry,
      name: Buffer.from(entry.isDirectory() ? `${entry.name}/` : entry.name),
    }));
    for (const { entry } of named.sort((a, b) => Buffer.compare(a.name, b.name))) {
      const path = join(folder, entry.name);
      const key = keyOf(this.#root, path);
      if (entry.isDirectory()) {
        if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`))
          yield* this.#walkFolder(path, prefix);
      } else if (key.startsWith(prefix) && (entry.isFile() || (await this.#isInnerLink(path)))) {
        yield { key, path };
      }
    }
  }

  async #isInnerLink(path: string): Promise<boolean> {
    const real = await realpath(path).catch(() => undefined);
    if (real === undefined) return false;
    const base = await realpath(this.#root);
    return real.startsWith(base + sep) && (await stat(real)).isFile();
  }

  /** Writes beside the place and renames; what is left of a failed attempt is removed. */
  async #replace(
    path: string,
    doing: string,
    fill: (handle: FileHandle) => Promise<void>,
  ): Promise<BigIntStats> {
    const scratch = scratchName(path);
    try {
      await mkdir(dirname(path), { recursive: true });
      await writeSynced(scratch, fill);
      await rename(scratch, path);
      await syncFolder(dirname(path));
      return await stat(path, { bigint: true });
    } catch (error) {
      await rm(scratch, { force: true }).catch(() => undefined);
      this.#signal.throwIfAborted();
      throw error instanceof WaybillError || !isSystemError(error) ? error : fileSystemError(error, doing);
    }
  }

  /** Folders of a copy's ledger go with their last file, as they do in an object store. */
  async #removeEmptyLedger(folder: string): Promise<void> {
    let at = folder;
    while (at.startsWith(this.#root + sep) && keyOf(this.#root, at).split('/').includes('_waybill')) {
      const gone = await rmdir(at).then(
        () => true,
        () => false,
      );
      if (!gone) return;
      at = dirname(at);
    }
  }

  async #path(key: string): Promise<string> {
    const path = pathOf(this.#root, key);
    await this.#do(`looking at ${key}`, () => refuseEscape(this.#root, path)).catch((error: WaybillError) => {
      if (error.code !== 'OBJECT_MISSING') throw error;
      throw new WaybillError(
        'OBJECT_MISSING',
        `The folder ${this.#root} does not exist on this machine.`,
        {},
      );
    });
    return path;
  }

  async #stat(path: string): Promise<BigIntStats | undefined> {
    const found = await stat(path, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw fileSystemError(error, `looking at ${keyOf(this.#root, path)}`);
    });
    return found?.isFile() === true ? found : undefined;
  }

  async #do<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw fileSystemError(error, doing);
    }
  }
}

const stored = (key: string, found: BigIntStats): StoredFile => ({
  key,
  bytes: Number(found.size),
  etag: `${found.size}-${found.ino}-${found.mtimeNs}`,
  modified: Number(found.mtimeMs),
  ...(found.birthtimeMs > 0n ? { created: Number(found.birthtimeMs) } : {}),
});

const changed = (key: string): WaybillError =>
  new WaybillError('SOURCE_CHANGED', `${key} is no longer the file this copy was planned with.`, { key });

const isSystemError = (error: unknown): boolean =>
  typeof (error as { syscall?: unknown }).syscall === 'string' ||
  /^E[A-Z]+$/.test(String((error as { code?: unknown }).code));
