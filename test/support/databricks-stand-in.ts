// Starts the Databricks stand-in as a program for a test, and helps to talk to it.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectPath } from '../../dev/cache.ts';
import type { Fault } from '../../dev/databricks/faults.ts';
import type { PythonHome } from '../../dev/setup/python.ts';
import { credentials, eventually } from './emr-stand-in.ts';

export const databricksToken = 'dapi-local-only';
export const clientId = 'waybill-principal';
export const clientSecret = 'principal-secret';

type Body = Record<string, unknown>;

/** A run as runs/get answers it; as much as tests look at. */
export interface Run {
  readonly run_id: number;
  readonly run_name: string;
  readonly run_page_url: string;
  readonly state: {
    readonly life_cycle_state: string;
    readonly result_state?: string;
    readonly state_message: string;
  };
  readonly status: { readonly state: string; readonly termination_details?: { readonly code: string } };
  readonly tasks: readonly (Run & { readonly task_key: string; readonly attempt_number: number })[];
}

export interface DatabricksStandIn {
  readonly endpoint: string;
  readonly process: ChildProcess;
  readonly stateDirectory: string;
  /** Sends a request to /api/<path>; throws what it answered when that is no success. */
  call<T = Body>(method: 'GET' | 'POST', path: string, body?: Body): Promise<T>;
  /** Imports a notebook in source form. */
  importNotebook(path: string, source: string): Promise<void>;
  /** Waits until the run has ended. */
  ended(runId: number, seconds?: number): Promise<Run>;
  /** Makes the next requests fail. */
  fault(...faults: Fault[]): Promise<void>;
  /** Lines of requests.jsonl of one operation. */
  requests(operation: string): Promise<{ name: string; ids: (number | string)[] }[]>;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export async function startDatabricks(options: {
  readonly stateDirectory: string;
  readonly python: PythonHome;
  readonly flags?: Record<string, string>;
}): Promise<DatabricksStandIn> {
  const { stateDirectory, python } = options;
  const faultsFile = `${stateDirectory}-faults.json`;
  const flags = {
    port: '0',
    'state-dir': stateDirectory,
    'spark-home': python.sparkHome,
    python: python.python,
    jars: '/nonexistent',
    'token-env': 'LOCAL_DATABRICKS_TOKEN',
    'client-id': clientId,
    'client-secret-env': 'LOCAL_DATABRICKS_SECRET',
    'provisioning-ms': '30',
    faults: faultsFile,
    ...options.flags,
  };
  const program = projectPath('build', 'dev', 'databricks', 'main.js');
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', process.env['VERBOSE'] ? 'inherit' : 'ignore'],
    env: {
      ...process.env,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      LOCAL_DATABRICKS_TOKEN: databricksToken,
      LOCAL_DATABRICKS_SECRET: clientSecret,
    },
  });
  assert.ok(child.stdout);
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error('the Databricks stand-in ended at its start'))),
  ])) as [string];
  const { ready, port } = JSON.parse(line) as { ready: boolean; port: number };
  assert.equal(ready, true);
  const endpoint = `http://127.0.0.1:${port}`;

  const call = async <T>(method: 'GET' | 'POST', path: string, body: Body = {}): Promise<T> => {
    const query = new URLSearchParams(
      Object.entries(body).map(([key, value]): [string, string] => [key, String(value)]),
    );
    const address = method === 'GET' ? `${endpoint}/api/${path}?${query}` : `${endpoint}/api/${path}`;
    const response = await fetch(address, {
      method,
      headers: { authorization: `Bearer ${databricksToken}` },
      ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
    });
    const answer = (await response.json()) as T & { error_code?: string; message?: string };
    if (!response.ok) throw new Error(`${response.status} ${answer.error_code}: ${answer.message}`);
    return answer;
  };
  return {
    endpoint,
    process: child,
    stateDirectory,
    call,
    importNotebook: async (path, source) => {
      const content = Buffer.from(`# Databricks notebook source\n${source}`).toString('base64');
      await call('POST', '2.0/workspace/import', {
        path,
        format: 'SOURCE',
        language: 'PYTHON',
        content,
        overwrite: true,
      });
    },
    ended: (runId, seconds = 40) =>
      eventually(
        `run ${runId} has ended`,
        async () => {
          const run = await call<Run>('GET', '2.2/jobs/runs/get', { run_id: runId });
          return ['TERMINATED', 'SKIPPED', 'INTERNAL_ERROR'].includes(run.state.life_cycle_state)
            ? run
            : undefined;
        },
        seconds,
      ),
    fault: (...faults) => writeFile(faultsFile, JSON.stringify(faults)),
    requests: async (operation) => {
      const text = await readFile(join(stateDirectory, 'requests.jsonl'), 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter(Boolean)
        .map((one) => JSON.parse(one) as { operation: string; name: string; ids: (number | string)[] })
        .filter((one) => one.operation === operation);
    },
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill(signal);
        await exited;
      }
      return child.exitCode;
    },
  };
}

/** A cluster that a run makes for itself. */
export const newCluster = { spark_version: '17.3.x-scala2.13', node_type_id: 'i3.xlarge', num_workers: 2 };
