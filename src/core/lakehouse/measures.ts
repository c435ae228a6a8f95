// What copies and jobs counted, by name, and the checks that compare those counts.
import type { CopyOutput } from '../copy.ts';
import type { DbtCall } from '../dbt.ts';
import type { LakehouseJob, StageCheck } from '../lakehouse.ts';
import type { Check } from '../run.ts';
import type { JobResult } from '../spark.ts';

/** Counts by `<copy>:<field>` and `<job>:<table>.<field>`, across all stages of a run. */
export class Measures {
  readonly #counts = new Map<string, number>();

  addCopy(name: string, output: CopyOutput): void {
    this.#counts.set(`${name}:read`, output.rowsRead);
    this.#counts.set(`${name}:copied`, output.rowsCopied);
    this.#counts.set(`${name}:sink`, output.waybill.sinkRows);
  }

  addJob(name: string, result: JobResult): void {
    for (const table of result.tables) {
      for (const [field, value] of Object.entries(table)) {
        if (typeof value === 'number') this.#counts.set(`${name}:${table.table}.${field}`, value);
      }
    }
  }

  /** Both sums, and whether they are equal. A count that no one gave fails the check: it proves nothing. */
  check({ name, sum, equals }: StageCheck): Check {
    const missing = [...sum, ...equals].filter((term) => !this.#counts.has(term));
    if (missing.length > 0) return { name, passed: false, detail: `nothing counted ${missing.join(', ')}` };
    const total = (terms: readonly string[]): number =>
      terms.reduce((added, term) => added + (this.#counts.get(term) ?? 0), 0);
    const left = total(sum);
    const right = total(equals);
    return { name, passed: left === right, detail: left === right ? `${left}` : `${left}, not ${right}` };
  }
}

/** That the sink holds what left the source: by count and by content. */
export function copyChecks(name: string, output: CopyOutput): Check[] {
  const { sinkRows, sourceChecksum, sinkChecksum } = output.waybill;
  const rows = sinkRows === output.rowsRead - output.rowsSkipped;
  const verified = output.dataConsistencyVerification.VerificationResult === 'Verified';
  const content = verified && sourceChecksum === sinkChecksum;
  return [
    {
      name: `${name}: source rows = sink rows`,
      passed: rows,
      detail: rows
        ? `${sinkRows}`
        : `${output.rowsRead} read, ${output.rowsSkipped} skipped, ${sinkRows} in the sink`,
    },
    {
      name: `${name}: content is equal`,
      passed: content,
      detail: content
        ? sinkChecksum
        : verified
          ? `${sourceChecksum} left the source, the sink holds ${sinkChecksum}`
          : 'verification is off (validateDataConsistency), so nothing shows it',
    },
  ];
}

/** That a job reported every table it should, and found no fault where it looks for faults. */
export function jobChecks(job: LakehouseJob, result: JobResult): Check[] {
  const reported = new Set(result.tables.map((table) => table.table));
  const missing = job.resultTables.filter((table) => !reported.has(table));
  const checks: Check[] = [];
  if (job.resultTables.length > 0) {
    checks.push({
      name: `${job.name}: reports its tables`,
      passed: missing.length === 0,
      detail:
        missing.length === 0 ? `${job.resultTables.length} tables` : `nothing about ${missing.join(', ')}`,
    });
  }
  const faults = result['faults'];
  if (Array.isArray(faults)) {
    checks.push({
      name: `${job.name}: no fault found`,
      passed: faults.length === 0,
      detail: faults.length === 0 ? `${result.tables.length} tables examined` : faults.slice(0, 5).join('; '),
    });
  }
  return checks;
}

/** What came of each step's last call: dbt failed where a node did, so here is what it counted. */
export function dbtChecks(name: string, calls: readonly DbtCall[]): Check[] {
  const last = calls.filter((call, at) => calls[at + 1]?.step !== call.step);
  return last.map(({ command, counts, attempt }) => ({
    name: `${name}: dbt ${command}`,
    passed: !['error', 'fail', 'runtime error', 'skipped'].some((status) => (counts[status] ?? 0) > 0),
    detail: `${Object.entries(counts)
      .map(([status, nodes]) => `${nodes} ${status}`)
      .join(', ')}${attempt > 1 ? `, attempt ${attempt}` : ''}`,
  }));
}
