// A dataset on files: where they are and how they are written, with the source's or sink's own settings applied.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../../core/json.ts';
import type { Column } from '../../../core/types/column.ts';
import type { EndpointContext } from '../../connector.ts';
import { booleanSetting, objectSetting, textSetting } from '../settings.ts';
import { delimitedText } from './delimited-text.ts';
import type { FileFormat } from './file-format.ts';
import { containerOf, type FileOpener } from './file-opener.ts';
import type { FileStore } from './file-store.ts';
import { jsonText } from './json-text.ts';
import { namedColumn } from './manifest.ts';

/** An open dataset on files. */
export interface FileDataset {
  readonly store: FileStore;
  readonly container: string;
  /** Without a slash at either end; "" for the container itself. */
  readonly folder: string;
  readonly fileName: string | undefined;
  readonly format: FileFormat;
  readonly storeSettings: JsonObject;
  readonly formatSettings: JsonObject;
  readonly copyId: string;
}

const MEBIBYTE = 1_048_576;

/** Opens the store of a dataset. Throws DEFINITION_INVALID, DEFINITION_UNSUPPORTED, SETTINGS_INVALID. */
export const openDataset = async (opener: FileOpener, context: EndpointContext): Promise<FileDataset> => {
  const { dataset, datasetType, settings } = context.endpoint;
  const location = objectSetting(dataset, 'location');
  const storeSettings = objectSetting(settings, 'storeSettings');
  const formatSettings = objectSetting(settings, 'formatSettings');
  const container = containerOf(opener, location);
  const folder = (textSetting(location, 'folderPath') ?? '').replace(/^\/+|\/+$/g, '');
  const fileName = textSetting(location, 'fileName');
  for (const name of [folder, fileName ?? '']) refuseOddName(name);
  const schema = schemaOf(dataset['schema']);
  const format = await formatOf(datasetType, dataset, formatSettings, schema);
  const blockSize = Number(textSetting(storeSettings, 'blockSizeInMB') ?? 0);
  const store = await opener.open(
    context.linkedService,
    container,
    context.signal,
    blockSize > 0 ? { partSize: blockSize * MEBIBYTE } : {},
  );
  return {
    store,
    container,
    folder,
    fileName,
    format,
    storeSettings,
    formatSettings,
    copyId: context.copyId,
  };
};

/** Stores treat these as any name or not at all; what is between us and them may resolve them as paths. */
const refuseOddName = (name: string): void => {
  if (!name.includes('\0') && !name.split('/').some((part) => part === '.' || part === '..')) return;
  throw new WaybillError(
    'IDENTIFIER_INVALID',
    `The file or folder name ${JSON.stringify(name.slice(0, 200))} leads out of its folder.`,
  );
};

const formatOf = async (
  type: string,
  dataset: JsonObject,
  settings: JsonObject,
  schema: readonly Column[] | undefined,
): Promise<FileFormat> => {
  if (type === 'DelimitedText') return delimitedText(dataset, settings, schema);
  if (type === 'Json') return jsonText(dataset, settings, schema);
  if (type === 'Parquet') {
    // Loaded when needed: it brings its decoders along.
    const { parquetFormat } = await import('../parquet/parquet-format.ts');
    const compressionCodec = textSetting(dataset, 'compressionCodec');
    return parquetFormat({
      ...(compressionCodec === undefined ? {} : { compressionCodec }),
      timesAsText: booleanSetting(dataset, 'timesAsText') === true,
    });
  }
  throw new WaybillError('DEFINITION_UNSUPPORTED', `Datasets of type ${type} are not supported on files.`, {
    datasetType: type,
  });
};

/** `schema: [{ name, type }]` as ADF writes it beside the typeProperties. */
const schemaOf = (schema: JsonValue | undefined): Column[] | undefined => {
  if (!Array.isArray(schema) || schema.length === 0) return undefined;
  return schema.flatMap((entry) => {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return [];
    const { name, type } = entry;
    if (typeof name !== 'string') return [];
    return [namedColumn({ name, type: typeof type === 'string' ? type : 'String' })];
  });
};
