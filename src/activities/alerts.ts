// Tells alerts to people: signed webhooks and SNS topics, each alert once in each channel.
import { createHash } from 'node:crypto';
import { Context } from '@temporalio/activity';
import type { Notifier } from '../compute/sns/notifier.ts';
import { SIGNATURE_HEADER, signatureOf, TIMESTAMP_HEADER } from '../config/request-signature.ts';
import type { AlertChannel } from '../config/settings.ts';
import { WaybillError } from '../core/errors.ts';
import type { Alert, AlertActivities } from '../core/monitoring/alert.ts';
import { nearestName } from '../core/nearest-name.ts';
import { createAddressGuard } from './web/address-guard.ts';
import { placeOf, sendRequest } from './web/http-client.ts';

export interface AlertDependencies {
  readonly channels: Readonly<Record<string, AlertChannel>>;
  readonly notifier: Notifier;
  /** What has been told, beyond the life of any process. */
  readonly told: ToldAlerts;
  /** The value of an environment variable that the settings name. Throws SECRET_MISSING. */
  readonly secret: (variable: string) => string;
}

export interface ToldAlerts {
  has(fingerprint: string): Promise<boolean>;
  remember(fingerprint: string): Promise<void>;
}

/** ms. */
const TIMEOUT = 10_000;
const KEY_HEADER = 'x-waybill-alert';

export function createAlertActivities(dependencies: AlertDependencies): AlertActivities {
  const { channels, told, notifier } = dependencies;
  return {
    async raiseAlert({ channel, alert }) {
      const found = Object.hasOwn(channels, channel) ? channels[channel] : undefined;
      if (found === undefined) throw noChannel(channel, Object.keys(channels));
      const fingerprint = createHash('sha256').update(`${channel}\n${alert.key}`).digest('hex');
      if (await told.has(fingerprint)) return { channel, outcome: 'repeated' };
      if (found.type === 'sns') await notifier.publish(found.topicArn, alert, fingerprint);
      else await post(found, alert, fingerprint, dependencies);
      // After it was sent: an alert told twice is better than one never told.
      await told.remember(fingerprint);
      return { channel, outcome: 'sent' };
    },
  };
}

async function post(
  channel: Extract<AlertChannel, { type: 'webhook' }>,
  alert: Alert,
  fingerprint: string,
  { secret }: AlertDependencies,
): Promise<void> {
  const url = typeof channel.url === 'string' ? channel.url : secret(channel.url.env);
  const body = Buffer.from(JSON.stringify(alert));
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signed =
    channel.signingKey === undefined
      ? {}
      : {
          [TIMESTAMP_HEADER]: timestamp,
          [SIGNATURE_HEADER]: signatureOf(secret(channel.signingKey.env), timestamp, body),
        };
  // The address is the operator's own, so wherever it leads, it is meant.
  const guard = createAddressGuard([new URL(url).hostname]);
  const response = await sendRequest(
    {
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json', [KEY_HEADER]: fingerprint, ...signed },
      body,
      timeout: TIMEOUT,
      signal: Context.current().cancellationSignal,
      verifyCertificate: true,
    },
    guard,
  ).catch((error: unknown) => {
    // The receiver tells repetitions by the alert's key, so what may have arrived is sent again.
    if (error instanceof WaybillError && error.code === 'CONNECTION_FAILED')
      throw new WaybillError(error.code, error.message, error.details, { cause: error, retryable: true });
    throw error;
  });
  if (response.status >= 200 && response.status < 300) return;
  const passing = response.status === 408 || response.status === 429 || response.status >= 500;
  throw new WaybillError(
    'WEB_FAILED',
    `${placeOf(url)} answered an alert with ${response.status}.`,
    { status: response.status },
    { retryable: passing },
  );
}

function noChannel(channel: string, known: readonly string[]): WaybillError {
  const near = nearestName(channel, known);
  return new WaybillError(
    'SETTINGS_INVALID',
    `The settings have no [alerts.${channel}].${near === undefined ? '' : ` Did you mean "${near}"?`}`,
    { key: `alerts.${channel}` },
  );
}
