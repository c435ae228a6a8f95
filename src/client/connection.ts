// The way to Temporal: @temporalio/envconfig only (TEMPORAL_* variables or a TOML profile), for every client command.
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { loadSettings } from '../config/settings.ts';
import { WaybillError } from '../core/errors.ts';
import { clientDataConverter } from '../interceptors/data-converter.ts';

export interface TemporalClient {
  readonly client: Client;
  readonly address: string;
  close(): Promise<void>;
}

/** Connects, or throws CONNECTION_FAILED naming the address that was tried and how to name another. */
export async function connectClient(): Promise<TemporalClient> {
  const config = loadClientConnectConfig();
  const dataConverter = clientDataConverter(
    loadSettings({ env: process.env, cwd: process.cwd() }),
    process.env,
  );
  const address = config.connectionOptions.address ?? 'localhost:7233';
  try {
    const connection = await Connection.connect({ ...config.connectionOptions, connectTimeout: '5s' });
    return {
      client: new Client({
        connection,
        dataConverter,
        ...(config.namespace === undefined ? {} : { namespace: config.namespace }),
      }),
      address,
      close: () => connection.close(),
    };
  } catch (error) {
    throw new WaybillError(
      'CONNECTION_FAILED',
      `Temporal does not answer at ${address}. Start the local world with \`waybill dev up\`, or set TEMPORAL_ADDRESS.`,
      { address },
      { cause: error },
    );
  }
}
