// Runs a program to its end, passing its lines on and keeping the last ones for the error.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { SetupError } from './report.ts';

/** How to run it, and what to tell people when it fails. */
export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly onLine?: (line: string) => void;
  /** What was being done, for the error: "installing the Python packages". */
  readonly doing: string;
  /** What the reader should do when it fails. */
  readonly advice: string;
}

/**
 * Runs `command` and returns all it wrote (stdout and stderr in the order they came).
 * @throws SetupError with the last 15 lines when it cannot start or exits with anything but 0
 */
export function runCommand(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { env, cwd, uid, gid } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(env && { env }),
      ...(cwd !== undefined && { cwd }),
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
    });
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        options.onLine?.(line);
      });
    }
    child.once('error', (error) => {
      reject(new SetupError(`${options.doing} failed: ${error.message}`, options.advice, { cause: error }));
    });
    child.once('close', (code, signal) => {
      if (code === 0) return resolve(lines.join('\n'));
      const tail = lines.slice(-15).map((line) => `  | ${line}`);
      const how = signal ? `was ended by ${signal}` : `exited with ${code}`;
      reject(
        new SetupError([`${options.doing} failed: ${command} ${how}`, ...tail].join('\n'), options.advice),
      );
    });
  });
}
