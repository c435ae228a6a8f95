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
export async function followRun(
  client: Client,
  workflowId: string,
  timeout: number,
  isLiteral: LiteralValues,
): Promise<RunResult> {
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
    const asked = askedFailure(runs, isLiteral);
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
  const flows = runs.flatMap(({ activityType, output }) =>
    activityType === 'ExecuteDataFlow' ? flowFigures(output) : [],
  );
  return {
    rowsIn: sum('rowsRead') + flows.reduce((total, { rowsIn }) => total + rowsIn, 0),
    rowsOut: sum('rowsCopied') + flows.reduce((total, { rowsOut }) => total + rowsOut, 0),
    filesIn: sum('filesRead'),
    filesOut: sum('filesWritten'),
    activities: runs.filter(({ status }) => status !== 'Skipped' && status !== 'Inactive').length,
  };
}

/** Rows of a data flow: each source once, though several sinks are made of it. */
function flowFigures(output: JsonValue | undefined): { rowsIn: number; rowsOut: number } {
  const member = (value: JsonValue | undefined, key: string): JsonObject => {
    const found =
      typeof value === 'object' && value !== null && !Array.isArray(value) ? value[key] : undefined;
    return typeof found === 'object' && found !== null && !Array.isArray(found) ? found : {};
  };
  const sinks = Object.values(member(member(output, 'runStatus'), 'metrics')) as JsonObject[];
  const sources = new Map(
    sinks.flatMap((sink) =>
      Object.entries(member(sink, 'sources')).map(([name, source]): [string, number] => [
        name,
        number((source as JsonObject)['rowsRead']),
      ]),
    ),
  );
  return {
    rowsIn: [...sources.values()].reduce((total, rows) => total + rows, 0),
    rowsOut: sinks.reduce((total, { rowsWritten }) => total + number(rowsWritten), 0),
  };
}

const CONTAINERS = new Set(['ForEach', 'IfCondition', 'Switch', 'Until', 'ExecutePipeline']);

/**
 * The sentence for a failure that the definition asks for: a Fail activity, a statement that raises an error, or a
 * definition that fails in Data Factory too whatever the data. `isLiteral` as of `literalValues`.
 */
export function askedFailure(
  runs: readonly Pick<ActivityRun, 'activityName' | 'activityType' | 'status' | 'input' | 'error'>[],
  isLiteral: LiteralValues,
): string | undefined {
  const why = (run: (typeof runs)[number]): string | undefined => {
    if (run.activityType === 'Fail') return 'Fail activity';
    if (isMissingParameter(run.error)) return `${run.activityType} without a parameter that has to be given`;
    if (isNeverGiven(run.error))
      return `${run.activityType} of an output that the activity before is not asked for`;
    if (CONTAINERS.has(run.activityType)) return undefined;
    if (isResultless(run)) return `${run.activityType} of a statement that gives no result`;
    if (raises(run)) return `${run.activityType} raising an error`;
    const isSet = run.activityType === 'SetVariable' || run.activityType === 'AppendVariable';
    return isSet &&
      run.error?.errorCode === 'PARAMETER_INVALID' &&
      isLiteral(run.activityName, run.error.message)
      ? `${run.activityType} whose literal is not of the variable's type`
      : undefined;
  };
  const failed = runs.filter(
    (run) => run.status === 'Failed' && (!CONTAINERS.has(run.activityType) || why(run) !== undefined),
  );
  // Others may have failed on the way there: a handler that ends in Fail is there for just that.
  const [first] = failed;
  if (first === undefined || failed.some((run) => why(run) === undefined)) return undefined;
  return `${why(first)} "${first.activityName}": ${first.error?.message ?? ''}`;
}

/** A Lookup fails where nothing comes back. Whether a procedure answers only its real text tells, a SELECT always does. */
const isResultless = ({
  activityType,
  input,
  error,
}: Pick<ActivityRun, 'activityType' | 'input' | 'error'>): boolean =>
  activityType === 'Lookup' &&
  error?.errorCode === 'QUERY_FAILED' &&
  /takes one result, but its query gave none/.test(error.message) &&
  typeof input === 'object' &&
  input !== null &&
  !Array.isArray(input) &&
  !/\b(select|exec|execute|call|\w*storedprocedure\w*|with|returning|output)\b/i.test(
    JSON.stringify(input['source'] ?? input),
  );

/** Fields that Get Metadata gives where its fieldList names them. */
const FIELDS =
  /^(itemName|itemType|size|created|lastModified|childItems|contentMD5|structure|columnCount|exists)$/i;

/** The first row or all rows of a Lookup, and the fields of a Get Metadata, are chosen by their definitions, whatever the data. */
function isNeverGiven(error: ActivityRun['error']): boolean {
  const [, name = '', list = ''] =
    /^There is no property "(\w+)"\. Available: (.*?) \(at character/.exec(error?.message ?? '') ?? [];
  if (error?.errorCode !== 'EXPRESSION_INVALID' || list === '') return false;
  const given = list.split(', ');
  if (/^(value|count)$/i.test(name)) return given.includes('firstRow');
  if (/^firstRow$/i.test(name)) return given.includes('value') && given.includes('count');
  return FIELDS.test(name) && given.some((each) => FIELDS.test(each)) && given.includes('billingReference');
}

/** Which parameters are given stands in the definition: one that is left out is left out in every run. */
const isMissingParameter = (error: ActivityRun['error']): boolean =>
  error?.errorCode === 'PARAMETER_MISSING' &&
  /^(pipeline|dataset|linked service) ".*" needs a value for /.test(error.message);

/** Whether the value that a Set or Append Variable activity's error quotes stands in its definition as a literal. */
export type LiteralValues = (activity: string, message: string) => boolean;

/** Looks through the pipelines of a factory. */
export function literalValues(pipelines: readonly JsonValue[]): LiteralValues {
  const literals = new Map<string, string[]>();
  const visit = (value: JsonValue | undefined): void => {
    if (typeof value !== 'object' || value === null) return;
    if (!Array.isArray(value)) {
      const { name, type, typeProperties } = value;
      if (typeof name === 'string' && /^(set|append)variable$/i.test(String(type))) {
        const key = name.toLowerCase();
        const given = (typeProperties as JsonObject | undefined)?.['value'];
        if (typeof given === 'string' && !given.includes('@'))
          literals.set(key, [...(literals.get(key) ?? []), given]);
      }
    }
    for (const inner of Object.values(value)) visit(inner);
  };
  for (const pipeline of pipelines) visit(pipeline);
  return (activity, message) =>
    literals
      .get(activity.toLowerCase())
      ?.some((given) => message.endsWith(`value is ${JSON.stringify(given)}.`)) === true;
}

/** Whether what failed was told to: RAISERROR or THROW in its text. */
const raises = ({ input }: Pick<ActivityRun, 'input'>): boolean =>
  /\b(raiserror|throw)\b/i.test(typeof input === 'object' && input !== null ? JSON.stringify(input) : '');
