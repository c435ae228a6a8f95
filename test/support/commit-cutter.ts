// A TCP proxy before MySQL (without TLS) that loses the answer to a COMMIT: the server carries it out, we never hear.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface CommitCutter {
  readonly port: number;
  /** The next COMMIT is cut. Counts anew. */
  arm(): void;
  cuts(): number;
  stop(): Promise<void>;
}

export async function commitCutter(host: string, port: number): Promise<CommitCutter> {
  const sockets = new Set<Socket>();
  let armed = false;
  let cut = 0;
  const server = createServer((client) => {
    const upstream = connect(port, host);
    let deaf = false;
    for (const end of [client, upstream]) {
      sockets.add(end);
      end.on('error', () => undefined);
      end.on('close', () => {
        sockets.delete(end);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (piece: Buffer) => {
      upstream.write(piece);
      // A COM_QUERY packet: three bytes of length, one of sequence, the command 3, and the text.
      if (armed && piece.subarray(4).toString('latin1').startsWith('\x03COMMIT')) {
        armed = false;
        deaf = true;
        cut += 1;
      }
    });
    upstream.on('data', (piece: Buffer) => {
      // The server has answered, so it has committed.
      if (deaf) client.destroy();
      else client.write(piece);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    arm() {
      armed = true;
      cut = 0;
    },
    cuts: () => cut,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
