// What a folder's store asks of the disk: whole writes, names that are safe on disk, folders that are empty.
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Removes the folder and those below it that hold nothing; `keep` leaves the uppermost. Links are no folders. */
export const removeEmpty = async (path: string, keep: boolean): Promise<void> => {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  for (const entry of entries) if (entry.isDirectory()) await removeEmpty(join(path, entry.name), false);
  if (keep) return;
  await rmdir(path).catch((error: NodeJS.ErrnoException) => {
    if (!['ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST'].includes(error.code ?? '')) throw error;
  });
};

export const scratchName = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${randomUUID()}.uploading`);

/** Writes all of a piece: a single call may write less. */
export const writeAll = async (handle: FileHandle, piece: Buffer): Promise<void> => {
  let at = 0;
  while (at < piece.length) at += (await handle.write(piece, at, piece.length - at)).bytesWritten;
};

export const writeTogether = async (
  handle: FileHandle,
  pieces: readonly Buffer[],
  size: number,
): Promise<void> => {
  if (size === 0) return;
  let { bytesWritten: rest } = await handle.writev(pieces);
  if (rest === size) return;
  // The disk took less of them: what is left, piece by piece.
  for (const piece of pieces) {
    if (rest < piece.length) await writeAll(handle, piece.subarray(rest));
    rest = Math.max(0, rest - piece.length);
  }
};

export const writeSynced = async (
  path: string,
  fill: (handle: FileHandle) => Promise<void>,
): Promise<void> => {
  const handle = await open(path, 'wx', 0o644);
  try {
    await fill(handle);
    await handle.sync();
  } finally {
    await handle.close();
  }
};

export const syncFile = async (path: string): Promise<void> => {
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** The name is on disk too. Not every system lets a folder be opened: then the rename alone must do. */
export const syncFolder = async (path: string): Promise<void> => {
  const handle = await open(path, constants.O_RDONLY).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
};
