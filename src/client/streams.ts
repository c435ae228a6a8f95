// What `waybill stream start`, `status`, `drain` and `stop` do.
import { type Client, defaultPayloadConverter, WorkflowUpdateFailedError } from '@temporalio/client';
import {
  ApplicationFailure,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from '@temporalio/common';
import { loadSettings } from '../config/settings.ts';
import { WaybillError } from '../core/errors.ts';
import type { StreamObservation, StreamStatus, SuperviseStreamInput } from '../core/streams.ts';
import { streamWorkflowId } from '../core/workflow-ids.ts';
import { resolveStream } from '../definitions/streams/resolve.ts';
import { parseParameters, withClient } from './commands.ts';
import { formatCount } from './format.ts';
import { searchAttributesFor } from './start.ts';

interface Printed {
  readonly json?: boolean;
}

/** Starts a stream's supervision; one that runs already is left as it is. The definition is checked first. */
export async function startStreamCommand(
  name: string,
  options: Printed & { param: string[] },
): Promise<void> {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const parameters = parseParameters(options.param);
  const plan = resolveStream(settings.factoryDirectory, { name, parameters, runId: streamWorkflowId(name) });
  await withClient(async (client) => {
    const workflowId = streamWorkflowId(plan.name);
    const input: SuperviseStreamInput = { name: plan.name, parameters };
    let isNew = true;
    try {
      await client.workflow.start<(input: SuperviseStreamInput) => Promise<unknown>>('superviseStream', {
        workflowId,
        taskQueue: settings.taskQueue,
        args: [input],
        workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
        typedSearchAttributes: searchAttributesFor({ name: plan.name, trigger: 'client' }),
        staticSummary: `stream ${plan.name}`,
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      isNew = false;
    }
    if (options.json === true) console.log(JSON.stringify({ workflowId, isNew }));
    else console.log(isNew ? `▶ stream ${plan.name}   ${workflowId}` : `stream ${plan.name} runs already`);
  });
}

/** Prints how a stream stands. Exit code 0 when it runs and keeps up, 1 when it does not. */
export async function streamStatusCommand(name: string, options: Printed): Promise<void> {
  await withClient(async (client) => {
    const status = await existing(name, () => readStream(client, name));
    print(status, options);
    if (status.phase !== 'running' || !/^(ok|starting)$/.test(status.health)) process.exitCode = 1;
  });
}

/** Has a stream's job end after its batch; drained it begins anew on the code and definition as they are, stopped it is over. */
export async function changeStreamCommand(
  change: 'drain' | 'stop',
  name: string,
  options: Printed,
): Promise<void> {
  await withClient(async (client) => {
    const handle = client.workflow.getHandle(streamWorkflowId(name));
    const status = await existing(name, () => handle.executeUpdate<StreamStatus, []>(change));
    print(status, options);
  });
}

/** The workflow's answer, with what its poller saw last, which is newer. */
async function readStream(client: Client, name: string): Promise<StreamStatus> {
  const handle = client.workflow.getHandle(streamWorkflowId(name));
  const description = await handle.describe();
  const status = await handle.query<StreamStatus>('stream');
  const watch = description.raw.pendingActivities?.find(
    ({ activityType }) => activityType?.name === 'watchStream',
  );
  const payload = watch?.heartbeatDetails?.payloads?.[0];
  if (payload === undefined || payload === null) return status;
  const seen = defaultPayloadConverter.fromPayload<StreamObservation | undefined>(payload);
  if (seen?.progress === undefined) return status;
  return { ...status, health: seen.health, reason: seen.reason, progress: seen.progress };
}

async function existing<T>(name: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      throw new WaybillError(
        'OBJECT_MISSING',
        `Stream "${name}" does not run: \`waybill stream start ${name}\`.`,
        {
          name,
        },
      );
    if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure)
      throw error.cause;
    throw error;
  }
}

function print(status: StreamStatus, { json }: Printed): void {
  if (json === true) {
    console.log(JSON.stringify(status, null, 2));
    return;
  }
  for (const line of streamLines(status)) console.log(line);
}

function streamLines({
  name,
  phase,
  health,
  reason,
  starts,
  cluster,
  job,
  progress,
  failures,
}: StreamStatus): string[] {
  const lines = [`stream ${name}   ${phase} · ${health}${reason ? ` · ${reason}` : ''}`];
  if (cluster !== undefined)
    lines.push(`  on           ${cluster}${job === undefined ? '' : ` ${job.id} ${job.name}`}`);
  if (progress !== undefined) {
    const { offsets, seconds } = progress.behind;
    const behind = [
      ...(offsets === undefined ? [] : [`${formatCount(offsets)} waiting`]),
      ...(seconds === undefined ? [] : [`${seconds} s behind`]),
    ];
    lines.push(
      `  batch ${progress.batch}   ${formatCount(progress.rows)} rows since its start · ${progress.rowsPerSecond} rows/s · ${progress.batchSeconds} s a batch · ${behind.join(', ') || 'lag unknown'} · ${progress.at}`,
    );
  }
  lines.push(`  starts       ${starts}`);
  for (const { at, code, reason: why } of failures)
    lines.push(`  failed       ${new Date(at).toISOString()} ${code}: ${why.split('\n', 1)[0]}`);
  return lines;
}
