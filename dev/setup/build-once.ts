// Makes a directory of built things once, safely: never half made, never made twice at the same time.
import { access, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { withLock } from './lock.ts';
import type { Report } from './report.ts';

/** What to build, where, and how. */
export interface BuildOnce {
  /** The directory to end up with. Its name carries a hash of everything that decides its content. */
  readonly target: string;
  /** What people call it, for the line shown while another process builds it. */
  readonly label: string;
  readonly report: Report;
  /** Fills `directory`, which exists and is empty. */
  readonly build: (directory: string) => Promise<void>;
  /** Build at the final path, for content that holds absolute paths to itself (a Python venv). */
  readonly inPlace?: boolean;
}

/**
 * Returns `target`, built by `build` unless it is complete already. A build that fails or is killed leaves nothing
 * that counts: the marker file is written last, and all but in-place builds are moved into place whole.
 */
export async function buildOnce({
  target,
  label,
  report,
  build,
  inPlace = false,
}: BuildOnce): Promise<string> {
  if (await isComplete(target)) return target;
  await mkdir(dirname(target), { recursive: true });
  await withLock(
    target,
    () => report(`    ${label}: another process is at it, waiting`),
    async () => {
      if (await isComplete(target)) return;
      const scratch = inPlace ? target : `${target}.building`;
      await rm(scratch, { recursive: true, force: true });
      await rm(target, { recursive: true, force: true });
      await mkdir(scratch, { recursive: true });
      try {
        await build(scratch);
        await writeFile(join(scratch, completeMarker), '');
        if (!inPlace) await rename(scratch, target);
      } catch (error) {
        await rm(scratch, { recursive: true, force: true });
        throw error;
      }
    },
  );
  return target;
}

/** Whether `target` was built to the end. */
export async function isComplete(target: string): Promise<boolean> {
  return access(join(target, completeMarker)).then(
    () => true,
    () => false,
  );
}

const completeMarker = '.complete';
