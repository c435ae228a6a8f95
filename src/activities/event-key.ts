// The key of the run that an event starts: a function of the event alone, whichever way it comes.
import { createHash } from 'node:crypto';
import { eventIdentity, type IncomingEvent } from '../core/events/incoming-event.ts';

/** Readable in front, unambiguous at the end: names may hold anything, so only their hash identifies. */
export function eventKey(event: IncomingEvent): string {
  const hash = createHash('sha256').update(eventIdentity(event)).digest('hex').slice(0, 32);
  const name = event.object?.path.split('/').at(-1) ?? event.type;
  return `${name.replace(/[^A-Za-z0-9._-]+/g, '_').slice(-40)}-${hash}`;
}
