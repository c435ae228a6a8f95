// Starting, finding and ending worlds, from any program.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { projectPath } from '../cache.ts';
import { ensureAll, type Setup } from '../setup/ensure-all.ts';
import { ensureKafka } from '../setup/jars.ts';
import { withLock } from '../setup/lock.ts';
import { ensureMariadb } from '../setup/mariadb.ts';
import { formatSeconds, type Report, SetupError } from '../setup/report.ts';
import { askControl, removeControl } from './control.ts';
import { askedFor, ownEnvironment } from './engines.ts';
import { untilClosed } from './ports.ts';
import {
  findProcesses,
  identify,
  isAlive,
  type ProcessId,
  signalOne,
  untilGone,
  worldMark,
} from './processes.ts';
import {
  type EngineName,
  engineNames,
  lastLines,
  makePrivate,
  mysqlDataDirectory,
  postgresDataDirectory,
  readConfig,
  readState,
  useAwsCredentials,
  type WorldState,
  worldDirectory,
  writeWhole,
} from './state.ts';
import { describeWorld, type World } from './world.ts';

/** Which world to start, and who to tell. */
export interface WorldUpOptions {
  readonly name?: string;
  /** Only these engines, and what they need; all unless said. */
  readonly engines?: readonly EngineName[];
  /** Kafka too, beside them. */
  readonly kafka?: boolean;
  readonly report?: Report;
  /** Called when an engine runs, with the milliseconds it took; not for engines that ran already. */
  readonly onEngine?: (name: EngineName, milliseconds: number) => void;
}

/** The world that the command line and the demo use. */
export const defaultWorld = 'default';

/**
 * Makes sure that the world is up, and returns where it is. Sets up what is missing, cleans up after a world that was
 * killed, starts what does not run. Two callers at once get the same world.
 * @throws SetupError naming the engine that did not start, with the last lines of its log; the world is down then
 */
export async function worldUp(options: WorldUpOptions = {}): Promise<World> {
  const { name = defaultWorld, report = () => {}, onEngine } = options;
  const directory = worldDirectory(name);
  const setup = await ensureAll(report);
  const usual = options.engines ?? (await availableEngines(setup, report));
  const engines: readonly EngineName[] = options.kafka === true ? [...usual, 'kafka'] : usual;
  if (engines.includes('kafka')) await ensureKafka(report, Promise.resolve(setup.python));
  if (engines.includes('mysql')) await ensureMariadb(report, setup.postgres);
  const startedAt = Date.now();
  return withLock(
    directory,
    () => report(`    world ${name}: another process is starting or stopping it, waiting`),
    async () => {
      const running = liveState(directory);
      if (!running) {
        await endLeftOvers(directory);
        await makePrivate(join(directory, 'logs'));
        const s3Endpoint = process.env['WAYBILL_S3_ENDPOINT'];
        if (s3Endpoint) await useAwsCredentials(directory);
        const config = { name, directory, setup, engines, ...(s3Endpoint && { s3Endpoint }) };
        await writeWhole(join(directory, 'config.json'), JSON.stringify(config, null, 2));
        await startSupervisor(directory);
      } else {
        for (const { name: engine } of askedFor(engines)) {
          if (running.engines[engine]?.state !== 'running') {
            await askControl(running.control, { action: 'start-engine', engine });
          }
        }
      }
      const names = askedFor(engines).map((engine) => engine.name);
      const fresh = names.filter((each) => running?.engines[each]?.state !== 'running');
      const state = await untilUp(directory, names, onEngine);
      const ticks = names.map((each) => `${each} ✔`).join('  ');
      const took = fresh.length > 0 ? formatSeconds(Date.now() - startedAt) : 'already up';
      report(`${fresh.length > 0 ? 'starting' : 'running '}   ${ticks}   ${took}`);
      const world = await describeWorld(state);
      // Loaded when needed: it brings the AWS SDK along.
      if (fresh.includes('s3')) await (await import('./data-flow-bucket.ts')).makeDataFlowBucket(world);
      if (names.includes('temporal')) report(`           Temporal UI  ${world.temporal.uiUrl}`);
      return world;
    },
  );
}

/** All engines, but MySQL only where it can be had: the others do not wait for a package of Debian's. */
async function availableEngines(setup: Setup, report: Report): Promise<readonly EngineName[]> {
  try {
    await ensureMariadb(report, setup.postgres);
    return engineNames;
  } catch (error) {
    report(`    the world comes up without MySQL: ${(error as Error).message}`);
    return engineNames.filter((name) => name !== 'mysql');
  }
}

/** The world if it is up, whoever started it. */
export async function findWorld(name: string = defaultWorld): Promise<World | undefined> {
  const state = liveState(worldDirectory(name));
  return state && describeWorld(state);
}

/** The state of a world that is up or coming up; undefined when it is down or its supervisor was killed. */
export function worldStatus(name: string = defaultWorld): WorldState | undefined {
  return liveState(worldDirectory(name));
}

/** What `worldDown` found and did. */
export interface WorldDown {
  /** False when nothing of the world ran. */
  readonly ran: boolean;
  /** Processes that the supervisor had not ended, and were killed. */
  readonly killed: number;
}

