// SQL Server as a store of the contract suite. AzureSqlDatabase is the same connector.
import { sqlServerConfig } from '../../../src/connectors/sql-server/config.ts';
import { SqlServerConnection } from '../../../src/connectors/sql-server/connection.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { never, realEndpoint, type Store } from './store.ts';

export const sqlServerStore = (): Store => {
  const type = 'SqlServer';
  const real = realEndpoint(type);
  let properties: JsonObject = real ?? {};
  let at = { host: 'localhost', port: 1433 };
  const service = (changes: JsonObject = {}) => ({
    name: type,
    type,
    properties: { ...properties, ...changes },
  });
  const sql = async (statement: string, changes: JsonObject = {}) => {
    const connection = await SqlServerConnection.open(sqlServerConfig(service(changes)), never);
    try {
      return await connection.query(statement, 'asking for the contract suite');
    } finally {
      await connection.close();
    }
  };
  return {
    id: type,
    type,
    kind: 'table',
    engines: real === undefined ? ['sqlserver'] : [],
    waivers: {},
    async start(world, name) {
      if (real !== undefined) {
        const { host, port } = sqlServerConfig(service());
        at = { host, port };
        return;
      }
      const { server, port, user, passwordEnv, caFile } = world.sqlServer;
      at = { host: server, port };
      properties = {
        server: `${server},${port}`,
        // The stand-in keeps its databases in the same PostgreSQL as the other stores': a name of its own.
        database: `${name}_tsql`,
        userName: user,
        password: world.env[passwordEnv] ?? '',
        caFile,
      };
      await sql(`CREATE DATABASE ${name}_tsql`, { database: 'master' });
    },
    async stop() {
      // Tables of a real database are dropped by whoever lent it; their names begin as the suite's.
    },
    service: (port) => service(port === undefined ? {} : { server: `localhost,${port}` }),
    get address() {
      return at;
    },
    refusedService: (secret) => service({ password: secret }),
    endpoint: (place, settings = {}) => ({
      linkedService: type,
      datasetType: 'SqlServerTable',
      dataset: { schema: 'dbo', table: place },
      settings: { type: 'SqlServerSource', ...settings },
    }),
    sql: async (statement) => [...(await sql(statement))],
    async count(place) {
      const [row] = await sql(`SELECT COUNT(*) AS n FROM ${place}`);
      return Number(row?.['n']);
    },
    async leftovers() {
      const found = await sql(
        "SELECT TABLE_NAME AS t FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME LIKE '%#_#_wb#_%' ESCAPE '#'",
      );
      return found.map((row) => String(row['t']));
    },
  };
};
