// PostgreSQL as a store of the contract suite.
import { postgresConfig } from '../../../src/connectors/postgres/config.ts';
import { PostgresConnection } from '../../../src/connectors/postgres/connection.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { never, realEndpoint, type Store } from './store.ts';

export const postgresStore = (): Store => {
  const type = 'PostgreSqlV2';
  const real = realEndpoint(type);
  let properties: JsonObject = real ?? {};
  let schema = 'public';
  const sql = async (statement: string, database?: string) => {
    const service = { name: type, type, properties: { ...properties, ...(database && { database }) } };
    const connection = await PostgresConnection.open(postgresConfig(service), never);
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
    engines: real === undefined ? ['postgres'] : [],
    waivers: {},
    async start(world, name) {
      if (real === undefined) {
        const { host, port, user } = world.postgres;
        properties = { server: host, port, username: user, database: name, sslMode: 'disable' };
        await sql(`CREATE DATABASE ${name}`, 'postgres');
      } else {
        schema = name;
        await sql(`CREATE SCHEMA ${name}`);
      }
    },
    async stop() {
      if (real !== undefined) await sql(`DROP SCHEMA ${schema} CASCADE`);
    },
    service: (port) => ({
      name: type,
      type,
      properties: { ...properties, ...(port && { server: '127.0.0.1', port }) },
    }),
    get address() {
      return { host: String(properties['server']), port: Number(properties['port'] ?? 5432) };
    },
    // The local server trusts whoever comes from this machine.
    refusedService: (secret) =>
      real === undefined ? undefined : { name: type, type, properties: { ...properties, password: secret } },
    endpoint: (place, settings = {}) => ({
      linkedService: type,
      datasetType: 'PostgreSqlV2Table',
      dataset: { schema, table: place },
      settings: { type: 'PostgreSqlV2Source', ...settings },
    }),
    sql: async (statement) => [...(await sql(statement))],
    async count(place) {
      const [row] = await sql(`SELECT count(*) AS n FROM ${schema}.${place}`);
      return Number(row?.['n']);
    },
    async leftovers() {
      const found = await sql(
        `SELECT table_name AS t FROM information_schema.tables WHERE table_schema = '${schema}' AND table_name LIKE '%\\_\\_wb\\_%'`,
      );
      return found.map((row) => String(row['t']));
    },
  };
};
