// Makes a copy's committed chunks visible in the target, all at once and once only.
import type { PublishInput, PublishResult } from '../../core/copy/activities.ts';
import { type CopyDependencies, withSink } from './endpoints.ts';
import { withHeartbeat } from './heartbeat.ts';
import { SkippedRows } from './session-log.ts';

export const publishCopy = (dependencies: CopyDependencies, input: PublishInput): Promise<PublishResult> =>
  withHeartbeat(
    () => 'publishing',
    () =>
      withSink(dependencies, input.copy, (sink) =>
        sink.publish(input.epoch, async (rows) => {
          const log = new SkippedRows(dependencies, input.copy, 'publish');
          for (const { row, reason } of rows) log.add(row, reason);
          await log.finish();
        }),
      ),
  );
