// Snowflake as a store of the contract suite.
import { snowflakeConfig } from '../../../src/connectors/snowflake/config.ts';
import { SnowflakeConnection } from '../../../src/connectors/snowflake/connection.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { never, realEndpoint, type Store } from './store.ts';

export const snowflakeStore = (): Store => {
  const type = 'SnowflakeV2';
  const real = realEndpoint(type);
  let properties: JsonObject = real ?? {};
  const service = (changes: JsonObject = {}) => ({
    name: type,
    type,
    properties: { ...properties, ...changes },
  });
  const sql = async (statement: string) => {
    const connection = await SnowflakeConnection.open(snowflakeConfig(service()), 'contract suite', never);
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
    engines: real === undefined ? ['snowflake'] : [],
    waivers: {},
    async start(world, name) {
      if (real === undefined) {
        const { url, account, user, passwordEnv } = world.snowflake;
        properties = {
          host: url,
          accountIdentifier: account,
          user,
          password: world.env[passwordEnv] ?? '',
          database: name.toUpperCase(),
          schema: 'PUBLIC',
        };
        await sql(`CREATE DATABASE IF NOT EXISTS ${name}`);
        await sql(`CREATE SCHEMA IF NOT EXISTS ${name}.PUBLIC`);
        return;
      }
      await sql(`CREATE SCHEMA ${String(properties['database'])}.${name.toUpperCase()}`);
      properties = { ...properties, schema: name.toUpperCase() };
    },
    async stop() {
      if (real !== undefined) await sql(`DROP SCHEMA ${String(properties['schema'])} CASCADE`);
    },
    service: (port) => service(port === undefined ? {} : { host: `http://127.0.0.1:${port}` }),
    get address() {
      const host = String(properties['host'] ?? '');
      if (!host.startsWith('http://')) return undefined;
      const { hostname, port } = new URL(host);
      return { host: hostname, port: Number(port) };
    },
    refusedService: (secret) => service({ password: secret }),
    endpoint: (place, settings = {}) => ({
      linkedService: type,
      datasetType: 'SnowflakeV2Table',
      dataset: { schema: String(properties['schema']), table: place.toUpperCase() },
      settings: { type: 'SnowflakeV2Source', ...settings },
    }),
    sql: async (statement) => [...(await sql(statement))],
    async count(place) {
      const [row] = await sql(`SELECT COUNT(*) AS n FROM ${place.toUpperCase()}`);
      return Number(row?.['n']);
    },
    async leftovers() {
      const found = await sql(
        "SELECT TABLE_NAME AS t FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME LIKE '%#_#_WB#_%' ESCAPE '#'",
      );
      return found.map((row) => String(row['t']));
    },
  };
};
