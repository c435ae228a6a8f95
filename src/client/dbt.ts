// What `waybill dbt` does: one command of dbt as a run of its own, and a failed run taken up where it failed.
import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowHandle,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { loadSettings } from '../config/settings.ts';
import {
  DBT_COMMANDS,
  type DbtCommand,
  type DbtFailureDetails,
  type DbtProgress,
  type RunDbtInput,
} from '../core/dbt.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { ownDbtWorkflowId } from '../core/workflow-ids.ts';
import { isObject, readFactory } from '../definitions/factory.ts';
import { existingRun, follow, withClient } from './commands.ts';
import { endingOf, inputOf } from './run-history.ts';
import { searchAttributesFor } from './start.ts';

export interface DbtOptions {
  readonly target: string;
  readonly linkedService?: string;
  readonly select: readonly string[];
  readonly exclude: readonly string[];
  readonly schema?: string;
  readonly vars?: string;
  readonly fullRefresh?: boolean;
  readonly retries: string;
  readonly key?: string;
  readonly watch: boolean;
  readonly json?: boolean;
}

type RunDbt = (input: RunDbtInput) => Promise<DbtProgress>;

/** Time for one step, in ms: a day, as Data Factory gives an activity half of one. */
const TIMEOUT = 86_400_000;
const RETRY_INTERVAL = 30_000;

/** Types of linked service whose addresses and keys an output of the profile takes. */
const SERVICES: Readonly<Record<string, readonly string[]>> = {
  snowflake: ['SnowflakeV2', 'Snowflake'],
  databricks: ['AzureDatabricks', 'AzureDatabricksDeltaLake'],
  redshift: ['AmazonRedshift'],
  postgres: ['PostgreSqlV2', 'AzurePostgreSql'],
  spark: ['AmazonS3', 'AmazonS3Compatible'],
};

/** Runs one command of dbt. `words`: "build", or "source freshness" in one or two words; "retry" and a run's id. */
export async function dbtCommand(words: readonly string[], options: DbtOptions): Promise<void> {
  const [first = '', ...rest] = words;
  if (first === 'retry') return retryCommand(rest, options);
  const command = words.join(' ');
  if (!DBT_COMMANDS.includes(command as DbtCommand))
    throw new WaybillError(
      'PARAMETER_INVALID',
      `waybill dbt has no command "${command}": ${DBT_COMMANDS.join(', ')} and retry <id> are there.`,
      { command },
    );
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const linkedService = options.linkedService ?? onlyService(settings.factoryDirectory, options.target);
  const retries = Number(options.retries);
  if (!Number.isInteger(retries) || retries < 0)
    throw new WaybillError('PARAMETER_INVALID', `--retries takes a whole number, not "${options.retries}".`);
  const input: RunDbtInput = {
    name: command,
    ...(linkedService === undefined ? {} : { linkedService }),
    target: options.target,
    ...(options.schema === undefined ? {} : { schema: options.schema }),
    vars: varsOf(options.vars),
    steps: [
      {
        command: command as DbtCommand,
        ...(options.select.length === 0 ? {} : { select: selectors('--select', options.select) }),
        ...(options.exclude.length === 0 ? {} : { exclude: selectors('--exclude', options.exclude) }),
        ...(options.fullRefresh === true ? { fullRefresh: true } : {}),
      },
    ],
    timeout: TIMEOUT,
    retries,
    retryInterval: RETRY_INTERVAL,
  };
  // Asked for by hand, twice is two runs; under a key of the caller's it is one.
  const key = options.key ?? new Date().toISOString();
  const workflowId = ownDbtWorkflowId(options.target, key);
  await withClient(async (client) => {
    const told = options.json === true ? process.stderr : process.stdout;
    told.write(`▶ dbt ${command} on ${options.target}   ${workflowId}\n`);
    const policy = WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY;
    const handle = await start(client, workflowId, settings.taskQueue, input, policy).catch(
      (error: unknown) => {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        told.write(`  a run under key "${key}" is there already; this shows it\n`);
        return client.workflow.getHandle(workflowId);
      },
    );
    if (options.watch) await follow(client, handle, told, options.json === true);
  });
}

