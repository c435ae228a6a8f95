// A lakehouse moves from EMR to Databricks: replicated, run on both, compared, decided on, cut over, watched, and taken back.
// It may take weeks; what comes next is a function of the state alone (core/migration), so it continues as new anywhere.
import { ApplicationFailure, defineSearchAttributeKey } from '@temporalio/common';
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import {
  addWindow,
  applyFailedRun,
  approve,
  compareAgain,
  type Refusal,
  refuseApproval,
  refuseComparison,
  refuseRejection,
  refuseRollBack,
  refuseWindow,
  reject,
  rollBack,
} from '../core/migration/changes.ts';
import { initialState, type MigrationStep, nextStep } from '../core/migration/next-step.ts';
import { migrationDetails, migrationStatus } from '../core/migration/status.ts';
import type {
  MigrationActivities,
  MigrationInput,
  MigrationPlan,
  MigrationState,
  MigrationStatus,
} from '../core/migration.ts';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';
import type { ClusterStatus } from '../core/spark.ts';
import { failureRoot } from './lakehouse-stages.ts';
import {
  addWindowUpdate,
  approveUpdate,
  compareUpdate,
  migrationStatusQuery,
  rejectUpdate,
  resumeUpdate,
  rollBackUpdate,
} from './migration-messages.ts';
import { MigrationSteps } from './migration-steps.ts';
import { clusterChangedSignal } from './spark-messages.ts';

const { loadMigration } = proxyActivities<MigrationActivities>({
  startToCloseTimeout: '1m',
  retry: { maximumAttempts: 5 },
});

/** History after which it continues as new. */
const MAX_EVENTS = 4_000;

const stageKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.stage, 'KEYWORD');

/**
 * Ends when every dataset is confirmed on Databricks, rejected or rolled back, and returns what became of each. A step that
 * fails does not end it: it waits for `resume`. Fails only for a definition that cannot be read; cancelling it leaves
 * pointers as they are.
 */
export async function migrateToDatabricks(input: MigrationInput): Promise<MigrationStatus> {
  const { plan, state } = input.carried ?? (await begin(input));
  return new MigrationRun(input, plan, state).run();
}

async function begin({
  definition,
}: MigrationInput): Promise<{ plan: MigrationPlan; state: MigrationState }> {
  const plan = await loadMigration({ definition }).catch((error: unknown) => {
    throw failureRoot(error) ?? error;
  });
  return { plan, state: initialState(plan) };
}

class MigrationRun {
  private readonly input: MigrationInput;
  private readonly plan: MigrationPlan;
  private readonly state: MigrationState;
  private readonly steps: MigrationSteps;
  private status: MigrationStatus['status'] = 'InProgress';
  private doing = 'beginning';
  private stage = '';
  private cluster: ClusterStatus | undefined;
  /** Somebody asked for something. */
  private asked = false;

  constructor(input: MigrationInput, plan: MigrationPlan, state: MigrationState) {
    this.input = input;
    this.plan = plan;
    this.state = state;
    this.steps = new MigrationSteps(plan, state, `migration ${plan.name}`);
    this.handle();
  }

  async run(): Promise<MigrationStatus> {
    try {
      for (;;) {
        const step = nextStep(this.state);
        this.show(step);
        if (step.kind === 'done') break;
        await this.take(step);
        if (this.isLong()) {
          await condition(allHandlersFinished);
          await continueAsNew<typeof migrateToDatabricks>({
            ...this.input,
            carried: { plan: this.plan, state: this.state },
          });
        }
      }
      await condition(allHandlersFinished);
      this.status = 'Succeeded';
      this.doing = 'done';
      return this.answer();
    } catch (error) {
      this.status = isCancellation(error) ? 'Cancelled' : 'Failed';
      throw error;
    }
  }

