// Files that a Binary copy unpacks on their way, or packs: gzip and deflate both ways, the files within zip and tar archives.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import { booleanSetting, objectSetting } from '../settings.ts';
import { type Compression, compressed, compressionOf, decompressed } from './compression.ts';
import type { ReadableFile } from './file-format.ts';
import { archivedFiles, archiveOf } from './packed-format.ts';

export interface Packing {
  readonly compression: Compression;
  /** "zipdeflate", "tar", "targzip". */
  readonly archive?: string;
  /** Whether what comes out of an archive stands in a folder of the archive's name: ADF's default. */
  readonly namesFolder: boolean;
}

/** One file that comes out: `within` is its path in the archive, without a slash at its beginning. */
export interface UnpackedFile {
  readonly within?: string;
  stream(): AsyncIterable<Buffer>;
}

/** A Binary dataset's `compression`. Throws DEFINITION_UNSUPPORTED naming a codec there is none for. */
export const packingOf = (dataset: JsonObject, formatSettings: JsonObject): Packing => {
  const settings = objectSetting(formatSettings, 'compressionProperties');
  const namesFolder =
    booleanSetting(settings, 'preserveZipFileNameAsFolder') ??
    booleanSetting(settings, 'preserveCompressionFileNameAsFolder') ??
    true;
  const said = packedAs(dataset);
  const archive = archiveOf(said);
  if (archive !== undefined) return { compression: { codec: 'none', level: 1 }, archive, namesFolder };
  return { compression: compressionOf(said), namesFolder };
};

/** `compressionCodec` is DelimitedText's: in a Binary dataset Data Factory passes over it, but for those made of older ones. */
function packedAs(dataset: JsonObject): JsonObject {
  if (dataset['formatless'] === true) return dataset;
  const { compressionCodec: _, compressionLevel: __, ...said } = dataset;
  return said;
}

/** What comes out of a file, one after another; each is read before the next is asked for. Throws FILE_INVALID. */
export async function* unpacked(file: ReadableFile, packing: Packing): AsyncGenerator<UnpackedFile> {
  const { archive, compression } = packing;
  if (archive === undefined) {
    // A name in .gz alone unpacks nothing: bytes are copied as they are unless the dataset says otherwise.
    const stream = (): AsyncIterable<Buffer> =>
      compression.codec === 'none' ? file.stream() : decompressed(file.name, file.stream(), compression);
    yield { stream };
    return;
  }
  for await (const found of archivedFiles(file, archive)) {
    const within = found.name
      .slice(file.name.length + 1)
      .replaceAll('\\', '/')
      .replace(/^(\.?\/)+/, '');
    if (within === '' || within.includes('\0') || within.split('/').includes('..'))
      throw new WaybillError(
        'FILE_INVALID',
        `${file.name} holds ${JSON.stringify(found.name.slice(file.name.length + 1, 200))}, which leads out of its folder.`,
        { file: file.name },
      );
    yield { within, stream: () => found.stream() };
  }
}

export const packed = (bytes: AsyncIterable<Buffer>, { compression }: Packing): AsyncIterable<Buffer> =>
  compressed(bytes, compression);

const ENDINGS = { none: /(?!)/, gzip: /\.(?:gz|gzip)$/i, deflate: /\.deflate$/i } as const;

/** The name without what says that it is compressed. */
export const plainName = (name: string, { compression }: Packing): string =>
  name.replace(ENDINGS[compression.codec], '');

/** The name that says so. */
export const packedName = (name: string, { compression: { codec } }: Packing): string =>
  codec === 'none' || ENDINGS[codec].test(name) ? name : `${name}.${codec === 'gzip' ? 'gz' : 'deflate'}`;