/**
 * Ends the world whatever state it is in, also after its supervisor was killed. Its data stays, unless `destroy`.
 * @throws SetupError when a process or a port of it is still there at the end
 */
export async function worldDown(name: string = defaultWorld, { destroy = false } = {}): Promise<WorldDown> {
  const directory = worldDirectory(name);
  return withLock(
    directory,
    () => {},
    async () => {
      const supervisor = liveState(directory)?.supervisor;
      if (supervisor) {
        signalOne(supervisor, 'SIGTERM');
        await untilGone([supervisor], 45_000);
      }
      const killed = await endLeftOvers(directory);
      if (destroy) {
        const config = readConfig(directory);
        const places = config ? [postgresDataDirectory(config), mysqlDataDirectory(config)] : [];
        for (const place of places) await rm(place, { recursive: true, force: true });
        await rm(directory, { recursive: true, force: true });
      }
      return { ran: supervisor !== undefined || killed > 0, killed };
    },
  );
}

/** Stops one engine of a world that is up, as if it had gone away; its data stays. */
export async function worldStopEngine(name: string, engine: EngineName): Promise<void> {
  await askControl(controlOf(name), { action: 'stop-engine', engine });
}

/** Starts one engine again, on the same port and with the same data. */
export async function worldStartEngine(name: string, engine: EngineName): Promise<void> {
  await askControl(controlOf(name), { action: 'start-engine', engine });
}

function controlOf(name: string): string {
  const state = worldStatus(name);
  if (!state) throw new Error(`world ${name} is not up`);
  return state.control;
}

function liveState(directory: string): WorldState | undefined {
  const state = readState(directory);
  return state && isAlive(state.supervisor) ? state : undefined;
}

async function startSupervisor(directory: string): Promise<void> {
  const log = openSync(join(directory, 'logs', 'supervisor.log'), 'a', 0o600);
  // Detached: it outlives the program that starts it, and a Ctrl-C in that program's terminal.
  const child = spawn(
    process.execPath,
    [projectPath('build', 'dev', 'world', 'supervisor-main.js'), directory],
    {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: directory,
      env: { ...ownEnvironment(), [worldMark]: directory },
    },
  );
  closeSync(log);
  await once(child, 'spawn');
  child.unref();
  const known = identify(child.pid ?? 0);
  const deadline = Date.now() + 30_000;
  while (!liveState(directory)) {
    if ((known && !isAlive(known)) || Date.now() > deadline) {
      throw failure(directory, 'the supervisor of the local world did not start', 'supervisor', []);
    }
    await delay(30);
  }
}

async function untilUp(
  directory: string,
  names: readonly EngineName[],
  onEngine: WorldUpOptions['onEngine'],
): Promise<WorldState> {
  const told = new Set<EngineName>();
  for (;;) {
    const state = liveState(directory);
    if (!state) throw failure(directory, 'the supervisor of the local world ended', 'supervisor', []);
    for (const name of names) {
      const engine = state.engines[name];
      if (engine?.state === 'running' && !told.has(name)) {
        told.add(name);
        onEngine?.(name, engine.readyAfter ?? 0);
      }
      if (engine?.state === 'failed') {
        const { what, lastLines } = engine.incidents.at(-1) ?? { what: 'it failed', lastLines: [] };
        const error = failure(directory, `${name} did not start: ${what}`, name, lastLines);
        signalOne(state.supervisor, 'SIGTERM');
        await untilGone([state.supervisor], 45_000);
        await endLeftOvers(directory);
        throw error;
      }
    }
    if (told.size === names.length) return state;
    await delay(50);
  }
}

function failure(directory: string, what: string, log: string, lines: readonly string[]): SetupError {
  const file = join(directory, 'logs', `${log}.log`);
  const shown = lines.length > 0 ? lines : lastLines(file);
  const advice = `the whole log is ${file}; \`waybill dev down\`, then start again.`;
  return new SetupError([what, ...shown.map((line) => `  | ${line}`)].join('\n'), advice);
}

/** Kills what a killed supervisor left, checks that nothing serves the world's ports, removes its state file. */
async function endLeftOvers(directory: string): Promise<number> {
  const state = readState(directory);
  const config = readConfig(directory);
  const find = (): ProcessId[] =>
    findProcesses({ world: directory, ...(config && { workingIn: postgresDataDirectory(config) }) });
  const killed = new Set<number>();
  for (let round = 0; round < 5; round++) {
    const left = find();
    if (left.length === 0) break;
    for (const each of left) {
      killed.add(each.pid);
      signalOne(each, 'SIGKILL');
    }
    await untilGone(left, 3000);
  }
  const problems = find().map(({ pid }) => `process ${pid} still runs`);
  for (const [name, engine] of Object.entries(state?.engines ?? {})) {
    for (const port of Object.values(engine.ports)) {
      if (!(await untilClosed(port, 3000))) problems.push(`port ${port} (${name}) is still served`);
    }
  }
  if (problems.length > 0) {
    throw new SetupError(
      `the local world in ${directory} could not be ended: ${problems.join(', ')}`,
      'end these processes by hand (as their owner or as root), then run `waybill dev down` again.',
    );
  }
  if (state) await removeControl(state.control);
  await rm(join(directory, 'world.json'), { force: true });
  return killed.size;
}
