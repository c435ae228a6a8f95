// `waybill migrate`: starts a migration from EMR to Databricks, shows it, and passes on what people decide.
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { WorkflowIdReusePolicy } from '@temporalio/common';
import { loadSettings } from '../config/settings.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { MIGRATION, type MigrationInput, type MigrationStatus } from '../core/migration.ts';
import { migrationWorkflowId } from '../core/workflow-ids.ts';
import { readJson } from '../definitions/json-reader.ts';
import { asError } from '../definitions/lakehouse/resolve.ts';
import { readMigration } from '../definitions/migration/resolve.ts';
import { isObject } from '../definitions/resource.ts';
import { withClient } from './commands.ts';
import { explainFailure, renderFailure } from './failure.ts';
import { searchAttributesFor } from './start.ts';

/** ms between two looks at a migration that is watched. */
const LOOK = 1_000;

interface Printed {
  readonly json?: boolean;
}

/** Starts the migration that a file defines, or joins the one that goes on, and watches until people must decide. */
export async function migrateCommand(file: string, options: Printed & { watch: boolean }): Promise<void> {
  const definition = definitionIn(file);
  const { name, lakehouse } = readMigration(definition, file);
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const told = options.json === true ? process.stderr : process.stdout;
  await withClient(async (client) => {
    const workflowId = migrationWorkflowId(name);
    const input: MigrationInput = { definition, trigger: 'client' };
    try {
      await client.workflow.start('migrateToDatabricks', {
        workflowId,
        taskQueue: settings.taskQueue,
        args: [input],
        // What it did is found again: pointers, replicated files, runs of windows.
        workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
        typedSearchAttributes: searchAttributesFor({ name, trigger: 'client' }),
        staticSummary: `migration ${name} · ${lakehouse} to Databricks`,
      });
      told.write(`▶ migration ${name}   ${workflowId}\n`);
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      told.write(
        `  migration ${name} goes on already, by the definition that it began with; this shows it.\n`,
      );
    }
    if (!options.watch) return;
    const status = await watch(client, workflowId, told);
    if (status === undefined) return;
    if (options.json === true) console.log(JSON.stringify(status, null, 2));
    else for (const line of rendered(status)) console.log(line);
  });
}

export async function migrationStatusCommand(name: string, options: Printed): Promise<void> {
  await withClient(async (client) => {
    print(await statusOf(client, migrationWorkflowId(name)), options);
  });
}

export async function approveCommand(
  name: string,
  datasets: readonly string[],
  options: Printed & { by?: string; comment?: string; force?: boolean },
): Promise<void> {
  await askForEach(name, datasets, MIGRATION.approve, options, (dataset) => ({
    dataset,
    by: options.by ?? userInfo().username,
    ...(options.comment === undefined ? {} : { comment: options.comment }),
    ...(options.force === true ? { force: true } : {}),
  }));
}

/** `reject` and `rollback`. */
export async function declineCommand(
  name: string,
  datasets: readonly string[],
  message: 'reject' | 'rollBack',
  options: Printed & { by?: string; reason: string },
): Promise<void> {
  await askForEach(name, datasets, message, options, (dataset) => ({
    dataset,
    by: options.by ?? userInfo().username,
    reason: options.reason,
  }));
}

/** `window` and `compare`. */
export async function migrationWindowCommand(
  name: string,
  window: string,
  message: 'addWindow' | 'compare',
  options: Printed,
): Promise<void> {
  await withClient(async (client) => {
    print(await ask(client, name, message, { window }), options);
  });
}

export async function resumeCommand(name: string, options: Printed): Promise<void> {
  await withClient(async (client) => {
    print(await ask(client, name, MIGRATION.resume, {}), options);
  });
}

async function askForEach(
  name: string,
  datasets: readonly string[],
  message: string,
  options: Printed,
  request: (dataset: string) => object,
): Promise<void> {
  await withClient(async (client) => {
    let status: MigrationStatus | undefined;
    for (const dataset of datasets) status = await ask(client, name, message, request(dataset));
    if (status !== undefined) print(status, options);
  });
}

/** Throws REQUEST_INVALID with the migration's own reason, or OBJECT_MISSING. */
async function ask(client: Client, name: string, message: string, request: object): Promise<MigrationStatus> {
  try {
    return await client.workflow
      .getHandle(migrationWorkflowId(name))
      .executeUpdate<MigrationStatus, [object]>(message, { args: [request] });
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError && error.cause instanceof Error)
      throw new WaybillError('REQUEST_INVALID', error.cause.message, { migration: name });
    throw missing(error, name);
  }
}

