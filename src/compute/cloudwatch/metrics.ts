// Reads what CloudWatch knows of clusters, buckets and streams.
import {
  CloudWatchClient,
  GetMetricDataCommand,
  type GetMetricDataCommandOutput,
  type MetricDataQuery,
} from '@aws-sdk/client-cloudwatch';
import { awsError } from '../aws-errors.ts';

export interface ClusterMetrics {
  /** Part of HDFS in use, 0 to 1; undefined where CloudWatch has nothing yet. `now` in ms since epoch. */
  hdfsUtilization(clusterId: string, now: number): Promise<number | undefined>;
}

/** One metric to read: its newest value within `hours`. */
export interface MetricQuery {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: 'Average' | 'Maximum';
  /** Seconds of one value. */
  readonly period: number;
  readonly hours: number;
}

export const EMR_NAMESPACE = 'AWS/ElasticMapReduce';

export const bucketBytes = (bucket: string): MetricQuery => ({
  namespace: 'AWS/S3',
  name: 'BucketSizeBytes',
  dimensions: { BucketName: bucket, StorageType: 'StandardStorage' },
  statistic: 'Average',
  period: 86_400,
  hours: 72,
});

export const bucketObjects = (bucket: string): MetricQuery => ({
  ...bucketBytes(bucket),
  name: 'NumberOfObjects',
  dimensions: { BucketName: bucket, StorageType: 'AllStorageTypes' },
});

export const clusterMetric = (clusterId: string, name: 'HDFSUtilization' | 'IsIdle'): MetricQuery => ({
  namespace: EMR_NAMESPACE,
  name,
  dimensions: { JobFlowId: clusterId },
  statistic: 'Average',
  period: 300,
  hours: 1,
});

export const iteratorAge = (stream: string): MetricQuery => ({
  namespace: 'AWS/Kinesis',
  name: 'GetRecords.IteratorAgeMilliseconds',
  dimensions: { StreamName: stream },
  statistic: 'Maximum',
  period: 60,
  hours: 1,
});

export class CloudWatchMetrics implements ClusterMetrics {
  readonly #client: CloudWatchClient;

  constructor(client: CloudWatchClient) {
    this.#client = client;
  }

  async hdfsUtilization(clusterId: string, now: number): Promise<number | undefined> {
    const [value] = await this.newest([clusterMetric(clusterId, 'HDFSUtilization')], now);
    return value === undefined ? undefined : value / 100;
  }

  /** The newest value of each; undefined where there is none. Throws COMPUTE_BUSY, COMPUTE_REFUSED or AUTHENTICATION_FAILED. */
  async newest(queries: readonly MetricQuery[], now: number): Promise<(number | undefined)[]> {
    const found = new Map<string, { at: number; value: number }>();
    // GetMetricData takes at most 500 queries, and one time range for all of them.
    for (const hours of new Set(queries.map((query) => query.hours))) {
      const part = queries.flatMap((query, at) => (query.hours === hours ? [dataQuery(query, at)] : []));
      let token: string | undefined;
      do {
        const page = await this.#page(part, hours, now, token);
        for (const { Id: id = '', Values: values = [], Timestamps: times = [] } of page.MetricDataResults ??
          [])
          values.forEach((value, index) => {
            // Not every service that speaks this protocol sorts as it is asked to.
            const at = times[index]?.getTime() ?? 0;
            if (at >= (found.get(id)?.at ?? 0)) found.set(id, { at, value });
          });
        token = page.NextToken;
      } while (token);
    }
    return queries.map((_, at) => found.get(`m${at}`)?.value);
  }

  async #page(
    queries: MetricDataQuery[],
    hours: number,
    now: number,
    token: string | undefined,
  ): Promise<GetMetricDataCommandOutput> {
    try {
      return await this.#client.send(
        new GetMetricDataCommand({
          MetricDataQueries: queries,
          StartTime: new Date(now - hours * 3_600_000),
          EndTime: new Date(now),
          ScanBy: 'TimestampDescending',
          ...(token === undefined ? {} : { NextToken: token }),
        }),
      );
    } catch (error) {
      throw awsError(error, 'CloudWatch', 'GetMetricData');
    }
  }
}

const dataQuery = (query: MetricQuery, at: number): MetricDataQuery => ({
  Id: `m${at}`,
  ReturnData: true,
  MetricStat: {
    Metric: {
      Namespace: query.namespace,
      MetricName: query.name,
      Dimensions: Object.entries(query.dimensions).map(([Name, Value]) => ({ Name, Value })),
    },
    Period: query.period,
    Stat: query.statistic,
  },
});

/** A client for the environment's region, endpoint (AWS_ENDPOINT_URL_CLOUDWATCH) and credentials. */
export const createCloudWatchClient = (
  options: { region?: string; endpoint?: string } = {},
): CloudWatchClient =>
  new CloudWatchClient({
    ...options,
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 15_000 },
  });
