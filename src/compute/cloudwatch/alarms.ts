// Puts a definition's alarms into CloudWatch and takes away those that it no longer has. Alarms of others are not touched.
import {
  type CloudWatchClient,
  DeleteAlarmsCommand,
  PutMetricAlarmCommand,
  type PutMetricAlarmCommandInput,
  paginateDescribeAlarms,
} from '@aws-sdk/client-cloudwatch';
import { awsError } from '../aws-errors.ts';
import { bucketBytes, bucketObjects, clusterMetric, iteratorAge, type MetricQuery } from './metrics.ts';

export interface Alarm {
  /** Within the definition. */
  readonly name: string;
  readonly description: string;
  readonly metric: MetricQuery;
  readonly above: number;
  /** So many periods one after the other. */
  readonly periods: number;
}

export interface AppliedAlarms {
  readonly put: readonly string[];
  readonly deleted: readonly string[];
}

/** DeleteAlarms takes at most 100 names. */
const MOST_NAMES = 100;

/** The prefix of a definition's alarms: everything under it is ours. */
export const alarmPrefix = (definition: string): string => `waybill/${definition}/`;

/** Makes the definition's alarms exactly `alarms`; repeated, nothing changes. `topics`: ARNs that are told. */
export async function applyAlarms(
  client: CloudWatchClient,
  definition: string,
  alarms: readonly Alarm[],
  topics: readonly string[],
): Promise<AppliedAlarms> {
  const prefix = alarmPrefix(definition);
  const put = alarms.map(({ name }) => `${prefix}${name}`);
  try {
    for (const alarm of alarms) await client.send(new PutMetricAlarmCommand(input(prefix, alarm, topics)));
    const deleted = (await alarmsUnder(client, prefix)).filter((name) => !put.includes(name));
    for (let at = 0; at < deleted.length; at += MOST_NAMES)
      await client.send(new DeleteAlarmsCommand({ AlarmNames: deleted.slice(at, at + MOST_NAMES) }));
    return { put, deleted };
  } catch (error) {
    throw awsError(error, 'CloudWatch', 'PutMetricAlarm');
  }
}

async function alarmsUnder(client: CloudWatchClient, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for await (const page of paginateDescribeAlarms({ client }, { AlarmNamePrefix: prefix }))
    names.push(...(page.MetricAlarms ?? []).map(({ AlarmName: name = '' }) => name));
  // Whatever the service took the prefix for: what does not begin with it is not ours.
  return names.filter((name) => name.startsWith(prefix));
}

const input = (
  prefix: string,
  { name, description, metric, above, periods }: Alarm,
  topics: readonly string[],
): PutMetricAlarmCommandInput => ({
  AlarmName: `${prefix}${name}`,
  AlarmDescription: description,
  Namespace: metric.namespace,
  MetricName: metric.name,
  Dimensions: Object.entries(metric.dimensions).map(([Name, Value]) => ({ Name, Value })),
  Statistic: metric.statistic,
  Period: metric.period,
  EvaluationPeriods: periods,
  Threshold: above,
  ComparisonOperator: 'GreaterThanThreshold',
  TreatMissingData: 'notBreaching',
  ActionsEnabled: true,
  AlarmActions: [...topics],
});

/** Alarms for what a definition says, and for one cluster where it is named. Thresholds in the definition's own units. */
export function alarmsFor(
  given: {
    readonly buckets: readonly { bucket: string; bytes?: number; objects?: number }[];
    readonly streams: readonly { stream: string; iteratorAgeMinutes: number }[];
  },
  cluster?: { readonly id: string; readonly idleMinutes: number; readonly hdfs: number },
): Alarm[] {
  const alarms: Alarm[] = [];
  for (const { bucket, bytes, objects } of given.buckets) {
    const put = (name: string, metric: MetricQuery, above: number | undefined): void => {
      if (above === undefined) return;
      const description = `${name} of bucket ${bucket} above ${above}`;
      alarms.push({ name: `${bucket}/${name}`, description, metric, above, periods: 1 });
    };
    put('BucketSizeBytes', bucketBytes(bucket), bytes);
    put('NumberOfObjects', bucketObjects(bucket), objects);
  }
  for (const { stream, iteratorAgeMinutes } of given.streams)
    alarms.push({
      name: `${stream}/IteratorAge`,
      description: `Readers of stream ${stream} are more than ${iteratorAgeMinutes} minutes behind`,
      metric: iteratorAge(stream),
      above: iteratorAgeMinutes * 60_000,
      periods: 3,
    });
  if (cluster === undefined) return alarms;
  const idle = clusterMetric(cluster.id, 'IsIdle');
  const periods = Math.max(1, Math.ceil((cluster.idleMinutes * 60) / idle.period));
  return [
    ...alarms,
    {
      name: `${cluster.id}/IsIdle`,
      description: `Cluster ${cluster.id} has had no work for ${(periods * idle.period) / 60} minutes`,
      metric: idle,
      // 1 while it is idle.
      above: 0.5,
      periods,
    },
    {
      name: `${cluster.id}/HDFSUtilization`,
      description: `HDFS of cluster ${cluster.id} is fuller than ${cluster.hdfs * 100} %`,
      metric: clusterMetric(cluster.id, 'HDFSUtilization'),
      above: cluster.hdfs * 100,
      periods: 2,
    },
  ];
}
