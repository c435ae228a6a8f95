// CloudWatch for the `monitoring` command: a definition's alarms, and the newest values of what it names.
import type { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import type { Monitoring } from '../../core/monitoring/thresholds.ts';
import { type AppliedAlarms, alarmsFor, applyAlarms } from './alarms.ts';
import { bucketBytes, bucketObjects, CloudWatchMetrics, clusterMetric, iteratorAge } from './metrics.ts';

export class CloudWatchAlarms {
  readonly #client: CloudWatchClient;

  constructor(client: CloudWatchClient) {
    this.#client = client;
  }

  /** Alarms of `cluster`, where one is named, stand beside the definition's; without it those of clusters go. */
  async apply(request: {
    definition: string;
    monitoring: Monitoring;
    topics: readonly string[];
    cluster?: string;
  }): Promise<AppliedAlarms> {
    const { definition, monitoring, topics, cluster } = request;
    const { idle, hdfs } = monitoring.thresholds;
    const watched =
      cluster === undefined ? undefined : { id: cluster, idleMinutes: idle.above, hdfs: hdfs.above };
    return applyAlarms(this.#client, definition, alarmsFor(monitoring.alarms, watched), topics);
  }

  async read({
    monitoring,
    cluster,
  }: {
    monitoring: Monitoring;
    cluster?: string;
  }): Promise<{ of: string; metric: string; value?: number }[]> {
    const asked = [
      ...monitoring.alarms.buckets.flatMap(({ bucket }) => [
        { of: bucket, query: bucketBytes(bucket) },
        { of: bucket, query: bucketObjects(bucket) },
      ]),
      ...monitoring.alarms.streams.map(({ stream }) => ({ of: stream, query: iteratorAge(stream) })),
      ...(cluster === undefined
        ? []
        : (['IsIdle', 'HDFSUtilization'] as const).map((name) => ({
            of: cluster,
            query: clusterMetric(cluster, name),
          }))),
    ];
    const values = await new CloudWatchMetrics(this.#client).newest(
      asked.map(({ query }) => query),
      Date.now(),
    );
    return asked.map(({ of, query }, at) => {
      const value = values[at];
      return { of, metric: query.name, ...(value === undefined ? {} : { value }) };
    });
  }
}
