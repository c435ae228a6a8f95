// What a cluster cost: machine hours and DBU hours by a price table. An estimate, and said to be one where the table is.
import type { SparkEngine } from '../spark.ts';

export type Market = 'onDemand' | 'spot';

/** Machines of one kind that were there over the same time. */
export interface MachineUse {
  /** MASTER, CORE, TASK; DRIVER, WORKER. */
  readonly role: string;
  readonly type: string;
  readonly market: Market;
  readonly count: number;
  /** ms since epoch. */
  readonly from: number;
  /** Absent while they are there. */
  readonly to?: number;
}

export interface ClusterUsage {
  readonly clusterId: string;
  readonly engine: SparkEngine;
  readonly machines: readonly MachineUse[];
  /** Databricks: Photon, whose machines count more DBUs. */
  readonly photon?: boolean;
  /** EMR Serverless: what the job runs used, which is what is charged; it has no machines. */
  readonly workers?: WorkerUse;
  /** True where the service did not tell how many machines there were over time. */
  readonly approximate?: boolean;
}

/** Hours that job runs of EMR Serverless used, all workers together. */
export interface WorkerUse {
  readonly architecture: 'X86_64' | 'ARM64';
  readonly vcpuHours: number;
  readonly memoryGbHours: number;
  /** Beyond the 20 GB that each worker has for nothing. */
  readonly storageGbHours: number;
}

/** Prices of EMR Serverless on one architecture, of an hour of one vCPU or one GB. */
export interface ServerlessPrice {
  readonly vcpu: number;
  readonly memoryGb: number;
  readonly storageGb: number;
}

/** Prices of one instance type, per hour, in the table's currency. */
export interface InstancePrice {
  /** On demand. */
  readonly ec2: number;
  /** EMR's charge on top. */
  readonly emr?: number;
  /** Spot; without it `ec2` by the table's spotFactor. */
  readonly spot?: number;
  /** DBUs per hour. */
  readonly dbu?: number;
}

export interface PriceTable {
  /** Where it came from: a file, or waybill's own. */
  readonly source: string;
  /** The day that the prices are of: 2026-01-01. */
  readonly asOf: string;
  readonly currency: string;
  readonly estimate: boolean;
  /** Part of the on-demand price that spot is taken to cost where no spot price is given. */
  readonly spotFactor: number;
  /** Price of one DBU. */
  readonly dbuPrice: number;
  /** DBUs with Photon for one without. */
  readonly photonFactor: number;
  readonly instances: Readonly<Record<string, InstancePrice>>;
  readonly serverless?: Readonly<Partial<Record<WorkerUse['architecture'], ServerlessPrice>>>;
}

export interface CostLine {
  readonly charge: 'ec2' | 'emr' | 'emrServerless' | 'dbu';
  readonly role: string;
  readonly type: string;
  readonly market: Market;
  /** Instance hours; for `dbu`, DBUs; for `emrServerless`, hours of a vCPU or of a GB. */
  readonly quantity: number;
  /** Price of one. */
  readonly rate: number;
  readonly amount: number;
}

export interface ClusterCost {
  readonly clusterId: string;
  readonly engine: SparkEngine;
  readonly currency: string;
  readonly amount: number;
  /** Machines alone; the services' charges are in neither. */
  readonly onDemand: number;
  readonly spot: number;
  /** EMR's charge, EMR Serverless' workers, or Databricks' DBUs. */
  readonly service: number;
  readonly instanceHours: number;
  readonly dbus: number;
  readonly lines: readonly CostLine[];
  /** Instance types that the table does not know: their hours are in no amount. */
  readonly unpriced: readonly string[];
  readonly approximate: boolean;
  readonly prices: Pick<PriceTable, 'source' | 'asOf' | 'estimate'>;
}

/** EC2 and EMR charge by the second, and a minute at least. */
const LEAST_MS = 60_000;
const HOUR_MS = 3_600_000;

