// What `waybill run`, `watch`, `status` and `list` do.
import { type Client, type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { loadSettings } from '../config/settings.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { FIGURES_MEMO, type RunFigures } from '../core/run.ts';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';
import { findDefinition } from '../definitions/find.ts';
import { connectClient } from './connection.ts';
import { explainFailure, renderFailure } from './failure.ts';
import { formatDuration, formatTable } from './format.ts';
import { paletteFor, renderSnapshot } from './render.ts';
import { SnapshotReader } from './snapshot.ts';
import { startRun } from './start.ts';
import { quoted } from './visibility.ts';
import { watchRun } from './watch.ts';

/** `day=2026-01-01` -> { day: "2026-01-01" }; a value that parses as JSON is that JSON. */
export function parseParameters(pairs: readonly string[]): JsonObject {
  const parameters: JsonObject = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at <= 0) {
      throw new WaybillError(
        'PARAMETER_MISSING',
        `--param takes name=value; "${pair}" has no name or no "=".`,
      );
    }
    parameters[pair.slice(0, at)] = parseValue(pair.slice(at + 1));
  }
  return parameters;
}

/** A number is one only if it is written as JavaScript would write it: 1.10 and 9007199254740993 stay texts. */
function parseValue(text: string): JsonValue {
  try {
    const value = JSON.parse(text) as JsonValue;
    return typeof value === 'number' && String(value) !== text ? text : value;
  } catch {
    return text;
  }
}

const today = (): string => new Date().toISOString().slice(0, 10);

/** Connects, uses the client and closes the connection. */
export async function withClient<Result>(use: (client: Client) => Promise<Result>): Promise<Result> {
  const { client, close } = await connectClient();
  try {
    return await use(client);
  } finally {
    await close();
  }
}

/** A handle on a run that exists. Throws OBJECT_MISSING for an id that names none. */
export async function existingRun(client: Client, id: string): Promise<WorkflowHandle> {
  const handle = client.workflow.getHandle(id);
  try {
    await handle.describe();
    return handle;
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    throw new WaybillError(
      'OBJECT_MISSING',
      `There is no run "${id}". \`waybill list\` shows those there are.`,
      { id },
    );
  }
}

export async function runCommand(
  name: string,
  options: { param: string[]; key?: string; watch: boolean; json?: boolean },
): Promise<void> {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const { kind, name: exact } = findDefinition(settings, name);
  const parameters = parseParameters(options.param);
  await withClient(async (client) => {
    const key = options.key ?? today();
    const run = await startRun(client, {
      kind,
      name: exact,
      key,
      parameters,
      trigger: 'client',
      taskQueue: settings.taskQueue,
    });
    const told = options.json === true ? process.stderr : process.stdout;
    told.write(`▶ ${kind} ${exact}   ${run.workflowId}\n`);
    if (!run.isNew) {
      told.write(
        `  a run under key "${key}" is there already; this shows it. Another run: --key <another>\n`,
      );
    }
    if (!options.watch) return;
    await follow(client, run.handle, told, options.json === true);
  });
}

export async function watchCommand(id: string, options: { json?: boolean }): Promise<void> {
  await withClient(async (client) => {
    const told = options.json === true ? process.stderr : process.stdout;
    await follow(client, await existingRun(client, id), told, options.json === true);
  });
}

/** Watches to the end. Ctrl-C stops the watching, never the run. */
export async function follow(
  client: Client,
  handle: WorkflowHandle,
  told: NodeJS.WriteStream,
  asJson: boolean,
): Promise<void> {
  const stop = new AbortController();
  const onInterrupt = (): void => stop.abort();
  process.once('SIGINT', onInterrupt);
  try {
    const began = Date.now();
    await watchRun(client, handle.workflowId, { stream: told, signal: stop.signal });
    if (stop.signal.aborted) {
      told.write(
        `the run goes on without you; \`waybill watch ${handle.workflowId}\` looks again, \`waybill cancel ${handle.workflowId}\` stops it and cleans up\n`,
      );
      // The run has not ended, so what was typed after && must not begin.
      process.exitCode = 130;
      return;
    }
    try {
      const result: unknown = await handle.result();
      told.write(`succeeded (watched for ${formatDuration(Date.now() - began)})\n`);
      if (asJson)
        console.log(JSON.stringify({ workflowId: handle.workflowId, status: 'Succeeded', result }, null, 2));
    } catch (error) {
      const failure = explainFailure(error);
      for (const line of renderFailure(failure)) told.write(`${line}\n`);
      if (asJson)
        console.log(JSON.stringify({ workflowId: handle.workflowId, status: 'Failed', failure }, null, 2));
      process.exitCode = 1;
    }
  } finally {
    process.removeListener('SIGINT', onInterrupt);
  }
}

export async function statusCommand(id: string, options: { json?: boolean }): Promise<void> {
  await withClient(async (client) => {
    // Existence first: a query's silence would read as "no worker".
    await existingRun(client, id);
    const snapshot = await new SnapshotReader(client).read(id);
    if (options.json === true) {
      console.log(JSON.stringify(snapshot, null, 2));
      return;
    }
    console.log(`${id}   ${snapshot.status}`);
    const palette = paletteFor(process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined);
    for (const line of renderSnapshot(snapshot, Date.now(), palette)) console.log(line);
  });
}

export async function listCommand(options: {
  pipeline?: string;
  running?: boolean;
  limit: string;
  json?: boolean;
}): Promise<void> {
  const clauses = ["WorkflowType IN ('runPipeline', 'runLakehouse', 'migrateToDatabricks')"];
  if (options.pipeline !== undefined) {
    clauses.push(`${SEARCH_ATTRIBUTES.pipeline} = ${quoted(options.pipeline)}`);
  }
  if (options.running === true) clauses.push("ExecutionStatus = 'Running'");
  await withClient(async (client) => {
    const runs: { id: string; status: string; start: string; seconds?: number; figures?: RunFigures }[] = [];
    for await (const run of client.workflow.list({ query: clauses.join(' AND ') })) {
      runs.push({
        id: run.workflowId,
        status: run.status.name,
        start: run.startTime.toISOString(),
        ...(run.closeTime === undefined
          ? {}
          : { seconds: (run.closeTime.getTime() - run.startTime.getTime()) / 1000 }),
        ...figuresOf(run),
      });
      if (runs.length >= Number(options.limit)) break;
    }
    if (options.json === true) {
      console.log(JSON.stringify(runs, null, 2));
      return;
    }
    if (runs.length === 0) {
      console.log('nothing has run yet. Try: waybill run <pipeline>');
      return;
    }
    const rows = runs.map((run) => [
      run.start.replace('T', ' ').slice(0, 19),
      run.status.toLowerCase(),
      run.seconds === undefined ? '' : formatDuration(run.seconds * 1000),
      costOf(run.figures),
      run.id,
    ]);
    for (const line of formatTable([['started (UTC)', 'status', 'took', 'cost', 'id'], ...rows], [2, 3]))
      console.log(line);
  });
}

/** What a lakehouse run wrote into its memo at its end. */
const figuresOf = ({ memo }: { memo?: Record<string, unknown> }): { figures?: RunFigures } => {
  const figures = memo?.[FIGURES_MEMO] as RunFigures | undefined;
  return figures === undefined ? {} : { figures };
};

/** "~12.41 USD": with a tilde where it is an estimate. */
const costOf = (figures: RunFigures | undefined): string =>
  figures?.cost === undefined
    ? ''
    : `${figures.estimate === true ? '~' : ''}${figures.cost.toFixed(2)} ${figures.currency}`;
