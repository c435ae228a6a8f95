// What `waybill runs`, `run show`, `rerun` and `cancel` do.
import { loadSettings } from '../config/settings.ts';
import { WaybillError } from '../core/errors.ts';
import type { ActivityRun, PipelineRun, PipelineRunStatus } from '../core/pipeline/records.ts';
import type { Rerun } from '../core/run.ts';
import { findDefinition } from '../definitions/find.ts';
import { parseSince } from './age.ts';
import { cancelRun } from './cancel.ts';
import { existingRun, follow, statusCommand, withClient } from './commands.ts';
import { formatDuration, formatTable } from './format.ts';
import { listPipelineRuns, type RunFilter, showPipelineRun } from './records.ts';
import { rerunPipeline } from './rerun.ts';

const STATUSES: readonly PipelineRunStatus[] = [
  'Queued',
  'InProgress',
  'Succeeded',
  'Failed',
  'Canceling',
  'Cancelled',
];

/** Lists runs as Data Factory's PipelineRun records. */
export async function runsCommand(options: {
  pipeline?: string;
  status?: string;
  since?: string;
  limit: string;
  json?: boolean;
}): Promise<void> {
  const filter: RunFilter = {
    limit: Number(options.limit),
    ...(options.pipeline === undefined ? {} : { pipeline: exactName(options.pipeline) }),
    ...(options.status === undefined ? {} : { status: parseStatus(options.status) }),
    ...(options.since === undefined ? {} : { since: parseSince(options.since) }),
  };
  await withClient(async (client) => {
    const runs = await listPipelineRuns(client, filter);
    if (options.json === true) console.log(JSON.stringify(runs, null, 2));
    else for (const line of runs.length === 0 ? ['no such runs'] : listed(runs)) console.log(line);
  });
}

/** The pipeline's name as its file has it; as it was typed where this factory has none of that name. */
function exactName(name: string): string {
  try {
    return findDefinition(loadSettings({ env: process.env, cwd: process.cwd() }), name).name;
  } catch {
    return name;
  }
}

function parseStatus(text: string): PipelineRunStatus {
  const status = STATUSES.find((known) => known.toLowerCase() === text.toLowerCase());
  if (status !== undefined) return status;
  throw new WaybillError('PARAMETER_INVALID', `--status is one of ${STATUSES.join(', ')}, not "${text}".`);
}

const moment = (text: string): string => text.replace('T', ' ').slice(0, 19);

function listed(runs: readonly PipelineRun[]): string[] {
  const rows = runs.map((run) => [
    moment(run.runStart),
    run.status,
    run.durationInMs === null ? '' : formatDuration(run.durationInMs),
    run.pipelineName,
    run.invokedBy.name,
    run.id,
  ]);
  return formatTable([['started (UTC)', 'status', 'took', 'pipeline', 'invoked by', 'id'], ...rows], [2]);
}

/** Shows one run and its activities as Data Factory's records. */
export async function showRunCommand(id: string, options: { json?: boolean }): Promise<void> {
  if (id.startsWith('lakehouse/') && !id.includes('/copy/')) return statusCommand(id, options);
  await withClient(async (client) => {
    const { run, activityRuns, complete } = await showPipelineRun(client, id);
    if (options.json === true) {
      console.log(JSON.stringify({ ...run, activityRuns }, null, 2));
      return;
    }
    const took = run.durationInMs === null ? '' : `   ${formatDuration(run.durationInMs)}`;
    console.log(`${run.pipelineName}   ${run.status}${took}   ${run.id}`);
    console.log(`  run ${run.runId}, group ${run.runGroupId}${run.isLatest ? '' : ', not the latest'}`);
    console.log(`  began ${moment(run.runStart)} UTC, invoked by ${run.invokedBy.name}`);
    for (const [name, value] of Object.entries(run.parameters)) console.log(`  ${name} = ${value}`);
    if (run.message !== '') console.log(`  ${run.message}`);
    for (const line of activityLines(activityRuns)) console.log(line);
    if (!complete) console.log('  No worker answers: history holds no more of it.');
  });
}

function activityLines(runs: readonly ActivityRun[]): string[] {
  if (runs.length === 0) return [];
  const rows = runs.map((run) => [
    `  ${run.activityName}${run.iteration === undefined ? '' : ` ${run.iteration}`}`,
    run.activityType,
    run.recoveryStatus === 'Reused' ? `${run.status}, reused` : run.status,
    run.durationInMs === null ? '' : formatDuration(run.durationInMs),
    run.error.errorCode === '' && run.error.message === ''
      ? ''
      : `${run.error.errorCode}: ${run.error.message}`.slice(0, 200),
  ]);
  return formatTable([['  activity', 'type', 'status', 'took', 'error'], ...rows], [3]);
}

/** Runs a pipeline's run again and watches it. */
export async function rerunCommand(
  id: string,
  options: { fromFailed?: boolean; from?: string; watch: boolean; json?: boolean },
): Promise<void> {
  if (options.fromFailed === true && options.from !== undefined)
    throw new WaybillError('PARAMETER_INVALID', '--from-failed and --from exclude each other.');
  const from: Rerun['from'] =
    options.from !== undefined ? { activity: options.from } : options.fromFailed === true ? 'failed' : 'all';
  await withClient(async (client) => {
    const run = await rerunPipeline(client, id, from);
    const told = options.json === true ? process.stderr : process.stdout;
    told.write(`▶ rerun   ${run.workflowId}   run ${run.runId ?? ''}\n`);
    if (options.watch) await follow(client, run.handle, told, options.json === true);
    else if (options.json === true)
      console.log(JSON.stringify({ workflowId: run.workflowId, runId: run.runId }));
  });
}

/** Cancels a run and, unless told otherwise, every pipeline it has started. */
export async function cancelCommand(id: string, options: { recursive: boolean }): Promise<void> {
  await withClient(async (client) => {
    const { workflowId } = await existingRun(client, id);
    for (const asked of await cancelRun(client, workflowId, options)) console.log(`cancelling ${asked}`);
    console.log(`copies clean up, clusters end. \`waybill watch ${workflowId}\` shows it.`);
  });
}
