// The state of a lakehouse run as its workflow changes it and as client and UI read it.
import type { AlertKind, AlertSeverity } from '../monitoring/alert.ts';
import type { RunCost } from '../monitoring/cost.ts';
import type { Check, LakehouseProgress, StageName, StageReport, TableReport } from '../run.ts';
import type { ClusterStatus } from '../spark.ts';

export const STAGE_NAMES: readonly StageName[] = ['ingest', 'process', 'load', 'serve', 'optimize'];

/** One stage's report while it is being written. */
export interface OpenStageReport {
  readonly stage: StageName;
  state: StageReport['state'];
  start?: number;
  end?: number;
  doing: string;
  readonly tables: TableReport[];
  readonly checks: Check[];
  readonly children: string[];
}

/** An alert while it is being told. */
interface OpenAlert {
  readonly key: string;
  readonly kind: AlertKind;
  readonly severity: AlertSeverity;
  readonly title: string;
  readonly told: string[];
  readonly failed: string[];
}

export class RunProgress {
  readonly name: string;
  window: string;
  status: LakehouseProgress['status'] = 'InProgress';
  stages: OpenStageReport[] = [];
  cluster: ClusterStatus | undefined;
  /** Every cluster of the run, first to last. */
  readonly clusterIds: string[] = [];
  cost: RunCost | undefined;
  budget: LakehouseProgress['budget'];
  readonly alerts: OpenAlert[] = [];
  readonly notes: string[] = [];

  constructor(name: string, window: string) {
    this.name = name;
    this.window = window;
  }

  begin(names: readonly StageName[]): void {
    this.stages = names.map((stage) => ({
      stage,
      state: 'waiting',
      doing: '',
      tables: [],
      checks: [],
      children: [],
    }));
  }

  stage(name: StageName): OpenStageReport {
    const found = this.stages.find((report) => report.stage === name);
    if (found === undefined) throw new Error(`no stage ${name}`);
    return found;
  }

  /** A copy that no later change reaches. */
  reports(): StageReport[] {
    return this.stages.map((report) => ({
      ...report,
      tables: [...report.tables],
      checks: [...report.checks],
      children: [...report.children],
    }));
  }

  answer(): LakehouseProgress {
    const { cluster, cost, budget, alerts, notes } = this;
    return {
      kind: 'lakehouse',
      name: this.name,
      window: this.window,
      status: this.status,
      stages: this.reports(),
      ...(cluster === undefined ? {} : { cluster: { id: cluster.id, state: cluster.state } }),
      ...(cost === undefined ? {} : { cost }),
      ...(budget === undefined ? {} : { budget }),
      ...(alerts.length === 0
        ? {}
        : {
            alerts: alerts.map((alert) => ({ ...alert, told: [...alert.told], failed: [...alert.failed] })),
          }),
      ...(notes.length === 0 ? {} : { notes: [...notes] }),
    };
  }

  /** Takes over what is said of the run's cluster. */
  clusterChanged(status: ClusterStatus): void {
    this.cluster = status;
    if (!this.clusterIds.includes(status.id)) this.clusterIds.push(status.id);
  }

  /** The small table that Temporal's UI shows while the run goes on. */
  markdown(): string {
    const rows = this.stages.map(({ stage, state, doing, checks }) => {
      const passed = checks.filter((check) => check.passed).length;
      return `| ${stage} | ${state} | ${doing} | ${checks.length === 0 ? '' : `${passed} of ${checks.length}`} |`;
    });
    const head = ['| stage | state | doing | checks |', '|---|---|---|---|', ...rows];
    const { cluster, cost, budget, alerts } = this;
    const said =
      cost === undefined
        ? ''
        : ` · ${cost.amount.toFixed(2)} ${cost.currency}${cost.estimate ? ' (estimate)' : ''}`;
    return [
      ...head,
      ...(cluster === undefined ? [] : ['', `cluster **${cluster.id}** ${cluster.state}${said}`]),
      ...(budget === 'paused' ? ['', '**paused by its budget**: `waybill budget resume`'] : []),
      ...alerts.map(({ title }) => `\n⚠ ${title}`),
    ].join('\n');
  }
}
