// The end of a step's log, read from where EMR ships it: <LogUri>/<cluster>/steps/<step>/{stdout,stderr,controller}.gz.
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { LakeStorage } from '../lake-storage.ts';

const TAIL_LINES = 40;
/** Spark's own chatter and frames of Java stacks: they say little about why a job failed, and push out what does. */
const NOISE = /^(?:(?:\d\d\/){2}\d\d \S+ (?:INFO|DEBUG|TRACE) |\s+at [\w.$/<>]+\(|\s+\.\.\. \d+ more)/;

/**
 * Last lines of stdout and stderr, each under its name, at most 40 in all; '' when nothing has appeared within
 * `wait` ms. A Python traceback is on stdout in client mode and on stderr in cluster mode, so both are read.
 */
export async function logTail(
  storage: LakeStorage,
  address: string,
  wait: number,
  signal?: AbortSignal,
): Promise<string> {
  const deadline = Date.now() + wait;
  for (;;) {
    const logs = await Promise.all(
      ['stdout', 'stderr'].map(async (name) => ({
        name,
        lines: await linesOf(storage, `${address}${name}.gz`),
      })),
    );
    const filled = logs.filter((log) => log.lines.length > 0);
    if (filled.length > 0) {
      const share = Math.floor(TAIL_LINES / filled.length);
      return filled.map((log) => `[${log.name}]\n${log.lines.slice(-share).join('\n')}`).join('\n');
    }
    if (Date.now() >= deadline) return '';
    await sleep(Math.min(2_000, wait), undefined, signal ? { signal } : {});
  }
}

async function linesOf(storage: LakeStorage, uri: string): Promise<string[]> {
  const packed = await storage.read(uri);
  if (packed === undefined) return [];
  const text = (await promisify(gunzip)(packed)).toString('utf8');
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const telling = lines.filter((line) => !NOISE.test(line));
  return telling.length > 0 ? telling : lines;
}
