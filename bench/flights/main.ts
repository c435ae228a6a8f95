// `npm run bench -- flights`: the main copy beside a floor, on the same data in the same run. Prints ratios, because seconds on a
// shared machine say little. The floor is the least anyone must do: read every row with the driver and drop it.
import '../../src/config/quiet-aws.ts';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { WorkerProcess } from '../../dev/demo/worker-process.ts';
import { seedWorld } from '../../dev/seed/seed-world.ts';
import { connectSqlServer, sourceDatabase } from '../../dev/seed/sql-server.ts';
import { worldDown, worldUp } from '../../dev/world/lifecycle.ts';
import type { World } from '../../dev/world/world.ts';
import { formatTable } from '../../src/client/format.ts';
import { startRun } from '../../src/client/start.ts';
import { DEFAULT_TASK_QUEUE } from '../../src/core/search-attributes.ts';

const ROUNDS = 3;
const WORLD = 'bench';

interface Round {
  /** Seconds of wall time. */
  readonly floor: number;
  readonly copy: number;
  /** CPU seconds of the worker process during the copy. */
  readonly copyCpu: number;
  readonly floorCpu: number;
}

const seconds = (from: number): number => (performance.now() - from) / 1000;

/** User and system CPU seconds of a process, from /proc. */
async function cpuOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  // Fields 14 and 15 of proc(5), counted here from the third; ticks are hundredths of a second on Linux.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function readAndDrop(world: World): Promise<number> {
  const pool = await connectSqlServer(world, sourceDatabase);
  try {
    const request = pool.request();
    request.stream = true;
    request.arrayRowMode = true;
    let rows = 0;
    request.on('row', () => {
      rows += 1;
    });
    await new Promise<void>((resolve, reject) => {
      request.on('error', reject);
      request.on('done', () => resolve());
      void request.query('SELECT * FROM dbo.flights');
    });
    return rows;
  } finally {
    await pool.close();
  }
}

async function round(world: World, client: Client, worker: WorkerProcess, key: string): Promise<Round> {
  const floorCpuBefore = process.cpuUsage();
  const floorFrom = performance.now();
  const rows = await readAndDrop(world);
  const floor = seconds(floorFrom);
  const floorCpuUsed = process.cpuUsage(floorCpuBefore);
  const cpuBefore = await cpuOf(worker.pid ?? 0);
  const copyFrom = performance.now();
  const { handle } = await startRun(client, {
    kind: 'pipeline',
    name: 'pl_sqlserver_to_snowflake',
    key,
    parameters: { tables: ['flights'] },
    trigger: 'bench',
    taskQueue: DEFAULT_TASK_QUEUE,
  });
  await handle.result();
  const copy = seconds(copyFrom);
  const copyCpu = (await cpuOf(worker.pid ?? 0)) - cpuBefore;
  console.log(`  ${key}: ${rows} rows · floor ${floor.toFixed(1)} s · copy ${copy.toFixed(1)} s`);
  return { floor, copy, copyCpu, floorCpu: (floorCpuUsed.user + floorCpuUsed.system) / 1e6 };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const world = await worldUp({
  name: WORLD,
  engines: ['temporal', 'postgres', 'sqlserver', 'snowflake', 's3'],
  report: console.log,
});
const worker = new WorkerProcess(
  { ...process.env, ...world.env },
  join(world.directory, 'logs', 'worker.log'),
);
try {
  await seedWorld(world, console.log);
  worker.start();
  const connection = await Connection.connect({ address: world.temporal.address });
  const client = new Client({ connection });
  const stamp = new Date().toISOString();
  const rounds: Round[] = [];
  for (let number = 0; number <= ROUNDS; number++) {
    const measured = await round(world, client, worker, `${stamp}/${number}`);
    // The first one warms both sides up and is not counted.
    if (number > 0) rounds.push(measured);
  }
  await connection.close();
  const of = (pick: (one: Round) => number): number => median(rounds.map(pick));
  const result = {
    what: 'dbo.flights (336,776 rows x 20 columns), SQL Server stand-in to Snowflake stand-in, whole product, verified',
    floor: 'the same rows read with mssql (arrayRowMode) and dropped',
    machine: {
      cpus: cpus().length,
      model: cpus()[0]?.model,
      memoryGb: Math.round(totalmem() / 1e9),
      node: process.version,
    },
    rounds,
    ratios: { wall: of((one) => one.copy / one.floor), cpu: of((one) => one.copyCpu / one.floorCpu) },
  };
  const table = [
    ['', 'floor', 'copy', 'ratio'],
    [
      'wall, s',
      of((one) => one.floor).toFixed(1),
      of((one) => one.copy).toFixed(1),
      result.ratios.wall.toFixed(1),
    ],
    [
      'client CPU, s',
      of((one) => one.floorCpu).toFixed(1),
      of((one) => one.copyCpu).toFixed(1),
      result.ratios.cpu.toFixed(1),
    ],
  ];
  for (const line of formatTable(table, [1, 2, 3])) console.log(`  ${line}`);
  await mkdir(join('bench', 'results'), { recursive: true });
  await writeFile(join('bench', 'results', 'copy-flights.json'), `${JSON.stringify(result, null, 2)}\n`);
} finally {
  await worker.stop();
  await worldDown(WORLD, { destroy: true });
}
