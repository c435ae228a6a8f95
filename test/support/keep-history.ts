// Keeps a run's history as a replay fixture when WAYBILL_KEEP_HISTORIES names the version it is of: "v0.2".
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

export async function keepHistory(type: string, handle: Pick<WorkflowHandle, 'fetchHistory'>): Promise<void> {
  const version = process.env['WAYBILL_KEEP_HISTORIES'];
  if (!version) return;
  const file = join('test', 'replay', 'histories', `${type}.${version}.json`);
  await writeFile(file, `${historyToJSON(await handle.fetchHistory())}\n`);
}
