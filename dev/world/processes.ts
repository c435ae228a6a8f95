// Knows processes for certain before ending them: by start time, by the mark a world leaves in their environment.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** A process and when it started (clock ticks since boot): together they are never reused while the machine runs. */
export interface ProcessId {
  readonly pid: number;
  readonly startTime: string;
}

/** Set for every process of a world, and inherited by what they start; its value is the world's directory. */
export const worldMark = 'WAYBILL_WORLD';
/** Set beside it: the engine a process belongs to. */
export const engineMark = 'WAYBILL_ENGINE';

/** The process now called `pid`, if there is one and it is not just waiting to be reaped. */
export function identify(pid: number): ProcessId | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the command's name in parentheses, may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, startTime] = [fields[0], fields[19]];
    if (startTime === undefined || state === 'Z' || state === 'X') return undefined;
    return { pid, startTime };
  } catch {
    return undefined;
  }
}

/** Whether this very process still runs. */
export function isAlive(process: ProcessId): boolean {
  return identify(process.pid)?.startTime === process.startTime;
}

/** What `findProcesses` looks for; a process matches when any of these does. */
export interface Search {
  readonly world: string;
  /** Only processes of this engine. */
  readonly engine?: string;
  /** PostgreSQL's backends overwrite their environment, but all work in the data directory. */
  readonly workingIn?: string;
}

/** Every running process that carries the mark of a world, or works in its data directory. */
export function findProcesses({ world, engine, workingIn }: Search): ProcessId[] {
  const marks = [`${worldMark}=${world}`, ...(engine ? [`${engineMark}=${engine}`] : [])];
  const found: ProcessId[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!pid || pid === process.pid) continue;
    if (!carries(pid, marks) && !(workingIn && worksIn(pid, workingIn))) continue;
    const known = identify(pid);
    if (known) found.push(known);
  }
  return found;
}

/** Sends `signal` to a process and its group, if it is still the one we know. Groups are led by what we started. */
export function signalGroup(target: ProcessId, signal: NodeJS.Signals): void {
  if (!isAlive(target)) return;
  try {
    process.kill(-target.pid, signal);
  } catch {
    signalOne(target, signal);
  }
}

/** Sends `signal` to one process, if it is still the one we know. */
export function signalOne(target: ProcessId, signal: NodeJS.Signals): void {
  if (!isAlive(target)) return;
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Waits until none of `processes` runs; returns those that still do after `milliseconds`. */
export async function untilGone(processes: readonly ProcessId[], milliseconds: number): Promise<ProcessId[]> {
  const deadline = Date.now() + milliseconds;
  let left = processes.filter(isAlive);
  while (left.length > 0 && Date.now() < deadline) {
    await delay(50);
    left = left.filter(isAlive);
  }
  return left;
}

function carries(pid: number, marks: readonly string[]): boolean {
  try {
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return marks.every((mark) => variables.includes(mark));
  } catch {
    // Another user's process, or one that ended meanwhile: not ours to end.
    return false;
  }
}

function worksIn(pid: number, directory: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === directory;
  } catch {
    return false;
  }
}
