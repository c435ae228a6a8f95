// A HTTP door for tests, in this process on a free port, and its clients: signed requests, events.
import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Client } from '@temporalio/client';
import { signatureOf } from '../../src/config/request-signature.ts';
import { loadSettings, type Settings } from '../../src/config/settings.ts';
import type { Door, TriggerStates } from '../../src/server/door.ts';
import { createFactoryCatalog } from '../../src/server/factory-catalog.ts';
import { createDoorServer } from '../../src/server/http-server.ts';
import { Metrics } from '../../src/server/metrics.ts';
import { RunMetrics } from '../../src/server/run-metrics.ts';

export interface DoorUnderTest {
  readonly url: string;
  readonly keys: { readonly signing: string; readonly event: string; readonly api: string };
  /** What it warned of. */
  readonly warnings: string[];
  /** Signs and sends. `at` in seconds since epoch. */
  start(pipeline: string, body: unknown, options?: SignedOptions): Promise<Response>;
  deliver(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  stop(): Promise<void>;
}

export interface SignedOptions {
  readonly at?: number;
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What is sent in place of what was signed. */
  readonly sent?: string;
}

export async function startDoor(options: {
  client: Client;
  factoryDirectory: string;
  taskQueue: string;
  states?: TriggerStates;
  /** Those of another door. */
  keys?: DoorUnderTest['keys'];
  snsHosts?: string[];
}): Promise<DoorUnderTest> {
  const keys = options.keys ?? {
    signing: randomBytes(32).toString('hex'),
    event: randomBytes(24).toString('hex'),
    api: randomBytes(24).toString('hex'),
  };
  const loaded = loadSettings({ env: {}, cwd: options.factoryDirectory });
  const settings: Settings = {
    ...loaded,
    factoryDirectory: options.factoryDirectory,
    taskQueue: options.taskQueue,
    server: { ...loaded.server, snsHosts: options.snsHosts ?? [] },
  };
  const warnings: string[] = [];
  const door: Door = {
    settings,
    client: options.client,
    // The second key of each kind is the one in use: rotation means that two count.
    keys: { signing: ['an-older-signing-key', keys.signing], event: [keys.event], api: [keys.api] },
    catalog: createFactoryCatalog(options.factoryDirectory),
    states: options.states ?? { isStarted: async ({ runtimeState }) => runtimeState === 'Started' },
    metrics: new Metrics(),
    runMetrics: new RunMetrics(options.client),
    warn: (message, facts) => warnings.push(`${message} ${JSON.stringify(facts)}`),
  };
  const server: Server = createDoorServer(door);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    keys,
    warnings,
    start(
      pipeline,
      body,
      { at = Math.floor(Date.now() / 1000), key = keys.signing, headers = {}, sent } = {},
    ) {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      return fetch(`${url}/pipelines/${encodeURIComponent(pipeline)}/runs`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-waybill-timestamp': String(at),
          'x-waybill-signature': signatureOf(key, String(at), Buffer.from(text)),
          ...headers,
        },
        body: sent ?? text,
      });
    },
    deliver: (path, body, headers = {}) =>
      fetch(`${url}${path}${path.includes('?') ? '&' : '?'}code=${keys.event}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async stop() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
