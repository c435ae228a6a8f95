// The state of a lakehouse run as its workflow changes it and as client and UI read it.
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

export class RunProgress {
  readonly name: string;
  window: string;
  status: LakehouseProgress['status'] = 'InProgress';
  stages: OpenStageReport[] = [];
  cluster: ClusterStatus | undefined;

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
    const { cluster } = this;
    return {
      kind: 'lakehouse',
      name: this.name,
      window: this.window,
      status: this.status,
      stages: this.reports(),
      ...(cluster === undefined ? {} : { cluster: { id: cluster.id, state: cluster.state } }),
    };
  }

  /** The small table that Temporal's UI shows while the run goes on. */
  markdown(): string {
    const rows = this.stages.map(({ stage, state, doing, checks }) => {
      const passed = checks.filter((check) => check.passed).length;
      return `| ${stage} | ${state} | ${doing} | ${checks.length === 0 ? '' : `${passed} of ${checks.length}`} |`;
    });
    const head = ['| stage | state | doing | checks |', '|---|---|---|---|', ...rows];
    const { cluster } = this;
    return [
      ...head,
      ...(cluster === undefined ? [] : ['', `cluster **${cluster.id}** ${cluster.state}`]),
    ].join('\n');
  }
}
