// Snowflake: staged files and COPY INTO both ways through snowflake-sdk.

import { requiredTable } from '../common/settings.ts';
import { TableSink } from '../common/table-sink.ts';
import { refuseProcedure, tableSinkSettings } from '../common/write-behavior.ts';
import type { Connector, EndpointContext } from '../connector.ts';
import { snowflakeConfig } from './config.ts';
import { SnowflakeConnection } from './connection.ts';
import { SnowflakeSource } from './reader.ts';
import { Stage } from './stage.ts';
import { SnowflakeStore } from './writer.ts';

const open = async (context: EndpointContext) => {
  const config = snowflakeConfig(context.linkedService);
  const connection = await SnowflakeConnection.open(config, `waybill:${context.copyId}`, context.signal);
  const stage = new Stage(connection, config.schema, context.copyId, context.workDirectory);
  return { config, connection, stage };
};

export const snowflake: Connector = {
  readingLeavesFiles: true,
  async openSource(context) {
    const { config, connection, stage } = await open(context);
    return new SnowflakeSource(connection, stage, context, config.schema);
  },
  async openSink(context) {
    const { dataset, settings } = context.endpoint;
    const options = tableSinkSettings(settings);
    refuseProcedure(options, 'Snowflake');
    const { config, connection, stage } = await open(context);
    return new TableSink({
      context,
      store: new SnowflakeStore(connection, stage),
      target: requiredTable(dataset, config.schema),
      ...options,
    });
  },
};
