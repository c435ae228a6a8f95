// The listener: accepts connections on loopback and knows which are open.
import { createServer, type Server } from 'node:net';
import { type ServerSettings, Session } from './session.ts';

export class SqlServer {
  readonly #settings: ServerSettings;
  readonly #server: Server;
  readonly #sessions = new Set<Session>();

  constructor(settings: ServerSettings) {
    this.#settings = settings;
    this.#server = createServer((socket) => {
      const session = new Session(socket, this.#settings);
      this.#sessions.add(session);
      void session.closed.then(() => this.#sessions.delete(session));
    });
  }

  /** Makes the databases ready and listens; port 0 takes any free one. Returns the port. */
  async listen(port: number): Promise<number> {
    await this.#settings.databases.start();
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', resolve);
    });
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : port;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of this.#sessions) session.destroy();
    await closed;
  }
}
