// Loopback ports: finding free ones, and seeing whether something listens.
import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * A free port on 127.0.0.1, outside the range the kernel takes outgoing connections' ports from: so an engine that
 * stops for a moment finds its port free again.
 * @param taken ports already promised to someone who does not listen yet
 */
export async function freePort(taken: ReadonlySet<number> = new Set()): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = randomInt(15_000, 32_000);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new Error('no free port between 15000 and 32000 on 127.0.0.1 in 200 tries');
}

/** Whether a server could listen on this port of 127.0.0.1 now. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Whether someone accepts connections on this port of 127.0.0.1. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2000, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

/** Waits until someone accepts connections. @throws when nobody does within `milliseconds` */
export async function untilListening(port: number, milliseconds: number): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!(await isListening(port))) {
    if (Date.now() > deadline)
      throw new Error(`nothing listens on 127.0.0.1:${port} after ${milliseconds / 1000} s`);
    await delay(50);
  }
}

/** Waits until nobody accepts connections; returns false when somebody still does after `milliseconds`. */
export async function untilClosed(port: number, milliseconds: number): Promise<boolean> {
  const deadline = Date.now() + milliseconds;
  while (await isListening(port)) {
    if (Date.now() > deadline) return false;
    await delay(50);
  }
  return true;
}
