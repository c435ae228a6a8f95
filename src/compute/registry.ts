// Every Spark service and lake there is, made from settings.
import { WaybillError } from '../core/errors.ts';
import type { SparkEngine } from '../core/spark.ts';
import { DatabricksClient, type DatabricksConnection } from './databricks/client.ts';
import { DatabricksRunner } from './databricks/databricks-runner.ts';
import { createEmrClients } from './emr/client.ts';
import { EmrRunner } from './emr/emr-runner.ts';
import type { LakeStorage } from './lake-storage.ts';
import { createLakeS3Client, S3LakeStorage } from './s3/s3-lake-storage.ts';
import type { SparkRunner } from './spark-runner.ts';

export interface ComputeOptions {
  readonly region?: string;
  readonly emrEndpoint?: string;
  readonly s3Endpoint?: string;
  /** The workspace of lakehouse pipelines; without one, asking for it says so. */
  readonly databricks?: DatabricksConnection;
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
  const emrRunner = new EmrRunner({
    clients: createEmrClients({ ...region, ...emr }),
    storage,
    lookAgainAfter: options.lookAgainAfter ?? 10_000,
    logWait: options.logWait ?? 60_000,
  });
  const databricks = new DatabricksRunner({
    client: new DatabricksClient(options.databricks ?? NOWHERE),
    lookAgainAfter: options.lookAgainAfter ?? 10_000,
  });
  return { runners: { emr: emrRunner, databricks }, storage };
}

const NOWHERE: DatabricksConnection = {
  host: '',
  token: async () => {
    throw new WaybillError(
      'SETTINGS_INVALID',
      'No Databricks workspace is set: DATABRICKS_HOST and DATABRICKS_TOKEN, or DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET.',
    );
  },
};
