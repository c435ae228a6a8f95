// Starts the EMR stand-in as a program for a test, and helps to talk to it.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import {
  DescribeStepCommand,
  EMRClient,
  type RunJobFlowCommandInput,
  type Step,
  type StepConfig,
} from '@aws-sdk/client-emr';
import { projectPath } from '../../dev/cache.ts';

export const credentials = { accessKeyId: 'local', secretAccessKey: 'local-only' };

export interface EmrStandIn extends RunningProgram {
  client: EMRClient;
}

export interface RunningProgram {
  endpoint: string;
  process: ChildProcess;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
}

/** Starts the EMR stand-in with the given flags and waits for its ready line. */
export async function startEmr(flags: Record<string, string>): Promise<EmrStandIn> {
  const running = await startProgram('emr', flags);
  const { endpoint } = running;
  return {
    ...running,
    client: new EMRClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 }),
  };
}

/** Starts a stand-in of EMR's family with the given flags and waits for its ready line. */
export async function startProgram(
  name: 'emr' | 'emr-serverless',
  flags: Record<string, string>,
): Promise<RunningProgram> {
  const program = projectPath('build', 'dev', name, 'main.js');
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(process.execPath, [program, '--port', '0', ...args], {
    stdio: ['ignore', 'pipe', process.env['VERBOSE'] ? 'inherit' : 'ignore'],
    env: {
      ...process.env,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      EMR_ACCESS_KEY_ID: credentials.accessKeyId,
    },
  });
  assert.ok(child.stdout);
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error(`the stand-in ${name} ended at its start`))),
  ])) as [string];
  const { ready, port } = JSON.parse(line) as { ready: boolean; port: number };
  assert.equal(ready, true);
  return { endpoint: `http://127.0.0.1:${port}`, process: child, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }
  return child.exitCode;
}

/** What every RunJobFlow needs, with a cluster of instance fleets that waits for steps. */
export function clusterInput(
  name: string,
  more: Partial<RunJobFlowCommandInput> = {},
): RunJobFlowCommandInput {
  return {
    Name: name,
    ReleaseLabel: 'emr-7.10.0',
    Applications: [{ Name: 'Spark' }],
    ServiceRole: 'EMR_DefaultRole',
    JobFlowRole: 'EMR_EC2_DefaultRole',
    LogUri: 's3://lake/logs/',
    ...more,
    Instances: {
      KeepJobFlowAliveWhenNoSteps: true,
      InstanceFleets: [
        {
          Name: 'master',
          InstanceFleetType: 'MASTER',
          TargetOnDemandCapacity: 1,
          InstanceTypeConfigs: [{ InstanceType: 'm6g.xlarge' }],
        },
        {
          Name: 'core',
          InstanceFleetType: 'CORE',
          TargetSpotCapacity: 4,
          InstanceTypeConfigs: [{ InstanceType: 'r6g.2xlarge', WeightedCapacity: 2 }],
        },
      ],
      ...more.Instances,
    },
  };
}

export function step(
  name: string,
  args: string[],
  action: StepConfig['ActionOnFailure'] = 'CONTINUE',
): StepConfig {
  return { Name: name, ActionOnFailure: action, HadoopJarStep: { Jar: 'command-runner.jar', Args: args } };
}

/** Polls until `get` gives something, at most `seconds`. */
export async function eventually<T>(
  what: string,
  get: () => Promise<T | undefined>,
  seconds = 30,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await get();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain: ${what}`);
    await delay(50);
  }
}

/** Waits until the step is in one of the states. */
export function stepIn(
  client: EMRClient,
  cluster: string,
  id: string,
  states: string[],
  seconds = 30,
): Promise<Step> {
  return eventually(
    `step ${id} in ${states.join('|')}`,
    async () => {
      const { Step } = await client.send(new DescribeStepCommand({ ClusterId: cluster, StepId: id }));
      return states.includes(Step?.Status?.State ?? '') ? Step : undefined;
    },
    seconds,
  );
}
