// The three stores of files as tests use them: opened by the product's own code, looked at by other means.
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import type { EngineName } from '../../dev/world/state.ts';
import type { World } from '../../dev/world/world.ts';
import { azureBlobConfig } from '../../src/connectors/azure-blob/config.ts';
import { connectContainer } from '../../src/connectors/azure-blob/connection.ts';
import { AzureBlobStore } from '../../src/connectors/azure-blob/store.ts';
import type { FileStore } from '../../src/connectors/common/files/file-store.ts';
import { fileSystemConfig } from '../../src/connectors/file-system/config.ts';
import { FolderStore } from '../../src/connectors/file-system/store.ts';
import { s3Config } from '../../src/connectors/s3/config.ts';
import { S3Store } from '../../src/connectors/s3/store.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';

export interface OpenPlace {
  readonly signal?: AbortSignal;
  /** Instead of the store's own address. */
  readonly endpoint?: string;
  readonly partSize?: number;
  readonly largestCopy?: number;
}

export interface FilePlace {
  readonly type: 'AmazonS3' | 'AzureBlobStorage' | 'FileServer';
  readonly engines: readonly EngineName[];
  start(world: World): Promise<void>;
  stop(): Promise<void>;
  /** Where a fault proxy goes before; undefined where there is no network. */
  readonly address: string | undefined;
  readonly service: (endpoint?: string) => ConnectedLinkedService;
  readonly location: (folder: string, fileName?: string) => JsonObject;
  open(options?: OpenPlace): Promise<FileStore>;
  /** What another client sees. */
  keys(prefix?: string): Promise<string[]>;
  content(key: string): Promise<Buffer>;
  put(key: string, body: string | Buffer): Promise<void>;
  /** Uploads that were begun and not ended. */
  uploads(prefix?: string): Promise<string[]>;
}

const never = new AbortController().signal;
const named = (folder: string, fileName: string | undefined): JsonObject => ({
  folderPath: folder,
  ...(fileName === undefined ? {} : { fileName }),
});

export const s3Place = (container: string): FilePlace => {
  const type = 'AmazonS3';
  let client: S3Client;
  let properties: JsonObject = {};
  const service = (endpoint?: string): ConnectedLinkedService => ({
    name: type,
    type,
    properties: { ...properties, ...(endpoint === undefined ? {} : { serviceUrl: endpoint }) },
  });
  return {
    type,
    engines: ['s3'],
    async start(world) {
      const credentials = {
        accessKeyId: world.env['AWS_ACCESS_KEY_ID'] ?? '',
        secretAccessKey: world.env['AWS_SECRET_ACCESS_KEY'] ?? '',
      };
      properties = { serviceUrl: world.s3.endpoint, region: world.s3.region, ...credentials };
      client = new S3Client({
        endpoint: world.s3.endpoint,
        region: world.s3.region,
        forcePathStyle: true,
        credentials,
      });
      await client.send(new CreateBucketCommand({ Bucket: container })).catch(() => undefined);
    },
    async stop() {
      client?.destroy();
    },
    get address() {
      return String(properties['serviceUrl']);
    },
    service,
    location: (folder, fileName) => ({
      type: 'AmazonS3Location',
      bucketName: container,
      ...named(folder, fileName),
    }),
    open: async ({ signal = never, endpoint, ...options } = {}) =>
      new S3Store(s3Config(service(endpoint)), container, signal, options),
    async keys(prefix = '') {
      const found = await client.send(new ListObjectsV2Command({ Bucket: container, Prefix: prefix }));
      return (found.Contents ?? []).map(({ Key }) => Key ?? '');
    },
    async content(key) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: container, Key: key }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    },
    async put(key, body) {
      await client.send(new PutObjectCommand({ Bucket: container, Key: key, Body: body }));
    },
    async uploads(prefix = '') {
      const found = await client.send(new ListMultipartUploadsCommand({ Bucket: container, Prefix: prefix }));
      return (found.Uploads ?? []).map(({ Key }) => Key ?? '');
    },
  };
};

export const azurePlace = (container: string): FilePlace => {
  const type = 'AzureBlobStorage';
  let client: ContainerClient;
  let properties: JsonObject = {};
  const service = (endpoint?: string): ConnectedLinkedService => ({
    name: type,
    type,
    properties: {
      ...properties,
      ...(endpoint === undefined ? {} : { serviceEndpoint: `${endpoint}/waybill` }),
    },
  });
  const listed = async (prefix: string, includeUncommitedBlobs: boolean): Promise<string[]> => {
    const found: string[] = [];
    for await (const { name } of client.listBlobsFlat({ prefix, includeUncommitedBlobs })) found.push(name);
    return found;
  };
  return {
    type,
    engines: ['azure-blob'],
    async start(world) {
      const accountKey = world.env[world.azureBlob.accountKeyEnv] ?? '';
      properties = { serviceEndpoint: world.azureBlob.endpoint, accountKey };
      const credential = new StorageSharedKeyCredential('waybill', accountKey);
      client = new ContainerClient(`${world.azureBlob.endpoint}/${container}`, credential);
      await client.createIfNotExists();
    },
    async stop() {
      // The client keeps nothing open.
    },
    get address() {
      return new URL(String(properties['serviceEndpoint'])).origin;
    },
    service,
    location: (folder, fileName) => ({
      type: 'AzureBlobStorageLocation',
      container,
      ...named(folder, fileName),
    }),
    open: async ({ signal = never, endpoint, partSize } = {}) =>
      new AzureBlobStore(
        await connectContainer(azureBlobConfig(service(endpoint)), container),
        signal,
        partSize === undefined ? {} : { partSize },
      ),
    keys: (prefix = '') => listed(prefix, false),
    content: (key) => client.getBlobClient(key).downloadToBuffer(),
    async put(key, body) {
      await client.getBlockBlobClient(key).upload(body, Buffer.byteLength(body));
    },
    async uploads(prefix = '') {
      const committed = new Set(await listed(prefix, false));
      return (await listed(prefix, true)).filter((name) => !committed.has(name));
    },
  };
};

export const folderPlace = (): FilePlace => {
  const type = 'FileServer';
  let root = '';
  const service = (): ConnectedLinkedService => ({ name: type, type, properties: { host: root } });
  const all = async (prefix: string): Promise<string[]> => {
    const names = await readdir(root, { recursive: true });
    const files: string[] = [];
    for (const name of names.sort()) {
      if (name.startsWith(prefix) && (await stat(join(root, name))).isFile()) files.push(name);
    }
    return files;
  };
  const unfinished = (name: string): boolean => name.endsWith('.uploading');
  return {
    type,
    engines: [],
    async start() {
      root = await mkdtemp(join(tmpdir(), 'waybill-folder-'));
    },
    async stop() {
      await rm(root, { recursive: true, force: true });
    },
    address: undefined,
    service,
    location: (folder, fileName) => ({ type: 'FileServerLocation', ...named(folder, fileName) }),
    open: async ({ signal = never } = {}) => new FolderStore(fileSystemConfig(service()).root, signal),
    keys: async (prefix = '') => (await all(prefix)).filter((name) => !unfinished(name)),
    content: (key) => readFile(join(root, key)),
    async put(key, body) {
      await mkdir(dirname(join(root, key)), { recursive: true });
      await writeFile(join(root, key), body);
    },
    uploads: async (prefix = '') =>
      (await all('')).filter(unfinished).filter((name) => name.startsWith(prefix)),
  };
};
