// Settings of an AmazonS3 or AmazonS3Compatible linked service.
import { z } from 'zod';
import type { CsvFormat } from '../../core/copy/csv.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';
import { booleanSetting, objectSetting, textSetting } from '../common/settings.ts';
import type { EndpointContext } from '../connector.ts';

const properties = z.object({
  region: z.string().optional(),
  serviceUrl: z.string().optional(),
  accessKeyId: z.string().optional(),
  secretAccessKey: z.string().optional(),
  sessionToken: z.string().optional(),
});

export interface S3Config {
  readonly region: string;
  /** Where S3 is, if not at AWS. */
  readonly endpoint: string | undefined;
  /** Buckets are addressed by path, not by host name. */
  readonly forcePathStyle: boolean;
  /** The SDK's own chain (environment, profile, role) where absent. */
  readonly credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } | undefined;
}

export const s3Config = (service: ConnectedLinkedService): S3Config => {
  const parsed = properties.safeParse(service.properties);
  if (!parsed.success) {
    const keys = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new WaybillError('SETTINGS_INVALID', `Linked service ${service.name}: bad value of ${keys}.`, {
      keys,
    });
  }
  const given = parsed.data;
  const { accessKeyId, secretAccessKey, sessionToken } = given;
  if ((accessKeyId ?? '') !== '' && (secretAccessKey ?? '') === '') {
    throw new WaybillError(
      'SETTINGS_INVALID',
      `Linked service ${service.name} has an accessKeyId, but no secretAccessKey.`,
      { linkedService: service.name },
    );
  }
  const endpoint = given.serviceUrl || process.env['AWS_ENDPOINT_URL_S3'] || undefined;
  return {
    region: given.region ?? process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'] ?? 'us-east-1',
    endpoint,
    forcePathStyle: booleanSetting(service.properties, 'forcePathStyle') ?? endpoint !== undefined,
    credentials:
      accessKeyId && secretAccessKey
        ? { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
        : undefined,
  };
};
/** Where a dataset's files are, and how they are written. */
export interface FileLocation {
  readonly bucket: string;
  /** Without a slash at either end; "" for the bucket itself. */
  readonly folder: string;
  readonly fileName: string | undefined;
  readonly format: CsvFormat;
  readonly header: boolean;
  readonly gzip: boolean;
  /** Bytes of one part of a multipart upload. */
  readonly partSize: number;
}

const MEBIBYTE = 1_048_576;

/** Reads a DelimitedText dataset with ADF's defaults: comma, double quote, backslash, no header, NULL as "". */
export const fileLocation = (context: EndpointContext): FileLocation => {
  const { dataset, datasetType, settings } = context.endpoint;
  if (datasetType !== 'DelimitedText') {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `Datasets of type ${datasetType} are not supported on S3.`,
      {
        datasetType,
      },
    );
  }
  const location = objectSetting(dataset, 'location');
  const bucket = textSetting(location, 'bucketName');
  if (bucket === undefined) throw new WaybillError('DEFINITION_INVALID', 'The dataset names no bucket.');
  const codec = (textSetting(dataset, 'compressionCodec') ?? 'none').toLowerCase();
  if (!['none', 'gzip'].includes(codec)) {
    throw new WaybillError('DEFINITION_UNSUPPORTED', `Compression ${codec} is not supported; use gzip.`, {
      codec,
    });
  }
  const encoding = (textSetting(dataset, 'encodingName') ?? 'UTF-8').toUpperCase();
  if (encoding !== 'UTF-8') {
    throw new WaybillError('DEFINITION_UNSUPPORTED', `Encoding ${encoding} is not supported; use UTF-8.`, {
      encoding,
    });
  }
  const blockSize = Number(textSetting(objectSetting(settings, 'storeSettings'), 'blockSizeInMB') ?? 8);
  return {
    bucket,
    folder: (textSetting(location, 'folderPath') ?? '').replace(/^\/+|\/+$/g, ''),
    fileName: textSetting(location, 'fileName'),
    format: csvFormat(dataset),
    header: booleanSetting(dataset, 'firstRowAsHeader') ?? false,
    gzip: codec === 'gzip',
    partSize: Math.max(5, Number.isFinite(blockSize) ? blockSize : 8) * MEBIBYTE,
  };
};

const csvFormat = (dataset: JsonObject): CsvFormat => {
  const character = (name: string, otherwise: string): string => {
    const value = dataset[name];
    return typeof value === 'string' ? value : otherwise;
  };
  return {
    delimiter: character('columnDelimiter', ',') || ',',
    quote: character('quoteChar', '"'),
    escapeMark: character('escapeChar', '\\') || character('quoteChar', '"'),
    nullText: character('nullValue', ''),
  };
};

/** A key inside the dataset's folder. */
export const keyIn = (location: FileLocation, name: string): string =>
  location.folder === '' ? name : `${location.folder}/${name}`;
