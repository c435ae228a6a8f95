// The activities of a copy: plan, chunk, publish, clean up. Each opens what it needs and closes it again.

import type { CopyActivities } from '../core/copy/activities.ts';
import { copyChunk } from './copy/chunk.ts';
import { cleanUpCopy } from './copy/clean-up.ts';
import type { CopyDependencies } from './copy/endpoints.ts';
import { planCopy } from './copy/plan.ts';
import { publishCopy } from './copy/publish.ts';

/** Binds the copy activities to how linked services are resolved and where files may pass through this machine. */
export const createCopyActivities = (dependencies: CopyDependencies): CopyActivities => ({
  planCopy: (input) => planCopy(dependencies, input),
  copyChunk: (input) => copyChunk(dependencies, input),
  publishCopy: (input) => publishCopy(dependencies, input),
  cleanUpCopy: (input) => cleanUpCopy(dependencies, input),
});
