// Publishes alerts to SNS topics.
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { WaybillError } from '../../core/errors.ts';
import type { Alert } from '../../core/monitoring/alert.ts';
import { awsError } from '../aws-errors.ts';

export interface Notifier {
  /** `fingerprint` lets FIFO topics drop a repetition. Throws COMPUTE_BUSY, COMPUTE_REFUSED or AUTHENTICATION_FAILED. */
  publish(topicArn: string, alert: Alert, fingerprint: string): Promise<void>;
}

/** SNS's limit for a subject. */
const MOST_SUBJECT = 100;

/** A notifier for the environment's credentials and endpoint (AWS_ENDPOINT_URL_SNS); the region is the topic's own. */
export function createSnsNotifier(options: { endpoint?: string } = {}): Notifier {
  const clients = new Map<string, SNSClient>();
  const clientOf = (topicArn: string): SNSClient => {
    const region = topicArn.split(':')[3] ?? '';
    const known = clients.get(region);
    if (known !== undefined) return known;
    const client = new SNSClient({
      region,
      ...options,
      maxAttempts: 2,
      requestHandler: { connectionTimeout: 5_000, requestTimeout: 15_000 },
    });
    clients.set(region, client);
    return client;
  };
  return {
    async publish(topicArn, alert, fingerprint) {
      const fifo = topicArn.endsWith('.fifo');
      const text = (value: string) => ({ DataType: 'String', StringValue: value });
      try {
        await clientOf(topicArn).send(
          new PublishCommand({
            TopicArn: topicArn,
            Subject: subjectOf(alert),
            Message: JSON.stringify(alert),
            MessageAttributes: {
              kind: text(alert.kind),
              severity: text(alert.severity),
              key: text(fingerprint),
            },
            ...(fifo ? { MessageGroupId: alert.kind, MessageDeduplicationId: fingerprint } : {}),
          }),
        );
      } catch (error) {
        if (error instanceof WaybillError) throw error;
        throw awsError(error, 'SNS', 'Publish');
      }
    },
  };
}

/** SNS takes ASCII without line breaks, beginning with a letter or digit. */
const subjectOf = ({ title }: Alert): string =>
  `waybill: ${title.replace(/[^\x20-\x7e]+/g, ' ')}`.slice(0, MOST_SUBJECT).trimEnd();
