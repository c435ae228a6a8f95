// POST and OPTIONS /events/eventgrid[/<trigger>]: Azure Event Grid, its handshakes and its deliveries.
import { readEventGrid, validationCode } from '../core/events/event-grid.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { requireEventKey } from './authorize.ts';
import type { Door } from './door.ts';
import { fireEvents } from './fire-events.ts';
import { Refusal } from './refusal.ts';
import { type Answer, type DoorRequest, parseJson, requireType } from './request.ts';

/** Bytes. Event Grid's batches have up to 1 MB of events, and something around them. */
export const MAX_DELIVERY = 1_250_000;

const TYPES = ['application/json', 'application/cloudevents+json', 'application/cloudevents-batch+json'];

export async function eventGridHandler(door: Door, request: DoorRequest): Promise<Answer> {
  const bytes = await request.body(MAX_DELIVERY);
  requireEventKey(request, bytes, door.keys, Date.now());
  const posted = await readPosted(request, bytes);
  const code = validationCode(posted);
  // The validationUrl that comes with it is never called: the answer says all.
  if (code !== undefined) return { status: 200, json: { validationResponse: code } };
  if (typeof posted !== 'object' || posted === null)
    throw new Refusal(400, 'REQUEST_INVALID', 'The body is an event or an array of events.');
  const report = await fireEvents(door, readEventGrid(posted), request.path['trigger']);
  return { status: 200, json: report as unknown as JsonObject };
}

/** In CloudEvents' binary form the event's attributes are headers, and the body is its data. */
async function readPosted(request: DoorRequest, bytes: Buffer): Promise<JsonValue> {
  const specversion = request.header('ce-specversion');
  if (specversion === undefined) {
    requireType(request, TYPES);
    return parseJson(bytes);
  }
  const event: JsonObject = { specversion, data: bytes.length === 0 ? null : parseJson(bytes) };
  for (const attribute of ['id', 'type', 'source', 'subject', 'time']) {
    const value = request.header(`ce-${attribute}`);
    if (value !== undefined) event[attribute] = value;
  }
  return event;
}

/** CloudEvents' handshake: the sender asks whether its events are wanted, and how many a minute. */
export async function eventGridOptionsHandler(door: Door, request: DoorRequest): Promise<Answer> {
  requireEventKey(request, Buffer.alloc(0), door.keys, Date.now());
  const origin = request.header('webhook-request-origin');
  if (origin === undefined)
    throw new Refusal(400, 'REQUEST_INVALID', 'The handshake names its sender in WebHook-Request-Origin.');
  return {
    status: 200,
    headers: {
      'webhook-allowed-origin': origin,
      'webhook-allowed-rate': request.header('webhook-request-rate') ?? '*',
      allow: 'POST, OPTIONS',
    },
  };
}
