// One rehearsal: a factory made local, its pipelines' needs provided, every pipeline run, a verdict on each.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  AccountSASPermissions,
  generateAccountSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { Client, Connection } from '@temporalio/client';
import { readCallbackToken } from '../../src/activities/web/callback-token.ts';
import { startRun } from '../../src/client/start.ts';
import { loadSettings } from '../../src/config/settings.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { sealed } from '../../src/core/pipeline/secure.ts';
import { CALLBACK_SIGNAL, type WebHookCallback } from '../../src/core/pipeline/web-hook.ts';
import {
  type CompiledFactory,
  type CompiledPipeline,
  compileFactory,
} from '../../src/definitions/compile-factory.ts';
import { readFactory } from '../../src/definitions/factory.ts';
import { verdictOn } from '../../src/definitions/validate.ts';
import { clientDataConverter } from '../../src/interceptors/data-converter.ts';
import { azureAccount } from '../azurite/azurite.ts';
import { WorkerProcess } from '../demo/worker-process.ts';
import type { Report } from '../setup/report.ts';
import type { World } from '../world/world.ts';
import { SIGNATURE_ENV, writeLocalFactory } from './local-factory.ts';
import type { Needs } from './needs.ts';
import { followRun, literalValues, NO_FIGURES, type Outcome, type RunFigures } from './outcome.ts';
import { Provisioner } from './provision/provision.ts';
import { setStage } from './simulate/frame.ts';
import { type Simulation, simulate } from './simulate/simulate.ts';
import { type RecordedCall, StubEndpoints } from './world/stub-endpoints.ts';

export interface RehearsalOptions {
  readonly directory: string;
  /** Only this pipeline. */
  readonly pipeline?: string;
  readonly seed: number;
  /** Milliseconds that one pipeline may take. */
  readonly timeout: number;
  /** Pipelines that run beside each other. */
  readonly width: number;
  readonly report: Report;
  /** Starts the world, or finds it; told which engines are needed. */
  readonly world: (compiled: CompiledFactory) => Promise<World>;
}

export interface PipelineReport {
  readonly name: string;
  readonly outcome: Outcome;
  readonly seconds: number;
  readonly figures: RunFigures;
  /** Why it did not run, or why failing was right. */
  readonly reasons: readonly string[];
  /** What it was started with. */
  readonly parameters: JsonObject;
  /** Those of the parameters that were made up. */
  readonly derived: readonly string[];
  /** What was different from a real run, and what could not be made ready. */
  readonly notes: readonly string[];
  readonly calls: readonly RecordedCall[];
}

export interface RehearsalReport {
  readonly directory: string;
  readonly seed: number;
  readonly seconds: number;
  readonly pipelines: readonly PipelineReport[];
}

interface Planned {
  readonly pipeline: CompiledPipeline;
  readonly simulation: Simulation;
}

/** Milliseconds that a data flow's Spark job is given, and how many of them count. */
const DATA_FLOW_TIME = 90_000;
const DATA_FLOWS_COUNTED = 20;

/** The time of one pipeline: more where Spark has to start. */
const timeFor = ({ needs }: Simulation, timeout: number): number =>
  timeout + Math.min(needs.dataFlows, DATA_FLOWS_COUNTED) * DATA_FLOW_TIME;

