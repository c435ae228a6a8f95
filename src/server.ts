// Receives events, starts runs, takes callbacks and answers questions over HTTP, until SIGTERM or SIGINT.
import type { AddressInfo } from 'node:net';
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { TemporalTriggerStates } from './client/trigger-states.ts';
import { readKeys } from './config/server-keys.ts';
import { loadSettings, type Settings } from './config/settings.ts';
import { clientDataConverter } from './interceptors/data-converter.ts';
import { createLogger } from './interceptors/logger.ts';
import type { Door } from './server/door.ts';
import { createFactoryCatalog } from './server/factory-catalog.ts';
import { createDoorServer } from './server/http-server.ts';
import { Metrics } from './server/metrics.ts';
import { RunMetrics } from './server/run-metrics.ts';

/** Milliseconds that requests under way have to end. */
const GRACE = 10_000;

async function run(): Promise<void> {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const log = createLogger(process.env['WAYBILL_LOG_LEVEL'] ?? 'info');
  const config = loadClientConnectConfig();
  // It stands open also while Temporal is away: senders are told to come again.
  const connection = Connection.lazy({ ...config.connectionOptions, connectTimeout: '5s' });
  const client = new Client({
    connection,
    dataConverter: clientDataConverter(settings, process.env),
    ...(config.namespace === undefined ? {} : { namespace: config.namespace }),
  });
  const door: Door = {
    settings,
    client,
    keys: keysOf(settings),
    catalog: createFactoryCatalog(settings.factoryDirectory),
    states: new TemporalTriggerStates(client, settings.taskQueue),
    metrics: new Metrics(),
    runMetrics: new RunMetrics(client),
    warn: (message, facts) => log.warn(message, { ...facts }),
  };
  const server = createDoorServer(door);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(settings.server.port, settings.server.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ ready: true, port }));
  log.info('the HTTP door is open', { host: settings.server.host, port });
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  const cut = setTimeout(() => server.closeAllConnections(), GRACE);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(cut);
  await connection.close();
}

function keysOf({ server }: Settings): Door['keys'] {
  return {
    signing: readKeys(server.signingKeys, process.env),
    event: readKeys(server.eventKeys, process.env),
    api: readKeys(server.apiKeys, process.env),
  };
}

run().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
