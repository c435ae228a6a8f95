// The report on one window: what the comparison found, with the time and the cost of both sides.
import type { JsonObject } from '../../core/json.ts';
import type { MigrationPlan, MigrationWindow, Side, SideRun } from '../../core/migration.ts';

/** A table as the job `parity` compared it. */
export interface ComparedTable {
  readonly name: string;
  readonly equal: boolean;
  readonly reasons: readonly string[];
  readonly locations: BothSides<string>;
  readonly versions: BothSides<number>;
  readonly rows: BothSides<number>;
  readonly keys: readonly string[];
  readonly window: string;
  readonly schema: {
    readonly missing: readonly string[];
    readonly extra: readonly string[];
    readonly types: readonly ({ readonly column: string } & BothSides<string>)[];
    readonly sameOrder: boolean;
    readonly columns: number;
  };
  readonly columns: readonly {
    readonly column: string;
    readonly type: string;
    readonly equal: boolean;
    readonly tolerance: boolean;
    readonly checksum: BothSides<string>;
    readonly nulls: BothSides<number>;
    readonly distinct: BothSides<number>;
    readonly min: BothSides<string | null>;
    readonly max: BothSides<string | null>;
    readonly sum: BothSides<string | null>;
  }[];
  readonly rowsByKey: {
    readonly missing: number;
    readonly extra: number;
    readonly differing: number;
    readonly keys: number;
    readonly nullKeys: number;
    readonly repeated: BothSides<number>;
    readonly columns: Readonly<Record<string, number>>;
  };
  readonly sample: {
    readonly missing?: readonly JsonObject[];
    readonly extra?: readonly JsonObject[];
    readonly differing?: readonly {
      readonly key: JsonObject;
      readonly columns: readonly string[];
      readonly values: Readonly<Record<string, BothSides<readonly (string | null)[]>>>;
    }[];
  };
  readonly seconds: number;
}

type BothSides<T> = Readonly<Record<Side, T>>;

export interface SideCost {
  readonly workflowId: string;
  readonly seconds: number;
  readonly clusterSeconds: number;
  /** What its clusters cost, by the ledger; absent where it is not known. */
  readonly cost?: SideRun['cost'];
  readonly stages: SideRun['stages'];
}

export interface MigrationReport {
  readonly migration: string;
  readonly lakehouse: string;
  readonly window: string;
  readonly at: string;
  readonly equal: boolean;
  readonly sides: Partial<BothSides<SideCost>>;
  readonly datasets: readonly ComparedTable[];
}

export function migrationReport(
  plan: MigrationPlan,
  window: MigrationWindow,
  comparison: JsonObject,
  at: string,
): MigrationReport {
  const datasets = comparison['tables'] as unknown as ComparedTable[];
  const sides: Partial<Record<Side, SideCost>> = {};
  for (const side of ['emr', 'databricks'] as const) {
    const run = window[side];
    if (run === undefined) continue;
    sides[side] = {
      workflowId: run.workflowId,
      seconds: run.seconds,
      clusterSeconds: run.clusterSeconds ?? 0,
      ...(run.cost === undefined ? {} : { cost: run.cost }),
      stages: run.stages,
    };
  }
  return {
    migration: plan.name,
    lakehouse: plan.lakehouse,
    window: window.window,
    at,
    equal: datasets.every(({ equal }) => equal),
    sides,
    datasets,
  };
}
