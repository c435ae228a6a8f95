// Opens the files of a one-shot activity's dataset for one attempt.
import { Context } from '@temporalio/activity';
import { type FilesPlace, openFilesPlace } from '../../connectors/common/files/files-place.ts';
import { objectSetting } from '../../connectors/common/settings.ts';
import { openerFor } from '../../connectors/file-stores.ts';
import type { JsonObject } from '../../core/json.ts';
import type { LinkedServiceResolver } from '../../core/linked-service.ts';
import type { EvaluatedDataset } from '../../core/pipeline/task.ts';

export interface FileDependencies {
  readonly resolveLinkedService: LinkedServiceResolver;
  /** Directory for files that pass through this machine. */
  readonly workDirectory: string;
}

/** Runs `work` with the dataset's store open, and closes it whatever happens. */
export async function withFiles<T>(
  dependencies: FileDependencies,
  dataset: EvaluatedDataset,
  properties: JsonObject,
  work: (place: FilesPlace) => Promise<T>,
): Promise<T> {
  const { name, parameters } = dataset.linkedService;
  const service = await dependencies.resolveLinkedService(name, parameters);
  const { cancellationSignal } = Context.current();
  const place = await openFilesPlace(
    await openerFor(service),
    service,
    dataset.typeProperties,
    objectSetting(properties, 'storeSettings'),
    cancellationSignal,
  );
  try {
    cancellationSignal.throwIfAborted();
    return await work(place);
  } finally {
    await place.store.close().catch(() => undefined);
  }
}

/** A moment as Data Factory writes it: whole seconds, UTC. */
export const wholeSeconds = (milliseconds: number): string =>
  `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
