// What the file system reports, as waybill's codes.
import { type ErrorCode, WaybillError } from '../../core/errors.ts';

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'OBJECT_MISSING',
  ENOTDIR: 'OBJECT_MISSING',
  EACCES: 'AUTHENTICATION_FAILED',
  EPERM: 'AUTHENTICATION_FAILED',
  EROFS: 'AUTHENTICATION_FAILED',
  ENAMETOOLONG: 'IDENTIFIER_INVALID',
  EISDIR: 'IDENTIFIER_INVALID',
};

const MEANINGS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EMFILE: 'too many files are open',
  ENOENT: 'there is no such file',
  EACCES: 'the permission is missing',
};

/** Node's own message would name absolute paths of this machine: only the code and our words are passed on. */
export const fileSystemError = (error: unknown, doing: string): WaybillError => {
  if (error instanceof WaybillError) return error;
  const { code = 'error', message = '' } = error as { code?: string; message?: string };
  const known = MEANINGS[code];
  const why =
    known === undefined ? (/^E[A-Z]+$/.test(code) ? code : message.slice(0, 200)) : `${known} (${code})`;
  return new WaybillError(CODES[code] ?? 'STAGING_FAILED', `Folder, ${doing}: ${why}.`, {
    store: 'folder',
    reason: code,
  });
};
