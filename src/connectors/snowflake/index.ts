// Snowflake: staged files and COPY INTO both ways through snowflake-sdk.

import { OWN_CONTAINER } from '../common/files/file-opener.ts';
import { requiredTable } from '../common/settings.ts';
import { TableSink } from '../common/table-sink.ts';
import { refuseProcedure, tableSinkSettings } from '../common/write-behavior.ts';
import type { Connector, EndpointContext } from '../connector.ts';
import { openSnowflakeCommands } from './commands.ts';
import { snowflakeConfig } from './config.ts';
import { SnowflakeConnection } from './connection.ts';
import { loadOptions, unloadOptions } from './copy-options.ts';
import { ExternalStage, externalPlace } from './external-stage.ts';
import { SnowflakeSource } from './reader.ts';
import { InternalStage } from './stage.ts';
import type { Staging } from './staging.ts';
import { SnowflakeStore } from './writer.ts';

/** The staging place: the folder that stagingSettings name, else waybill's internal stage. */
const stagingOf = async (
  context: EndpointContext,
  connection: SnowflakeConnection,
  schema: string,
  integration: string | undefined,
): Promise<Staging> => {
  const given = context.staging;
  if (given === undefined) {
    return new InternalStage(connection, schema, context.copyId, context.workDirectory);
  }
  const place = externalPlace(await given.linkedService(), given.path || OWN_CONTAINER, integration);
  connection.conceal(place.secrets);
  return new ExternalStage(place, await given.openFolder(), context.copyId);
};

const open = async (context: EndpointContext, integration: string | undefined) => {
  const config = snowflakeConfig(context.linkedService);
  const connection = await SnowflakeConnection.open(config, `waybill:${context.copyId}`, context.signal);
  try {
    const staging = await stagingOf(context, connection, config.schema, integration);
    return { config, connection, staging };
  } catch (error) {
    await connection.close().catch(() => undefined);
    throw error;
  }
};

export const snowflake: Connector = {
  readingLeavesFiles: true,
  async openSource(context) {
    const options = unloadOptions(context.endpoint.settings);
    const { config, connection, staging } = await open(context, options.storageIntegration);
    return new SnowflakeSource(connection, staging, context, config.schema, options);
  },
  async openSink(context) {
    const { dataset, settings } = context.endpoint;
    const options = tableSinkSettings(settings);
    refuseProcedure(options, 'Snowflake');
    const load = loadOptions(settings);
    const { config, connection, staging } = await open(context, load.storageIntegration);
    return new TableSink({
      context,
      store: new SnowflakeStore(connection, staging, {}, load.notes),
      target: requiredTable(dataset, config.schema),
      ...options,
    });
  },
  openCommands: openSnowflakeCommands,
};
