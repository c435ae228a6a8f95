// SQL Server and Azure SQL: mssql over TDS, bulk load in, streamed reads out.

import { booleanSetting, datasetTable, requiredTable, textSetting } from '../common/settings.ts';
import { TableSink } from '../common/table-sink.ts';
import { tableSinkSettings } from '../common/write-behavior.ts';
import type { Connector } from '../connector.ts';
import { SqlServerChanges } from './changes-source.ts';
import { openSqlServerCommands } from './commands.ts';
import { sqlServerConfig } from './config.ts';
import { SqlServerConnection } from './connection.ts';
import { ProcedureSink } from './procedure-sink.ts';
import { SqlServerSource } from './reader.ts';
import { procedureName } from './source-settings.ts';
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
    // A procedure writes where it likes: the dataset need not name a table.
    const target =
      options.writeBehavior.kind === 'storedProcedure'
        ? (datasetTable(dataset, 'dbo') ?? procedureName(textSetting(settings, 'sqlWriterTableType') ?? ''))
        : requiredTable(dataset, 'dbo');
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
