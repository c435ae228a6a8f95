// Pipelines on a real Temporal server with a real worker; only what a copy does is scripted by the test.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { Client, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, type DataConverter } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { temporalExecutable, timeSkippingExecutable } from '../../dev/setup/temporal.ts';
import { createDefinitionActivities } from '../../src/activities/definitions.ts';
import { createRunActivities } from '../../src/activities/runs.ts';
import { TemporalPipelineRuns } from '../../src/client/pipeline-runs.ts';
import type { CopyInput } from '../../src/core/copy.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { PipelineProgress, RunPipelineInput, RunPipelineOutput } from '../../src/core/run.ts';
import { pipelineWorkflowId } from '../../src/core/workflow-ids.ts';
import { CastErrorsInterceptor } from '../../src/interceptors/cast-errors.ts';
import { SecureCodec } from '../../src/interceptors/secure-codec.ts';
import { STORES, writeFactory } from './factory-files.ts';
import type { CopyScript } from './pipeline-workflows.ts';

/** What a copy does at its nth call: its output, and how many seconds it takes. Throws to make it fail. */
export type Script = (input: CopyInput, call: number) => { output?: JsonObject; seconds?: number };

export type Pipelines = Readonly<Record<string, object>>;

export interface HarnessOptions {
  readonly script?: Script;
  readonly checkSlotsEvery?: number;
  /** Further activities: what one-shot activities do. */
  readonly activities?: object;
  readonly dataConverter?: DataConverter;
  /** Further files of the factory, by path. */
  readonly files?: Readonly<Record<string, unknown>>;
  /** Passed on to the definitions' activities. */
  readonly payloadKeys?: readonly string[];
}

/** A worker of its own for one factory. */
export interface Factory {
  readonly taskQueue: string;
  /** Inputs of the copies that began, in order. */
  readonly copies: CopyInput[];
  /** Starts `pl`, or another pipeline. */
  start(input?: Partial<RunPipelineInput>): Promise<WorkflowHandle>;
  /** Replaces a definition's file. */
  write(pipelines: Pipelines): void;
}

export interface Run {
  readonly handle: WorkflowHandle;
  readonly copies: CopyInput[];
  result(): Promise<RunPipelineOutput>;
}

/** The product's own codec, without a key. */
const PLAIN: DataConverter = { payloadCodecs: [new SecureCodec({ keys: [], lenient: true })] };

export class PipelineHarness {
  readonly environment: TestWorkflowEnvironment;
  private readonly bundle: WorkflowBundleWithSourceMap;
  private runs = 0;

  private constructor(environment: TestWorkflowEnvironment, bundle: WorkflowBundleWithSourceMap) {
    this.environment = environment;
    this.bundle = bundle;
  }

  /** `skipping`: the test server, on which waiting takes no time; `real`: the server as it is, with visibility. */
  static async start(server: 'skipping' | 'real'): Promise<PipelineHarness> {
    // Most runs here fail on purpose; their warnings would drown a real one.
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    const environment =
      server === 'skipping'
        ? await TestWorkflowEnvironment.createTimeSkipping({
            server: { executable: await timeSkippingExecutable() },
            client: { dataConverter: PLAIN },
          })
        : await TestWorkflowEnvironment.createLocal({
            client: { dataConverter: PLAIN },
            server: {
              executable: await temporalExecutable(),
              extraArgs: ['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=1000'],
            },
          });
    await environment.connection.operatorService.addSearchAttributes({
      namespace: 'default',
      searchAttributes: { WaybillPipeline: 2, WaybillTrigger: 2, WaybillStage: 2, WaybillWindowStart: 6 },
    });
    const workflowsPath = fileURLToPath(new URL('./pipeline-workflows.js', import.meta.url));
    const bundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
    return new PipelineHarness(environment, bundle);
  }

  stop(): Promise<void> {
    return this.environment.teardown();
  }

