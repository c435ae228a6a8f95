// POST /events/s3[/<trigger>]: Amazon S3 by way of EventBridge, SNS, or whoever passes its notifications on.
import { createAddressGuard } from '../activities/web/address-guard.ts';
import { sendRequest } from '../activities/web/http-client.ts';
import { readS3, type SubscriptionRequest, subscriptionRequest } from '../core/events/s3-events.ts';
import type { JsonObject } from '../core/json.ts';
import { requireEventKey } from './authorize.ts';
import type { Door } from './door.ts';
import { MAX_DELIVERY } from './event-grid.ts';
import { fireEvents } from './fire-events.ts';
import { Refusal } from './refusal.ts';
import { type Answer, type DoorRequest, parseJson, requireType } from './request.ts';

/** SNS says text/plain of its JSON. */
const TYPES = ['application/json', 'text/plain', 'application/x-amz-json-1.1'];

/** The only hosts that AWS's confirmations lead to. */
const SNS_HOST = /^sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/;

export async function s3Handler(door: Door, request: DoorRequest): Promise<Answer> {
  const bytes = await request.body(MAX_DELIVERY);
  requireEventKey(request, bytes, door.keys, Date.now());
  requireType(request, TYPES);
  const posted = parseJson(bytes);
  const asked = subscriptionRequest(posted);
  if (asked !== undefined) return confirm(door, asked);
  const report = await fireEvents(door, readS3(posted), request.path['trigger']);
  return { status: 200, json: report as unknown as JsonObject };
}

/** Says yes to SNS, at an address of SNS's own: what a request names is not called because it names it. */
async function confirm(door: Door, { topic, confirmAt }: SubscriptionRequest): Promise<Answer> {
  const refused = (why: string): Refusal =>
    new Refusal(
      400,
      'ADDRESS_REFUSED',
      `The subscription to ${topic.slice(0, 200)} is not confirmed: ${why}`,
    );
  if (!URL.canParse(confirmAt)) throw refused('SubscribeURL is no address.');
  const url = new URL(confirmAt);
  const { snsHosts } = door.settings.server;
  const known = snsHosts.includes(url.host);
  if (!known && (url.protocol !== 'https:' || !SNS_HOST.test(url.host)))
    throw refused('SubscribeURL does not lead to SNS. "snsHosts" of [server] allows others.');
  const answer = await sendRequest(
    { method: 'GET', url: url.href, headers: {}, timeout: 10_000, verifyCertificate: true },
    createAddressGuard(known ? [url.host] : []),
  );
  if (answer.status !== 200) throw refused(`SNS answers ${answer.status}.`);
  return { status: 200, json: { status: 'confirmed', topic } };
}
