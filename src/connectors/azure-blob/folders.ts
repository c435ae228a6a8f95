// Folders of a container: parts of names, and in accounts with hierarchical names blobs of their own.
import type { BlobItem, BlobProperties, ContainerClient } from '@azure/storage-blob';
import type { FolderChildren, StoredFile } from '../common/files/file-store.ts';

/** An account with hierarchical names lists its folders as blobs too. */
export const isFolder = (metadata: Readonly<Record<string, string>> | undefined): boolean =>
  metadata?.['hdi_isfolder'] === 'true';

/** Listings give ETags without quotes, all else with them. */
export const plainEtag = (etag: string | undefined): string => (etag ?? '').replace(/^"|"$/g, '');

/** A blob as listings show it. */
export const storedBlob = (key: string, properties: BlobProperties): StoredFile => ({
  key,
  bytes: properties.contentLength ?? 0,
  etag: plainEtag(properties.etag),
  modified: properties.lastModified.getTime(),
  ...(properties.createdOn === undefined ? {} : { created: properties.createdOn.getTime() }),
});

const under = (folder: string): string => (folder === '' ? '' : `${folder}/`);

/** One level of a folder; undefined where nothing has its name. */
export async function folderChildren(
  client: ContainerClient,
  folder: string,
  abortSignal: AbortSignal,
): Promise<FolderChildren | undefined> {
  const prefix = under(folder);
  const files: StoredFile[] = [];
  const folders = new Set<string>();
  let there = false;
  for await (const item of client.listBlobsByHierarchy('/', { prefix, includeMetadata: true, abortSignal })) {
    there = true;
    const name = item.name.slice(prefix.length).replace(/\/$/, '');
    if (name === '') continue;
    if (item.kind === 'prefix' || isFolder(item.metadata)) folders.add(name);
    else files.push(storedBlob(item.name, item.properties));
  }
  if (there || folder === '') return { files, folders: [...folders] };
  // An empty folder of an account with hierarchical names.
  const own = client.getBlobClient(folder);
  const found = await own.getProperties({ abortSignal }).catch((error: { statusCode?: number }) => {
    if (error.statusCode === 404) return undefined;
    throw error;
  });
  return isFolder(found?.metadata) ? { files, folders: [] } : undefined;
}

/** Blobs that are the folder or folders below it, the deepest first. */
export async function folderNames(
  client: ContainerClient,
  folder: string,
  abortSignal: AbortSignal,
): Promise<string[]> {
  const names: string[] = [];
  const own = ({ name }: BlobItem): boolean => name === folder || name.startsWith(under(folder));
  for await (const blob of client.listBlobsFlat({ prefix: folder, includeMetadata: true, abortSignal }))
    if (isFolder(blob.metadata) && own(blob)) names.push(blob.name);
  return names.sort((a, b) => b.length - a.length);
}
