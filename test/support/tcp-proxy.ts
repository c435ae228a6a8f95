// A TCP proxy on loopback that counts what passes and cuts every connection once so many bytes went to the server.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export class TcpProxy {
  readonly port: number;
  /** Bytes sent to the server since the last `reset`. */
  sent = 0;
  #cutAt = Number.POSITIVE_INFINITY;
  readonly #sockets = new Set<Socket>();
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(host: string, port: number): Promise<TcpProxy> {
    let proxy: TcpProxy;
    const server = createServer((client) => proxy.#join(client, connect(port, host)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = new TcpProxy(server);
    return proxy;
  }

  /** From here on: counts anew, and cuts once, when `bytes` have gone to the server. */
  reset(bytes = Number.POSITIVE_INFINITY): void {
    this.sent = 0;
    this.#cutAt = bytes;
  }

  async stop(): Promise<void> {
    this.#cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, server: Socket): void {
    const ends = [client, server];
    for (const end of ends) {
      this.#sockets.add(end);
      end.on('error', () => undefined);
      end.on('close', () => {
        this.#sockets.delete(end);
        for (const other of ends) other.destroy();
      });
    }
    server.pipe(client);
    client.on('data', (piece: Buffer) => {
      this.sent += piece.length;
      if (this.sent >= this.#cutAt) {
        // What came last reaches the server, its answer does not: the worst moment for whoever waits for it.
        this.#cutAt = Number.POSITIVE_INFINITY;
        server.write(piece, () => this.#cut());
        return;
      }
      if (!server.write(piece)) {
        client.pause();
        server.once('drain', () => client.resume());
      }
    });
    client.on('end', () => server.end());
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
