// MySQL as a store of the contract suite (MariaDB in the local world). AzureMySql is the same connector.
import { mysqlConfig } from '../../../src/connectors/mysql/config.ts';
import { MysqlConnection } from '../../../src/connectors/mysql/connection.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { never, realEndpoint, type Store } from './store.ts';

export const mysqlStore = (): Store => {
  const type = 'MySql';
  const real = realEndpoint(type);
  let properties: JsonObject = real ?? {};
  const service = (changes: JsonObject = {}) => ({
    name: type,
    type,
    properties: { ...properties, ...changes },
  });
  const sql = async (statement: string, changes: JsonObject = {}) => {
    const connection = await MysqlConnection.open(mysqlConfig(service(changes)), 'source', never);
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
    engines: real === undefined ? ['mysql'] : [],
    waivers: {},
    async start(world, name) {
      if (real !== undefined) return;
      const { server, port, user, passwordEnv, caFile, database } = world.mysql;
      const password = world.env[passwordEnv] ?? '';
      properties = { server, port, username: user, password, database: name, caFile };
      const connection = await MysqlConnection.open(mysqlConfig(service({ database })), 'sink', never);
      await connection.execute(`CREATE DATABASE ${name}`, 'preparing the contract suite');
      await connection.close();
    },
    async stop() {
      // Tables of a real database are dropped by whoever lent it; their names begin as the suite's.
    },
    service: (port) => service(port === undefined ? {} : { server: 'localhost', port }),
    get address() {
      const { host, port } = mysqlConfig(service()).connection;
      return { host: host ?? 'localhost', port: port ?? 3306 };
    },
    refusedService: (secret) => service({ password: secret }),
    endpoint: (place, settings = {}) => ({
      linkedService: type,
      datasetType: 'MySqlTable',
      dataset: { tableName: place },
      settings: { type: 'MySqlSource', ...settings },
    }),
    async sql(statement) {
      if (/^\s*SELECT/i.test(statement)) return [...(await sql(statement))];
      const connection = await MysqlConnection.open(mysqlConfig(service()), 'sink', never);
      try {
        await connection.execute(statement, 'preparing the contract suite');
        return [];
      } finally {
        await connection.close();
      }
    },
    async count(place) {
      const [row] = await sql(`SELECT COUNT(*) AS n FROM ${place}`);
      return Number(row?.['n']);
    },
    async leftovers() {
      const found = await sql(
        "SELECT TABLE_NAME AS t FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE '%#_#_wb#_%' ESCAPE '#'",
      );
      return found.map((row) => String(row['t']));
    },
  };
};
