// Stores the histories of finished runs as replay fixtures: `node build/dev/record-histories.js <world> <label> [status]`.
// Run after the demo with --keep; one history per workflow type, the newest that closed (Completed, Failed, Canceled).
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { findWorld } from './world/lifecycle.ts';

const [worldName = 'demo', label = 'demo', status = 'Completed'] = process.argv.slice(2);
const world = await findWorld(worldName);
if (world === undefined) throw new Error(`world ${worldName} is down: npm run demo -- --keep`);
const connection = await Connection.connect({ address: world.temporal.address });
const client = new Client({ connection, namespace: world.temporal.namespace });
const directory = join('test', 'replay', 'histories');
await mkdir(directory, { recursive: true });
const stored = new Set<string>();
for await (const run of client.workflow.list({ query: `ExecutionStatus = '${status}'` })) {
  if (stored.has(run.type)) continue;
  stored.add(run.type);
  const history = await client.workflow.getHandle(run.workflowId, run.runId).fetchHistory();
  await writeFile(join(directory, `${run.type}.${label}.json`), `${historyToJSON(history)}\n`);
  console.log(`${run.type}: ${history.events?.length} events of ${run.workflowId}`);
}
await connection.close();
