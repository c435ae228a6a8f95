// Where a dataset's files are: an open store, a folder of it, a file's name, and how files are chosen.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { ConnectedLinkedService } from '../../../core/linked-service.ts';
import { objectSetting, textSetting } from '../settings.ts';
import { containerOf, type FileOpener } from './file-opener.ts';
import type { FileStore } from './file-store.ts';

export interface FilesPlace {
  readonly store: FileStore;
  readonly container: string;
  /** Without a slash at either end; "" for the container itself. */
  readonly folder: string;
  readonly fileName: string | undefined;
  readonly storeSettings: JsonObject;
}

const MEBIBYTE = 1_048_576;

/** Opens the store that a dataset's location names. Throws DEFINITION_INVALID, IDENTIFIER_INVALID, SETTINGS_INVALID. */
export const openFilesPlace = async (
  opener: FileOpener,
  service: ConnectedLinkedService,
  dataset: JsonObject,
  storeSettings: JsonObject,
  signal: AbortSignal,
): Promise<FilesPlace> => {
  const location = objectSetting(dataset, 'location');
  const container = containerOf(opener, location);
  const folder = (textSetting(location, 'folderPath') ?? '').replace(/^\/+|\/+$/g, '');
  const fileName = textSetting(location, 'fileName') ?? nameInUrl(location);
  for (const name of [folder, fileName ?? '']) refuseOddName(name);
  const blockSize = Number(textSetting(storeSettings, 'blockSizeInMB') ?? 0);
  const store = await opener.open(service, container, signal, {
    ...(blockSize > 0 ? { partSize: blockSize * MEBIBYTE } : {}),
    location,
    settings: storeSettings,
  });
  return { store, container, folder, fileName, storeSettings };
};

/** The one file of an HTTP server that a location names: its address's path. */
const nameInUrl = (location: JsonObject): string | undefined => {
  if (textSetting(location, 'type')?.toLowerCase() !== 'httpserverlocation') return undefined;
  const path = (textSetting(location, 'relativeUrl') ?? '').replace(/[?#].*$/s, '').replace(/^\/+|\/+$/g, '');
  return path === '' ? 'response' : path;
};

/** Stores treat these as any name or not at all; what is between us and them may resolve them as paths. */
export const refuseOddName = (name: string): void => {
  if (!name.includes('\0') && !name.split('/').some((part) => part === '.' || part === '..')) return;
  throw new WaybillError(
    'IDENTIFIER_INVALID',
    `The file or folder name ${JSON.stringify(name.slice(0, 200))} leads out of its folder.`,
  );
};
