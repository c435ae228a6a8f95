// Reads Data Factory's records of runs from Temporal: what ran, with which parameters, and what each activity did.
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { WaybillError } from '../core/errors.ts';
import {
  type ActivityRun,
  activityRunRecord,
  type PipelineRun,
  type PipelineRunStatus,
  pipelineRunRecord,
} from '../core/pipeline/records.ts';
import { SLOT_STAGES } from '../core/pipeline/slots.ts';
import {
  type FailedActivity,
  type FailedRunDetails,
  type PipelineProgress,
  RUNS_MEMO,
  type ActivityRun as RunEntry,
  type RunPipelineInput,
  type RunPipelineOutput,
} from '../core/run.ts';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';
import { type Ending, endingOf, inputOf } from './run-history.ts';
import { quoted } from './visibility.ts';

export interface RunFilter {
  readonly pipeline?: string;
  /** Name of the trigger that started them. */
  readonly trigger?: string;
  readonly status?: PipelineRunStatus;
  /** Runs that began at that moment or later, and before that other one. */
  readonly since?: Date;
  readonly until?: Date;
  /** At most so many, newest first; 100 unless said. */
  readonly limit?: number;
}

export interface ShownRun {
  readonly run: PipelineRun;
  /** In the order in which they began; of long loops that went well not every iteration. */
  readonly activityRuns: ActivityRun[];
  /** False where no worker answered and history alone says less than there was. */
  readonly complete: boolean;
}

/** Queries are answered by a worker; without one for so long, history has to do. */
const QUERY_TIMEOUT_MS = 5_000;
const LIST_LIMIT = 100;
/** Runs whose histories are looked at together. */
const LANES = 8;

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** ExecutionStatus in visibility queries by Data Factory's status. */
const EXECUTION_STATUS: Readonly<Record<PipelineRunStatus, string>> = {
  Queued: "ExecutionStatus = 'Running'",
  InProgress: "ExecutionStatus = 'Running'",
  Canceling: "ExecutionStatus = 'Running'",
  Succeeded: "ExecutionStatus = 'Completed'",
  Failed: "ExecutionStatus IN ('Failed', 'TimedOut')",
  Cancelled: "ExecutionStatus IN ('Canceled', 'Terminated')",
};

/** Runs of pipelines, newest first. */
export async function listPipelineRuns(client: Client, filter: RunFilter = {}): Promise<PipelineRun[]> {
  return (await listRunsWithInput(client, filter)).map(({ run }) => run);
}

export interface RunWithInput {
  readonly run: PipelineRun;
  readonly input: RunPipelineInput;
}

/** Runs of pipelines and what they were started with, newest first. */
export async function listRunsWithInput(client: Client, filter: RunFilter = {}): Promise<RunWithInput[]> {
  const clauses = ["WorkflowType = 'runPipeline'"];
  if (filter.pipeline !== undefined)
    clauses.push(`${SEARCH_ATTRIBUTES.pipeline} = ${quoted(filter.pipeline)}`);
  if (filter.trigger !== undefined) clauses.push(`${SEARCH_ATTRIBUTES.trigger} = ${quoted(filter.trigger)}`);
  if (filter.status !== undefined) clauses.push(EXECUTION_STATUS[filter.status]);
  if (filter.since !== undefined) clauses.push(`StartTime >= '${filter.since.toISOString()}'`);
  if (filter.until !== undefined) clauses.push(`StartTime < '${filter.until.toISOString()}'`);
  const limit = filter.limit ?? LIST_LIMIT;
  const found: WorkflowExecutionInfo[] = [];
  for await (const info of client.workflow.list({ query: clauses.join(' AND ') })) {
    if (filter.status === 'Queued' && !isQueued(info)) continue;
    if (filter.status === 'InProgress' && isQueued(info)) continue;
    found.push(info);
    if (found.length >= limit) break;
  }
  const records: RunWithInput[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < found.length) {
      const index = next++;
      records[index] = await readRun(client, found[index] as WorkflowExecutionInfo);
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, found.length) }, lane));
  return records;
}

/** One run and its activities. `id`: a workflow id, whose newest run is meant, or a run id. Throws OBJECT_MISSING. */
export async function showPipelineRun(client: Client, id: string): Promise<ShownRun> {
  const info = await findPipelineRun(client, id);
  const { run, runs, progress } = await readRun(client, info, true);
  const entries = progress?.activities ?? runs ?? [];
  const named = { pipelineName: run.pipelineName, runId: run.runId };
  const all = await withSlices(client, entries);
  return {
    run,
    activityRuns: all.map((entry) => activityRunRecord(named, entry)),
    complete: progress !== undefined || run.status === 'Succeeded',
  };
}

/** The run of a pipeline that an id names. Throws OBJECT_MISSING. */
export async function findPipelineRun(client: Client, id: string): Promise<WorkflowExecutionInfo> {
  const missing = new WaybillError(
    'OBJECT_MISSING',
    `There is no run of a pipeline "${id}". \`waybill runs\` shows those there are.`,
    { id },
  );
  if (GUID.test(id)) {
    const query = `WorkflowType = 'runPipeline' AND RunId = ${quoted(id.toLowerCase())}`;
    // Visibility knows where it is; how it stands, it learns a moment later than the run itself.
    for await (const info of client.workflow.list({ query }))
      return describe(client, info.workflowId, info.runId, missing);
    throw missing;
  }
  return describe(client, id, undefined, missing);
}

