// Interprets a pipeline's definition: starts activities as their dependencies allow, and keeps what they gave.
import { ApplicationFailure } from '@temporalio/common';
import { CancellationScope, isCancellation, sleep, uuid4, workflowInfo } from '@temporalio/workflow';
import type { EvaluationContext } from '../core/expression/context.ts';
import { formatDateTime } from '../core/expression/date-format.ts';
import { fromMilliseconds } from '../core/expression/date-time.ts';
import { evaluateDeep } from '../core/expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { type Ending, failedLeaves, readiness } from '../core/pipeline/dag.ts';
import { activityRoot, runRoots, variableRoot } from '../core/pipeline/roots.ts';
import type { RunLog } from '../core/pipeline/run-log.ts';
import type { ActivitySnapshot, LoadedPipeline } from '../core/pipeline/snapshot.ts';
import { initialVariables } from '../core/pipeline/variables.ts';
import type { ActivityRun, RunPipelineInput } from '../core/run.ts';
import { performActivity } from './pipeline-activities.ts';
import { activityFailure } from './pipeline-failure.ts';
import { type BlockOutcome, type BlockScope, itemOf, labelOf } from './pipeline-scope.ts';

/**
 * Control flow runs within a workflow task, and a task that takes seconds counts as stuck: loops without any waiting
 * in them end it after so many activities.
 */
const MAX_PER_TASK = 150;

export class PipelineInterpreter {
  readonly input: RunPipelineInput;
  readonly loaded: LoadedPipeline;
  readonly log: RunLog;
  readonly variables: Map<string, JsonValue>;
  readonly show: () => void;
  returnValue: JsonObject = {};
  private readonly constantRoots: EvaluationContext['roots'];
  /** The last result of every activity that ended, for what refers out of its own block. */
  private readonly lastResults = new Map<string, ActivityRun>();

  private begun = 0;
  private begunAt = 0;
  private breath: Promise<void> | undefined;

  constructor(input: RunPipelineInput, loaded: LoadedPipeline, log: RunLog, show: () => void) {
    this.input = input;
    this.loaded = loaded;
    this.log = log;
    this.show = show;
    this.variables = initialVariables(loaded.pipeline.variables);
    const { firstExecutionRunId, startTime } = workflowInfo();
    this.constantRoots = runRoots({
      pipeline: loaded.pipeline.name,
      dataFactory: loaded.dataFactory,
      runId: firstExecutionRunId,
      parameters: loaded.parameters,
      globalParameters: loaded.globalParameters,
      trigger: input.trigger,
      triggerContext: input.triggerContext ?? {},
      startTime: formatDateTime(fromMilliseconds(startTime.getTime()), 'o'),
    });
  }

  /** Runs the pipeline to its end. Throws ACTIVITY_FAILED where its outcome is a failure. */
  async run(): Promise<void> {
    const { pipeline } = this.loaded;
    const outcome = await this.runBlock(pipeline.activities, { results: new Map(), labels: [] });
    if (outcome.failure === undefined) return;
    const { activity, errorCode, message } = outcome.failure;
    throw ApplicationFailure.create({
      type: 'ACTIVITY_FAILED',
      message: `Activity "${activity}" of pipeline "${pipeline.name}" failed: ${errorCode} ${message}`,
      nonRetryable: true,
      details: [{ pipeline: pipeline.name, activity, errorCode }],
    });
  }

  /** Runs activities that stand beside each other. Resolves when all have ended; throws only on cancellation. */
  async runBlock(activities: readonly ActivitySnapshot[], scope: BlockScope): Promise<BlockOutcome> {
    const endings = new Map<string, Ending>();
    const pending = new Set(activities);
    const running: Promise<void>[] = [];
    // A promise that rejects while another is being awaited would go unhandled: keep the first error and go on.
    const stopped: unknown[] = [];
    const advance = (): void => {
      for (let changed = true; changed && stopped.length === 0; ) {
        changed = false;
        for (const activity of [...pending]) {
          const verdict = readiness(activity, endings);
          if (verdict === 'wait') continue;
          changed = true;
          pending.delete(activity);
          if (verdict === 'skip') endings.set(activity.name, this.pass(activity, scope, 'Skipped'));
          else if (activity.inactiveAs !== undefined)
            endings.set(activity.name, this.pass(activity, scope, activity.inactiveAs));
          else
            running.push(
              this.runActivity(activity, scope).then(
                (ending) => {
                  endings.set(activity.name, ending);
                  advance();
                },
                (error: unknown) => {
                  stopped.push(error);
                },
              ),
            );
        }
      }
    };
    advance();
    // The list grows while it is awaited.
    for (let i = 0; i < running.length; i++) await running[i];
    if (stopped.length > 0) throw stopped[0];
    return this.outcome(activities, endings, scope);
  }

