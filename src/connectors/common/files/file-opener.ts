// What one store of files adds to the connector that they all share: where its containers are, and how one is opened.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { ConnectedLinkedService } from '../../../core/linked-service.ts';
import { textSetting } from '../settings.ts';
import type { FileStore } from './file-store.ts';

export interface OpenOptions {
  /** Bytes of one part of an upload, where the definition says so (`blockSizeInMB`). */
  readonly partSize?: number;
  /** The dataset's location and the store settings, for stores that are asked by them. */
  readonly location?: JsonObject;
  readonly settings?: JsonObject;
}

/** The container for what a definition gives no path for, as Data Factory then makes one of its own. */
export const OWN_CONTAINER = 'waybill';

export interface FileOpener {
  /** "S3", "Azure Blob", "folder": begins the names of its ends of a copy. */
  readonly store: string;
  /** Properties of a dataset's location that name the container; none where a linked service is one container. */
  readonly containerKeys: readonly string[];
  open(
    service: ConnectedLinkedService,
    container: string,
    signal: AbortSignal,
    options: OpenOptions,
  ): Promise<FileStore>;
  /** Names of all containers, where the account can be asked for them. */
  containers?(service: ConnectedLinkedService): Promise<string[]>;
  /** Makes a container where there is none of that name; absent where waybill makes none. */
  makeContainer?(service: ConnectedLinkedService, container: string): Promise<void>;
}

/** A folder of an open store. */
export interface OpenFolder {
  readonly store: FileStore;
  /** "" where the store has none. */
  readonly container: string;
  /** Without slashes at its ends; "" for the container itself. */
  readonly folder: string;
}

/** The container that a dataset's location names; "" where the store has none. Throws DEFINITION_INVALID. */
export const containerOf = (opener: FileOpener, location: JsonObject): string => {
  if (opener.containerKeys.length === 0) return '';
  const container = textSetting(location, ...opener.containerKeys);
  if (container !== undefined) return container;
  throw new WaybillError('DEFINITION_INVALID', `The dataset names no ${opener.containerKeys[0]}.`);
};

/**
 * Opens the place that ADF writes as one path, such as logLocationSettings.path: "container/folder/below". Without a path
 * it is OWN_CONTAINER, which is made if need be. Throws DEFINITION_INVALID where the store makes no containers.
 */
export const openFolder = async (
  opener: FileOpener,
  service: ConnectedLinkedService,
  path: string,
  signal: AbortSignal,
): Promise<OpenFolder> => {
  const parts = path.split('/').filter((part) => part !== '');
  let container = opener.containerKeys.length === 0 ? '' : parts.shift();
  if (container === undefined) {
    if (opener.makeContainer === undefined)
      throw new WaybillError('DEFINITION_INVALID', `The path "${path}" names no container.`, { path });
    container = OWN_CONTAINER;
    await opener.makeContainer(service, container);
  }
  return { store: await opener.open(service, container, signal, {}), container, folder: parts.join('/') };
};
