// Keys of a folder's files to paths: whatever a key says, the path stays below the root, symbolic links included.
import { realpath } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { WaybillError } from '../../core/errors.ts';

const refuse = (key: string, why: string): WaybillError =>
  new WaybillError('IDENTIFIER_INVALID', `The file name ${JSON.stringify(key.slice(0, 200))} ${why}.`, {});

/** Path of `key` below `root`. Throws IDENTIFIER_INVALID for a key that is no plain relative path. */
export const pathOf = (root: string, key: string): string => {
  if (key === '') throw refuse(key, 'is empty');
  if (key.includes('\0')) throw refuse(key, 'holds a NUL character');
  if (sep !== '/' && key.includes(sep)) throw refuse(key, `holds a ${sep}`);
  for (const part of key.split('/')) {
    if (part === '')
      throw refuse(key, 'has an empty part: it begins or ends with a slash, or has two of them');
    if (part === '.' || part === '..') throw refuse(key, 'leads out of its folder');
  }
  return join(root, ...key.split('/'));
};

/** Key of a path below `root`. */
export const keyOf = (root: string, path: string): string => relative(root, path).split(sep).join('/');

/**
 * Throws IDENTIFIER_INVALID where a symbolic link on the way to `path` leads out of `root`. Parts that do not exist yet
 * lead nowhere.
 */
export const refuseEscape = async (root: string, path: string): Promise<void> => {
  const base = await realpath(root);
  let existing = path;
  for (;;) {
    const real = await realpath(existing).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (real !== undefined) {
      if (real === base || real.startsWith(base.endsWith(sep) ? base : base + sep)) return;
      throw refuse(keyOf(root, path), 'leads out of its folder by a symbolic link');
    }
    const parent = dirname(existing);
    if (parent === existing) return;
    existing = parent;
  }
};
