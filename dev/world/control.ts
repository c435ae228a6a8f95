// How other programs ask a world's supervisor for something: one JSON line there, one back, over a Unix socket.
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { EngineName } from './state.ts';

/** A request to the supervisor. It is answered once it is done. */
export interface ControlRequest {
  readonly action: 'start-engine' | 'stop-engine';
  readonly engine: EngineName;
}

/** The answer: nothing went wrong, or what did. */
export interface ControlAnswer {
  readonly error?: string;
}

/** Where the supervisor listens. In the temporary directory, because a socket's path must be short. */
export async function makeControlPath(): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), 'waybill-')), 'control');
}

/** Takes requests until closed. */
export async function serveControl(
  path: string,
  handle: (request: ControlRequest) => Promise<void>,
): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    createInterface({ input: socket }).on('line', async (line) => {
      const answer: ControlAnswer = await Promise.resolve()
        .then(() => handle(JSON.parse(line) as ControlRequest))
        .then(
          () => ({}),
          (error: Error) => ({ error: error.message }),
        );
      socket.end(`${JSON.stringify(answer)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}

/** Removes the socket of a supervisor that is gone. */
export async function removeControl(path: string): Promise<void> {
  const directory = dirname(path);
  if (dirname(directory) === tmpdir()) await rm(directory, { recursive: true, force: true });
}

/** Asks the supervisor and waits for its answer. @throws what the supervisor answered, or that it did not */
export function askControl(path: string, request: ControlRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let answer = '';
    socket.setEncoding('utf8');
    socket.once('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.once('error', reject);
    socket.once('close', () => {
      if (!answer) return reject(new Error('the supervisor ended before it answered'));
      const { error } = JSON.parse(answer) as ControlAnswer;
      if (error) reject(new Error(error));
      else resolve();
    });
  });
}
