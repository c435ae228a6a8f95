// Amazon S3 as a store of the contract suite, once per file format.
import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import type { JsonObject } from '../../../src/core/json.ts';
import { realEndpoint, type Store } from './store.ts';

/** Dataset properties of the formats that stores of files are tried with. */
export const FORMATS: Readonly<Record<string, JsonObject>> = {
  DelimitedText: { firstRowAsHeader: true, compressionCodec: 'gzip' },
  Parquet: {},
};

export const s3Store = (format: string): Store => {
  const type = 'AmazonS3';
  const real = realEndpoint(type);
  let properties: JsonObject = real ?? {};
  let bucket = String(real?.['bucketName'] ?? '');
  let folder = '';
  let client: S3Client;
  const service = (changes: JsonObject = {}) => ({
    name: type,
    type,
    properties: { ...properties, ...changes },
  });
  return {
    id: `${type}_${format}`,
    type,
    kind: 'files',
    engines: real === undefined ? ['s3'] : [],
    waivers: {},
    async start(world, name) {
      folder = `${name}/${format}`;
      if (real === undefined) {
        bucket = 'contract';
        properties = {
          serviceUrl: world.s3.endpoint,
          region: world.s3.region,
          accessKeyId: world.env['AWS_ACCESS_KEY_ID'] ?? '',
          secretAccessKey: world.env['AWS_SECRET_ACCESS_KEY'] ?? '',
        };
      }
      client = new S3Client({
        ...(properties['serviceUrl'] ? { endpoint: String(properties['serviceUrl']) } : {}),
        region: String(properties['region'] ?? 'us-east-1'),
        forcePathStyle: real === undefined,
        credentials: {
          accessKeyId: String(properties['accessKeyId']),
          secretAccessKey: String(properties['secretAccessKey']),
        },
      });
      if (real === undefined) {
        await client.send(new CreateBucketCommand({ Bucket: bucket })).catch(() => undefined);
      }
    },
    async stop() {
      client.destroy();
    },
    service: (port) => service(port === undefined ? {} : { serviceUrl: `http://127.0.0.1:${port}` }),
    get address() {
      if (properties['serviceUrl'] === undefined) return undefined;
      const { hostname, port } = new URL(String(properties['serviceUrl']));
      return { host: hostname, port: Number(port) };
    },
    // The stand-in takes any signature.
    refusedService: (secret) => (real === undefined ? undefined : service({ secretAccessKey: secret })),
    endpoint: (place, settings = {}) => ({
      linkedService: type,
      datasetType: format,
      dataset: {
        location: { type: 'AmazonS3Location', bucketName: bucket, folderPath: `${folder}/${place}` },
        ...FORMATS[format],
      },
      settings: { type: `${format}Source`, ...settings },
    }),
    async leftovers() {
      const found = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: folder }));
      const staged = (found.Contents ?? [])
        .map(({ Key }) => Key ?? '')
        .filter((key) => key.includes('/staged-'));
      const uploads = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: folder }));
      return [...staged, ...(uploads.Uploads ?? []).map(({ Key }) => `upload of ${Key}`)];
    },
  };
};
