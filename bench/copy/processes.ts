// What processes cost, from /proc: CPU seconds and resident memory.
import { readdir, readFile } from 'node:fs/promises';

/** Ticks of proc(5) are hundredths of a second on Linux. */
const TICK = 100;

async function statOf(pid: number | string): Promise<string[] | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name in the second field may hold blanks; what follows it counts from the third.
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** User and system CPU seconds of a process itself. */
export async function cpuOf(pid: number): Promise<number> {
  const fields = await statOf(pid);
  return (Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0)) / TICK;
}

/** CPU seconds of a server and all its children, the ended ones too. */
export async function cpuOfServer(pid: number): Promise<number> {
  const own = await statOf(pid);
  const sum = (fields: string[] | undefined, last: number): number =>
    (fields?.slice(11, last) ?? []).reduce((total, ticks) => total + Number(ticks), 0) / TICK;
  let total = sum(own, 15);
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const child = await statOf(name);
    if (child !== undefined && Number(child[1]) === pid) total += sum(child, 13);
  }
  return total;
}

/** Resident memory in MB. */
export async function residentOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024;
}

/** Watches a process' resident memory until `stop`, which returns the peak in MB. */
export function watchResident(pid: number): { stop(): number } {
  let peak = 0;
  const timer = setInterval(() => {
    void residentOf(pid).then((now) => {
      peak = Math.max(peak, now);
    });
  }, 200);
  return {
    stop: () => {
      clearInterval(timer);
      return peak;
    },
  };
}
