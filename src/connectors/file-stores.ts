// Opens a folder of any store of files by the linked service's type, for files beside a copy such as session logs.
import { WaybillError } from '../core/errors.ts';
import type { ConnectedLinkedService } from '../core/linked-service.ts';
import { type FileOpener, type OpenFolder, openFolder } from './common/files/file-opener.ts';

const s3 = async (): Promise<FileOpener> => (await import('./s3/opener.ts')).s3Opener;
const azureBlob = async (): Promise<FileOpener> => (await import('./azure-blob/opener.ts')).azureBlobOpener;
const fileSystem = async (): Promise<FileOpener> =>
  (await import('./file-system/opener.ts')).fileSystemOpener;
const httpServer = async (): Promise<FileOpener> =>
  (await import('./http-server/opener.ts')).httpServerOpener;

const OPENERS: Readonly<Record<string, () => Promise<FileOpener>>> = {
  AmazonS3: s3,
  AmazonS3Compatible: s3,
  AzureBlobStorage: azureBlob,
  AzureBlobFS: azureBlob,
  FileServer: fileSystem,
  HttpServer: httpServer,
};

/** Whether a linked service of this type keeps files. */
export const keepsFiles = (type: string): boolean => OPENERS[type] !== undefined;

/** What opens the stores of a linked service's type. Throws DEFINITION_UNSUPPORTED for one that keeps no files. */
export const openerFor = async ({ name, type }: ConnectedLinkedService): Promise<FileOpener> => {
  const load = OPENERS[type];
  if (load !== undefined) return load();
  throw new WaybillError('DEFINITION_UNSUPPORTED', `Linked service ${name} (${type}) keeps no files.`, {
    type,
    supported: Object.keys(OPENERS).join(', '),
  });
};

/**
 * Opens the folder that ADF writes as one path ("container/folder"; in a FileServer, the folder alone). Whoever opens it
 * closes its store. Throws DEFINITION_UNSUPPORTED for a linked service that keeps no files.
 */
export const openFileStore = async (
  linkedService: ConnectedLinkedService,
  path: string,
  signal: AbortSignal,
): Promise<OpenFolder> => openFolder(await openerFor(linkedService), linkedService, path, signal);
