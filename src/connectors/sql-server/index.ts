// SQL Server and Azure SQL: mssql over TDS, bulk load in, streamed reads out.

import { booleanSetting, requiredTable } from '../common/settings.ts';
import { TableSink } from '../common/table-sink.ts';
import { tableSinkSettings } from '../common/write-behavior.ts';
import type { Connector } from '../connector.ts';
import { SqlServerChanges } from './changes-source.ts';
import { openSqlServerCommands } from './commands.ts';
import { sqlServerConfig } from './config.ts';
import { SqlServerConnection } from './connection.ts';
import { ProcedureSink } from './procedure-sink.ts';
import { SqlServerSource } from './reader.ts';
import { SqlServerStore } from './writer.ts';

export const sqlServer: Connector = {
  readingLeavesFiles: false,
  async openSource(context) {
    const connection = await SqlServerConnection.open(sqlServerConfig(context.linkedService), context.signal);
    return booleanSetting(context.endpoint.settings, 'changeTracking') === true
      ? new SqlServerChanges(connection, context)
      : new SqlServerSource(connection, context);
  },
  async openSink(context) {
    const { dataset, settings } = context.endpoint;
    const options = tableSinkSettings(settings);
    const target = requiredTable(dataset, 'dbo');
    const connection = await SqlServerConnection.open(sqlServerConfig(context.linkedService), context.signal);
    return new TableSink({
      context,
      store: new SqlServerStore(connection, booleanSetting(settings, 'sqlWriterUseTableLock') === true),
      target,
      ...options,
      ...(options.writeBehavior.kind === 'storedProcedure'
        ? { direct: new ProcedureSink(connection, settings) }
        : {}),
    });
  },
  openCommands: openSqlServerCommands,
};