  /** What expressions see in a scope. Time, ids and random numbers are the workflow's own, so a replay repeats them. */
  context(scope: BlockScope): EvaluationContext {
    const item = itemOf(scope);
    return {
      roots: {
        ...this.constantRoots,
        ...variableRoot(this.variables),
        ...activityRoot((name) => this.result(name, scope)),
        ...(item === undefined ? {} : { item: () => item.value }),
      },
      now: () => Date.now(),
      guid: uuid4,
      random: () => Math.random(),
    };
  }

  evaluate(value: JsonValue | undefined, scope: BlockScope): JsonValue {
    return evaluateDeep(value ?? null, this.context(scope));
  }

  private result(name: string, scope: BlockScope): ActivityRun | undefined {
    for (let at: BlockScope | undefined = scope; at !== undefined; at = at.parent) {
      const run = at.results.get(name);
      if (run !== undefined) return run;
    }
    return this.lastResults.get(name);
  }

  private async runActivity(activity: ActivitySnapshot, scope: BlockScope): Promise<Ending> {
    if (this.isCrowded()) await this.takeBreath();
    const entry = this.log.begin(activity, labelOf(scope), Date.now());
    this.show();
    try {
      const output = await performActivity(this, activity, scope, entry);
      const secret = activity.policy.secureOutput;
      this.log.end(entry, Date.now(), { status: 'Succeeded', ...(secret ? {} : { output }) });
      this.remember(activity, scope, { ...entry, output });
      return 'Succeeded';
    } catch (error) {
      if (isCancellation(error) && CancellationScope.current().consideredCancelled) {
        this.log.end(entry, Date.now(), { status: 'Cancelled' });
        throw error;
      }
      const failure = activityFailure(error);
      if (failure === undefined) throw error;
      const { errorCode, message } = failure;
      const status = isCancellation(error) ? 'Cancelled' : 'Failed';
      this.log.end(entry, Date.now(), { status, error: { errorCode, message } });
      this.remember(activity, scope, entry);
      return 'Failed';
    } finally {
      this.show();
    }
  }

  /** Whether so many activities began in this workflow task that the next ones should wait for another. */
  private isCrowded(): boolean {
    const now = Date.now();
    this.begun = now === this.begunAt ? this.begun + 1 : 1;
    this.begunAt = now;
    return this.begun > MAX_PER_TASK;
  }

  /** Ends the workflow task, once for all that wait. The timer is no activity's own: no timeout may cancel it. */
  private takeBreath(): Promise<void> {
    this.breath ??= CancellationScope.nonCancellable(() => sleep(1)).then(() => {
      this.breath = undefined;
    });
    return this.breath;
  }

  private pass(activity: ActivitySnapshot, scope: BlockScope, ending: Ending): Ending {
    const status = activity.inactiveAs === undefined ? 'Skipped' : 'Inactive';
    const entry = this.log.pass(activity, labelOf(scope), status);
    this.remember(activity, scope, { ...entry, status: ending });
    return ending;
  }

  private remember(activity: ActivitySnapshot, scope: BlockScope, run: ActivityRun): void {
    const key = activity.name.toLowerCase();
    scope.results.set(key, run);
    this.lastResults.set(key, run);
  }

  private outcome(
    activities: readonly ActivitySnapshot[],
    endings: ReadonlyMap<string, Ending>,
    scope: BlockScope,
  ): BlockOutcome {
    const [activity] = failedLeaves(activities, endings);
    if (activity === undefined) return {};
    const error = scope.results.get(activity.toLowerCase())?.error;
    return {
      failure: {
        activity,
        errorCode: error?.errorCode ?? 'ACTIVITY_FAILED',
        message: error?.message ?? 'It is switched off and marked as failed.',
      },
    };
  }
}
