// What one store of files adds to the connector that they all share: where its containers are, and how one is opened.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { ConnectedLinkedService } from '../../../core/linked-service.ts';
import { textSetting } from '../settings.ts';
import type { FileStore } from './file-store.ts';

export interface OpenOptions {
  /** Bytes of one part of an upload, where the definition says so (`blockSizeInMB`). */
  readonly partSize?: number;
}

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
}

/** A folder of an open store. */
export interface OpenFolder {
  readonly store: FileStore;
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

/** Opens the place that ADF writes as one path, such as logLocationSettings.path: "container/folder/below". */
export const openFolder = async (
  opener: FileOpener,
  service: ConnectedLinkedService,
  path: string,
  signal: AbortSignal,
): Promise<OpenFolder> => {
  const parts = path.split('/').filter((part) => part !== '');
  const container = opener.containerKeys.length === 0 ? '' : parts.shift();
  if (container === undefined) {
    throw new WaybillError('DEFINITION_INVALID', `The path "${path}" names no container.`, { path });
  }
  return { store: await opener.open(service, container, signal, {}), folder: parts.join('/') };
};
