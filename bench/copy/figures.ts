// What one run of one contender cost.
export interface Figures {
  /** Seconds. */
  readonly wall: number;
  /** CPU seconds of the contender's own processes. */
  readonly cpu: number;
  /** CPU seconds of the database server meanwhile. */
  readonly serverCpu: number;
  /** Peak resident memory of the contender's own processes. */
  readonly rssMb: number;
  /** MB written, where it writes files. */
  readonly outMb?: number;
  /** waybill: CPU seconds of starting its worker, which lives on between copies; not part of `cpu`. */
  readonly startCpu?: number;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
};

/** Figure by figure, the median of several runs. */
export const medianOf = (runs: readonly Figures[]): Figures => {
  const of = (pick: (one: Figures) => number | undefined): number =>
    median(runs.map((one) => pick(one) ?? 0));
  return {
    wall: of((one) => one.wall),
    cpu: of((one) => one.cpu),
    serverCpu: of((one) => one.serverCpu),
    rssMb: of((one) => one.rssMb),
    ...(runs.some((one) => one.outMb !== undefined) ? { outMb: of((one) => one.outMb) } : {}),
    ...(runs.some((one) => one.startCpu !== undefined) ? { startCpu: of((one) => one.startCpu) } : {}),
  };
};
