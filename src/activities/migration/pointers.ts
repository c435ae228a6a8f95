// Pointers to migrated datasets: one small object each in the lake, which consumers read to learn where a dataset is.
import type { LakeStorage } from '../../compute/lake-storage.ts';
import { WaybillError } from '../../core/errors.ts';
import type { DatasetPointer } from '../../core/migration.ts';

/** Reads between which others may have written; more than one other writer is a fault in itself. */
const TRIES = 5;

export async function readPointer(
  storage: LakeStorage,
  prefix: string,
  dataset: string,
  signal?: AbortSignal,
): Promise<DatasetPointer | undefined> {
  const uri = pointerUri(prefix, dataset);
  const body = await storage.read(uri, signal);
  return body === undefined ? undefined : parsePointer(body, uri);
}

/**
 * Puts a pointer in the place of one of a lower generation. The write holds only while the object is the one that was
 * looked at, so of two writers one learns of the other. Writing it again changes nothing. Throws POINTER_MOVED when
 * another one of this generation, or a later one, is there.
 */
export async function writePointer(
  storage: LakeStorage,
  prefix: string,
  pointer: DatasetPointer,
  signal?: AbortSignal,
): Promise<DatasetPointer> {
  const uri = pointerUri(prefix, pointer.dataset);
  const body = Buffer.from(`${JSON.stringify(pointer, null, 2)}\n`);
  for (let left = TRIES; left > 0; left -= 1) {
    const found = await storage.readVersion(uri, signal);
    const current = found === undefined ? undefined : parsePointer(found.body, uri);
    if (current !== undefined && current.generation >= pointer.generation) {
      // Our own earlier attempt, whose answer was lost.
      if (isSame(current, pointer)) return current;
      throw new WaybillError(
        'POINTER_MOVED',
        `The pointer of ${pointer.dataset} is at generation ${current.generation} (${current.engine}, by ${current.migration}); ${pointer.generation} was to come.`,
        { dataset: pointer.dataset, generation: current.generation },
      );
    }
    if (await storage.replace(uri, body, 'application/json', found?.version, signal)) return pointer;
  }
  throw new WaybillError('POINTER_MOVED', `The pointer of ${pointer.dataset} is being written by others.`, {
    dataset: pointer.dataset,
  });
}

const pointerUri = (prefix: string, dataset: string): string => `${prefix}/${dataset}.json`;

function parsePointer(body: Buffer, uri: string): DatasetPointer {
  try {
    const value = JSON.parse(body.toString('utf8')) as Partial<DatasetPointer>;
    if (Number.isSafeInteger(value.generation) && (value.engine === 'emr' || value.engine === 'databricks'))
      return value as DatasetPointer;
  } catch {
    // Told below.
  }
  throw new WaybillError('FILE_INVALID', `${uri} is no pointer to a dataset.`, { uri });
}

const isSame = (one: DatasetPointer, other: DatasetPointer): boolean =>
  one.generation === other.generation &&
  one.engine === other.engine &&
  one.location === other.location &&
  one.migration === other.migration;
