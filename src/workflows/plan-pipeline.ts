// What the copies of a pipeline would do: evaluated as far as that is possible without running anything, then asked of
// the stores one by one. Moves no row and changes nothing.
import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
} from '@temporalio/workflow';
import type { CopyActivities } from '../core/copy/activities.ts';
import type { CopyInput } from '../core/copy.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { evaluateCopy } from '../core/pipeline/copy-input.ts';
import { itemLabels } from '../core/pipeline/item-label.ts';
import type { PipelinePlan, PlannedCopy, PlanPipelineInput } from '../core/pipeline/preview.ts';
import { RunLog } from '../core/pipeline/run-log.ts';
import type { ActivitySnapshot, DefinitionActivities } from '../core/pipeline/snapshot.ts';
import { openedPipeline } from '../core/pipeline/snapshot-secrets.ts';
import { activityFailure } from './pipeline-failure.ts';
import { PipelineInterpreter } from './pipeline-interpreter.ts';
import { type BlockScope, innerScope, labelOf } from './pipeline-scope.ts';

const { loadPipeline } = proxyActivities<DefinitionActivities>({
  startToCloseTimeout: '1m',
  retry: { maximumAttempts: 5 },
});
// Whoever waits at a terminal wants to know soon that a store is away.
const { previewCopy } = proxyActivities<CopyActivities>({
  startToCloseTimeout: '15m',
  heartbeatTimeout: '15s',
  retry: { maximumAttempts: 3 },
});

/** Iterations of a loop that are planned; the rest is counted. */
const MAX_ITEMS = 25;
/** Copies that are asked about at once. */
const LANES = 4;

interface Found {
  readonly activity: ActivitySnapshot;
  readonly scope: BlockScope;
  /** Why the loop around it cannot be known. */
  readonly unknown?: string;
}

/** Plans every Copy activity of a pipeline. Fails only where the pipeline itself cannot be loaded. */
export async function planPipeline(input: PlanPipelineInput): Promise<PipelinePlan> {
  const loaded = await load(input);
  const run = { pipeline: input.pipeline, key: 'plan', parameters: input.parameters, trigger: 'client' };
  const interpreter = new PipelineInterpreter(run, loaded, new RunLog(), () => undefined);
  const found = copiesIn(interpreter, loaded.pipeline.activities, { results: new Map(), labels: [] });
  const copies: PlannedCopy[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < found.length) {
      const at = next++;
      copies[at] = await planOne(interpreter, found[at] as Found);
      setCurrentDetails(`${copies.filter(Boolean).length} of ${found.length} copies planned`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, found.length) }, lane));
  return { pipeline: loaded.pipeline.name, copies, runs: runsOf(loaded.pipeline.activities) };
}

async function load(input: PlanPipelineInput): ReturnType<DefinitionActivities['loadPipeline']> {
  try {
    return openedPipeline(await loadPipeline({ ...input, ignoreUnknownParameters: false }));
  } catch (error) {
    const failure = activityFailure(error);
    if (failure === undefined || isCancellation(error)) throw error;
    throw ApplicationFailure.create({
      type: failure.errorCode,
      message: failure.message,
      nonRetryable: true,
      details: failure.details,
    });
  }
}

/** Copy activities of a block and of the blocks in it; loops over known items once per item. */
function copiesIn(
  interpreter: PipelineInterpreter,
  activities: readonly ActivitySnapshot[],
  scope: BlockScope,
  unknown?: string,
): Found[] {
  return activities.flatMap((activity): Found[] => {
    if (activity.inactiveAs !== undefined) return [];
    if (activity.type === 'Copy') return [{ activity, scope, ...(unknown === undefined ? {} : { unknown }) }];
    const blocks = Object.values(activity.blocks ?? {});
    const inner = (place: BlockScope, reason = unknown): Found[] =>
      blocks.flatMap((block) => copiesIn(interpreter, block, place, reason));
    if (activity.type !== 'ForEach') return inner(innerScope(scope, activity.name));
    const items = itemsOf(interpreter, activity, scope);
    if (typeof items === 'string') return inner(innerScope(scope, activity.name), items);
    const labels = itemLabels(items);
    return items
      .slice(0, MAX_ITEMS)
      .flatMap((item, i) => inner(innerScope(scope, activity.name, { label: labels[i] as string, item })));
  });
}

/** A loop's items, or why they are not known. */
function itemsOf(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
): JsonValue[] | string {
  try {
    const items = interpreter.evaluate(activity.typeProperties['items'], scope);
    return Array.isArray(items) ? items : `"items" of ForEach "${activity.name}" is not an array.`;
  } catch (error) {
    return `The items of ForEach "${activity.name}" are known only when it runs: ${reasonOf(error)}`;
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function planOne(
  interpreter: PipelineInterpreter,
  { activity, scope, unknown }: Found,
): Promise<PlannedCopy> {
  const label = labelOf(scope);
  const named = { activity: activity.name, ...(label === undefined ? {} : { item: label }) };
  if (unknown !== undefined) return { ...named, unknown };
  let copy: CopyInput;
  try {
    const { datasets, pipeline } = interpreter.loaded;
    const evaluated = evaluateCopy(activity, datasets, interpreter.context(scope));
    copy = {
      copyId: `plan/${pipeline.name}/${activity.name}${label === undefined ? '' : `/${label}`}`,
      pipeline: pipeline.name,
      activity: activity.name,
      ...evaluated,
    };
  } catch (error) {
    const failure = activityFailure(error);
    return { ...named, unknown: failure?.message ?? reasonOf(error) };
  }
  try {
    return {
      ...named,
      preview: await previewCopy.executeWithOptions({ summary: `Preview ${activity.name}` }, [copy]),
    };
  } catch (error) {
    if (isCancellation(error) && CancellationScope.current().consideredCancelled) throw error;
    const failure = activityFailure(error);
    if (failure === undefined) throw error;
    return { ...named, refused: { code: failure.errorCode, message: failure.message } };
  }
}

/** Names of the pipelines that Execute Pipeline activities run. */
function runsOf(activities: readonly ActivitySnapshot[]): string[] {
  const names = activities.flatMap((activity): string[] => [
    ...(activity.type === 'ExecutePipeline'
      ? [String((activity.typeProperties['pipeline'] as JsonObject)['referenceName'])]
      : []),
    ...Object.values(activity.blocks ?? {}).flatMap(runsOf),
  ]);
  return [...new Set(names)];
}