async function describe(
  client: Client,
  workflowId: string,
  runId: string | undefined,
  missing: WaybillError,
): Promise<WorkflowExecutionInfo> {
  try {
    const { raw: _, ...description } = await client.workflow.getHandle(workflowId, runId).describe();
    if (description.type !== 'runPipeline') throw missing;
    return description as unknown as WorkflowExecutionInfo;
  } catch (error) {
    throw error instanceof WorkflowNotFoundError ? missing : error;
  }
}

interface ReadRun extends RunWithInput {
  /** What history holds of the activities. */
  readonly runs?: readonly RunEntry[];
  /** What the workflow itself answered. */
  readonly progress?: PipelineProgress;
}

async function readRun(client: Client, info: WorkflowExecutionInfo, ask = false): Promise<ReadRun> {
  const place = { workflowId: info.workflowId, runId: info.runId };
  const closed = info.closeTime !== undefined;
  const [input, ending, progress] = await Promise.all([
    inputOf<RunPipelineInput>(client, place),
    closed ? endingOf(client, place) : ({} as Ending),
    ask ? askProgress(client, place) : undefined,
  ]);
  const told = toldBy(info, ending);
  const parameters = progress?.parameters ?? told.parameters;
  const end = info.closeTime?.getTime();
  const returned = ending.result as RunPipelineOutput | undefined;
  const run = pipelineRunRecord({
    ...place,
    input,
    isLatest: await isLatest(client, info, input),
    ...(parameters === undefined ? {} : { parameters }),
    status: statusOf(info, progress),
    start: info.startTime.getTime(),
    ...(end === undefined ? {} : { end }),
    updated: end ?? Date.now(),
    message: messageOf(info, ending),
    ...(returned?.returnValue === undefined ? {} : { returnValue: returned.returnValue }),
  });
  return {
    run,
    input,
    ...(told.activityRuns === undefined ? {} : { runs: told.activityRuns }),
    ...(progress === undefined ? {} : { progress }),
  };
}

const isQueued = ({ searchAttributes }: WorkflowExecutionInfo): boolean =>
  searchAttributes[SEARCH_ATTRIBUTES.stage]?.[0] === SLOT_STAGES.waiting;

function statusOf(info: WorkflowExecutionInfo, progress: PipelineProgress | undefined): PipelineRunStatus {
  switch (info.status.name) {
    case 'COMPLETED':
      return 'Succeeded';
    case 'FAILED':
    case 'TIMED_OUT':
      return 'Failed';
    case 'CANCELLED':
    case 'TERMINATED':
      return 'Cancelled';
    default:
      if (progress?.status === 'Cancelling') return 'Canceling';
      return isQueued(info) ? 'Queued' : 'InProgress';
  }
}

/** Why a run failed, as Data Factory says it: "Operation on target Copy1 failed: ...". */
function messageOf(info: WorkflowExecutionInfo, { failure }: Ending): string {
  if (info.status.name === 'TERMINATED') return 'The run was terminated in Temporal: nothing was cleaned up.';
  if (info.status.name === 'TIMED_OUT') return 'The run took longer than Temporal was told to let it.';
  if (failure === undefined) return '';
  const details = failure instanceof ApplicationFailure ? failure.details : undefined;
  const failed = (details?.[0] ?? {}) as Partial<FailedActivity>;
  return failed.activity !== undefined && failed.reason !== undefined
    ? `Operation on target ${failed.activity} failed: ${failed.reason}`
    : failure.message;
}

/** What a closed run left in its history. */
function toldBy(info: WorkflowExecutionInfo, { result, failure }: Ending): Partial<FailedRunDetails> {
  if (result !== undefined) return result as RunPipelineOutput;
  if (failure instanceof ApplicationFailure) return (failure.details ?? []).find(hasRuns) ?? {};
  const memo = info.memo?.[RUNS_MEMO];
  return hasRuns(memo) ? memo : {};
}

const hasRuns = (value: unknown): value is FailedRunDetails =>
  typeof value === 'object' && value !== null && 'activityRuns' in value;

/** Whether no later run of the same group is there. */
async function isLatest(
  client: Client,
  info: WorkflowExecutionInfo,
  input: RunPipelineInput,
): Promise<boolean> {
  if (info.closeTime === undefined) return true;
  const newest = await client.workflow.getHandle(info.workflowId).describe();
  if (newest.runId === info.runId) return true;
  const group = input.rerun?.groupId ?? info.runId;
  const later = await inputOf<RunPipelineInput>(client, {
    workflowId: info.workflowId,
    runId: newest.runId,
  });
  return later.rerun?.groupId !== group;
}

async function askProgress(
  client: Client,
  { workflowId, runId }: { workflowId: string; runId?: string },
): Promise<PipelineProgress | undefined> {
  try {
    return await client.withDeadline(Date.now() + QUERY_TIMEOUT_MS, () =>
      client.workflow.getHandle(workflowId, runId).query<PipelineProgress>('progress'),
    );
  } catch {
    return undefined;
  }
}

/** The runs with those of the iterations that children ran, each after its loop. */
async function withSlices(client: Client, entries: readonly RunEntry[]): Promise<RunEntry[]> {
  const all: RunEntry[] = [];
  for (const entry of entries) {
    all.push(entry);
    for (const workflowId of entry.slices ?? []) {
      const progress = await askProgress(client, { workflowId });
      all.push(...(await withSlices(client, progress?.activities ?? [])));
    }
  }
  return all;
}
