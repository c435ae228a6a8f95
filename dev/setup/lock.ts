// One process at a time, for as long as that process lives.
import { createServer, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { shortHash } from '../cache.ts';

/**
 * Runs `work` while holding the lock called `key`, waiting for another holder first.
 *
 * The lock is a bound name in Linux's abstract socket space: binding is atomic, and the kernel releases the name
 * when its holder dies, however it dies. So there is no stale lock to detect, and none to remove by hand.
 * @param onWait called once when someone else holds the lock
 */
export async function withLock<T>(key: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  const name = `\0waybill-lock-${shortHash(key)}`;
  let held = await tryBind(name);
  if (!held) onWait();
  while (!held) {
    await delay(150);
    held = await tryBind(name);
  }
  try {
    return await work();
  } finally {
    await new Promise((done) => held.close(done));
  }
}

function tryBind(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    // Anyone may connect to an abstract name: hang up at once.
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(name, () => {
      server.unref();
      resolve(server);
    });
  });
}
