// SQL Server and Azure SQL: mssql over TDS, bulk load in, streamed reads out.

import { booleanSetting, requiredTable, requireInsert, textSetting } from '../common/settings.ts';
import { TableSink } from '../common/table-sink.ts';
import type { Connector } from '../connector.ts';
import { sqlServerConfig } from './config.ts';
import { SqlServerConnection } from './connection.ts';
import { SqlServerSource } from './reader.ts';
import { SqlServerStore } from './writer.ts';

export const sqlServer: Connector = {
  readingLeavesFiles: false,
  async openSource(context) {
    const connection = await SqlServerConnection.open(sqlServerConfig(context.linkedService), context.signal);
    return new SqlServerSource(connection, context);
  },
  async openSink(context) {
    const { dataset, settings } = context.endpoint;
    requireInsert(settings);
    const target = requiredTable(dataset, 'dbo');
    const connection = await SqlServerConnection.open(sqlServerConfig(context.linkedService), context.signal);
    return new TableSink({
      context,
      store: new SqlServerStore(connection),
      target,
      preCopyScript: textSetting(settings, 'preCopyScript'),
      autoCreate:
        textSetting(settings, 'tableOption') === 'autoCreate' ||
        booleanSetting(settings, 'autoCreate') === true,
    });
  },
};
