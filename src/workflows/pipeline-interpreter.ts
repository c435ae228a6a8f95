// Interprets a pipeline's definition: starts activities as their dependencies allow, and keeps what they gave.
import { ApplicationFailure } from '@temporalio/common';
import { CancellationScope, isCancellation, sleep, uuid4, workflowInfo } from '@temporalio/workflow';
import type { EvaluationContext } from '../core/expression/context.ts';
import { formatDateTime } from '../core/expression/date-format.ts';
import { fromMilliseconds } from '../core/expression/date-time.ts';
import { evaluateDeep } from '../core/expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { type Ending, failedLeaves, readiness } from '../core/pipeline/dag.ts';
import { referredActivities } from '../core/pipeline/references.ts';
import type { EarlierRun, Reuse } from '../core/pipeline/rerun.ts';
import { activityRoot, runRoots, variableRoot } from '../core/pipeline/roots.ts';
import type { RunLog } from '../core/pipeline/run-log.ts';
import { SecureValues } from '../core/pipeline/secure-values.ts';
import type { ActivitySnapshot, LoadedPipeline } from '../core/pipeline/snapshot.ts';
import { Variables } from '../core/pipeline/variables.ts';
import type { ActivityRun, RunPipelineInput } from '../core/run.ts';
import { performActivity } from './pipeline-activities.ts';
import { activityFailure } from './pipeline-failure.ts';
import { type BlockOutcome, type BlockScope, itemOf, labelOf } from './pipeline-scope.ts';

/**
 * Control flow runs within a workflow task, and a task that takes seconds counts as stuck: loops without any waiting
 * in them end it after so many activities.
 */
const MAX_PER_TASK = 150;

/** Characters of outputs that a run hands to its rerun; beyond it those that no expression refers to stay behind. */
const RESUME_BUDGET = 1_200_000;

/** Who a run is, also for a child workflow that runs some of its iterations. */
export interface RunIdentity {
  /** The pipeline run's workflow id: what the ids of its copies and children begin with. */
  readonly workflowId: string;
  /** `@pipeline().RunId`. */
  readonly runId: string;
  /** ms since epoch. */
  readonly startTime: number;
}

export interface InterpreterOptions {
  readonly identity?: RunIdentity;
  /** How many times as long its history may be as the run's own. */
  readonly historyFactor?: number;
  /** Variables' values where another workflow has written before, by lower-case name. */
  readonly variables?: JsonObject;
  /** Activities that expressions of the pipeline refer to, where `loaded` has none to look at. */
  readonly wanted?: ReadonlySet<string> | 'all';
  /** Whether an activity hides its output, where `loaded` has none to look at. */
  readonly secure?: boolean;
  /** What a rerun takes over from the run it repeats. */
  readonly reuse?: Reuse & { readonly runId: string };
}

/** A run's own history stays this short: what follows a long loop needs room too, and a replay takes its time. */
const MAX_EVENTS = 2_000;
const MAX_BYTES = 4_000_000;

export class PipelineInterpreter {
  readonly input: RunPipelineInput;
  readonly loaded: LoadedPipeline;
  readonly log: RunLog;
  readonly identity: RunIdentity;
  readonly variables: Variables;
  readonly show: () => void;
  /** The last result of every activity that ended, for what refers out of its own block. */
  readonly lastResults = new Map<string, ActivityRun>();
  /** What activities with secureOutput gave. */
  readonly secrets = new SecureValues();
  private readonly constantRoots: EvaluationContext['roots'];
  private readonly options: InterpreterOptions;
  private readonly root: BlockScope = { results: new Map(), labels: [] };

  private begun = 0;
  private begunAt = 0;
  private breath: Promise<void> | undefined;

  constructor(
    input: RunPipelineInput,
    loaded: LoadedPipeline,
    log: RunLog,
    show: () => void,
    options: InterpreterOptions = {},
  ) {
    this.input = input;
    this.loaded = loaded;
    this.log = log;
    this.show = show;
    this.options = options;
    this.variables = new Variables(loaded.pipeline.variables, options.variables);
    this.variables.repeat(options.reuse?.writes ?? []);
    this.identity = options.identity ?? ownIdentity();
    this.constantRoots = runRoots({
      pipeline: loaded.pipeline.name,
      dataFactory: loaded.dataFactory,
      runId: this.identity.runId,
      groupId: input.rerun?.groupId ?? this.identity.runId,
      parameters: loaded.parameters,
      globalParameters: loaded.globalParameters,
      trigger: input.trigger,
      triggerContext: input.triggerContext ?? {},
      ...(input.invokedBy === undefined ? {} : { invokedBy: input.invokedBy }),
      startTime: formatDateTime(fromMilliseconds(this.identity.startTime), 'o'),
    });
  }

  /** Lower-case names of the activities that expressions refer to; 'all' where a name is made by an expression. */
  get referred(): ReadonlySet<string> | 'all' {
    return this.options.wanted ?? referredActivities(this.loaded.pipeline.activities as unknown as JsonValue);
  }

  /** Whether any activity hides its output. */
  get secure(): boolean {
    return this.options.secure ?? this.loaded.pipeline.activities.some(hidesOutput);
  }

  /** The last results of the activities named, as far as they have any. */
  lastResultsOf(names: ReadonlySet<string> | 'all'): ActivityRun[] {
    if (names === 'all') return [...this.lastResults.values()];
    return [...names].flatMap((name) => this.lastResults.get(name) ?? []);
  }

