// How requests are signed, in both directions: to the HTTP door, and from waybill to webhooks of alerts.
import { createHmac } from 'node:crypto';

export const TIMESTAMP_HEADER = 'x-waybill-timestamp';
export const SIGNATURE_HEADER = 'x-waybill-signature';

/** The signature of a body: hex of HMAC-SHA256 over `<timestamp>.<body>`. */
export const signatureOf = (key: string, timestamp: string, body: Buffer): string =>
  createHmac('sha256', key).update(`${timestamp}.`).update(body).digest('hex');
