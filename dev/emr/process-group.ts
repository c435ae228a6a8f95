// Process groups of steps: every step leads its own, so that ending it ends the JVM and the Python beneath it.
import { readdirSync, readFileSync } from 'node:fs';

/** The variable that marks every process of a step; what makes a group id safe to kill after a restart. */
export const STEP_VARIABLE = 'EMR_STEP_ID';

/** Sends a signal to a group; false when it has no process any more. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

/**
 * Ends a group that an earlier, crashed run of the stand-in left behind. Kills only when one of its processes carries
 * the step's mark, since the number may belong to someone else by now. Needs /proc: elsewhere nothing is killed.
 *
 * @returns true when processes were killed
 */
export function killOrphanedGroup(group: number, stepId: string): boolean {
  const mine = groupMembers(group).some((pid) => environmentOf(pid).includes(`${STEP_VARIABLE}=${stepId}\0`));
  return mine && signalGroup(group, 'SIGKILL');
}

function groupMembers(group: number): string[] {
  const pids = read(() => readdirSync('/proc'), []).filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    // The command in parentheses may hold blanks; the group is the third field after it.
    const stat = read(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), '');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2] === String(group);
  });
}

function environmentOf(pid: string): string {
  return read(() => `${readFileSync(`/proc/${pid}/environ`, 'utf8')}\0`, '');
}

function read<T>(get: () => T, otherwise: T): T {
  try {
    return get();
  } catch {
    return otherwise;
  }
}
