// MySQL, MariaDB and Azure Database for MySQL: streamed SELECT and LOAD DATA LOCAL.

import type { JsonObject } from '../../core/json.ts';
import type { TableName } from '../common/identifier.ts';
import { datasetTable, requiredTable } from '../common/settings.ts';
import { TableSink } from '../common/table-sink.ts';
import { refuseProcedure, tableSinkSettings } from '../common/write-behavior.ts';
import type { Connector } from '../connector.ts';
import { mysqlConfig } from './config.ts';
import { MysqlConnection } from './connection.ts';
import { MysqlSource } from './reader.ts';
import { MysqlStore } from './writer.ts';

/** "`my.table`" keeps a dot inside a name, as brackets and double quotes do elsewhere. */
const withoutBackticks = (dataset: JsonObject): JsonObject => {
  const { tableName } = dataset;
  if (typeof tableName !== 'string') return dataset;
  const quoted = tableName.replace(
    /`((?:[^`]|``)+)`/g,
    (_all, name: string) => `"${name.replaceAll('``', '`').replaceAll('"', '""')}"`,
  );
  return { ...dataset, tableName: quoted };
};

/** MySQL has one level of names: the schema is the database. */
const tableOf = (dataset: JsonObject, database: string): TableName | undefined =>
  datasetTable(withoutBackticks(dataset), database);

export const mysql: Connector = {
  readingLeavesFiles: false,
  async openSource(context) {
    const config = mysqlConfig(context.linkedService);
    const table = tableOf(context.endpoint.dataset, config.connection.database);
    const connection = await MysqlConnection.open(config, 'source', context.signal);
    return new MysqlSource(connection, context, table);
  },
  async openSink(context) {
    const { dataset, settings } = context.endpoint;
    const options = tableSinkSettings(settings);
    refuseProcedure(options, 'MySQL');
    const config = mysqlConfig(context.linkedService);
    const target = requiredTable(withoutBackticks(dataset), config.connection.database);
    const connection = await MysqlConnection.open(config, 'sink', context.signal);
    return new TableSink({
      context,
      store: new MysqlStore(connection),
      target,
      ...options,
    });
  },
};
