// Removes what a copy staged anywhere: after success, failure and cancellation, also when its worker is gone.
import type { CopyInput } from '../../core/copy.ts';
import { cleanUpBinary, isBinary } from './binary.ts';
import { type CopyDependencies, readingLeavesFiles, withSink, withSource } from './endpoints.ts';
import { withHeartbeat } from './heartbeat.ts';

export const cleanUpCopy = (dependencies: CopyDependencies, input: CopyInput): Promise<void> =>
  withHeartbeat(
    () => 'cleaning up',
    async () => {
      if (isBinary(input)) return cleanUpBinary(dependencies, input);
      // One end that is away does not keep the other from being cleaned.
      const ends = await Promise.allSettled([
        withSink(dependencies, input, (sink) => sink.cleanUp()),
        cleanUpSource(dependencies, input),
      ]);
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    },
  );

async function cleanUpSource(dependencies: CopyDependencies, input: CopyInput): Promise<void> {
  if (!(await readingLeavesFiles(dependencies, input))) return;
  await withSource(dependencies, input, (source) => source.cleanUp());
}
