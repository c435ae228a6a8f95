// Every Spark service and lake there is, made from settings.
import type { SparkEngine } from '../core/spark.ts';
import { createEmrClients } from './emr/client.ts';
import { EmrRunner } from './emr/emr-runner.ts';
import type { LakeStorage } from './lake-storage.ts';
import { createLakeS3Client, S3LakeStorage } from './s3/s3-lake-storage.ts';
import type { SparkRunner } from './spark-runner.ts';

export interface ComputeOptions {
  readonly region?: string;
  readonly emrEndpoint?: string;
  readonly s3Endpoint?: string;
  /** ms until a created cluster or step can be relied on to show in EMR's lists; default 10,000. */
  readonly lookAgainAfter?: number;
  /** ms to wait for a failed step's log to appear; default 60,000. */
  readonly logWait?: number;
}

export interface Compute {
  readonly runners: Readonly<Record<SparkEngine, SparkRunner>>;
  readonly storage: LakeStorage;
}

/** Runners and storage; no connection is made before the first call. */
export function createCompute(options: ComputeOptions = {}): Compute {
  const region = options.region === undefined ? {} : { region: options.region };
  const s3 = options.s3Endpoint === undefined ? {} : { endpoint: options.s3Endpoint };
  const emr = options.emrEndpoint === undefined ? {} : { endpoint: options.emrEndpoint };
  const storage = new S3LakeStorage(createLakeS3Client({ ...region, ...s3 }));
  const runner = new EmrRunner({
    clients: createEmrClients({ ...region, ...emr }),
    storage,
    lookAgainAfter: options.lookAgainAfter ?? 10_000,
    logWait: options.logWait ?? 60_000,
  });
  return { runners: { emr: runner }, storage };
}