/** Rehearses. Throws OBJECT_MISSING and REFERENCE_MISSING for what is not there; a pipeline's failure is no error. */
export async function rehearse(options: RehearsalOptions): Promise<RehearsalReport> {
  const began = Date.now();
  const compiled = compileFactory(readFactory(options.directory), () => []);
  const roots = separateRoots(compiled);
  if (roots.length > 1) return rehearseEach(options, roots, began);
  const chosen = choose(compiled, options.pipeline);
  const world = await options.world(compiled);
  const directory = await mkdtemp(join(tmpdir(), 'waybill-rehearsal-'));
  const stubs = new StubEndpoints();
  await stubs.start();
  const files = join(directory, 'files');
  const places = { world, stubPort: stubs.port, files };
  const local = await writeLocalFactory(compiled, directory, places);
  const verdicts = verdictsOf(local.directory);
  const reports = new Map<string, PipelineReport>();
  const runnable: CompiledPipeline[] = [];
  for (const pipeline of chosen) {
    const verdict = verdicts.get(pipeline.resource.name.toLowerCase());
    if (verdict?.verdict === 'runnable') runnable.push(pipeline);
    else
      reports.set(pipeline.resource.name, {
        name: pipeline.resource.name,
        outcome: verdict?.verdict === 'unsupported' ? 'unsupported' : 'invalid',
        ...{ seconds: 0, figures: NO_FIGURES, parameters: {}, derived: [], notes: [], calls: [] },
        reasons: verdict?.reasons ?? ['Its file cannot be read.'],
      });
  }
  const planned = plan(compiled, runnable, options.seed);
  const isLiteral = literalValues(compiled.pipelines.map(({ resource }) => resource.properties));
  const taskQueue = `rehearsal-${Date.now().toString(36)}-${process.pid}`;
  const signingKey = randomBytes(32).toString('hex');
  const worker = new WorkerProcess(
    {
      ...workerEnvironment(world, local.configFile, taskQueue),
      WAYBILL_PUBLIC_URL: `http://127.0.0.1:${stubs.port}`,
      WAYBILL_SIGNING_KEY: signingKey,
    },
    join(directory, 'worker.log'),
  );
  const provisioner = new Provisioner(world, files, options.seed);
  const connection = await Connection.connect({ address: world.temporal.address });
  try {
    if (planned.length > 0) worker.start();
    const settings = loadSettings({
      env: { ...world.env, WAYBILL_CONFIG: local.configFile },
      cwd: directory,
    });
    const client = new Client({
      connection,
      namespace: world.temporal.namespace,
      dataConverter: clientDataConverter(settings, world.env),
    });
    stubs.onCallBack(async (token, body) => {
      const target = readCallbackToken([signingKey], token);
      if (target === undefined) return;
      const callback: WebHookCallback = {
        attemptKey: target.attemptKey,
        body: target.secure ? sealed(body) : body,
      };
      await client.workflow.getHandle(target.workflowId).signal(CALLBACK_SIGNAL, callback);
    });
    const one = async ({ pipeline, simulation }: Planned): Promise<void> => {
      const { name } = pipeline.resource;
      const started = Date.now();
      const provided = await provisioner.provide(simulation.needs);
      for (const [key, stub] of simulation.needs.stubs) {
        stubs.answer(key, stub.response);
        if (stub.answer !== undefined) stubs.answerFile(key, await provisioner.bytesOf(stub.answer));
      }
      const { workflowId } = await startRun(client, {
        ...{ kind: 'pipeline', name, key: taskQueue, parameters: simulation.parameters, taskQueue },
        ...{ trigger: 'rehearsal', triggerContext: simulation.trigger },
      });
      const result = await Promise.race([
        followRun(client, workflowId, timeFor(simulation, options.timeout), isLiteral),
        worker.failure(),
      ]);
      const prefix = `${name.toLowerCase()}/`;
      reports.set(name, {
        name,
        outcome: result.outcome,
        seconds: (Date.now() - started) / 1000,
        figures: result.figures,
        reasons: result.reason === undefined ? [] : [result.reason],
        parameters: simulation.parameters,
        derived: simulation.derived,
        notes: [
          ...(local.changes.get(name.toLowerCase()) ?? []),
          ...simulation.needs.notes,
          ...provided.troubles.map((trouble) => `could not be made ready: ${trouble}`),
        ],
        calls: stubs.calls.filter(({ key }) => key.startsWith(prefix)),
      });
      options.report(progressLine(reports.get(name) as PipelineReport));
    };
    await inTurns(planned, options.width, one);
  } finally {
    await worker.stop();
    await provisioner.close();
    await connection.close();
    await stubs.stop();
    if (process.env['WAYBILL_REHEARSAL_KEEP'] === undefined)
      await rm(directory, { recursive: true, force: true });
    else options.report(`kept ${directory}`);
  }
  const pipelines = chosen.flatMap(({ resource }) => reports.get(resource.name) ?? []);
  return {
    directory: options.directory,
    seed: options.seed,
    seconds: (Date.now() - began) / 1000,
    pipelines,
  };
}

/** Folders of several factories that use the same names: each is a factory of its own, and rehearsed alone. */
function separateRoots(compiled: CompiledFactory): string[] {
  const pipelines = compiled.pipelines.map(({ resource }) => resource);
  const names = new Set(pipelines.map(({ name }) => name.toLowerCase()));
  const roots = [...new Set(pipelines.map(({ root }) => root))];
  // A factory at the very top holds all others' folders too: it cannot be told apart from them.
  return names.size === pipelines.length || roots.includes('') ? [] : roots;
}

async function rehearseEach(
  options: RehearsalOptions,
  roots: readonly string[],
  began: number,
): Promise<RehearsalReport> {
  const pipelines: PipelineReport[] = [];
  for (const root of roots) {
    const report = await rehearse({ ...options, directory: join(options.directory, root) }).catch(
      (error: unknown) => {
        // The pipeline that is asked for need not be in each of them.
        if (error instanceof WaybillError && error.code === 'REFERENCE_MISSING') return undefined;
        throw error;
      },
    );
    pipelines.push(...(report?.pipelines ?? []));
  }
  return {
    directory: options.directory,
    seed: options.seed,
    seconds: (Date.now() - began) / 1000,
    pipelines,
  };
}

function choose(compiled: CompiledFactory, name: string | undefined): readonly CompiledPipeline[] {
  if (name === undefined) return compiled.pipelines;
  const found = compiled.pipelines.filter(
    ({ resource }) => resource.name.toLowerCase() === name.toLowerCase(),
  );
  if (found.length > 0) return found;
  throw new WaybillError(
    'REFERENCE_MISSING',
    `There is no pipeline "${name}" in ${compiled.factory.directory}.`,
    {
      pipeline: name,
    },
  );
}

