// The end of a step's log, read from where EMR ships it: <LogUri>/<cluster>/steps/<step>/{stdout,stderr}.gz, and for a
// driver that ran on YARN, <LogUri>/<cluster>/containers/<application>/<first container>/{stdout,stderr}.gz.
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { LakeStorage } from '../lake-storage.ts';

const TAIL_LINES = 40;
/** Spark's own chatter and frames of Java stacks: they say little about why a job failed, and push out what does. */
const NOISE = /^(?:(?:\d\d\/){2}\d\d \S+ (?:INFO|DEBUG|TRACE) |\s+at [\w.$/<>]+\(|\s+\.\.\. \d+ more)/;
/** The first container of an application runs its driver when it was submitted in cluster mode. */
const DRIVER_LOG = /_000001\/(stdout|stderr)\.gz$/;

interface Log {
  readonly name: string;
  readonly lines: string[];
}

/**
 * Last lines of stdout and stderr, each under its name, at most 40 in all; '' when nothing has appeared within
 * `wait` ms. A Python traceback is on stdout in client mode and in the driver's container in cluster mode, where the
 * step's own log only tells which application it was; so all of them are read, the driver's last.
 *
 * @param address `<LogUri>/<cluster>/steps/<step>/`
 */
export async function logTail(
  storage: LakeStorage,
  address: string,
  wait: number,
  signal?: AbortSignal,
): Promise<string> {
  const deadline = Date.now() + wait;
  for (;;) {
    const step = await Promise.all(
      ['stdout', 'stderr'].map(async (name) => ({
        name,
        lines: await linesOf(storage, `${address}${name}.gz`),
      })),
    );
    const logs = [...step, ...(await driverLogs(storage, address, step))].filter(
      ({ lines }) => lines.length > 0,
    );
    if (logs.length > 0) return render(logs);
    if (Date.now() >= deadline) return '';
    await sleep(Math.min(2_000, wait), undefined, signal ? { signal } : {});
  }
}

async function driverLogs(storage: LakeStorage, address: string, step: readonly Log[]): Promise<Log[]> {
  const text = step.flatMap(({ lines }) => lines).join('\n');
  const application = /\bapplication_\d+_\d+\b/.exec(text)?.[0];
  if (application === undefined) return [];
  const logs: Log[] = [];
  for await (const page of storage.list(address.replace(/steps\/[^/]+\/$/, `containers/${application}/`))) {
    for (const { uri } of page) {
      const name = DRIVER_LOG.exec(uri)?.[1];
      if (name !== undefined) logs.push({ name: `driver ${name}`, lines: await linesOf(storage, uri) });
    }
  }
  return logs;
}

function render(logs: readonly Log[]): string {
  const share = Math.floor(TAIL_LINES / logs.length);
  return logs
    .map(({ name, lines }) => {
      const telling = lines.filter((line) => !NOISE.test(line));
      return `[${name}]\n${(telling.length > 0 ? telling : lines).slice(-share).join('\n')}`;
    })
    .join('\n');
}

async function linesOf(storage: LakeStorage, uri: string): Promise<string[]> {
  const packed = await storage.read(uri);
  if (packed === undefined) return [];
  const text = (await promisify(gunzip)(packed)).toString('utf8');
  return text.split('\n').filter((line) => line.trim() !== '');
}
