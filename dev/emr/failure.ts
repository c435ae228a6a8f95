// Finds why a step failed in what it printed. A PySpark traceback is on stdout as often as on stderr, so both count.
import { open } from 'node:fs/promises';

/** How much of the end of a log is searched; a traceback is at the end. */
const TAIL_BYTES = 256 * 1024;
const MOST_MESSAGE = 1000;

/** What a log says about a failure, and which of the two logs said it. */
export interface LoggedFailure {
  message: string;
  log: 'stdout' | 'stderr';
}

/** The line that says best what went wrong, or undefined when the logs say nothing. */
export async function loggedFailure(
  stdoutFile: string,
  stderrFile: string,
): Promise<LoggedFailure | undefined> {
  const [stdout, stderr] = await Promise.all([tail(stdoutFile), tail(stderrFile)]);
  for (const search of [pythonException, javaException, lastLine]) {
    // Of two java exceptions the one on stderr is the driver's; tracebacks are on either, never on both.
    const inStderr = search(stderr);
    const message = inStderr ?? search(stdout);
    if (message) return { message: message.slice(0, MOST_MESSAGE), log: inStderr ? 'stderr' : 'stdout' };
  }
  return undefined;
}

/** The line after the frames of the last traceback; for a Java error wrapped by Py4J also the Java error's own line. */
function pythonException(log: string): string | undefined {
  const at = log.lastIndexOf('Traceback (most recent call last):');
  if (at === -1) return undefined;
  const lines = log.slice(at).split('\n').slice(1);
  const index = lines.findIndex((line) => /^[A-Za-z_][\w.]*(:|$)/.test(line));
  const line = lines[index];
  if (line === undefined) return undefined;
  const wrapped = line.includes('Py4JJavaError')
    ? lines.slice(index + 1).find((next) => next.startsWith(': '))
    : undefined;
  return wrapped ? `${line} ${wrapped.slice(2)}` : line;
}

function javaException(log: string): string | undefined {
  return log
    .split('\n')
    .map((line) => line.replace(/^\d\d\/\d\d\/\d\d \d\d:\d\d:\d\d (ERROR|WARN) /, ''))
    .findLast((line) =>
      /^(Exception in thread "[^"]*" |Caused by: |Error: )|^([\w$]+\.)+[\w$]*(Error|Exception)\b/.test(line),
    );
}

function lastLine(log: string): string | undefined {
  return log
    .split('\n')
    .findLast((line) => line.trim() !== '')
    ?.trim();
}

async function tail(file: string): Promise<string> {
  const handle = await open(file, 'r').catch(() => undefined);
  if (!handle) return '';
  try {
    const { size } = await handle.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const buffer = Buffer.alloc(size - start);
    await handle.read(buffer, 0, buffer.length, start);
    return buffer.toString('utf8');
  } finally {
    await handle.close();
  }
}
