// `npm run bench -- copy`: waybill through the whole product beside psql, DuckDB, ConnectorX, dlt and Sling, in turn, on
// the same table of the same server. Prints medians and ratios; keeps them in bench/results/copy.json.
import '../../src/config/quiet-aws.ts';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { cacheDirectory, projectPath } from '../../dev/cache.ts';
import { worldDown, worldUp } from '../../dev/world/lifecycle.ts';
import { type Contender, type Path, type Place, pathsOf } from './contenders.ts';
import { type Figures, medianOf } from './figures.ts';
import { installPeers } from './install.ts';
import { cpuOfServer } from './processes.ts';
import { printPath } from './report.ts';
import { runWaybill } from './run-waybill.ts';

const WORLD = 'bench-copy';
const TIMEOUT_SECONDS = 1_200;

const { values: options } = parseArgs({
  args: process.argv.slice(process.argv[2] === 'copy' ? 3 : 2),
  options: {
    rows: { type: 'string', default: '5000000' },
    rounds: { type: 'string', default: '3' },
    /** Paths to measure: parquet,postgres,csv. */
    only: { type: 'string' },
    /** Leaves out the contenders that take minutes. */
    quick: { type: 'boolean', default: false },
    /** Measures those as often as the others. */
    'all-rounds': { type: 'boolean', default: false },
    /** Keeps the server with the table for the next run. */
    keep: { type: 'boolean', default: false },
  },
});
const rows = Number(options.rows);
const rounds = Number(options.rounds);
const stamp = new Date().toISOString();

const peers = await installPeers(console.log);
const directory = join(cacheDirectory(), 'bench-copy');
await mkdir(directory, { recursive: true });
const world = await worldUp({ name: WORLD, engines: ['temporal', 'postgres'], report: console.log });
const place: Place = {
  directory: join(directory, 'out'),
  host: world.postgres.host,
  port: world.postgres.port,
  user: world.postgres.user,
  database: 'bench',
};
const env = { ...process.env, ...world.env, WAYBILL_CONFIG: await writeSettings() };
const connection = await Connection.connect({ address: world.temporal.address });
const database = new pg.Client({
  host: place.host,
  port: place.port,
  user: place.user,
  database: place.database,
});
try {
  await makeTable();
  const server = await serverPid();
  const wanted = options.only?.split(',');
  const results: Record<string, unknown> = {};
  for (const path of pathsOf(place, peers).filter(({ name }) => wanted?.includes(name) ?? true)) {
    console.log(`\n${path.title}, ${rows} rows`);
    const medians = await measure(path, server);
    printPath(path, medians);
    const { title, against } = path;
    results[path.name] = { title, against, taken: stamp, rounds, medians: Object.fromEntries(medians) };
  }
  await keep(results);
} finally {
  await connection.close();
  await database.end();
  await rm(place.directory, { recursive: true, force: true });
  if (options.keep) console.log(`\nKept: waybill dev down --name ${WORLD} --destroy removes it.`);
  else await worldDown(WORLD, { destroy: true });
}

/** Every contender in turn, round after round, so that a slow minute of the machine hits all alike. */
async function measure(path: Path, server: number): Promise<Map<string, Figures>> {
  const runs = new Map<string, Figures[]>();
  for (let round = 1; round <= rounds; round++) {
    for (const contender of path.contenders) {
      if (contender.slow && (options.quick || (round > 1 && !options['all-rounds']))) continue;
      await prepare(contender);
      const before = await cpuOfServer(server);
      const own = await run(contender, `${stamp}/${round}`);
      // Ended sessions are counted once the server has reaped them.
      await new Promise((resolve) => setTimeout(resolve, 500));
      const figures = {
        ...own,
        serverCpu: (await cpuOfServer(server)) - before,
        ...(await written(contender)),
      };
      runs.set(contender.name, [...(runs.get(contender.name) ?? []), figures]);
      console.log(
        `  ${round}  ${contender.name.padEnd(28)} ${figures.wall.toFixed(1).padStart(7)} s wall  ` +
          `${figures.cpu.toFixed(1).padStart(7)} s CPU  ${figures.rssMb.toFixed(0).padStart(5)} MB  load ${loadavg()[0]?.toFixed(1)}`,
      );
      await check(contender);
    }
  }
  return new Map([...runs].map(([name, figures]) => [name, medianOf(figures)]));
}

async function prepare(contender: Contender): Promise<void> {
  await rm(place.directory, { recursive: true, force: true });
  await mkdir(place.directory, { recursive: true });
  if (contender.table?.startsWith('t_') && contender.table !== 't_sling') {
    await database.query(`DROP TABLE IF EXISTS ${contender.table}`);
    await database.query(`CREATE TABLE ${contender.table} (LIKE t INCLUDING ALL)`);
  }
  await database.query('CHECKPOINT');
}

