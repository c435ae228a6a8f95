// Where the local world keeps what it builds and downloads, and where the project's own files are.
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The one directory everything lives under: $WAYBILL_CACHE, else $XDG_CACHE_HOME/waybill, else ~/.cache/waybill. */
export function cacheDirectory(): string {
  const own = process.env['WAYBILL_CACHE'];
  if (own) return resolve(own);
  const shared = process.env['XDG_CACHE_HOME'];
  // The XDG base directory specification says a relative path is invalid and must be ignored.
  if (shared?.startsWith('/')) return join(shared, 'waybill');
  return join(homedir(), '.cache', 'waybill');
}

/** An absolute path inside the project, wherever it was compiled to (this file runs as build/dev/cache.js). */
export function projectPath(...parts: string[]): string {
  return join(projectRoot, ...parts);
}

/** A short name for content: the first 12 hexadecimal digits of its SHA-256. */
export function shortHash(...parts: (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 12);
}

const here = dirname(fileURLToPath(import.meta.url));
const projectRoot = resolve(here, here.endsWith(join('build', 'dev')) ? '../..' : '..');
