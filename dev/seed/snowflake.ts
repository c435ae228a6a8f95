// Makes the database and schema of the example in Snowflake; its tables are the pipelines' own business.
import snowflake from 'snowflake-sdk';
import type { World } from '../world/world.ts';

/** Where the example's pipelines write to. */
export const targetDatabase = 'NYCFLIGHTS';
export const targetSchema = 'PUBLIC';

/** Creates NYCFLIGHTS.PUBLIC unless it is there. */
export async function prepareSnowflake(world: World): Promise<void> {
  const { url, account, user, passwordEnv } = world.snowflake;
  snowflake.configure({ logLevel: 'OFF' });
  const connection = snowflake.createConnection({
    ...{ account, username: user, accessUrl: url },
    password: world.env[passwordEnv] ?? '',
    warehouse: 'LOCAL',
    // It has just been started: when it does not answer, waiting for minutes will not help.
    sfRetryMaxLoginRetries: 2,
  });
  await connection.connectAsync();
  try {
    await execute(connection, `CREATE DATABASE IF NOT EXISTS ${targetDatabase}`);
    await execute(connection, `CREATE SCHEMA IF NOT EXISTS ${targetDatabase}.${targetSchema}`);
  } finally {
    await new Promise((done) => connection.destroy(done));
  }
}

function execute(connection: snowflake.Connection, sqlText: string): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.execute({ sqlText, complete: (error) => (error ? reject(error) : resolve()) });
  });
}
