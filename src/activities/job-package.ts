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
  /** The same sources as a Python wheel; its version is that of the package, whatever its content. */
  readonly wheel: { readonly name: string; readonly archive: Uint8Array };
}

const VERSION = '0.1.0';
type Archive = Record<string, [Uint8Array, { mtime: Date; level: 6 }]>;

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
  const content: Archive = {};
  for (const file of files) {
    const name = relative(directory, file).split(sep).join('/');
    const body = await readFile(file);
    hash.update(`\0${name}\0${body.length}\0`).update(body);
    content[name] = [body, { mtime: EPOCH, level: 6 }];
  }
  const wheel = { name: `waybill_jobs-${VERSION}-py3-none-any.whl`, archive: zipSync(withMetadata(content)) };
  return { hash: hash.digest('hex').slice(0, 16), main, archive: zipSync(content), wheel };
}

/** What makes an archive a wheel: its name and version, and the digest of each file. */
function withMetadata(content: Archive): Archive {
  const folder = `waybill_jobs-${VERSION}.dist-info`;
  const added = new Map<string, string>([
    [`${folder}/METADATA`, `Metadata-Version: 2.1\nName: waybill-jobs\nVersion: ${VERSION}\n`],
    [`${folder}/WHEEL`, 'Wheel-Version: 1.0\nGenerator: waybill\nRoot-Is-Purelib: true\nTag: py3-none-any\n'],
  ]);
  const all: Archive = { ...content };
  for (const [name, text] of added) all[name] = [Buffer.from(text), { mtime: EPOCH, level: 6 }];
  const lines = Object.entries(all).map(([name, [body]]) => {
    const digest = createHash('sha256').update(body).digest('base64url');
    return `${name},sha256=${digest},${body.length}`;
  });
  const record = `${folder}/RECORD`;
  all[record] = [Buffer.from(`${[...lines, `${record},,`].join('\n')}\n`), { mtime: EPOCH, level: 6 }];
  return all;
}