  /** Runs the pipeline to its end. Throws ACTIVITY_FAILED where its outcome is a failure. */
  async run(): Promise<void> {
    const { pipeline } = this.loaded;
    const outcome = await this.runBlock(pipeline.activities, this.root);
    if (outcome.failure === undefined) return;
    const { activity, errorCode, message } = outcome.failure;
    throw ApplicationFailure.create({
      type: 'ACTIVITY_FAILED',
      message: `Activity "${activity}" of pipeline "${pipeline.name}" failed: ${errorCode} ${message}`,
      nonRetryable: true,
      details: [{ pipeline: pipeline.name, activity, errorCode, reason: message }],
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
          if (this.takeOver(activity, scope)) endings.set(activity.name, 'Succeeded');
          else if (verdict === 'skip') endings.set(activity.name, this.pass(activity, scope, 'Skipped'));
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
        ...activityRoot({ pipeline: this.loaded.pipeline.name, runId: this.identity.runId }, (name) =>
          this.result(name, scope),
        ),
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

  /** The last result of an activity as `scope` sees it; `name` in lower case. */
  result(name: string, scope: BlockScope): ActivityRun | undefined {
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
      if (activity.userProperties !== undefined)
        this.log.setUserProperties(entry, this.evaluate(activity.userProperties, scope) as JsonObject);
      const output = await performActivity(this, activity, scope, entry);
      const secret = activity.policy.secureOutput;
      const shown = secret ? {} : { output: this.secrets.masked(output) };
      this.log.end(entry, Date.now(), { status: 'Succeeded', ...shown });
      this.remember(activity, scope, { ...entry, output });
      return 'Succeeded';
    } catch (error) {
      if (isCancellation(error) && CancellationScope.current().consideredCancelled) {
        this.log.end(entry, Date.now(), { status: 'Cancelled' });
        throw error;
      }
      const failure = activityFailure(error);
      if (failure === undefined) throw error;
      const { errorCode } = failure;
      const message = this.secrets.masked(failure.message);
      const [details] = failure.details as JsonValue[];
      const status = isCancellation(error) ? 'Cancelled' : 'Failed';
      this.log.end(entry, Date.now(), {
        status,
        error: { errorCode, message, ...(details === undefined ? {} : { details }) },
      });
      this.remember(activity, scope, entry);
      return 'Failed';
    } finally {
      this.show();
    }
  }

  /** Whether this workflow's history is so long that a loop should go on in a child. */
  isLong(): boolean {
    if ((this.loaded.format ?? 1) < 2) return false;
    const { historyFactor = 1 } = this.options;
    const { historyLength, historySize } = workflowInfo();
    const events = this.input.historyEvents ?? MAX_EVENTS;
    return historyLength > historyFactor * events || historySize > historyFactor * MAX_BYTES;
  }

  /** Notes what an activity was given, unless its policy hides it. */
  noteInput(activity: ActivitySnapshot, entry: ActivityRun, input: JsonValue): void {
    if (!activity.policy.secureInput) this.log.setInput(entry, this.secrets.masked(input));
  }

  /** What a rerun of this run needs to know of it. Holds secrets in clear where `secure` says so. */
  resume(): EarlierRun {
    const { activities } = this.loaded.pipeline;
    const runs = [...this.root.results.values()].map(({ input: _, ...run }): ActivityRun => run);
    const writes = this.variables.writes();
    if (JSON.stringify([runs, writes]).length <= RESUME_BUDGET) return { activities: runs, writes };
    const referred = referredActivities(activities as unknown as JsonValue);
    const needed = (name: string): boolean => referred === 'all' || referred.has(name.toLowerCase());
    return {
      activities: runs.map(({ output, ...rest }) => ({
        ...rest,
        ...(output === undefined || !needed(rest.activityName) ? {} : { output }),
      })),
      writes,
    };
  }

  /** Whether an activity of the outermost block need not run, because a rerun has its result from before. */
  private takeOver(activity: ActivitySnapshot, scope: BlockScope): boolean {
    const { reuse } = this.options;
    if (reuse === undefined || scope !== this.root) return false;
    const run = reuse.results.get(activity.name.toLowerCase());
    if (run === undefined) return false;
    const { output, secure: _, ...rest } = { ...run, reusedFrom: run.reusedFrom ?? reuse.runId };
    this.remember(activity, scope, output === undefined ? rest : { ...rest, output });
    const hidden = activity.policy.secureOutput || output === undefined;
    this.log.adopt([hidden ? rest : { ...rest, output: this.secrets.masked(output) }]);
    return true;
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
    const kept = activity.policy.secureOutput ? { ...run, secure: true as const } : run;
    scope.results.set(key, kept);
    this.keep(kept);
  }

  /** Keeps a result for what refers to it, and its texts for what must not show them. */
  keep(run: ActivityRun): void {
    this.lastResults.set(run.activityName.toLowerCase(), run);
    if (run.secure === true && run.output !== undefined) this.secrets.add(run.output);
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

function ownIdentity(): RunIdentity {
  const { workflowId, firstExecutionRunId, startTime } = workflowInfo();
  return { workflowId, runId: firstExecutionRunId, startTime: startTime.getTime() };
}

const hidesOutput = ({ policy, blocks }: ActivitySnapshot): boolean =>
  policy.secureOutput || Object.values(blocks ?? {}).some((block) => block.some(hidesOutput));
