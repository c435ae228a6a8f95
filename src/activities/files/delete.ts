// Delete: removes a file, or the files of a folder that a dataset and its filters name, and nothing beside them.
import { createHash } from 'node:crypto';
import { Context } from '@temporalio/activity';
import type { FileStore, StoredFile } from '../../connectors/common/files/file-store.ts';
import { type FilesPlace, refuseOddName } from '../../connectors/common/files/files-place.ts';
import { findAllFiles, isFiltered, LEDGERS, listRoot } from '../../connectors/common/files/find-files.ts';
import { keyIn } from '../../connectors/common/files/keys.ts';
import { booleanSetting, objectSetting, textSetting } from '../../connectors/common/settings.ts';
import { openFileStore } from '../../connectors/file-stores.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { requiredDataset, type TaskInput, type TaskResult } from '../../core/pipeline/task.ts';
import { type FileDependencies, withFiles } from './place.ts';

const AT_ONCE = 8;

/** One line of the log. */
interface Removal {
  readonly key: string;
  readonly error?: string;
}

/**
 * Gives ADF's output. Nothing to delete is no error: it is what a repeated attempt finds. A file that cannot be deleted
 * fails the activity after the others were; the log, where there is one, names each.
 */
export async function deleteFiles(dependencies: FileDependencies, input: TaskInput): Promise<TaskResult> {
  const dataset = requiredDataset(input);
  const properties = withRecursive(input.typeProperties);
  const began = Date.now();
  return withFiles(dependencies, dataset, properties, async (place) => {
    const recursive = booleanSetting(place.storeSettings, 'recursive') === true;
    const removals: Removal[] = [];
    const logged = await openLog(dependencies, input);
    let failure: unknown;
    let logPath: string | undefined;
    try {
      failure = await removeAll(place, await filesToDelete(place), removals);
      if (failure === undefined && recursive && !isFiltered(place) && place.fileName === undefined)
        await removeFolder(place);
    } finally {
      logPath = await logged?.write(removals);
    }
    if (failure !== undefined) throw failure;
    const output: JsonObject = {
      datasetName: dataset.name,
      type: dataset.type,
      path: [place.container, place.folder, place.fileName ?? ''].filter((part) => part !== '').join('/'),
      recursive,
      isWildcardUsed:
        textSetting(place.storeSettings, 'wildcardFolderPath', 'wildcardFileName') !== undefined,
      maxConcurrentConnections: AT_ONCE,
      filesDeleted: removals.filter(({ key }) => !key.endsWith('/')).length,
      executionDuration: Math.round((Date.now() - began) / 1000),
      ...(logPath === undefined ? {} : { logPath }),
    };
    return { output };
  });
}

/** `recursive` stands beside the dataset or in storeSettings; Data Factory's default is false here. */
function withRecursive(properties: JsonObject): JsonObject {
  const storeSettings = objectSetting(properties, 'storeSettings');
  const recursive =
    booleanSetting(properties, 'recursive') ?? booleanSetting(storeSettings, 'recursive') ?? false;
  return { ...properties, storeSettings: { ...storeSettings, recursive } };
}

/** Every file is below what the definition names, whatever a store's listing answered. */
async function filesToDelete(place: FilesPlace): Promise<StoredFile[]> {
  const root = listRoot(place);
  const files = await findAllFiles(place);
  for (const { key } of files) {
    refuseOddName(key);
    if (key.startsWith(root)) continue;
    throw new WaybillError('IDENTIFIER_INVALID', `${key} is not below ${root}: nothing was deleted.`, {
      key,
    });
  }
  return files;
}

/** Returns the first failure, after everything was tried. */
async function removeAll(
  { store }: FilesPlace,
  files: readonly StoredFile[],
  removals: Removal[],
): Promise<unknown> {
  const { cancellationSignal } = Context.current();
  let failure: unknown;
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let file = files[next++]; file !== undefined; file = files[next++]) {
      cancellationSignal.throwIfAborted();
      try {
        await store.remove(file.key);
        removals.push({ key: file.key });
      } catch (error) {
        cancellationSignal.throwIfAborted();
        failure ??= error;
        removals.push({ key: file.key, error: error instanceof Error ? error.message : String(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return failure;
}

/** The folder goes with its files: ledgers of copies in it, what stood for it and for those below it. */
async function removeFolder({ store, folder }: FilesPlace): Promise<void> {
  const prefix = folder === '' ? '' : `${folder}/`;
  const rest: string[] = [];
  for await (const { key } of store.list(prefix))
    if (key.endsWith('/') || key.slice(prefix.length).split('/').includes(LEDGERS)) rest.push(key);
  for (const key of rest) await store.remove(key);
  await store.removeEmptyFolders?.(folder);
}

interface DeleteLog {
  /** Writes the log and gives its path. */
  write(removals: readonly Removal[]): Promise<string>;
}

/** Opened before anything is deleted: who asks for a log that cannot be written keeps the files. */
async function openLog(dependencies: FileDependencies, input: TaskInput): Promise<DeleteLog | undefined> {
  const { typeProperties, attemptKey } = input;
  if (booleanSetting(typeProperties, 'enableLogging') !== true) return undefined;
  const settings = objectSetting(typeProperties, 'logStorageSettings');
  const reference = objectSetting(settings, 'linkedServiceName');
  const name = textSetting(reference, 'referenceName') ?? textSetting(settings, 'linkedServiceName');
  if (name === undefined)
    throw new WaybillError(
      'DEFINITION_INVALID',
      `Delete "${input.activity}" has enableLogging, but its logStorageSettings name no linked service.`,
      { activity: input.activity },
    );
  const service = await dependencies.resolveLinkedService(name, objectSetting(reference, 'parameters'));
  const { cancellationSignal, info } = Context.current();
  const path = textSetting(settings, 'path') ?? '';
  const { store, container, folder } = await openFileStore(service, path, cancellationSignal);
  const suffix = info.attempt === 1 ? '' : `-${info.attempt}`;
  const file = `${guidOf(attemptKey)}${suffix}.csv`;
  return {
    async write(removals) {
      try {
        await writeLog(store, keyIn(folder, file), removals);
        return [container, folder, file].filter((part) => part !== '').join('/');
      } finally {
        await store.close().catch(() => undefined);
      }
    },
  };
}

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** ADF's columns. */
async function writeLog(store: FileStore, key: string, removals: readonly Removal[]): Promise<void> {
  const lines = removals
    .filter((removal) => !removal.key.endsWith('/'))
    .map(
      (removal) =>
        `${quoted(removal.key)},File,${removal.error === undefined ? 'Deleted' : 'Error'},${quoted(removal.error ?? '')}`,
    );
  const text = ['Name,Category,Status,Error', ...lines, ''].join('\n');
  async function* bytes(): AsyncGenerator<Buffer> {
    yield Buffer.from(text);
  }
  await store.write(key, bytes(), { contentType: 'text/csv; charset=utf-8', verify: true });
}

/** A GUID that stands for `text`. */
const guidOf = (text: string): string => {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
};
