// Files of text packed into archives: the rows of all of them, one after another, as if each were a file of the folder.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { Column } from '../../../core/types/column.ts';
import { decompressed, saidCompression } from './compression.ts';
import type { FileFormat, ReadableFile } from './file-format.ts';
import { tarredFiles } from './tar-archive.ts';
import { zippedFiles } from './zip-archive.ts';

const ARCHIVES = ['zipdeflate', 'tar', 'targzip'];

/** The kind of archive that a dataset's files are; undefined where they are none. */
export const archiveOf = (dataset: JsonObject): string | undefined => {
  const codec = saidCompression(dataset).codec?.toLowerCase();
  return ARCHIVES.find((archive) => archive === codec);
};

/** The dataset as if its files were not packed. */
export const unpackedDataset = ({
  compressionCodec: _,
  compression: __,
  ...dataset
}: JsonObject): JsonObject => dataset;

/** The files within an archive of a kind that `archiveOf` names. */
export const archivedFiles = (file: ReadableFile, archive: string): AsyncGenerator<ReadableFile> =>
  archive === 'zipdeflate'
    ? zippedFiles(file)
    : tarredFiles(
        file.name,
        archive === 'tar'
          ? file.stream()
          : decompressed(file.name, file.stream(), { codec: 'gzip', level: 1 }),
      );

/** `inner` reads the files within. Names that begin with an underscore or a dot are passed over, as in folders. */
export const packedFormat = (inner: FileFormat, archive: string): FileFormat => {
  async function* within(file: ReadableFile): AsyncGenerator<ReadableFile> {
    for await (const found of archivedFiles(file, archive)) {
      const path = found.name.slice(file.name.length + 1);
      if (found.size > 0 && !path.split('/').some((part) => /^[_.](?!$)/.test(part))) yield found;
    }
  }
  const { objects } = inner;
  return {
    ...inner,
    extension: inner.extension,
    wireFormats: [],
    acceptsFrames: () => false,
    columns: async (file) => {
      if (inner.columnsAreMapped === true) return inner.columns(file);
      for await (const found of within(file)) return inner.columns(found);
      throw new WaybillError('FILE_INVALID', `${file.name} holds no file.`, { file: file.name });
    },
    split: async () => [{ part: null }],
    async *read(file, columns, split, planned, odd) {
      for await (const found of within(file)) yield* inner.read(found, columns, split, planned, odd);
    },
    ...(objects === undefined
      ? {}
      : {
          async *objects(file: ReadableFile) {
            for await (const found of within(file)) yield* objects(found);
          },
        }),
    columnsFor: (): Column[] => {
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `Archives (${archive}) are read, not written; use gzip, deflate or none in the sink's dataset.`,
        { codec: archive },
      );
    },
  };
};
