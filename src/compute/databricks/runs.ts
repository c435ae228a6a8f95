// Runs of the Jobs API: submitted once, found again, looked at, cancelled, their output read.
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { DatabricksClient, RequestOptions } from './client.ts';

/** Where a run stands, in the words of Jobs API 2.1: they tell more than 2.2's `status`. */
export interface RunStatus {
  readonly id: number;
  readonly name: string;
  readonly pageUrl: string;
  readonly life: string;
  /** Only where it has ended. */
  readonly result?: string;
  readonly message: string;
  /** termination_details.code. */
  readonly code?: string;
  /** ms since epoch; 0 while unknown. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly tasks: readonly { readonly id: number; readonly key: string; readonly result?: string }[];
}

export interface RunOutput {
  /** What a notebook exited with. */
  readonly result?: string;
  readonly logs?: string;
  readonly error?: string;
  readonly trace?: string;
}

const API = '2.2/jobs';

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const objectOf = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : {});
const listOf = (value: JsonValue | undefined): JsonObject[] =>
  Array.isArray(value) ? value.filter(isObject) : [];
const textOf = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '');

/** True when the run will not change any more. */
export const runEnded = ({ life }: Pick<RunStatus, 'life'>): boolean =>
  life === 'TERMINATED' || life === 'SKIPPED' || life === 'INTERNAL_ERROR';

/** Submits a one-time run; `body.idempotency_token` makes a repetition find the first. */
export async function submitRun(
  client: DatabricksClient,
  body: JsonObject,
  options?: RequestOptions,
): Promise<number> {
  return Number((await client.post(`${API}/runs/submit`, body, options))['run_id']);
}

/** Starts a job of the workspace, by the same token once. */
export async function startJob(
  client: DatabricksClient,
  body: JsonObject,
  options?: RequestOptions,
): Promise<number> {
  return Number((await client.post(`${API}/run-now`, body, options))['run_id']);
}

export async function describeRun(
  client: DatabricksClient,
  id: number,
  options?: RequestOptions,
): Promise<RunStatus> {
  return statusOf(await client.get(`${API}/runs/get`, { run_id: id }, options));
}

/** Asks for the run's end; one that has ended is left as it is. */
export async function cancelRun(
  client: DatabricksClient,
  id: number,
  options?: RequestOptions,
): Promise<void> {
  await client.post(`${API}/runs/cancel`, { run_id: id }, options);
}

/** One-time runs that began at or after `since`, ms since epoch, newest first; every page of them. */
export async function listRuns(
  client: DatabricksClient,
  since: number,
  options?: RequestOptions,
): Promise<RunStatus[]> {
  const found: RunStatus[] = [];
  let token: string | undefined;
  do {
    const page = await client.get(
      `${API}/runs/list`,
      {
        run_type: 'SUBMIT_RUN',
        limit: 25,
        start_time_from: since,
        ...(token === undefined ? {} : { page_token: token }),
      },
      options,
    );
    found.push(...listOf(page['runs']).map(statusOf));
    token = textOf(page['next_page_token']) || undefined;
  } while (token !== undefined);
  return found;
}

/** Output of a task's run. */
export async function readOutput(
  client: DatabricksClient,
  id: number,
  options?: RequestOptions,
): Promise<RunOutput> {
  const answer = await client.get(`${API}/runs/get-output`, { run_id: id }, options);
  const text = (key: string, value: JsonValue | undefined): Record<string, string> =>
    typeof value === 'string' && value !== '' ? { [key]: value } : {};
  return {
    ...text('result', objectOf(answer['notebook_output'])['result']),
    ...text('logs', answer['logs']),
    ...text('error', answer['error']),
    ...text('trace', answer['error_trace']),
  };
}

function statusOf(run: JsonObject): RunStatus {
  const state = objectOf(run['state']);
  const ended = objectOf(objectOf(run['status'])['termination_details']);
  const result = textOf(state['result_state']);
  return {
    id: Number(run['run_id']),
    name: textOf(run['run_name']),
    pageUrl: textOf(run['run_page_url']),
    life: textOf(state['life_cycle_state']) || 'PENDING',
    ...(result === '' ? {} : { result }),
    message: textOf(state['state_message']),
    ...(ended['code'] === undefined ? {} : { code: textOf(ended['code']) }),
    startedAt: Number(run['start_time'] ?? 0),
    endedAt: Number(run['end_time'] ?? 0),
    tasks: listOf(run['tasks']).map((task) => {
      const own = textOf(objectOf(task['state'])['result_state']);
      return {
        id: Number(task['run_id']),
        key: textOf(task['task_key']),
        ...(own === '' ? {} : { result: own }),
      };
    }),
  };
}