async function retryCommand(rest: readonly string[], options: DbtOptions): Promise<void> {
  const [id] = rest;
  if (id === undefined || rest.length > 1)
    throw new WaybillError('PARAMETER_INVALID', 'waybill dbt retry takes the id of one run of dbt.');
  const { taskQueue } = loadSettings({ env: process.env, cwd: process.cwd() });
  await withClient(async (client) => {
    const description = await (await existingRun(client, id)).describe();
    if (description.type !== 'runDbt')
      throw new WaybillError('PARAMETER_INVALID', `"${id}" is a ${description.type}, not a run of dbt.`, {
        id,
      });
    const run = { workflowId: id, runId: description.runId };
    const { failure } = await endingOf(client, run);
    const resume = resumeOf(failure);
    if (resume === undefined)
      throw new WaybillError(
        'PARAMETER_INVALID',
        `"${id}" (${description.status.name}) did not end with failed nodes, so there are none to run again.`,
        { id },
      );
    const input = { ...(await inputOf<RunDbtInput>(client, run)), resume };
    const told = options.json === true ? process.stderr : process.stdout;
    told.write(`▶ dbt ${input.steps[resume.step]?.command}, ${resume.nodes.length} nodes again   ${id}\n`);
    const handle = await start(client, id, taskQueue, input, WorkflowIdReusePolicy.ALLOW_DUPLICATE);
    if (options.watch) await follow(client, handle, told, options.json === true);
  });
}

/** Where a run says that a later one may begin. */
function resumeOf(failure: Error | undefined): DbtFailureDetails['resume'] | undefined {
  if (!(failure instanceof ApplicationFailure) || failure.type !== 'DBT_FAILED') return undefined;
  return (failure.details?.[1] as DbtFailureDetails | undefined)?.resume;
}

const start = (
  client: Client,
  workflowId: string,
  taskQueue: string,
  input: RunDbtInput,
  workflowIdReusePolicy: WorkflowIdReusePolicy,
): Promise<WorkflowHandle<RunDbt>> =>
  client.workflow.start<RunDbt>('runDbt', {
    workflowId,
    taskQueue,
    args: [input],
    workflowIdReusePolicy,
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
    typedSearchAttributes: searchAttributesFor({ name: `dbt ${input.target}`, trigger: 'client' }),
    staticSummary: `dbt ${input.name} · ${input.target}`,
  });

/** The one linked service that can be meant; none for a target that needs none, or that is the profile's own. */
function onlyService(factoryDirectory: string, target: string): string | undefined {
  const types = (SERVICES[target] ?? []).map((type) => type.toLowerCase());
  const fitting = readFactory(factoryDirectory)
    .resources.filter(
      ({ kind, properties }) =>
        kind === 'linkedService' && types.includes(String(properties['type'] ?? '').toLowerCase()),
    )
    .map(({ name }) => name);
  if (fitting.length < 2) return fitting[0];
  throw new WaybillError(
    'PARAMETER_MISSING',
    `Say with --linked-service where dbt is to work: ${fitting.join(', ')} fit target ${target}.`,
    { target },
  );
}

function varsOf(text: string | undefined): JsonObject {
  if (text === undefined) return {};
  try {
    const value = JSON.parse(text) as JsonValue;
    if (isObject(value)) return value;
  } catch {
    // Said below.
  }
  throw new WaybillError('PARAMETER_INVALID', '--vars takes a JSON object: \'{"lookback_days": 3}\'.');
}

/** As on dbt's own command line: several after one option, or in one text with spaces between them. */
function selectors(option: string, given: readonly string[]): string[] {
  const all = given.flatMap((text) => text.split(/\s+/)).filter(Boolean);
  const bad = all.find((text) => text.startsWith('-'));
  if (bad !== undefined)
    throw new WaybillError('PARAMETER_INVALID', `"${bad}" cannot be a selector after ${option}.`);
  return all;
}
