// Alarms, metrics and topics against ministack's CloudWatch and SNS, which keep and evaluate them; Cost Explorer's request
// against a checker of its shape, as nothing here bills.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  type CloudWatchClient,
  DescribeAlarmsCommand,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
} from '@aws-sdk/client-cloudwatch';
import {
  ConfirmSubscriptionCommand,
  CreateTopicCommand,
  SNSClient,
  SubscribeCommand,
} from '@aws-sdk/client-sns';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { CloudWatchAlarms } from '../../src/compute/cloudwatch/alarm-service.ts';
import { CloudWatchMetrics, createCloudWatchClient } from '../../src/compute/cloudwatch/metrics.ts';
import { createBill } from '../../src/compute/cost-explorer/billed-costs.ts';
import { createSnsNotifier } from '../../src/compute/sns/notifier.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { Alert } from '../../src/core/monitoring/alert.ts';
import { DEFAULT_THRESHOLDS, type Monitoring } from '../../src/core/monitoring/thresholds.ts';
import { credentials, eventually } from '../support/emr-stand-in.ts';

process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId;
process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey;

const alert: Alert = {
  key: 'lakehouse/a/b/budget',
  kind: 'budget',
  severity: 'warning',
  run: 'lakehouse/a/b',
  title: 'a b has cost 5.00 of 10.00 €',
  text: 'Half.',
  at: '2026-11-23T00:00:00.000Z',
  facts: { spent: 5 },
};

const monitoring: Monitoring = {
  alerts: [],
  thresholds: DEFAULT_THRESHOLDS,
  cloudWatch: true,
  alarms: {
    buckets: [{ bucket: 'lake', bytes: 1_000_000, objects: 50 }],
    streams: [{ stream: 'clicks', iteratorAgeMinutes: 15 }],
  },
};

/** What a test's server was asked, and what it answers. */
interface Listener {
  readonly endpoint: string;
  readonly requests: { headers: Record<string, unknown>; body: string }[];
  readonly server: Server;
}

async function listen(answer: (body: string) => object): Promise<Listener> {
  const requests: Listener['requests'] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString();
    requests.push({ headers: request.headers, body });
    const said = answer(body);
    response.writeHead('__type' in said ? 400 : 200, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify(said));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, server };
}

