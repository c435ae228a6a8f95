// Removes what a copy staged anywhere: after success, failure and cancellation, also when its worker is gone.
import type { CopyInput } from '../../core/copy.ts';
import { type CopyDependencies, withSink, withSource } from './endpoints.ts';
import { withHeartbeat } from './heartbeat.ts';

export const cleanUpCopy = (dependencies: CopyDependencies, input: CopyInput): Promise<void> =>
  withHeartbeat(
    () => 'cleaning up',
    async () => {
      await withSink(dependencies, input, (sink) => sink.cleanUp());
      await withSource(dependencies, input, (source) => source.cleanUp());
    },
  );