async function run(contender: Contender, key: string): Promise<Omit<Figures, 'serverCpu'>> {
  if ('pipeline' in contender) {
    return runWaybill({
      client: new Client({ connection }),
      env,
      directory,
      pipeline: contender.pipeline,
      place: contender.table ?? 'waybill',
      verify: contender.verify,
      key: `${key}/${contender.verify}`,
    });
  }
  const log = join(directory, 'peer.log');
  const measured = await promisify(execFile)(peers.python, [
    projectPath('bench', 'copy', 'peers', 'measure.py'),
    ...[log, String(TIMEOUT_SECONDS), ...contender.command],
  ]);
  const { code, ...figures } = JSON.parse(measured.stdout) as Figures & { code: number };
  if (code === 0) return figures;
  const tail = (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-15).join('\n');
  throw new Error(`${contender.name} ended with ${code}:\n${tail}`);
}

/** MB of the files it left. */
async function written(contender: Contender): Promise<{ outMb?: number }> {
  if (contender.table !== undefined || contender.drops) return {};
  let bytes = 0;
  for (const name of await readdir(place.directory, { recursive: true })) {
    const found = await stat(join(place.directory, name));
    if (found.isFile()) bytes += found.size;
  }
  return { outMb: bytes / 1e6 };
}

/** A copy that lost rows is no copy, however fast. */
async function check(contender: Contender): Promise<void> {
  if (contender.drops) return;
  let found: number;
  if (contender.table !== undefined) {
    const counted = await database.query(`SELECT count(*)::int AS n FROM ${contender.table}`);
    found = counted.rows[0].n as number;
  } else {
    const counted = await promisify(execFile)(peers.python, [
      projectPath('bench', 'copy', 'peers', 'count_rows.py'),
      place.directory,
    ]);
    found = Number(counted.stdout);
  }
  if (found !== rows) throw new Error(`${contender.name} left ${found} of ${rows} rows.`);
}

async function makeTable(): Promise<void> {
  const { host, port, user } = place;
  const admin = new pg.Client({ host, port, user, database: 'postgres' });
  await admin.connect();
  const { rowCount } = await admin.query(`SELECT 1 FROM pg_database WHERE datname = '${place.database}'`);
  if (rowCount === 0) await admin.query(`CREATE DATABASE ${place.database}`);
  await admin.end();
  await database.connect();
  const present = await database
    .query('SELECT count(*)::int AS n FROM t')
    .then(({ rows: found }) => found[0].n as number)
    .catch(() => 0);
  if (present === rows) return;
  console.log(`Building the table of ${rows} rows …`);
  await database.query('DROP TABLE IF EXISTS t');
  const sql = await readFile(projectPath('bench', 'copy', 'table.sql'), 'utf8');
  // One by one: VACUUM runs in no transaction, and several statements in one message are one.
  for (const statement of sql.replaceAll(':rows', String(rows)).split(/;\s*\n/)) {
    if (statement.trim() !== '') await database.query(statement);
  }
}

/** The server's first process: the parent of our session's. */
async function serverPid(): Promise<number> {
  const { rows: found } = await database.query('SELECT pg_backend_pid() AS pid');
  const text = await readFile(`/proc/${found[0].pid}/stat`, 'utf8');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
}

async function writeSettings(): Promise<string> {
  const file = join(directory, 'waybill.toml');
  const { host, port, user } = place;
  await writeFile(
    file,
    [
      `factoryDirectory = ${JSON.stringify(projectPath('bench', 'copy', 'factory'))}`,
      '[linkedService.ls_source]',
      ...[`server = "${host}"`, `port = ${port}`, `username = "${user}"`, `database = "${place.database}"`],
      'sslMode = "disable"',
      '[linkedService.ls_files]',
      `host = ${JSON.stringify(place.directory)}`,
      '',
    ].join('\n'),
  );
  return file;
}

/** Paths that were not measured this time keep the figures they have. */
async function keep(results: Record<string, unknown>): Promise<void> {
  await mkdir(projectPath('bench', 'results'), { recursive: true });
  const file = projectPath('bench', 'results', rows === 5_000_000 ? 'copy.json' : `copy-${rows}.json`);
  const earlier = JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as { results?: object };
  const kept = {
    rows,
    machine: {
      cpus: cpus().length,
      model: cpus()[0]?.model,
      memoryGb: Math.round(totalmem() / 1e9),
      node: process.version,
      note: 'the server, waybill, Temporal and the peers share these cores',
    },
    versions: peers.versions,
    results: { ...earlier.results, ...results },
  };
  await writeFile(file, `${JSON.stringify(kept, null, 2)}\n`);
  console.log(`\nKept in ${file}`);
}
