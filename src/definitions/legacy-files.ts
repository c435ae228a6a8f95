// Datasets, sources and sinks of files from before 2019, when a dataset was named after its store (AzureBlob) and had a
// `format` inside: put into today's form, so that nothing behind the loader has to know both.
// Sources: "File and compression formats supported by Azure Data Factory" (legacy page of Microsoft's documentation).
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { Problems } from './problem.ts';
import { isObject } from './resource.ts';

/** Legacy dataset types, and the type of their location today. */
const LOCATIONS: Readonly<Record<string, string>> = {
  AzureBlob: 'AzureBlobStorageLocation',
  AzureBlobFSFile: 'AzureBlobFSLocation',
  FileShare: 'FileServerLocation',
};

/** Types of legacy sources and sinks of files. */
const SIDES = /^(Blob|AzureBlobFS|FileSystem)(Source|Sink)$/;

const FORMATS: Readonly<Record<string, string>> = {
  textformat: 'DelimitedText',
  jsonformat: 'Json',
  parquetformat: 'Parquet',
};

const CODECS: Readonly<Record<string, string>> = {
  gzip: 'gzip',
  deflate: 'deflate',
  zipdeflate: 'ZipDeflate',
  bzip2: 'bzip2',
};

interface ModernDataset {
  readonly type: string;
  readonly typeProperties: JsonObject;
}

/**
 * A legacy dataset as one of today's; undefined for any other. Without a `format` it is Binary and marked `formatless`:
 * beside a table it is delimited text. Reports what cannot be carried over.
 */
export function modernFileDataset(
  type: string,
  properties: JsonObject,
  path: readonly PropertyKey[],
  problems: Problems,
): ModernDataset | undefined {
  const location = LOCATIONS[type];
  if (location === undefined) return undefined;
  const { format, compression, folderPath, fileName, fileFilter, ...others } = properties;
  for (const name of ['partitionedBy', 'tableRootLocation'])
    if (others[name] !== undefined)
      problems.error(
        [...path, name],
        'DEFINITION_UNSUPPORTED',
        `"${name}" of a ${type} dataset is not honoured.`,
      );
  const place: JsonObject = {
    location: { type: location, path: folderPath ?? '', name: fileName ?? fileFilter ?? '' },
    ...compressionOf(compression),
  };
  if (!isObject(format)) return { type: 'Binary', typeProperties: { ...place, formatless: true } };
  const written = String(format['type']);
  const modern = FORMATS[written.toLowerCase()];
  if (modern === undefined) {
    problems.error(
      [...path, 'format', 'type'],
      'DEFINITION_UNSUPPORTED',
      `waybill has no format "${written}" yet.`,
    );
    return { type: 'Binary', typeProperties: place };
  }
  if (modern === 'Json')
    for (const name of ['jsonNodeReference', 'jsonPathDefinition'])
      if (format[name] !== undefined)
        problems.error(
          [...path, 'format', name],
          'DEFINITION_UNSUPPORTED',
          `"${name}" is not honoured.`,
          'Use a Json dataset, and a mapping with collectionReference in the Copy.',
        );
  return { type: modern, typeProperties: { ...place, ...formatOf(format) } };
}

function formatOf(format: JsonObject): JsonObject {
  const { type: _, ...settings } = format;
  return settings;
}

function compressionOf(compression: JsonValue | undefined): JsonObject {
  if (!isObject(compression)) return {};
  const type = String(compression['type'] ?? '');
  return {
    compressionCodec: CODECS[type.toLowerCase()] ?? type,
    ...(compression['level'] === undefined ? {} : { compressionLevel: compression['level'] }),
  };
}

/** Settings of a legacy source or sink of files, with what stands in store and format settings today. */
export function modernFileSide(side: JsonObject): JsonObject {
  if (!SIDES.test(String(side['type']))) return side;
  const { recursive, copyBehavior, skipHeaderLineCount, ...others } = side;
  const given = (settings: Record<string, JsonValue | undefined>): JsonObject =>
    Object.fromEntries(
      Object.entries(settings).flatMap(([name, value]): [string, JsonValue][] =>
        value === undefined || value === null ? [] : [[name, value]],
      ),
    );
  return {
    ...others,
    storeSettings: given({ recursive, copyBehavior }),
    formatSettings: given({
      skipLineCount: skipHeaderLineCount,
      quoteAllText: side['type'] === 'BlobSink' ? false : undefined,
    }),
  };
}
