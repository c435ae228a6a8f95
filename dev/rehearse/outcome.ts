// What became of one pipeline's run: rows in and out, and whether a failure is one that the definition asks for.
import { type Client, WorkflowFailedError } from '@temporalio/client';
import { explainFailure } from '../../src/client/failure.ts';
import type { JsonObject, JsonValue } from '../../src/core/json.ts';
import type { ActivityRun, PipelineProgress } from '../../src/core/run.ts';

/** `ran` and `failed-as-it-should` are right outcomes. */
export type Outcome = 'ran' | 'failed-as-it-should' | 'failed' | 'timed-out' | 'unsupported' | 'invalid';

export interface RunFigures {
  readonly rowsIn: number;
  readonly rowsOut: number;
  readonly filesIn: number;
  readonly filesOut: number;
  /** Activities that began, in this pipeline and those it called. */
  readonly activities: number;
}

export interface RunResult {
  readonly outcome: Outcome;
  readonly figures: RunFigures;
  /** Why it did not run, or why failing was right. */
  readonly reason?: string;
}

export const NO_FIGURES: RunFigures = { rowsIn: 0, rowsOut: 0, filesIn: 0, filesOut: 0, activities: 0 };

const MAX_DEPTH = 8;

/** Waits for a run's end, for so many milliseconds at most; then ends it. */
export async function followRun(client: Client, workflowId: string, timeout: number): Promise<RunResult> {
  const handle = client.workflow.getHandle(workflowId);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), timeout);
  });
  try {
    const ended = await Promise.race([handle.result().then(() => 'ended' as const), late]);
    if (ended === 'late') {
      const runs = await activityRuns(client, workflowId, 0);
      await endAll(client, workflowId, runs);
      const busy = runs
        .filter(({ status }) => status === 'InProgress')
        .map(({ activityName }) => `"${activityName}"`);
      const doing = busy.length === 0 ? '' : `; at work: ${[...new Set(busy)].slice(0, 5).join(', ')}`;
      return {
        outcome: 'timed-out',
        figures: figuresOf(runs),
        reason: `It had not ended after ${Math.round(timeout / 1000)} s${doing}.`,
      };
    }
    return { outcome: 'ran', figures: figuresOf(await activityRuns(client, workflowId, 0)) };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const { code, message } = explainFailure(error);
    const runs = await activityRuns(client, workflowId, 0);
    const asked = askedFailure(runs);
    return {
      outcome: asked === undefined ? 'failed' : 'failed-as-it-should',
      figures: figuresOf(runs),
      reason: asked ?? `${code} ${message}`,
    };
  } finally {
    clearTimeout(timer);
  }
}

interface SeenRun extends ActivityRun {
  readonly depth: number;
}

/** Every activity of the run and of the pipelines it called, as their own answers tell. */
async function activityRuns(client: Client, workflowId: string, depth: number): Promise<SeenRun[]> {
  const progress = await client
    .withDeadline(Date.now() + 10_000, () =>
      client.workflow.getHandle(workflowId).query<PipelineProgress>('progress'),
    )
    .catch(() => undefined);
  const runs: SeenRun[] = (progress?.activities ?? []).map((run) => ({ ...run, depth }));
  if (depth >= MAX_DEPTH) return runs;
  const inner: SeenRun[] = [];
  for (const { activityType, workflowId: child, slices } of runs) {
    const children = [
      ...(activityType === 'ExecutePipeline' && child !== undefined ? [child] : []),
      ...(slices ?? []),
    ];
    for (const id of children) inner.push(...(await activityRuns(client, id, depth + 1)));
  }
  return [...runs, ...inner];
}

async function endAll(client: Client, workflowId: string, runs: readonly SeenRun[]): Promise<void> {
  const ids = [workflowId, ...runs.flatMap(({ workflowId: child }) => child ?? [])];
  for (const id of ids)
    await client.workflow
      .getHandle(id)
      .terminate('the rehearsal gives a pipeline no more time')
      .catch(() => {});
}

const number = (value: JsonValue | undefined): number => (typeof value === 'number' ? value : 0);

function figuresOf(runs: readonly SeenRun[]): RunFigures {
  const copies = runs.flatMap(({ activityType, output }) =>
    activityType === 'Copy' && typeof output === 'object' && output !== null ? [output as JsonObject] : [],
  );
  const sum = (key: string): number => copies.reduce((total, output) => total + number(output[key]), 0);
  return {
    rowsIn: sum('rowsRead'),
    rowsOut: sum('rowsCopied'),
    filesIn: sum('filesRead'),
    filesOut: sum('filesWritten'),
    activities: runs.filter(({ status }) => status !== 'Skipped' && status !== 'Inactive').length,
  };
}

const CONTAINERS = new Set(['ForEach', 'IfCondition', 'Switch', 'Until', 'ExecutePipeline']);

/** The sentence for a failure that the definition asks for: a Fail activity, or a statement that raises an error. */
function askedFailure(runs: readonly SeenRun[]): string | undefined {
  const failed = runs.filter(
    ({ status, activityType }) => status === 'Failed' && !CONTAINERS.has(activityType),
  );
  if (failed.length === 0) return undefined;
  const asked = failed.filter((run) => run.activityType === 'Fail' || raises(run));
  // Others may have failed on the way there: a handler that ends in Fail is there for just that.
  const [first] = asked;
  if (first === undefined || asked.length < failed.length) return undefined;
  const what = first.activityType === 'Fail' ? 'Fail activity' : `${first.activityType} raising an error`;
  return `${what} "${first.activityName}": ${first.error?.message ?? ''}`;
}

/** Whether what failed was told to: RAISERROR or THROW in its text. */
const raises = ({ input }: ActivityRun): boolean =>
  /\b(raiserror|throw)\b/i.test(typeof input === 'object' && input !== null ? JSON.stringify(input) : '');
