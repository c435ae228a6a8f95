// Data Factory's monitoring calls, in its REST API's shapes: runs of pipelines, their activities and triggers, and cancel.
import { cancelRun } from '../client/cancel.ts';
import {
  findPipelineRun,
  listRunsWithInput,
  type RunWithInput,
  type ShownRun,
  showPipelineRun,
} from '../client/records.ts';
import { failedFirings, groupFirings, mergeFirings } from '../client/trigger-firings.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { requireReader } from './authorize.ts';
import type { Door } from './door.ts';
import { Refusal } from './refusal.ts';
import { type Answer, type DoorRequest, parseJson } from './request.ts';
import { matchesFilters, type RunFilterParameters, readRunFilter } from './run-filter.ts';

/** Runs that one answer looks at; more of them by the continuationToken. */
const PAGE = 100;
/** Bytes. */
const MAX_QUERY = 64 * 1024;
/** Milliseconds that a list may take: histories are read for it. */
const PATIENCE = 30_000;

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const LOOKS = 5;
/** Milliseconds. */
const BETWEEN_LOOKS = 300;

const asJson = (value: unknown): JsonObject => value as JsonObject;

async function read<T>(door: Door, use: () => Promise<T>): Promise<T> {
  return door.client.connection.withDeadline(Date.now() + PATIENCE, use);
}

/** A run that has just begun is not found by its run id at once: whoever has it from us is not told that there is none. */
async function shown(door: Door, id: string): Promise<ShownRun> {
  for (let left = GUID.test(id) ? LOOKS : 0; ; left--) {
    try {
      return await read(door, () => showPipelineRun(door.client, id));
    } catch (error) {
      if (left === 0 || !(error instanceof WaybillError) || error.code !== 'OBJECT_MISSING') throw error;
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS));
    }
  }
}

async function authorized(door: Door, request: DoorRequest): Promise<JsonValue> {
  const bytes = await request.body(MAX_QUERY);
  requireReader(request, bytes, door.keys, Date.now());
  return bytes.length === 0 ? {} : parseJson(bytes);
}

/** GET /pipelineruns/<id>: `id` is a run id, or a workflow id with its slashes encoded. */
export async function pipelineRunHandler(door: Door, request: DoorRequest): Promise<Answer> {
  await authorized(door, request);
  const { run } = await shown(door, request.path['id'] ?? '');
  return { status: 200, json: asJson(run) };
}

/** POST /queryPipelineRuns: newest first. A page may be empty and still have a continuation. */
export async function queryPipelineRunsHandler(door: Door, request: DoorRequest): Promise<Answer> {
  const filter = readRunFilter(await authorized(door, request));
  const { entries, continuationToken } = await page(door, filter);
  const value = entries.map(({ run }) => asJson(run));
  const matching = value.filter((run) => matchesFilters(run, filter.filters, PIPELINE_RUN_OPERANDS));
  return { status: 200, json: { value: matching, ...continuationToken } };
}

/** What Data Factory calls the fields of a run in filters, where it is not the field's own name. */
const PIPELINE_RUN_OPERANDS: Readonly<Record<string, (run: JsonObject) => JsonValue | undefined>> = {
  invokedbyname: ({ invokedBy }) => (invokedBy as JsonObject)['name'],
  triggername: ({ invokedBy }) => (invokedBy as JsonObject)['name'],
  invokedbytype: ({ invokedBy }) => (invokedBy as JsonObject)['invokedByType'],
  latestonly: ({ isLatest }) => isLatest,
};

async function page(
  door: Door,
  { after, before, filters, continuation }: RunFilterParameters,
): Promise<{ entries: RunWithInput[]; continuationToken: { continuationToken?: string } }> {
  // What Temporal can look for itself need not be read run by run.
  const only = (...operands: string[]): string | undefined => {
    const filter = filters.find(
      ({ operand, operator }) => operands.includes(operand) && operator === 'equals',
    );
    return filter?.values.length === 1 ? filter.values[0] : undefined;
  };
  const [pipeline, trigger] = [only('pipelinename'), only('triggername', 'invokedbyname')];
  const listed = await read(door, () =>
    listRunsWithInput(door.client, {
      ...(pipeline === undefined ? {} : { pipeline }),
      ...(trigger === undefined || trigger === 'Manual' ? {} : { trigger }),
      // What began later than that cannot have been updated before it.
      until: continuation === undefined || continuation > before ? before : continuation,
      limit: PAGE,
    }),
  );
  const last = listed.at(-1);
  const entries = listed.filter(({ run }) => {
    const time = Date.parse(run.lastUpdated);
    return time >= after.getTime() && time <= before.getTime();
  });
  return {
    entries,
    continuationToken:
      listed.length < PAGE || last === undefined
        ? {}
        : { continuationToken: encodeMoment(last.run.runStart) },
  };
}

const encodeMoment = (moment: string): string => Buffer.from(moment).toString('base64url');

/** POST /pipelineruns/<id>/queryActivityruns. */
export async function queryActivityRunsHandler(door: Door, request: DoorRequest): Promise<Answer> {
  const { filters } = readRunFilter(await authorized(door, request));
  const { activityRuns } = await shown(door, request.path['id'] ?? '');
  const value = activityRuns.map(asJson).filter((run) => matchesFilters(run, filters, {}));
  return { status: 200, json: { value } };
}

/** POST /queryTriggerRuns: firings, one for each event, window or time; on the first page also those that failed. */
export async function queryTriggerRunsHandler(door: Door, request: DoorRequest): Promise<Answer> {
  const filter = readRunFilter(await authorized(door, request));
  const { entries, continuationToken } = await page(door, filter);
  const faults =
    filter.continuation === undefined
      ? await read(door, () =>
          failedFirings(door.client, { since: filter.after, until: filter.before, limit: PAGE }),
        )
      : [];
  const value = mergeFirings(groupFirings(entries), faults).map(asJson);
  return {
    status: 200,
    json: { value: value.filter((run) => matchesFilters(run, filter.filters, {})), ...continuationToken },
  };
}

/** POST /pipelineruns/<id>/cancel[?isRecursive=false]. */
export async function cancelHandler(door: Door, request: DoorRequest): Promise<Answer> {
  await authorized(door, request);
  return read(door, async () => {
    const { workflowId, status } = await findPipelineRun(door.client, request.path['id'] ?? '');
    if (status.name !== 'RUNNING')
      throw new Refusal(409, 'REQUEST_INVALID', 'The run has ended already: nothing is left to cancel.');
    const recursive = request.query.get('isRecursive')?.toLowerCase() !== 'false';
    const cancelling = await cancelRun(door.client, workflowId, { recursive });
    return { status: 200, json: { cancelling } };
  });
}