describe('CloudWatch and SNS', () => {
  let directory: string;
  let aws: RunningS3;
  let client: CloudWatchClient;
  let alarms: CloudWatchAlarms;

  before(async () => {
    const { python } = await ensurePython(console.error);
    directory = await mkdtemp(join(tmpdir(), 'waybill-monitoring-'));
    const services = ['monitoring', 'sns'];
    aws = await startS3({ python, stateDirectory: directory, services, buckets: ['lake'], credentials });
    client = createCloudWatchClient({ region: 'us-east-1', endpoint: aws.endpoint });
    alarms = new CloudWatchAlarms(client);
  });

  after(async () => {
    await aws?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const all = async () => (await client.send(new DescribeAlarmsCommand({}))).MetricAlarms ?? [];

  it('puts a definition’s alarms, once however often, and touches no other', async () => {
    const foreign = ['waybill/nyc2/lake/NumberOfObjects', 'finance', 'waybill/nyc'];
    for (const AlarmName of foreign)
      await client.send(
        new PutMetricAlarmCommand({
          AlarmName,
          Namespace: 'X',
          MetricName: 'Y',
          Statistic: 'Sum',
          Period: 60,
          EvaluationPeriods: 1,
          Threshold: 1,
          ComparisonOperator: 'GreaterThanThreshold',
        }),
      );
    const topics = ['arn:aws:sns:us-east-1:000000000000:ops'];
    const request = { definition: 'nyc', monitoring, topics };
    const first = await alarms.apply({ ...request, cluster: 'j-1' });
    assert.equal(first.put.length, 5);
    assert.deepEqual(await alarms.apply({ ...request, cluster: 'j-1' }), first);
    const names = (await all()).map(({ AlarmName }) => AlarmName).sort();
    assert.deepEqual(names, [...foreign, ...first.put].sort());
    const age = (await all()).find(({ AlarmName }) => AlarmName === 'waybill/nyc/clicks/IteratorAge');
    assert.equal(age?.Namespace, 'AWS/Kinesis');
    assert.equal(age.Threshold, 900_000);
    assert.deepEqual(age.AlarmActions, topics);
    const idle = (await all()).find(({ AlarmName }) => AlarmName === 'waybill/nyc/j-1/IsIdle');
    assert.equal((idle?.Period ?? 0) * (idle?.EvaluationPeriods ?? 0), 30 * 60);

    const fewer = { ...monitoring, alarms: { ...monitoring.alarms, buckets: [] } };
    const second = await alarms.apply({ ...request, monitoring: fewer });
    assert.deepEqual(second.put, ['waybill/nyc/clicks/IteratorAge']);
    assert.equal(second.deleted.length, 4);
    assert.deepEqual(
      (await all()).map(({ AlarmName }) => AlarmName).sort(),
      [...foreign, 'waybill/nyc/clicks/IteratorAge'].sort(),
    );
  });

  it('reads the newest value of each metric, and none where there is none', async () => {
    const put = (
      Namespace: string,
      MetricName: string,
      dimensions: Record<string, string>,
      values: number[],
    ) =>
      client.send(
        new PutMetricDataCommand({
          Namespace,
          MetricData: values.map((Value, at) => ({
            MetricName,
            Value,
            Timestamp: new Date(Date.now() - (values.length - at) * 600_000),
            Dimensions: Object.entries(dimensions).map(([Name, value]) => ({ Name, Value: value })),
          })),
        }),
      );
    await put(
      'AWS/S3',
      'BucketSizeBytes',
      { BucketName: 'lake', StorageType: 'StandardStorage' },
      [4_000_000],
    );
    await put('AWS/ElasticMapReduce', 'HDFSUtilization', { JobFlowId: 'j-1' }, [12, 91]);
    await put('AWS/ElasticMapReduce', 'HDFSUtilization', { JobFlowId: 'j-2' }, [3]);
    await put('AWS/Kinesis', 'GetRecords.IteratorAgeMilliseconds', { StreamName: 'clicks' }, [1_000, 7_000]);
    const values = await alarms.read({ monitoring, cluster: 'j-1' });
    assert.deepEqual(values, [
      { of: 'lake', metric: 'BucketSizeBytes', value: 4_000_000 },
      { of: 'lake', metric: 'NumberOfObjects' },
      { of: 'clicks', metric: 'GetRecords.IteratorAgeMilliseconds', value: 7_000 },
      { of: 'j-1', metric: 'IsIdle' },
      { of: 'j-1', metric: 'HDFSUtilization', value: 91 },
    ]);
    const metrics = new CloudWatchMetrics(client);
    assert.equal(await metrics.hdfsUtilization('j-1', Date.now()), 0.91);
    assert.equal(await metrics.hdfsUtilization('j-none', Date.now()), undefined);
  });

  it('publishes an alert to a topic, whose subscriber gets it whole', async () => {
    const subscriber = await listen(() => ({}));
    const sns = new SNSClient({ region: 'us-east-1', endpoint: aws.endpoint });
    try {
      const { TopicArn: topic = '' } = await sns.send(new CreateTopicCommand({ Name: 'ops' }));
      const Endpoint = `${subscriber.endpoint}/alerts`;
      await sns.send(new SubscribeCommand({ TopicArn: topic, Protocol: 'http', Endpoint }));
      const received = (type: string) =>
        eventually(type, async () =>
          subscriber.requests
            .map(({ body }) => JSON.parse(body) as Record<string, string>)
            .find((message) => message['Type'] === type),
        );
      const { Token } = await received('SubscriptionConfirmation');
      await sns.send(new ConfirmSubscriptionCommand({ TopicArn: topic, Token }));
      const notifier = createSnsNotifier({ endpoint: aws.endpoint });
      await notifier.publish(topic, alert, 'f'.repeat(64));
      const message = await received('Notification');
      assert.deepEqual(JSON.parse(message['Message'] ?? ''), alert);
      assert.match(message['Subject'] ?? '', /^waybill: a b has cost 5\.00 of 10\.00$/);
      await assert.rejects(
        notifier.publish(topic.replace(/ops$/, 'none'), alert, 'f'),
        (error) => error instanceof WaybillError && error.code === 'COMPUTE_REFUSED' && !error.retryable,
      );
    } finally {
      sns.destroy();
      subscriber.server.close();
    }
  });
});

describe('Cost Explorer', () => {
  /** Checks requests against the shape of GetCostAndUsage and answers two pages. It bills nothing. */
  async function checker(): Promise<Listener> {
    return listen((text) => {
      const body = JSON.parse(text) as {
        TimePeriod?: { Start?: string; End?: string };
        Granularity?: string;
        Metrics?: string[];
        GroupBy?: { Type: string; Key: string }[];
        NextPageToken?: string;
      };
      const day = /^\d{4}-\d\d-\d\d$/;
      const [group] = body.GroupBy ?? [];
      const valid =
        day.test(body.TimePeriod?.Start ?? '') &&
        day.test(body.TimePeriod?.End ?? '') &&
        ['DAILY', 'MONTHLY', 'HOURLY'].includes(body.Granularity ?? '') &&
        body.Metrics?.length === 1 &&
        (group?.Type === 'TAG' || group?.Key === 'SERVICE');
      if (!valid) return { __type: 'ValidationException', message: 'not of the shape of GetCostAndUsage' };
      const second = body.NextPageToken !== undefined;
      const value = second ? 'b' : 'a';
      return {
        ResultsByTime: [
          {
            TimePeriod: { Start: '2023-01-01', End: '2023-02-01' },
            Estimated: second,
            Groups: [
              {
                Keys: [group?.Type === 'TAG' ? `${group.Key}$${value}` : `Amazon ${value}`],
                Metrics: { [body.Metrics?.[0] ?? '']: { Amount: second ? '2.5' : '10.25', Unit: 'USD' } },
              },
            ],
          },
        ],
        ...(second ? {} : { NextPageToken: 'more' }),
      };
    });
  }

  it('asks by service and by tag, and reads every page', async () => {
    const service = await checker();
    try {
      const bill = createBill({ endpoint: service.endpoint });
      const query = { from: '2023-01-01', to: '2023-01-31', granularity: 'MONTHLY' } as const;
      const services = ['Amazon Elastic MapReduce', 'Amazon Simple Storage Service'];
      const byService = await bill.costs({ ...query, by: { kind: 'service' }, services });
      const period = { from: '2023-01-01', to: '2023-02-01', currency: 'USD' };
      assert.deepEqual(byService, [
        { ...period, of: 'Amazon a', amount: 10.25, estimated: false },
        { ...period, of: 'Amazon b', amount: 2.5, estimated: true },
      ]);
      const [first] = service.requests;
      assert.equal(first?.headers['x-amz-target'], 'AWSInsightsIndexService.GetCostAndUsage');
      assert.deepEqual(JSON.parse(first?.body ?? ''), {
        TimePeriod: { Start: '2023-01-01', End: '2023-01-31' },
        Granularity: 'MONTHLY',
        Metrics: ['UnblendedCost'],
        GroupBy: [{ Type: 'DIMENSION', Key: 'SERVICE' }],
        Filter: { Dimensions: { Key: 'SERVICE', Values: services } },
      });
      const byTag = await bill.costs({ ...query, by: { kind: 'tag', tag: 'project' }, services: [] });
      assert.deepEqual(
        byTag.map(({ of }) => of),
        ['a', 'b'],
      );
      await assert.rejects(
        bill.costs({ ...query, from: 'yesterday', by: { kind: 'service' }, services: [] }),
        (error) => error instanceof WaybillError && error.code === 'COMPUTE_REFUSED',
      );
    } finally {
      service.server.close();
    }
  });
});
