// The data set's own figures, for whoever checks what arrived.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { projectPath } from '../cache.ts';
import { type DataSetTable, dataSetDirectory } from './data-set.ts';

/** Figures of one table. */
export interface TableFigures {
  readonly rows: number;
  /** Count of nulls per column that has any. */
  readonly nulls: Readonly<Record<string, number>>;
  /** Exact decimal sums of some columns, nulls left out. */
  readonly sums: Readonly<Record<string, string>>;
}

/** Figures of the data set, counted from its files by dev/seed/expected.py, which shares no code with the loader. */
export type DataSetFigures = Readonly<Record<DataSetTable, TableFigures>> & {
  readonly flights: {
    readonly byCarrier: Readonly<Record<string, number>>;
    /** First and last scheduled hour, "2013-01-01T10:00:00Z". */
    readonly firstHour: string;
    readonly lastHour: string;
  };
  readonly weather: {
    /** Days in UTC that have rows; one landed file each. */
    readonly files: number;
    readonly byDay: Readonly<Record<string, number>>;
  };
};

/** Counts the data set (about 2 s). @param python the world's Python, `world.python` */
export async function countDataSet(python: string): Promise<DataSetFigures> {
  const args = [projectPath('dev', 'seed', 'expected.py'), dataSetDirectory(python)];
  const { stdout } = await promisify(execFile)(python, args, { maxBuffer: 10_000_000 });
  return JSON.parse(stdout) as DataSetFigures;
}
