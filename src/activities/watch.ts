// Activities of triggers that look into a store by themselves.
import { Context } from '@temporalio/activity';
import { openerFor } from '../connectors/file-stores.ts';
import { BLOB_CREATED, type IncomingEvent } from '../core/events/incoming-event.ts';
import { firesTrigger, triggerContext } from '../core/events/match-trigger.ts';
import type { LinkedServiceResolver } from '../core/linked-service.ts';
import type { WatchActivities } from '../core/trigger/activities.ts';
import { type ListedFile, lookAtFiles, watchedPlace } from '../core/trigger/watched-files.ts';
import { eventKey } from './event-key.ts';

/** Files that are listed between two signs of life. */
const LISTED_AT_ONCE = 1_000;

/** The activities' implementation. Reads only; safe to repeat. */
export function createWatchActivities(dependencies: {
  resolveLinkedService: LinkedServiceResolver;
}): WatchActivities {
  return {
    async lookForFiles({ trigger, linkedService, state }) {
      const { cancellationSignal, heartbeat } = Context.current();
      const properties = trigger.typeProperties;
      const begins = String(properties['blobPathBeginsWith'] ?? '');
      const { container, prefix } = watchedPlace(begins);
      const service = await dependencies.resolveLinkedService(linkedService, {});
      const opener = await openerFor(service);
      const store = await opener.open(service, container, cancellationSignal, {});
      try {
        const eventOf = (file: ListedFile): IncomingEvent => ({
          id: file.etag,
          type: BLOB_CREATED,
          source: store.label,
          subject: `/blobServices/default/containers/${container}/blobs/${file.key}`,
          time: file.modified === undefined ? '' : new Date(file.modified).toISOString(),
          object: { change: 'created', container, path: file.key, etag: file.etag, size: file.bytes },
          event: {},
        });
        const files: ListedFile[] = [];
        let listed = 0;
        for await (const file of store.list(prefix)) {
          if (++listed % LISTED_AT_ONCE === 0) Context.current().heartbeat(listed);
          cancellationSignal.throwIfAborted();
          if (firesTrigger(trigger, eventOf(file), { addressed: true })) files.push(file);
        }
        heartbeat(listed);
        // Objects appear whole; files grow.
        const settles = opener.containerKeys.length === 0;
        const { fresh, ...rest } = lookAtFiles(files, state, { now: Date.now(), settles });
        const now = new Date().toISOString();
        return {
          ...rest,
          files: fresh.map((file) => {
            const event = eventOf(file);
            return { key: eventKey(event), context: triggerContext(trigger, event, now) };
          }),
        };
      } finally {
        await store.close().catch(() => undefined);
      }
    },
  };
}
