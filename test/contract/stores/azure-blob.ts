// Azure Blob Storage as a store of the contract suite, once per file format.
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import type { JsonObject } from '../../../src/core/json.ts';
import { FORMATS } from './s3.ts';
import { realEndpoint, type Store } from './store.ts';

/** A real endpoint is named by url, accountName, accountKey and container. */
export const azureBlobStore = (format: string): Store => {
  const type = 'AzureBlobStorage';
  const real = realEndpoint(type);
  let properties: JsonObject = {};
  let container = String(real?.['container'] ?? 'contract');
  let folder = '';
  let client: ContainerClient;
  const service = (changes: JsonObject = {}) => ({
    name: type,
    type,
    properties: { ...properties, ...changes },
  });
  return {
    id: `AzureBlob_${format}`,
    type,
    kind: 'files',
    engines: real === undefined ? ['azure-blob'] : [],
    waivers: {},
    async start(world, name) {
      folder = `${name}/${format}`;
      if (real === undefined) container = 'contract';
      properties =
        real ??
        ({
          serviceEndpoint: world.azureBlob.endpoint,
          accountName: 'waybill',
          accountKey: world.env[world.azureBlob.accountKeyEnv] ?? '',
        } satisfies JsonObject);
      const endpoint = String(properties['serviceEndpoint'] ?? properties['url']);
      client = new ContainerClient(
        `${endpoint}/${container}`,
        new StorageSharedKeyCredential(String(properties['accountName']), String(properties['accountKey'])),
      );
      if (real === undefined) await client.createIfNotExists();
    },
    async stop() {
      // The client keeps nothing open.
    },
    service: (port) => {
      if (port === undefined) return service();
      const url = new URL(String(properties['serviceEndpoint']));
      url.port = String(port);
      return service({ serviceEndpoint: url.href });
    },
    get address() {
      if (real !== undefined) return undefined;
      const { hostname, port } = new URL(String(properties['serviceEndpoint']));
      return { host: hostname, port: Number(port) };
    },
    refusedService: (secret) => service({ accountKey: Buffer.from(secret).toString('base64') }),
    endpoint: (place, settings = {}) => ({
      linkedService: type,
      datasetType: format,
      dataset: {
        location: { type: 'AzureBlobStorageLocation', container, folderPath: `${folder}/${place}` },
        ...FORMATS[format],
      },
      settings: { type: `${format}Source`, ...settings },
    }),
    async leftovers() {
      const found: string[] = [];
      const committed = new Set<string>();
      for await (const { name } of client.listBlobsFlat({ prefix: folder })) {
        committed.add(name);
        if (name.includes('/staged-')) found.push(name);
      }
      for await (const { name } of client.listBlobsFlat({ prefix: folder, includeUncommitedBlobs: true })) {
        if (!committed.has(name)) found.push(`upload of ${name}`);
      }
      return found;
    },
  };
};
