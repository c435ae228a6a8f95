// PostgreSQL and Azure Database for PostgreSQL: COPY both ways.

import { requiredTable } from '../common/settings.ts';
import { TableSink } from '../common/table-sink.ts';
import { refuseProcedure, tableSinkSettings } from '../common/write-behavior.ts';
import type { Connector } from '../connector.ts';
import { openPostgresCommands } from './commands.ts';
import { postgresConfig } from './config.ts';
import { PostgresConnection } from './connection.ts';
import { PostgresSource } from './reader.ts';
import { PostgresStore } from './writer.ts';

export const postgres: Connector = {
  readingLeavesFiles: false,
  async openSource(context) {
    const connection = await PostgresConnection.open(postgresConfig(context.linkedService), context.signal);
    return new PostgresSource(connection, context);
  },
  async openSink(context) {
    const { dataset, settings } = context.endpoint;
    const options = tableSinkSettings(settings);
    refuseProcedure(options, 'PostgreSQL');
    const target = requiredTable(dataset, 'public');
    const connection = await PostgresConnection.open(postgresConfig(context.linkedService), context.signal);
    return new TableSink({
      context,
      store: new PostgresStore(connection),
      target,
      ...options,
    });
  },
  openCommands: openPostgresCommands,
};
