// The job package as an archive: the same sources always make the same bytes, hence the same key.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { zipSync } from 'fflate';

export interface JobPackage {
  /** First 16 hex digits of the SHA-256 of names and contents. */
  readonly hash: string;
  readonly main: Buffer;
  readonly archive: Uint8Array;
}

/** Earliest moment a zip can hold: archives must not differ by when they were made. */
const EPOCH = new Date(1980, 0, 1, 0, 0, 0);

/** Packs `<directory>/waybill_jobs` (Python sources only) beside `<directory>/main.py`. */
export async function packJobs(directory: string): Promise<JobPackage> {
  const root = join(directory, 'waybill_jobs');
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && /\.(py|json|sql)$|^py\.typed$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const main = await readFile(join(directory, 'main.py'));
  const hash = createHash('sha256').update('main.py\0').update(main);
  const content: Record<string, [Uint8Array, { mtime: Date; level: 6 }]> = {};
  for (const file of files) {
    const name = relative(directory, file).split(sep).join('/');
    const body = await readFile(file);
    hash.update(`\0${name}\0${body.length}\0`).update(body);
    content[name] = [body, { mtime: EPOCH, level: 6 }];
  }
  return { hash: hash.digest('hex').slice(0, 16), main, archive: zipSync(content) };
}
