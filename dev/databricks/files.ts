// The files of the workspace and of DBFS, kept below the state directory; and s3:// by way of the local S3.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { type ObjectStore, parseS3Uri } from '../emr/object-store.ts';
import { ApiError, invalid, missing, notImplemented } from './errors.ts';
import { flagIn, type Json, required, textIn } from './json.ts';

/** Most bytes of a file that dbfs/put or workspace/import takes in one request. */
const MOST_CONTENT = 10 * 1024 * 1024;

export class Files {
  readonly #directory: string;
  readonly #objects: ObjectStore | undefined;

  constructor(directory: string, objects: ObjectStore | undefined) {
    this.#directory = directory;
    this.#objects = objects;
  }

  /** POST /api/2.0/workspace/import */
  import(body: Json): Json {
    const path = required(textIn(body, 'path'), 'path');
    const format = textIn(body, 'format') ?? 'SOURCE';
    const language = textIn(body, 'language');
    if (!['SOURCE', 'AUTO', 'RAW'].includes(format))
      throw notImplemented(`workspace/import of format ${format}`);
    if (language !== undefined && language !== 'PYTHON')
      throw notImplemented(`workspace/import of language ${language}`);
    if (/\.ipynb$/i.test(path)) throw notImplemented('workspace/import of .ipynb notebooks');
    const file = this.#workspace(path);
    if (statSync(file, { throwIfNoEntry: false }) && !flagIn(body, 'overwrite'))
      throw new ApiError(400, 'RESOURCE_ALREADY_EXISTS', `Path (${path}) already exists.`);
    write(file, contentOf(body, 'content'));
    return {};
  }

  /** GET /api/2.0/workspace/get-status */
  status(query: Json): Json {
    const path = required(textIn(query, 'path'), 'path');
    const found = statSync(this.#workspace(path), { throwIfNoEntry: false });
    if (!found) throw missing(`Path (${path}) doesn't exist.`);
    return found.isDirectory()
      ? { path, object_type: 'DIRECTORY' }
      : { path, object_type: 'NOTEBOOK', language: 'PYTHON', modified_at: Math.floor(found.mtimeMs) };
  }

  /** POST /api/2.0/workspace/delete */
  removeFromWorkspace(body: Json): Json {
    const path = required(textIn(body, 'path'), 'path');
    rmSync(this.#workspace(path), { recursive: flagIn(body, 'recursive'), force: true });
    return {};
  }

  /** POST /api/2.0/dbfs/put */
  put(body: Json): Json {
    const path = required(textIn(body, 'path'), 'path');
    const file = this.#dbfs(path);
    if (statSync(file, { throwIfNoEntry: false }) && !flagIn(body, 'overwrite'))
      throw new ApiError(400, 'RESOURCE_ALREADY_EXISTS', `A file or directory already exists at ${path}.`);
    write(file, contentOf(body, 'contents'));
    return {};
  }

  /** The notebook at a workspace path; Databricks shows it without its extension. */
  notebook(path: string): string {
    for (const candidate of [path, `${path}.py`]) {
      const file = this.#workspace(candidate);
      if (statSync(file, { throwIfNoEntry: false })?.isFile()) return file;
    }
    throw missing(
      `Unable to access the notebook "${path}". Either it does not exist, or the identity has no permission.`,
    );
  }

  /** A folder of the workspace. */
  folder(path: string): string {
    const found = this.#workspace(path);
    if (statSync(found, { throwIfNoEntry: false })?.isDirectory()) return found;
    throw missing(`Path (${path}) doesn't exist.`);
  }

  /** A local path of a file at s3://, dbfs:/ or in the workspace. Throws what reading it throws. */
  async local(uri: string, directory: string): Promise<string> {
    if (parseS3Uri(uri)) {
      if (this.#objects === undefined) throw notImplemented('s3:// without --s3-endpoint');
      const file = join(directory, basename(uri));
      await this.#objects.download(uri, file);
      return file;
    }
    const file = /^(dbfs:|\/dbfs\/)/.test(uri) ? this.#dbfs(uri) : this.#workspace(uri);
    if (!statSync(file, { throwIfNoEntry: false })?.isFile())
      throw missing(`Cannot read the python file ${uri}. Please check driver logs for more details.`);
    return file;
  }

  #workspace(path: string): string {
    if (!path.startsWith('/')) throw invalid(`Path (${path}) doesn't start with '/'`);
    return this.#below('workspace', path.replace(/^\/Workspace\//, '/'));
  }

  #dbfs(path: string): string {
    return this.#below('dbfs', path.replace(/^dbfs:\/*|^\/dbfs\//, '/'));
  }

  #below(root: string, path: string): string {
    return join(this.#directory, root, normalize(`/${path}`));
  }
}

function contentOf(body: Json, key: string): Buffer {
  const content = Buffer.from(textIn(body, key) ?? '', 'base64');
  if (content.length > MOST_CONTENT)
    throw new ApiError(
      400,
      'MAX_NOTEBOOK_SIZE_EXCEEDED',
      `content size ${content.length} is above ${MOST_CONTENT}`,
    );
  return content;
}

function write(file: string, content: Buffer): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

/** Up to `most` bytes of the end of a file; empty where there is none. */
export function tailOf(file: string, most: number): { text: string; truncated: boolean } {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return { text: '', truncated: false };
  const content = readFileSync(file);
  return { text: content.subarray(Math.max(0, size - most)).toString('utf8'), truncated: size > most };
}
