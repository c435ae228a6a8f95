// Loaded before anything else into a rehearsal's worker (`node --import`): no socket of it reaches another machine.
import { Socket } from 'node:net';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/i;

/** Whether an address is this machine's own. */
const isLoopback = (host: string): boolean => LOOPBACK.test(host.replace(/^\[|\]$/g, ''));

type Connect = typeof Socket.prototype.connect;

const connect = Socket.prototype.connect as (this: Socket, ...args: unknown[]) => Socket;

Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
  const target = hostOf(args);
  if (target !== undefined && !isLoopback(target)) {
    const error = Object.assign(
      new Error(`A rehearsal connects to this machine only; it refused ${target}.`),
      { code: 'EREHEARSAL', host: target },
    );
    process.nextTick(() => this.destroy(error));
    return this;
  }
  return connect.apply(this, args);
} as Connect;

/** The host of any of connect's forms; undefined for a Unix socket. Node's own callers pass one normalised array. */
function hostOf(args: readonly unknown[]): string | undefined {
  const [first, second] = Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
  if (typeof first === 'object' && first !== null) {
    const { path, host } = first as { path?: unknown; host?: unknown };
    if (typeof path === 'string') return undefined;
    return typeof host === 'string' && host !== '' ? host : 'localhost';
  }
  if (typeof first === 'string' && !/^\d+$/.test(first)) return undefined;
  return typeof second === 'string' ? second : 'localhost';
}
