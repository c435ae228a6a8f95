// Every Spark service and lake there is, made from settings.
import { WaybillError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { S3Encryption } from '../core/s3-encryption.ts';
import type { SparkEngine } from '../core/spark.ts';
import { CloudWatchMetrics, createCloudWatchClient } from './cloudwatch/metrics.ts';
import { DatabricksClient, type DatabricksConnection } from './databricks/client.ts';
import { DatabricksRunner } from './databricks/databricks-runner.ts';
import { type PutJob, putJob } from './databricks/jobs.ts';
import { createEmrClients } from './emr/client.ts';
import { EmrRunner } from './emr/emr-runner.ts';
import { createEmrServerlessClients } from './emr-serverless/client.ts';
import { EmrServerlessRunner } from './emr-serverless/emr-serverless-runner.ts';
import type { LakeStorage } from './lake-storage.ts';
import { createLakeS3Client, S3LakeStorage } from './s3/s3-lake-storage.ts';
import { createSnsNotifier, type Notifier } from './sns/notifier.ts';
import type { SparkRunner } from './spark-runner.ts';

export interface ComputeOptions {
  readonly region?: string;
  readonly emrEndpoint?: string;
  readonly emrServerlessEndpoint?: string;
  readonly s3Endpoint?: string;
  /** Of what is written to the lake: job code and the cost ledger. */
  readonly lakeEncryption?: S3Encryption;
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
  readonly metrics: CloudWatchMetrics;
  readonly notifier: Notifier;
  /** Makes a job of the workspace, or resets the one of this name. */
  readonly putJob: (
    settings: JsonObject & { name: string },
    mark: { readonly tag: string; readonly value: string },
    signal: AbortSignal,
  ) => Promise<PutJob>;
}

/** Runners and storage; no connection is made before the first call. */
export function createCompute(options: ComputeOptions = {}): Compute {
  const region = options.region === undefined ? {} : { region: options.region };
  const s3 = options.s3Endpoint === undefined ? {} : { endpoint: options.s3Endpoint };
  const emr = options.emrEndpoint === undefined ? {} : { endpoint: options.emrEndpoint };
  const storage = new S3LakeStorage(
    createLakeS3Client({
      ...region,
      ...s3,
      ...(options.lakeEncryption === undefined ? {} : { encryption: options.lakeEncryption }),
    }),
  );
  const emrRunner = new EmrRunner({
    clients: createEmrClients({ ...region, ...emr }),
    storage,
    lookAgainAfter: options.lookAgainAfter ?? 10_000,
    logWait: options.logWait ?? 60_000,
  });
  const serverless =
    options.emrServerlessEndpoint === undefined ? {} : { endpoint: options.emrServerlessEndpoint };
  const emrServerless = new EmrServerlessRunner({
    clients: createEmrServerlessClients({ ...region, ...serverless }),
    storage,
    lookAgainAfter: options.lookAgainAfter ?? 10_000,
    logWait: options.logWait ?? 60_000,
  });
  const client = new DatabricksClient(options.databricks ?? NOWHERE);
  const lookAgainAfter = options.lookAgainAfter ?? 10_000;
  const databricks = new DatabricksRunner({ client, lookAgainAfter });
  return {
    runners: { emr: emrRunner, 'emr-serverless': emrServerless, databricks },
    storage,
    metrics: new CloudWatchMetrics(createCloudWatchClient(region)),
    notifier: createSnsNotifier(),
    putJob: (settings, mark, signal) => putJob(client, settings, mark, lookAgainAfter, { signal }),
  };
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