function verdictsOf(directory: string): Map<string, ReturnType<typeof verdictOn>> {
  const compiled = compileFactory(readFactory(directory), () => []);
  return new Map(
    compiled.pipelines.map((pipeline) => [pipeline.resource.name.toLowerCase(), verdictOn(pipeline)]),
  );
}

/** Callers first: what they give to those they call is what these are started with by themselves. */
function plan(compiled: CompiledFactory, runnable: readonly CompiledPipeline[], seed: number): Planned[] {
  const stage = setStage(compiled, seed, Date.now());
  const called = new Set(
    compiled.pipelines.flatMap(({ needs }) => needs.filter(({ kind }) => kind === 'pipeline')),
  );
  for (const pipeline of compiled.pipelines) if (!called.has(pipeline.resource)) simulate(stage, pipeline);
  return runnable.map((pipeline) => ({ pipeline, simulation: simulate(stage, pipeline) }));
}

/** A shared access signature for the local account's blobs, for a day. */
function signature({ env, azureBlob }: World): string {
  const credential = new StorageSharedKeyCredential(azureAccount, env[azureBlob.accountKeyEnv] ?? '');
  return generateAccountSASQueryParameters(
    {
      services: 'b',
      resourceTypes: 'sco',
      permissions: AccountSASPermissions.parse('rwdlac'),
      expiresOn: new Date(Date.now() + 86_400_000),
    },
    credential,
  ).toString();
}

function workerEnvironment(world: World, configFile: string, taskQueue: string): NodeJS.ProcessEnv {
  const guard = fileURLToPath(new URL('./world/guard.js', import.meta.url));
  const inherited = Object.entries(process.env).filter(
    ([key]) => !/^(WAYBILL|AWS|AZURE|SNOWFLAKE|DATABRICKS|TEMPORAL|HTTPS?_PROXY)/i.test(key),
  );
  return {
    ...Object.fromEntries(inherited),
    ...world.env,
    ...(world.env[world.azureBlob.accountKeyEnv] === undefined ? {} : { [SIGNATURE_ENV]: signature(world) }),
    WAYBILL_CONFIG: configFile,
    WAYBILL_TASK_QUEUE: taskQueue,
    WAYBILL_LOG_LEVEL: 'warn',
    NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import=${guard}`.trim(),
  };
}

/** Runs work side by side; what needs the same table, procedure or file waits for its turn. */
async function inTurns(
  planned: readonly Planned[],
  width: number,
  run: (each: Planned) => Promise<void>,
): Promise<void> {
  const left = [...planned];
  const held = new Map<string, Promise<void>>();
  const needed = new Set<Needs>();
  const running = new Set<Promise<void>>();
  while (left.length > 0 || running.size > 0) {
    const at =
      running.size < width
        ? left.findIndex(
            ({ simulation: { needs } }) =>
              keysOf(needs).every((key) => !held.has(key)) &&
              [...needed].every((other) => !isSeenBy(needs, other) && !isSeenBy(other, needs)),
          )
        : -1;
    if (at < 0) {
      await Promise.race(running);
      continue;
    }
    const [next] = left.splice(at, 1) as [Planned];
    const keys = keysOf(next.simulation.needs);
    const work = run(next).finally(() => {
      running.delete(work);
      needed.delete(next.simulation.needs);
      for (const key of keys) held.delete(key);
    });
    for (const key of keys) held.set(key, work);
    running.add(work);
    needed.add(next.simulation.needs);
  }
}

/** Who goes through a database's list of tables would find those that another makes and drops meanwhile. */
const isSeenBy = ({ stores }: Needs, { catalogs }: Needs): boolean =>
  [...catalogs].some((key) => stores.has(key));

const keysOf = (needs: Needs): string[] => [
  ...[...needs.tables.keys()].map((key) => `table ${key}`),
  ...[...needs.procedures.keys()].map((key) => `procedure ${key}`),
  ...[...needs.containers.keys()].map((key) => `container ${key}`),
  ...[...needs.stubs.keys()].map((key) => `stub ${key}`),
];

const MARKS: Readonly<Record<Outcome, string>> = {
  ran: '✔',
  'failed-as-it-should': '✔',
  failed: '✖',
  'timed-out': '✖',
  unsupported: '–',
  invalid: '✖',
};

/** One line on one pipeline. */
export function progressLine({ name, outcome, figures, reasons, seconds }: PipelineReport): string {
  const rows =
    figures.rowsIn + figures.rowsOut > 0 ? ` ${figures.rowsIn} rows in, ${figures.rowsOut} out` : '';
  const files =
    figures.filesIn + figures.filesOut > 0 && rows === ''
      ? ` ${figures.filesIn} files in, ${figures.filesOut} out`
      : '';
  const why = outcome === 'ran' ? '' : `  ${reasons[0] ?? ''}`;
  const what = outcome.replaceAll('-', ' ');
  return `${MARKS[outcome]} ${name}  ${what}${rows}${files}${seconds > 0 ? `  ${seconds.toFixed(1)} s` : ''}${why}`;
}