const missing = (error: unknown, name: string): unknown =>
  error instanceof WorkflowNotFoundError
    ? new WaybillError(
        'OBJECT_MISSING',
        `No migration "${name}" goes on: its name stands in its definition.`,
        {
          migration: name,
        },
      )
    : error;

async function statusOf(client: Client, workflowId: string): Promise<MigrationStatus> {
  try {
    return await client.workflow.getHandle(workflowId).query<MigrationStatus>(MIGRATION.status);
  } catch (error) {
    throw missing(error, workflowId.replace(/^migration\//, ''));
  }
}

/** Tells of each change until the migration ends or waits. Ctrl-C ends the watching alone. */
async function watch(
  client: Client,
  workflowId: string,
  told: NodeJS.WriteStream,
): Promise<MigrationStatus | undefined> {
  let shown = '';
  for (;;) {
    const description = await client.workflow.getHandle(workflowId).describe();
    const status = await statusOf(client, workflowId).catch(() => undefined);
    if (status !== undefined && status.doing !== shown) {
      shown = status.doing;
      told.write(`  ${new Date().toISOString().slice(11, 19)}  ${shown}\n`);
    }
    if (description.status.name !== 'RUNNING' && description.status.name !== 'CONTINUED_AS_NEW') {
      if (description.status.name === 'COMPLETED') return status;
      const failure = await client.workflow
        .getHandle(workflowId)
        .result()
        .then(
          () => undefined,
          (error: unknown) => explainFailure(error),
        );
      if (failure !== undefined) for (const line of renderFailure(failure)) told.write(`${line}\n`);
      process.exitCode = 1;
      return undefined;
    }
    if (status?.status === 'Waiting') return status;
    await new Promise((resolve) => setTimeout(resolve, LOOK));
  }
}

function print(status: MigrationStatus, options: Printed): void {
  if (options.json === true) console.log(JSON.stringify(status, null, 2));
  else for (const line of rendered(status)) console.log(line);
}

/** The status for people: each dataset with its phase, what differs by name, and what may be done next. */
export function rendered(status: MigrationStatus): string[] {
  const lines = [`migration ${status.name}   ${status.status}   ${status.doing}`];
  for (const { name, phase, comparisons, reason, decision, good, needed } of status.datasets) {
    const equal = comparisons.filter((one) => one.equal).length;
    const watched = phase === 'cutOver' ? `, ${good} of ${needed} windows watched` : '';
    lines.push(`  ${name}   ${phase}   ${equal} of ${comparisons.length} windows in parity${watched}`);
    if (decision !== undefined)
      lines.push(
        `    approved by ${decision.by}${decision.forced ? ', though it differs' : ''}${decision.comment ? `: ${decision.comment}` : ''}`,
      );
    if (reason !== undefined) lines.push(`    ${reason}`);
    for (const one of comparisons.filter((other) => !other.equal)) {
      lines.push(`    ✗ window ${one.window}: ${one.reasons.join('; ')}`);
      lines.push(...named('missing on Databricks', one.named.missing));
      lines.push(...named('on Databricks alone', one.named.extra));
      for (const { key, columns } of one.named.differing)
        lines.push(`        differs: ${key} in ${columns.join(', ')}`);
    }
  }
  if (status.problem !== undefined)
    lines.push(`  ✗ ${status.problem.step}: ${status.problem.code}: ${status.problem.message}`);
  const report = status.reports.at(-1);
  if (report !== undefined) lines.push(`  report: ${report.html}`);
  const [first] = status.datasets;
  if (status.problem !== undefined) lines.push(`  then: waybill migrate resume ${status.name}`);
  else if (/approved or rejected/.test(status.doing) && first !== undefined)
    lines.push(`  then: waybill migrate approve ${status.name} <dataset...>, or reject ... --reason <text>`);
  else if (/next window/.test(status.doing))
    lines.push(`  then: waybill migrate window ${status.name} <window>`);
  return lines;
}

const named = (what: string, keys: readonly string[]): string[] =>
  keys.length === 0 ? [] : [`        ${what}: ${keys.join(' · ')}`];

function definitionIn(file: string): JsonObject {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new WaybillError('OBJECT_MISSING', `There is no file ${file} that can be read.`, { file });
  }
  const { value, problems } = readJson(text, file);
  if (isObject(value) && problems.every(({ severity }) => severity !== 'error')) return value;
  if (problems.length > 0) throw asError(problems);
  throw new WaybillError('DEFINITION_INVALID', `${file} holds no JSON object.`, { file });
}
