// Lists a bucket: everything under a prefix, or one level of a folder.
import { ListObjectsV2Command, type ListObjectsV2Output } from '@aws-sdk/client-s3';
import type { FolderChildren, StoredFile } from '../common/files/file-store.ts';

export interface Listing {
  readonly bucket: string;
  /** Sends a request with the store's own way of failing; `doing` is for messages. */
  send(command: ListObjectsV2Command, doing: string): Promise<ListObjectsV2Output>;
}

async function* pages(
  { bucket, send }: Listing,
  prefix: string,
  delimiter?: string,
): AsyncGenerator<ListObjectsV2Output> {
  let token: string | undefined;
  do {
    const page = await send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: prefix,
        ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
      `listing ${prefix}`,
    );
    yield page;
    token = page.NextContinuationToken;
  } while (token !== undefined);
}

const filesOf = ({ Contents = [] }: ListObjectsV2Output): StoredFile[] =>
  Contents.map((one) => ({
    key: one.Key ?? '',
    etag: one.ETag ?? '',
    bytes: one.Size ?? 0,
    ...(one.LastModified === undefined ? {} : { modified: one.LastModified.getTime() }),
  }));

export async function* listObjects(listing: Listing, prefix: string): AsyncGenerator<StoredFile> {
  for await (const page of pages(listing, prefix)) yield* filesOf(page);
}

/** An empty folder is an object of its name and a slash, as consoles make it. */
export async function listFolder(listing: Listing, folder: string): Promise<FolderChildren | undefined> {
  const prefix = folder === '' ? '' : `${folder}/`;
  const files: StoredFile[] = [];
  const folders: string[] = [];
  let there = folder === '';
  for await (const page of pages(listing, prefix, '/')) {
    for (const file of filesOf(page)) {
      there = true;
      if (file.key !== prefix) files.push(file);
    }
    for (const { Prefix = '' } of page.CommonPrefixes ?? []) {
      there = true;
      folders.push(Prefix.slice(prefix.length).replace(/\/$/, ''));
    }
  }
  return there ? { files, folders } : undefined;
}
