// Watches a lakehouse run while it works: what its clusters cost, what is beyond a threshold, and what is done about it.
import {
  ActivityCancellationType,
  ApplicationFailure,
  CancellationScope,
  condition,
  defineUpdate,
  isCancellation,
  patched,
  proxyActivities,
  setHandler,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import type { RunProgress } from '../core/lakehouse/progress.ts';
import type { LakehousePlan } from '../core/lakehouse.ts';
import type { Alert, AlertActivities, AlertKind, AlertSeverity } from '../core/monitoring/alert.ts';
import { type BudgetState, budgetState, type ClusterCost, runCost } from '../core/monitoring/cost.ts';
import type { LedgerPlace, MonitoringActivities } from '../core/monitoring/supervision.ts';
import type { Finding } from '../core/monitoring/thresholds.ts';
import { FIGURES_MEMO, type RunFigures } from '../core/run.ts';
import { clusterEnded } from '../core/spark.ts';
import type { LakehouseCluster } from './lakehouse-cluster.ts';
import { failureRoot } from './lakehouse-stages.ts';

const { superviseCluster } = proxyActivities<MonitoringActivities>({
  startToCloseTimeout: '30m',
  heartbeatTimeout: '15s',
  retry: { initialInterval: '5s', maximumInterval: '1m' },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** Money is told afterwards: when the service does not say what there was, the run does not fail of it. */
const { recordCost } = proxyActivities<MonitoringActivities>({
  startToCloseTimeout: '5m',
  heartbeatTimeout: '15s',
  retry: { maximumAttempts: 5 },
});

const { readCapacity, resizeCluster } = proxyActivities<MonitoringActivities>({
  startToCloseTimeout: '2m',
  heartbeatTimeout: '15s',
  retry: { maximumAttempts: 4 },
});

const { raiseAlert } = proxyActivities<AlertActivities>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '10m',
  retry: { initialInterval: '2s', maximumInterval: '1m' },
});

/** Lets a run go on that its budget has paused, with a new amount. */
export const resumeBudgetUpdate = defineUpdate<{ amount: number }, [{ amount: number }]>('resumeBudget');

export class Supervision {
  readonly #plan: LakehousePlan;
  readonly #progress: RunProgress;
  readonly #cluster: LakehouseCluster;
  readonly #show: () => void;
  readonly #scope = new CancellationScope();
  readonly #pending = new Set<Promise<void>>();
  readonly #costs = new Map<string, ClusterCost>();
  readonly #known = new Set<string>();
  #amount: number;
  #told: BudgetState = 'within';
  #loop: Promise<void> = Promise.resolve();
  #waiting = false;

  constructor(plan: LakehousePlan, progress: RunProgress, cluster: LakehouseCluster, show: () => void) {
    this.#plan = plan;
    this.#progress = progress;
    this.#cluster = cluster;
    this.#show = show;
    this.#amount = plan.budget?.amount ?? Number.POSITIVE_INFINITY;
    setHandler(resumeBudgetUpdate, ({ amount }) => this.#resume(amount), {
      validator: ({ amount }) => this.#checkResume(amount),
    });
  }

  /** True while the run waits for `resumeBudget`. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** True when the budget says to stop the run. */
  get stopping(): boolean {
    return this.#plan.budget?.onExceeded === 'stop' && this.#exceeded;
  }

  /** The failure of a run that its budget stops. */
  stopped(): ApplicationFailure {
    const spent = this.#spent();
    return ApplicationFailure.create({
      type: 'BUDGET_EXCEEDED',
      message: `The run has cost ${money(spent)} ${this.#plan.budget?.currency} of a budget of ${money(this.#amount)}.`,
      nonRetryable: true,
      details: [{ spent, budget: this.#amount }],
    });
  }

  /** Watches each cluster that the run opens. Does nothing for a definition that asks for nothing. */
  begin(): void {
    if (this.#plan.budget === undefined && this.#plan.monitoring === undefined) return;
    this.#loop = this.#scope
      .run(() => this.#watch())
      .catch((error: unknown) => {
        if (!isCancellation(error)) this.#note('supervision', failureRoot(error)?.message ?? String(error));
      });
  }

  /** Before each job: lets it begin, once the budget allows it. The cluster does not wait along: it would cost. */
  async gate(): Promise<void> {
    const { budget } = this.#plan;
    if (budget?.onExceeded !== 'pause' || !this.#exceeded) return;
    this.#waiting = true;
    this.#progress.budget = 'paused';
    this.#show();
    try {
      await this.#cluster.close();
      await condition(() => !this.#exceeded);
    } finally {
      this.#waiting = false;
      this.#progress.budget = this.#told;
      this.#show();
    }
  }

  /** What a stage's or a job's end shows to be beyond a threshold. */
  async judge(findings: readonly Finding[]): Promise<void> {
    for (const finding of findings) await this.#act(finding);
  }

  /** Ends the watching, reckons what the run cost, tells who is to know of its failure, and waits until all is told. */
  async end(failure: unknown): Promise<void> {
    this.#scope.cancel();
    await this.#loop;
    // Runs that began before there was a ledger have none.
    if (patched('cost-ledger')) await this.#reckon();
    if (failure !== undefined) {
      const root = failureRoot(failure);
      const [first = ''] = (root?.message ?? String(failure)).split('\n');
      this.#alert('runFailed', isCancellation(failure) ? 'warning' : 'critical', 'runFailed', {
        title: `${this.#plan.name} ${this.#plan.window} ${isCancellation(failure) ? 'was cancelled' : 'failed'}`,
        text: first,
        facts: { code: root?.type ?? 'INTERNAL' },
      });
    }
    await Promise.all(this.#pending);
    this.#show();
  }

  async #reckon(): Promise<void> {
    const progress = this.#progress;
    const { clusterIds } = progress;
    try {
      const engine = this.#plan.engine.type;
      const cost =
        clusterIds.length === 0
          ? undefined
          : await recordCost({ engine, clusterIds, ledger: this.#ledger, ...this.#cluster.ownJobs });
      if (cost !== undefined) progress.cost = cost;
    } catch (error) {
      this.#note('cost', failureRoot(error)?.message ?? String(error));
    }
    const { cost } = progress;
    const copied = progress.stages.flatMap(({ stage, tables }) =>
      stage === 'ingest' || stage === 'load' ? tables : [],
    );
    const figures: RunFigures = {
      rows: copied.reduce((sum, { rows }) => sum + rows, 0),
      bytes: copied.reduce((sum, { bytes = 0 }) => sum + bytes, 0),
      ...(cost === undefined ? {} : { cost: cost.amount, currency: cost.currency, estimate: cost.estimate }),
    };
    upsertMemo({ [FIGURES_MEMO]: figures });
  }

  async #watch(): Promise<void> {
    const done = new Set<string>();
    const open = (): string | undefined => {
      const { cluster } = this.#progress;
      return cluster !== undefined && !clusterEnded(cluster.state) && !done.has(cluster.id)
        ? cluster.id
        : undefined;
    };
    for (;;) {
      await condition(() => open() !== undefined);
      const clusterId = open() as string;
      while (!done.has(clusterId)) {
        const { cost, findings, ended } = await superviseCluster({
          engine: this.#plan.engine.type,
          clusterId,
          ledger: this.#ledger,
          results: this.#cluster.results,
          amounts: this.#amounts(clusterId),
          ...(this.#plan.monitoring === undefined ? {} : { thresholds: this.#plan.monitoring.thresholds }),
          cloudWatch: this.#plan.monitoring?.cloudWatch === true,
          known: [...this.#known],
        });
        this.#costs.set(clusterId, cost);
        this.#checkBudget();
        for (const finding of findings) await this.#act(finding);
        if (ended) done.add(clusterId);
        this.#show();
      }
    }
  }

  get #ledger(): LedgerPlace {
    const { workflowId, firstExecutionRunId } = workflowInfo();
    const { name, window, storage } = this.#plan;
    return {
      prefix: `${storage.results}/cost-ledger`,
      pipeline: name,
      window,
      workflowId,
      runId: firstExecutionRunId,
    };
  }

  get #exceeded(): boolean {
    return this.#spent() >= this.#amount;
  }

  #spent(): number {
    return runCost([...this.#costs.values()])?.amount ?? 0;
  }

  /** What this cluster may cost until the next thing is to be told. */
  #amounts(clusterId: string): number[] {
    const { budget } = this.#plan;
    if (budget === undefined) return [];
    const others = this.#spent() - (this.#costs.get(clusterId)?.amount ?? 0);
    const next = { within: this.#amount * budget.warnAt, warned: this.#amount, exceeded: undefined };
    const amount = next[this.#told];
    return amount === undefined ? [] : [amount - others];
  }

  #checkBudget(): void {
    const { budget, name, window } = this.#plan;
    const costs = runCost([...this.#costs.values()]);
    if (costs !== undefined) this.#progress.cost = costs;
    if (budget === undefined || costs === undefined) return;
    const state = budgetState(costs.amount, this.#amount, budget.warnAt);
    if (state === this.#told || state === 'within') return;
    this.#told = state;
    this.#progress.budget = state;
    const spent = `${money(costs.amount)} of ${money(this.#amount)} ${budget.currency}`;
    const next = { alert: 'It goes on.', pause: 'No further job begins.', stop: 'It is stopped and undone.' };
    this.#alert('budget', state === 'exceeded' ? 'critical' : 'warning', `budget/${state}/${this.#amount}`, {
      title: `${name} ${window} has cost ${spent}`,
      text:
        state === 'warned'
          ? `${Math.round(budget.warnAt * 100)} % of the budget are spent.`
          : `The budget is spent. ${next[budget.onExceeded]}`,
      facts: {
        spent: costs.amount,
        budget: this.#amount,
        currency: budget.currency,
        onDemand: costs.onDemand,
        spot: costs.spot,
        service: costs.service,
        estimate: costs.estimate,
      },
    });
  }

  #checkResume(amount: number): void {
    if (!this.#waiting) throw new Error('The run is not paused by its budget.');
    if (!(typeof amount === 'number' && Number.isFinite(amount) && amount > this.#spent()))
      throw new Error(`The new amount must be above the ${money(this.#spent())} that the run has cost.`);
  }

  #resume(amount: number): { amount: number } {
    this.#amount = amount;
    this.#told = budgetState(this.#spent(), amount, this.#plan.budget?.warnAt ?? 1);
    return { amount };
  }

  async #act(finding: Finding): Promise<void> {
    if (this.#known.has(finding.key)) return;
    this.#known.add(finding.key);
    const { monitoring, name, window, engine } = this.#plan;
    if (monitoring === undefined) return;
    const { action } = monitoring.thresholds[finding.kind];
    let done = 'alerted';
    if (action === 'terminateIdle') {
      done = (await this.#cluster.closeIfIdle()) ? 'cluster ended' : 'the cluster has work again';
    } else if (action === 'resize' && monitoring.resize !== undefined) {
      done = await this.#resize(engine.type, monitoring.resize).catch((error: unknown) => {
        if (isCancellation(error)) throw error;
        return `could not be resized: ${failureRoot(error)?.message ?? String(error)}`;
      });
    }
    this.#alert(finding.kind, 'warning', finding.key, {
      title: `${name} ${window}: ${finding.message}`,
      text: `${finding.message} Action: ${done}.`,
      facts: { value: finding.value, above: finding.above, action, done },
    });
  }

  async #resize(
    engine: LakehousePlan['engine']['type'],
    { step, maximum }: { step: number; maximum: number },
  ): Promise<string> {
    const clusterId = this.#progress.cluster?.id;
    if (clusterId === undefined) return 'there is no cluster';
    const capacity = await readCapacity({ engine, clusterId });
    if (capacity === undefined) return 'nothing of the cluster can be resized';
    const size = Math.min(capacity.size + step, maximum);
    if (size <= capacity.size) return `${capacity.size} machines are as many as allowed`;
    await resizeCluster({ engine, clusterId, capacity: { ...capacity, size } });
    return `resized from ${capacity.size} to ${size}`;
  }

  /** Tells every channel, each by itself; what cannot be told does not hold up the run. */
  #alert(
    kind: AlertKind,
    severity: AlertSeverity,
    key: string,
    { title, text, facts }: Pick<Alert, 'title' | 'text' | 'facts'>,
  ): void {
    const { workflowId, firstExecutionRunId } = workflowInfo();
    const channels = this.#plan.monitoring?.alerts ?? [];
    const entry = { key, kind, severity, title, told: [] as string[], failed: [] as string[] };
    if (this.#plan.monitoring === undefined && this.#plan.budget === undefined) return;
    this.#progress.alerts.push(entry);
    const alert: Alert = {
      key: `${workflowId}/${firstExecutionRunId}/${key}`,
      kind,
      severity,
      run: workflowId,
      title,
      text,
      at: new Date(Date.now()).toISOString(),
      facts,
    };
    for (const channel of channels) {
      const telling = CancellationScope.nonCancellable(async () => {
        try {
          await raiseAlert.executeWithOptions({ summary: `${kind} to ${channel}` }, [{ channel, alert }]);
          entry.told.push(channel);
        } catch (error) {
          entry.failed.push(`${channel}: ${failureRoot(error)?.message ?? String(error)}`);
        }
      });
      this.#pending.add(telling);
    }
  }

  #note(what: string, text: string): void {
    this.#progress.notes.push(`${what}: ${text}`);
  }
}

const money = (amount: number): string => amount.toFixed(amount < 1 ? 4 : 2);