  /** Takes one step. A failure is a problem that waits for a person; after the cut-over it may also be a way back. */
  private async take(step: Exclude<MigrationStep, { kind: 'done' }>): Promise<void> {
    if (step.kind === 'wait') {
      this.asked = false;
      await condition(() => this.asked);
      return;
    }
    try {
      // A pointer half on its way must arrive, also when the migration is cancelled meanwhile.
      if (step.kind === 'cutOver' || step.kind === 'rollBack')
        await CancellationScope.nonCancellable(() => this.steps.take(step));
      else await this.steps.take(step);
    } catch (error) {
      if (isCancellation(error)) throw error;
      const root = failureRoot(error);
      const message = root?.message ?? (error instanceof Error ? error.message : String(error));
      this.state.problem = { step: nameOf(step), code: root?.type ?? 'INTERNAL', message };
      if (step.kind === 'databricks') applyFailedRun(this.state, step.window, message);
    }
  }

  private handle(): void {
    const { state } = this;
    const update = <Arguments extends unknown[]>(
      definition: Parameters<typeof setHandler>[0],
      change: (...args: Arguments) => void,
      refuse: (...args: Arguments) => Refusal,
    ): void => {
      setHandler(
        definition as typeof approveUpdate,
        ((...args: Arguments) => {
          change(...args);
          this.asked = true;
          return this.answer();
        }) as never,
        {
          validator: ((...args: Arguments) => {
            const reason = refuse(...args);
            if (reason !== undefined)
              throw ApplicationFailure.create({
                type: 'REQUEST_INVALID',
                message: reason,
                nonRetryable: true,
              });
          }) as never,
        },
      );
    };
    setHandler(migrationStatusQuery, () => this.answer());
    setHandler(clusterChangedSignal, (cluster) => {
      this.cluster = cluster;
    });
    const on = <Request>(
      change: (state: MigrationState, request: Request) => void,
    ): ((request: Request) => void) => {
      return (request) => change(state, request);
    };
    const may = <Request>(
      refuse: (state: MigrationState, request: Request) => Refusal,
    ): ((request: Request) => Refusal) => {
      return (request) => refuse(state, request);
    };
    update(approveUpdate, on(approve), may(refuseApproval));
    update(rejectUpdate, on(reject), may(refuseRejection));
    update(rollBackUpdate, on(rollBack), may(refuseRollBack));
    update(addWindowUpdate, on(addWindow), may(refuseWindow));
    update(compareUpdate, on(compareAgain), may(refuseComparison));
    update(
      resumeUpdate,
      () => {
        delete state.problem;
      },
      () =>
        state.problem === undefined ? 'Nothing stands in the way: there is nothing to resume.' : undefined,
    );
  }

  private isLong(): boolean {
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    return historyLength > (this.input.historyEvents ?? MAX_EVENTS) || continueAsNewSuggested;
  }

  private show(step: MigrationStep): void {
    this.status = step.kind === 'wait' ? 'Waiting' : 'InProgress';
    this.doing = step.kind === 'wait' ? WAITING[step.for] : nameOf(step);
    const stage = step.kind === 'wait' ? `wait-${step.for}` : step.kind;
    if (stage !== this.stage) upsertSearchAttributes([{ key: stageKey, value: stage }]);
    this.stage = stage;
    setCurrentDetails(migrationDetails(this.answer()));
  }

  private answer(): MigrationStatus {
    return migrationStatus(this.plan, this.state, {
      status: this.status,
      doing: this.doing,
      cluster: this.cluster,
    });
  }
}

const WAITING = {
  resume: 'waits for `resume`: a step failed',
  decision: 'waits for each dataset to be approved or rejected',
  window: 'waits for the next window to watch',
} as const;

function nameOf(step: MigrationStep): string {
  switch (step.kind) {
    case 'emr':
    case 'databricks':
      return `run window ${step.window} on ${step.kind === 'emr' ? 'EMR' : 'Databricks'}`;
    case 'compare':
      return `compare window ${step.window}`;
    case 'cutOver':
      return `cut ${step.dataset} over`;
    case 'rollBack':
      return `take ${step.dataset} back to EMR`;
    case 'job':
      return 'make the Databricks job';
    default:
      return step.kind;
  }
}
