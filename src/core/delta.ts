// Copies with a Delta table at one end, as workflows see them: Spark moves rows between the table and staged files, the
// copy engine between the staged files and the other store.
import type { CopyEndpoint, CopyInput } from './copy.ts';
import type { LakehousePlan } from './lakehouse.ts';

/** Dataset type of a Delta table. */
export const DELTA_TABLE = 'DeltaTable';

/** Whether an end of a copy is a Delta table, which `copyDelta` copies in place of `copyData`. */
export const isDelta = ({ datasetType }: Pick<CopyEndpoint, 'datasetType'>): boolean =>
  datasetType.toLowerCase() === DELTA_TABLE.toLowerCase();

/** The workflow that runs a copy. */
export const copyWorkflowType = ({
  source,
  sink,
}: Pick<CopyInput, 'source' | 'sink'>): 'copyData' | 'copyDelta' =>
  isDelta(source) || isDelta(sink) ? 'copyDelta' : 'copyData';

/** What a copy from or to a Delta table needs; every address is evaluated, nothing in it is secret. */
export interface DeltaCopyPlan extends Pick<LakehousePlan, 'engine' | 'storage' | 'window'> {
  readonly end: 'source' | 'sink';
  /** "Delta s3://lake/gold/orders". */
  readonly label: string;
  /** Arguments of the job `load` or `unload`. */
  readonly arguments: Readonly<Record<string, string>>;
  /** `s3://` folder of the staged files. */
  readonly stagingUri: string;
  /** The staged files as the other end of the copy within. */
  readonly staged: CopyEndpoint;
}

export interface DeltaActivities {
  /** Reads the linked service of the Delta end. Throws DEFINITION_INVALID, DEFINITION_UNSUPPORTED, REFERENCE_MISSING. */
  prepareDeltaCopy(input: CopyInput): Promise<DeltaCopyPlan>;
}
