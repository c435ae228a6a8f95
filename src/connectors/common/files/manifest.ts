// manifest.json of a folder: which files belong to it, how many rows each has, and the columns' types.
import type { Column, InterimType } from '../../../core/types/column.ts';
import type { FileStore } from './file-store.ts';
import { keyIn } from './keys.ts';

export interface ManifestFile {
  /** Relative to the folder, or a whole s3:// address. */
  readonly path: string;
  readonly rows?: number;
  readonly bytes?: number;
}

export interface Manifest {
  /** The copy that wrote it, where waybill did. */
  readonly copyId?: string;
  readonly files: readonly ManifestFile[];
  readonly rows?: number;
  readonly columns?: readonly { readonly name: string; readonly type: string }[];
}

export const MANIFEST = 'manifest.json';

/** As files say it: our own name the file by `path`, those of the Spark jobs by `name`. */
interface WrittenManifest extends Omit<Manifest, 'files'> {
  readonly files: readonly (Omit<ManifestFile, 'path'> & {
    readonly path?: string;
    readonly name?: string;
  })[];
}

const isManifest = (value: unknown): value is WrittenManifest =>
  typeof value === 'object' &&
  value !== null &&
  Array.isArray((value as WrittenManifest).files) &&
  (value as WrittenManifest).files.every((file) => typeof (file?.path ?? file?.name) === 'string');

export const readManifest = async (store: FileStore, key: string): Promise<Manifest | undefined> => {
  const value = await store.readJson(key);
  if (!isManifest(value)) return undefined;
  return { ...value, files: value.files.map((file) => ({ ...file, path: file.path ?? file.name ?? '' })) };
};

/** The key of a manifest's file: it may be relative, a key, or an s3:// or s3a:// address. */
export const manifestKey = (folder: string, path: string): string => {
  const address = /^s3[an]?:\/\/[^/]+\/(.*)$/.exec(path);
  if (address?.[1] !== undefined) return address[1];
  const plain = path.replace(/^\/+/, '');
  return folder !== '' && plain.startsWith(`${folder}/`) ? plain : keyIn(folder, plain);
};

/** Spark's type names and our own. */
const TYPES: Readonly<Record<string, InterimType>> = {
  byte: 'Int16',
  tinyint: 'Int16',
  short: 'Int16',
  smallint: 'Int16',
  int: 'Int32',
  integer: 'Int32',
  long: 'Int64',
  bigint: 'Int64',
  float: 'Single',
  double: 'Double',
  boolean: 'Boolean',
  date: 'Date',
  timestamp: 'DateTimeOffset',
  timestamp_ntz: 'DateTime',
  string: 'String',
  int16: 'Int16',
  int32: 'Int32',
  int64: 'Int64',
  datetime: 'DateTime',
  datetimeoffset: 'DateTimeOffset',
  guid: 'Guid',
};

/** A column as a manifest or a dataset's schema names it, as text where its type is not known. */
export const namedColumn = (column: { readonly name: string; readonly type: string }): Column => {
  const base = { name: column.name, nullable: true, native: column.type };
  const decimal = /^decimal\((\d+),\s*(\d+)\)$/i.exec(column.type);
  if (decimal !== null)
    return { ...base, type: 'Decimal', precision: Number(decimal[1]), scale: Number(decimal[2]) };
  return { ...base, type: TYPES[column.type.toLowerCase()] ?? 'String' };
};
