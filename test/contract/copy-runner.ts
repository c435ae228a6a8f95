// Runs the copy activities as a worker would, between the stores of the contract suite.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createCopyActivities } from '../../src/activities/copy.ts';
import type { CopySink } from '../../src/connectors/connector.ts';
import { connectorFor } from '../../src/connectors/registry.ts';
import type { ChunkResult, CopyActivities, CopyPlan, PublishResult } from '../../src/core/copy/activities.ts';
import type { CopyEndpoint, CopyInput } from '../../src/core/copy.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';

export interface CopyRun {
  readonly input: CopyInput;
  readonly plan: CopyPlan;
  readonly chunks: ChunkResult[];
  readonly published: PublishResult;
}

export class CopyRunner {
  readonly name: string;
  readonly workDirectory: string;
  readonly #activities: CopyActivities;
  readonly #resolve: (linkedService: string) => ConnectedLinkedService;

  private constructor(
    name: string,
    workDirectory: string,
    resolve: (linkedService: string) => ConnectedLinkedService,
  ) {
    this.name = name;
    this.workDirectory = workDirectory;
    this.#resolve = resolve;
    this.#activities = createCopyActivities({
      resolveLinkedService: async (linkedService) => resolve(linkedService),
      workDirectory,
    });
  }

  /** `name` begins every copy's id; `resolve` stands for the factory. */
  static async start(
    name: string,
    resolve: (linkedService: string) => ConnectedLinkedService,
  ): Promise<CopyRunner> {
    return new CopyRunner(name, await mkdtemp(join(tmpdir(), 'waybill-contract-')), resolve);
  }

  async stop(): Promise<void> {
    await rm(this.workDirectory, { recursive: true, force: true });
  }

  input(copyId: string, source: CopyEndpoint, sink: CopyEndpoint, options: JsonObject = {}): CopyInput {
    return {
      copyId: `${this.name}/${copyId}`,
      pipeline: 'contract',
      activity: copyId,
      source,
      sink,
      options,
    };
  }

  /** Runs one activity as an attempt of a worker would. */
  run<A extends keyof CopyActivities>(
    name: A,
    argument: Parameters<CopyActivities[A]>[0],
    attempt = 1,
  ): Promise<Awaited<ReturnType<CopyActivities[A]>>> {
    const environment = new MockActivityEnvironment({ attempt });
    const activity = this.#activities[name] as (
      argument: unknown,
    ) => Promise<Awaited<ReturnType<CopyActivities[A]>>>;
    return environment.run(activity, argument);
  }

  /** A whole copy, chunk after chunk. */
  async copy(
    copyId: string,
    source: CopyEndpoint,
    sink: CopyEndpoint,
    options: JsonObject = {},
  ): Promise<CopyRun> {
    const input = this.input(copyId, source, sink, options);
    const plan = await this.run('planCopy', input);
    const chunks: ChunkResult[] = [];
    for (let chunk = 0; chunk < plan.chunks; chunk++) {
      chunks.push(await this.run('copyChunk', { copy: input, chunk, epoch: plan.epoch }));
    }
    const published = await this.run('publishCopy', { copy: input, epoch: plan.epoch });
    await this.run('cleanUpCopy', input);
    return { input, plan, chunks, published };
  }

  /** The sink of a copy, for attempts made by hand. */
  async openSink({ copyId, sink: endpoint }: CopyInput): Promise<CopySink> {
    const linkedService = this.#resolve(endpoint.linkedService);
    const connector = await connectorFor(linkedService.type);
    return connector.openSink({
      linkedService,
      endpoint,
      copyId,
      workDirectory: this.workDirectory,
      signal: new AbortController().signal,
    });
  }
}
