// A dataset on files: where they are and how they are written, with the source's or sink's own settings applied.
import { jsonMapping, sinkPaths } from '../../../core/copy/json-mapping.ts';
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../../core/json.ts';
import type { Column } from '../../../core/types/column.ts';
import type { EndpointContext } from '../../connector.ts';
import { booleanSetting, objectSetting, textSetting } from '../settings.ts';
import { delimitedText } from './delimited-text.ts';
import type { FileFormat } from './file-format.ts';
import type { FileOpener } from './file-opener.ts';
import { type FilesPlace, openFilesPlace } from './files-place.ts';
import { jsonText } from './json-text.ts';
import { namedColumn } from './manifest.ts';
import { archiveOf, packedFormat, unpackedDataset } from './packed-format.ts';

/** An open dataset on files. */
export interface FileDataset extends FilesPlace {
  readonly format: FileFormat;
  readonly formatSettings: JsonObject;
  readonly copyId: string;
  /** Aborted when the attempt is cancelled, or was thought dead. */
  readonly signal: AbortSignal;
}

/** Opens the store of a dataset. Throws DEFINITION_INVALID, DEFINITION_UNSUPPORTED, SETTINGS_INVALID. */
export const openDataset = async (opener: FileOpener, context: EndpointContext): Promise<FileDataset> => {
  const { dataset, datasetType, settings } = context.endpoint;

  const storeSettings = objectSetting(settings, 'storeSettings');
  const formatSettings = objectSetting(settings, 'formatSettings');
  const schema = schemaOf(dataset['schema']);
  const archive = datasetType === 'Parquet' || datasetType === 'Avro' ? undefined : archiveOf(dataset);
  const inner = await formatOf(
    datasetType,
    archive === undefined ? dataset : unpackedDataset(dataset),
    formatSettings,
    schema,
    context,
  );
  const format = archive === undefined ? inner : packedFormat(inner, archive);
  const place = await openFilesPlace(opener, context.linkedService, dataset, storeSettings, context.signal);
  return { ...place, format, formatSettings, copyId: context.copyId, signal: context.signal };
};

const formatOf = async (
  type: string,
  dataset: JsonObject,
  settings: JsonObject,
  schema: readonly Column[] | undefined,
  { translator, asDocuments = false, endpoint }: EndpointContext,
): Promise<FileFormat> => {
  if (type === 'DelimitedText') return delimitedText(dataset, settings, schema);
  if (type === 'Json')
    return jsonText(dataset, settings, {
      schema,
      mapping: jsonMapping(translator, endpoint.settings),
      sinkPaths: sinkPaths(translator),
      asDocuments,
    });
  if (type === 'Parquet') {
    // Loaded when needed: it brings its decoders along.
    const { parquetFormat } = await import('../parquet/parquet-format.ts');
    const compressionCodec = textSetting(dataset, 'compressionCodec');
    return parquetFormat({
      ...(compressionCodec === undefined ? {} : { compressionCodec }),
      timesAsText: booleanSetting(dataset, 'timesAsText') === true,
    });
  }
  if (type === 'Avro') {
    const { avroFormat } = await import('../avro/avro-format.ts');
    return avroFormat(dataset, settings);
  }
  if (type === 'Excel') {
    const { excelFormat } = await import('../excel/excel-format.ts');
    return excelFormat(dataset, schema);
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
