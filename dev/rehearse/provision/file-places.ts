// Puts files into the local world's stores of files.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  BucketAlreadyOwnedByYou,
  CreateBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { azureAccount } from '../../azurite/azurite.ts';
import type { World } from '../../world/world.ts';
import { folderOf } from '../local-factory.ts';
import type { StoreRef } from '../needs.ts';

export class FilePlaces {
  readonly #world: World;
  readonly #files: string;
  readonly #made = new Set<string>();
  #s3: S3Client | undefined;

  constructor(world: World, files: string) {
    this.#world = world;
    this.#files = files;
  }

  /** Makes the container, bucket or folder where there is none. */
  async container(store: StoreRef, container: string): Promise<void> {
    const key = `${store.kind}|${store.linkedService}|${container}`;
    if (this.#made.has(key)) return;
    if (store.kind === 'azure-blob') await this.#blobs(container).createIfNotExists();
    else if (store.kind === 's3') {
      await this.#client()
        .send(new CreateBucketCommand({ Bucket: container }))
        .catch((error: unknown) => {
          if (!(error instanceof BucketAlreadyOwnedByYou)) throw error;
        });
    } else await mkdir(join(folderOf(this.#files, store.linkedService), container), { recursive: true });
    this.#made.add(key);
  }

  /** Removes what earlier pipelines left, so that listings show what this one was given. */
  async empty(store: StoreRef, container: string): Promise<void> {
    await this.container(store, container);
    if (store.kind === 'azure-blob') {
      const client = this.#blobs(container);
      for await (const blob of client.listBlobsFlat()) await client.deleteBlob(blob.name);
    } else if (store.kind === 's3') {
      const listed = await this.#client().send(new ListObjectsV2Command({ Bucket: container }));
      for (const { Key } of listed.Contents ?? [])
        await this.#client().send(new DeleteObjectCommand({ Bucket: container, Key }));
    } else {
      const folder = join(folderOf(this.#files, store.linkedService), container);
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true });
    }
  }

  /** Writes one file, over one that is there. */
  async put(store: StoreRef, container: string, path: string, bytes: Buffer): Promise<void> {
    await this.container(store, container);
    if (store.kind === 'azure-blob') {
      await this.#blobs(container).getBlockBlobClient(path).upload(bytes, bytes.length);
    } else if (store.kind === 's3') {
      await this.#client().send(new PutObjectCommand({ Bucket: container, Key: path, Body: bytes }));
    } else {
      const file = join(folderOf(this.#files, store.linkedService), container, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, bytes);
    }
  }

  /** Makes a folder with nothing in it, as the store keeps such a thing. */
  async folder(store: StoreRef, container: string, path: string): Promise<void> {
    await this.container(store, container);
    if (store.kind === 'azure-blob')
      await this.#blobs(container)
        .getBlockBlobClient(path)
        .upload('', 0, { metadata: { hdi_isfolder: 'true' } });
    else if (store.kind === 's3')
      await this.#client().send(new PutObjectCommand({ Bucket: container, Key: `${path}/` }));
    else await mkdir(join(folderOf(this.#files, store.linkedService), container, path), { recursive: true });
  }

  #blobs(container: string): ContainerClient {
    const { endpoint, accountKeyEnv } = this.#world.azureBlob;
    const credential = new StorageSharedKeyCredential(azureAccount, this.#world.env[accountKeyEnv] ?? '');
    return new ContainerClient(`${endpoint}/${container}`, credential, { retryOptions: { maxTries: 1 } });
  }

  #client(): S3Client {
    const { env, s3 } = this.#world;
    this.#s3 ??= new S3Client({
      ...{ endpoint: s3.endpoint, region: s3.region, forcePathStyle: true },
      credentials: {
        accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
        secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
      },
    });
    return this.#s3;
  }
}