  /** Runs `body` with a worker for a factory of these pipelines. */
  async withFactory<T>(
    pipelines: Pipelines,
    options: HarnessOptions,
    body: (factory: Factory) => Promise<T>,
  ): Promise<T> {
    const factory = writeFactory({ ...STORES, ...options.files, ...filesOf(pipelines) });
    const taskQueue = `pipelines-${++this.runs}`;
    const copies: CopyInput[] = [];
    const script: CopyScript = {
      scriptCopy: async (input) => {
        copies.push(input);
        const { output = { rowsCopied: 1 }, seconds = 0 } = options.script?.(input, copies.length) ?? {};
        return { output, seconds };
      },
    };
    const { client, connection } = this.environment;
    // A worker's own client has the worker's keys.
    const { dataConverter } = options;
    const own = dataConverter === undefined ? client : new Client({ connection, dataConverter });
    const worker = await Worker.create({
      connection: this.environment.nativeConnection,
      taskQueue,
      workflowBundle: this.bundle,
      activities: {
        ...createDefinitionActivities({
          settings: {
            factoryDirectory: factory.directory,
            linkedService: {},
            ...(options.payloadKeys === undefined ? {} : { payloadKeys: options.payloadKeys }),
          },
        }),
        ...createRunActivities({
          runs: new TemporalPipelineRuns(own, taskQueue, options.checkSlotsEvery ?? 1),
        }),
        ...script,
        ...options.activities,
      },
      dataConverter: options.dataConverter ?? PLAIN,
      interceptors: { activity: [() => ({ inbound: new CastErrorsInterceptor() })] },
    });
    let started = 0;
    try {
      return await worker.runUntil(() =>
        body({
          taskQueue,
          copies,
          start: ({ pipeline = 'pl', key = `k${this.runs}-${++started}`, ...input } = {}) =>
            client.workflow.start('runPipeline', {
              taskQueue,
              workflowId: pipelineWorkflowId(pipeline, key),
              args: [{ pipeline, key, parameters: {}, trigger: 'client', ...input }],
              searchAttributes: { WaybillPipeline: [pipeline], WaybillTrigger: ['client'] },
            }),
          write: (more) => factory.write(filesOf(more)),
        }),
      );
    } finally {
      factory.remove();
    }
  }

  /** Starts `pl` of a factory made of the given pipelines, runs `body`, replays what happened, and ends the worker. */
  withRun<T>(
    pipelines: Pipelines,
    options: HarnessOptions & { parameters?: JsonObject; input?: Partial<RunPipelineInput> },
    body: (run: Run) => Promise<T>,
  ): Promise<T> {
    return this.withFactory(pipelines, options, async (factory) => {
      const handle = await factory.start({ parameters: options.parameters ?? {}, ...options.input });
      const result = await within(
        240_000,
        body({ handle, copies: factory.copies, result: () => handle.result() as Promise<RunPipelineOutput> }),
      );
      await this.replay(handle, options.dataConverter);
      return result;
    });
  }

  /** Whatever a run did, replaying its history must do again: that is what a worker's restart relies on. */
  async replay(handle: WorkflowHandle, dataConverter?: DataConverter): Promise<void> {
    await Worker.runReplayHistory(
      { workflowBundle: this.bundle, dataConverter: dataConverter ?? PLAIN },
      await handle.fetchHistory(),
      handle.workflowId,
    );
  }
}

const filesOf = (pipelines: Pipelines): Record<string, object> =>
  Object.fromEntries(
    Object.entries(pipelines).map(([name, definition]) => [`pipeline/${name}.json`, { name, ...definition }]),
  );

/** The promise's result, or a failure once the time is up: a run that hangs must not hang the whole suite. */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again until the answer is true. */
export async function eventually(
  what: string,
  ask: () => Promise<boolean>,
  milliseconds = 60_000,
): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!(await ask())) {
    assert.ok(Date.now() < deadline, `${what}: not within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The failure a run ended with. */
export async function failureOf(run: Pick<Run, 'result'>): Promise<ApplicationFailure> {
  const error = await run.result().then(
    () => assert.fail('the run succeeded'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof WorkflowFailedError, String(error));
  assert.ok(error.cause instanceof ApplicationFailure, String(error.cause));
  return error.cause;
}

/** Statuses by activity, and by iteration where it is in one. */
export const statuses = (output: RunPipelineOutput | PipelineProgress): Record<string, string> =>
  Object.fromEntries(
    ('activityRuns' in output ? output.activityRuns : output.activities).map((run) => [
      run.item === undefined ? run.activityName : `${run.activityName} ${run.item}`,
      run.status,
    ]),
  );

export const after1 = (activity: string, ...dependencyConditions: string[]): object => ({
  dependsOn: [{ activity, dependencyConditions }],
});

export const setVariable = (
  name: string,
  variableName: string,
  value: unknown,
  more: object = {},
): object => ({ name, type: 'SetVariable', typeProperties: { variableName, value }, ...more });

export const failing = (name: string, more: object = {}): object => ({
  name,
  type: 'Fail',
  typeProperties: { message: 'on purpose', errorCode: '42' },
  ...more,
});

export const waiting = (name: string, waitTimeInSeconds: unknown, more: object = {}): object => ({
  name,
  type: 'Wait',
  typeProperties: { waitTimeInSeconds },
  ...more,
});

export const forEach = (name: string, items: string, activities: object[], more: object = {}): object => ({
  name,
  type: 'ForEach',
  typeProperties: { items: { value: items, type: 'Expression' }, activities, ...more },
});

export const call = (name: string, pipeline: string, parameters: object = {}, more: object = {}): object => ({
  name,
  type: 'ExecutePipeline',
  typeProperties: {
    pipeline: { referenceName: pipeline, type: 'PipelineReference' },
    waitOnCompletion: true,
    parameters,
  },
  ...more,
});
