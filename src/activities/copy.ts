// The activities of a copy: plan, chunk, publish, clean up. Each opens what it needs and closes it again.

import type { CopyActivities } from '../core/copy/activities.ts';
import type { CopyInput } from '../core/copy.ts';
import { WaybillError } from '../core/errors.ts';
import { copyBinaryChunk, isBinary, planBinary, previewBinary, publishBinary } from './copy/binary.ts';
import { copyChunk } from './copy/chunk.ts';
import { cleanUpCopy } from './copy/clean-up.ts';
import type { CopyDependencies } from './copy/endpoints.ts';
import { planCopy } from './copy/plan.ts';
import { previewCopy } from './copy/preview.ts';
import { publishCopy } from './copy/publish.ts';

/** Binds the copy activities to how linked services are resolved and where files may pass through this machine. */
export const createCopyActivities = (dependencies: CopyDependencies): CopyActivities => ({
  planCopy: (input) =>
    withNewSecrets(dependencies, input, () =>
      isBinary(input) ? planBinary(dependencies, input) : planCopy(dependencies, input),
    ),
  previewCopy: (input) =>
    withNewSecrets(dependencies, input, () =>
      isBinary(input) ? previewBinary(dependencies, input) : previewCopy(dependencies, input),
    ),
  copyChunk: (input) =>
    withNewSecrets(dependencies, input.copy, () =>
      isBinary(input.copy) ? copyBinaryChunk(dependencies, input) : copyChunk(dependencies, input),
    ),
  publishCopy: (input) =>
    withNewSecrets(dependencies, input.copy, () =>
      isBinary(input.copy) ? publishBinary(dependencies, input) : publishCopy(dependencies, input),
    ),
  cleanUpCopy: (input) => withNewSecrets(dependencies, input, () => cleanUpCopy(dependencies, input)),
});

/** A refused sign-in is final, unless a secret has changed since this attempt read it: then the next one may pass. */
async function withNewSecrets<T>(
  { secretsChanged }: CopyDependencies,
  { source, sink }: CopyInput,
  work: () => Promise<T>,
): Promise<T> {
  const since = Date.now();
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof WaybillError) || error.code !== 'AUTHENTICATION_FAILED') throw error;
    const ends = [source.linkedService, sink.linkedService];
    const changed = await Promise.all(ends.map(async (end) => secretsChanged?.(end, since)));
    if (!changed.includes(true)) throw error;
    throw new WaybillError(
      error.code,
      `${error.message} The secret has changed meanwhile: trying again with the new one.`,
      error.details,
      { cause: error, retryable: true },
    );
  }
}
