// Keeps a run's history as a replay fixture when WAYBILL_KEEP_HISTORIES names the version it is of: "v0.2".
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

export async function keepHistory(
  type: string,
  handle: Pick<WorkflowHandle, 'fetchHistory' | 'workflowId'>,
): Promise<void> {
  const version = process.env['WAYBILL_KEEP_HISTORIES'];
  if (!version) return;
  const file = join('test', 'replay', 'histories', `${type}.${version}.json`);
  const history = JSON.parse(historyToJSON(await handle.fetchHistory())) as {
    events: { workflowExecutionStartedEventAttributes?: { workflowId?: string } }[];
  };
  // The server that skips time does not say whose history it is; the replay has to know.
  const started = history.events[0]?.workflowExecutionStartedEventAttributes;
  if (started !== undefined) started.workflowId ??= handle.workflowId;
  await writeFile(file, `${JSON.stringify(history, null, 2)}\n`);
}
