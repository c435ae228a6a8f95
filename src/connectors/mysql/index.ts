// MySQL, MariaDB and Azure Database for MySQL: streamed SELECT and LOAD DATA LOCAL.

import { requiredTable } from '../common/settings.ts';
import { TableSink } from '../common/table-sink.ts';
import { refuseProcedure, tableSinkSettings } from '../common/write-behavior.ts';
import type { Connector } from '../connector.ts';
import { openMysqlCommands } from './commands.ts';
import { mysqlConfig } from './config.ts';
import { MysqlConnection } from './connection.ts';
import { tableOf, withoutBackticks } from './dataset-table.ts';
import { MysqlSource } from './reader.ts';
import { MysqlStore } from './writer.ts';

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
  openCommands: openMysqlCommands,
};