/** What the machines cost until `now` (ms since epoch). Of a type without a price nothing is counted but its name. */
export function clusterCost(usage: ClusterUsage, prices: PriceTable, now: number): ClusterCost {
  const lines = new Map<string, CostLine>();
  const unpriced = new Set<string>();
  let instanceHours = 0;
  const add = (
    charge: CostLine['charge'],
    use: Pick<MachineUse, 'role' | 'type' | 'market'>,
    quantity: number,
    rate: number,
  ): void => {
    const key = [charge, use.role, use.type, use.market, rate].join('/');
    const sum = (lines.get(key)?.quantity ?? 0) + quantity;
    const { role, type, market } = use;
    lines.set(key, { charge, role, type, market, quantity: sum, rate, amount: sum * rate });
  };
  for (const use of usage.machines) {
    const hours = (Math.max((use.to ?? now) - use.from, LEAST_MS) / HOUR_MS) * use.count;
    instanceHours += hours;
    const price = Object.hasOwn(prices.instances, use.type) ? prices.instances[use.type] : undefined;
    if (price === undefined) {
      unpriced.add(use.type);
      continue;
    }
    add('ec2', use, hours, use.market === 'spot' ? (price.spot ?? price.ec2 * prices.spotFactor) : price.ec2);
    if (usage.engine === 'emr') {
      if (price.emr === undefined) unpriced.add(`${use.type} (EMR)`);
      else add('emr', use, hours, price.emr);
    } else {
      if (price.dbu === undefined) unpriced.add(`${use.type} (DBU)`);
      else add('dbu', use, hours * price.dbu * (usage.photon ? prices.photonFactor : 1), prices.dbuPrice);
    }
  }
  const { workers } = usage;
  if (workers !== undefined) {
    const price = prices.serverless?.[workers.architecture];
    if (price === undefined) unpriced.add(`EMR Serverless ${workers.architecture}`);
    else
      for (const [role, quantity, rate] of [
        ['VCPU', workers.vcpuHours, price.vcpu],
        ['MEMORY_GB', workers.memoryGbHours, price.memoryGb],
        ['STORAGE_GB', workers.storageGbHours, price.storageGb],
      ] as const)
        if (quantity > 0)
          add('emrServerless', { role, type: workers.architecture, market: 'onDemand' }, quantity, rate);
  }
  const all = [...lines.values()].map((line) => ({
    ...line,
    quantity: rounded(line.quantity),
    amount: rounded(line.amount),
  }));
  const sum = (of: (line: CostLine) => boolean, what: 'amount' | 'quantity' = 'amount'): number =>
    rounded(all.filter(of).reduce((total, line) => total + line[what], 0));
  return {
    clusterId: usage.clusterId,
    engine: usage.engine,
    currency: prices.currency,
    amount: sum(() => true),
    onDemand: sum(({ charge, market }) => charge === 'ec2' && market === 'onDemand'),
    spot: sum(({ charge, market }) => charge === 'ec2' && market === 'spot'),
    service: sum(({ charge }) => charge !== 'ec2'),
    instanceHours: rounded(instanceHours),
    dbus: sum(({ charge }) => charge === 'dbu', 'quantity'),
    lines: all,
    unpriced: [...unpriced].sort(),
    approximate: usage.approximate === true,
    prices: { source: prices.source, asOf: prices.asOf, estimate: prices.estimate },
  };
}

/** What a run has cost, all its clusters together. */
export interface RunCost {
  readonly currency: string;
  readonly amount: number;
  readonly onDemand: number;
  readonly spot: number;
  readonly service: number;
  readonly instanceHours: number;
  readonly dbus: number;
  readonly clusters: readonly string[];
  readonly unpriced: readonly string[];
  /** True where the prices are estimates, a machine count is, or a type has no price. */
  readonly estimate: boolean;
  /** The day the prices are of. */
  readonly pricesAsOf: string;
}

/** Adds up clusters; undefined where there was none. */
export function runCost(clusters: readonly ClusterCost[]): RunCost | undefined {
  const [first] = clusters;
  if (first === undefined) return undefined;
  const sum = (of: (cost: ClusterCost) => number): number =>
    rounded(clusters.reduce((total, cost) => total + of(cost), 0));
  const unpriced = [...new Set(clusters.flatMap((cost) => cost.unpriced))].sort();
  return {
    currency: first.currency,
    amount: sum((cost) => cost.amount),
    onDemand: sum((cost) => cost.onDemand),
    spot: sum((cost) => cost.spot),
    service: sum((cost) => cost.service),
    instanceHours: sum((cost) => cost.instanceHours),
    dbus: sum((cost) => cost.dbus),
    clusters: clusters.map(({ clusterId }) => clusterId),
    unpriced,
    estimate:
      unpriced.length > 0 || clusters.some(({ approximate, prices }) => approximate || prices.estimate),
    pricesAsOf: first.prices.asOf,
  };
}

/** What a run may cost, and what happens when it does. */
export interface Budget {
  readonly amount: number;
  readonly currency: string;
  /** Part of the amount at which a warning is given. */
  readonly warnAt: number;
  /** alert: say so; pause: begin no further job until `resumeBudget`; stop: stop and undo. */
  readonly onExceeded: 'alert' | 'pause' | 'stop';
}

export type BudgetState = 'within' | 'warned' | 'exceeded';

export function budgetState(spent: number, amount: number, warnAt: number): BudgetState {
  if (spent >= amount) return 'exceeded';
  return spent >= amount * warnAt ? 'warned' : 'within';
}

const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;
