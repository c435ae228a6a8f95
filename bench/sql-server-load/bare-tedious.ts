// The floor: rows of JavaScript values through tedious's own bulk load, nothing around it.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { World } from '../../dev/world/world.ts';

interface BulkLoad {
  addColumn(name: string, type: unknown, options: object): void;
}
interface TediousConnection {
  on(event: string, listener: (error?: Error) => void): void;
  connect(): void;
  close(): void;
  newBulkLoad(
    table: string,
    options: object,
    done: (error: Error | undefined, rows: number) => void,
  ): BulkLoad;
  execBulkLoad(load: BulkLoad, rows: Iterable<unknown[]>): void;
}
interface Tedious {
  readonly Connection: new (config: object) => TediousConnection;
  readonly TYPES: Readonly<Record<string, unknown>>;
}

/** The tedious that mssql brings along. */
const tedious = (): Tedious => {
  const own = createRequire(import.meta.url);
  return createRequire(own.resolve('mssql'))('tedious') as Tedious;
};

export interface BareColumn {
  readonly name: string;
  /** Name in tedious's TYPES. */
  readonly type: string;
  readonly options?: object;
}

/** Loads `chunks` one bulk load each, on one connection. */
export const loadBare = async (
  world: World,
  database: string,
  table: string,
  columns: readonly BareColumn[],
  chunks: readonly (() => Iterable<unknown[]>)[],
): Promise<number> => {
  const { Connection, TYPES } = tedious();
  const { server, port, user, passwordEnv, caFile } = world.sqlServer;
  const connection = new Connection({
    server,
    authentication: { type: 'default', options: { userName: user, password: world.env[passwordEnv] } },
    options: {
      ...{
        port,
        database,
        requestTimeout: 0,
        packetSize: 16_000,
        encrypt: true,
        trustServerCertificate: false,
      },
      cryptoCredentialsDetails: { ca: readFileSync(caFile, 'utf8') },
    },
  });
  await new Promise<void>((resolve, reject) => {
    connection.on('connect', (error) => (error ? reject(error) : resolve()));
    connection.connect();
  });
  let loaded = 0;
  for (const rows of chunks) {
    loaded += await new Promise<number>((resolve, reject) => {
      const options = { lockTable: true, keepNulls: true };
      const load = connection.newBulkLoad(table, options, (error, count) =>
        error ? reject(error) : resolve(count),
      );
      for (const { name, type, options: more } of columns)
        load.addColumn(name, TYPES[type], { nullable: true, ...more });
      connection.execBulkLoad(load, rows());
    });
  }
  connection.close();
  return loaded;
};
