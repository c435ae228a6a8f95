// waybill's internal stage: files go there by PUT and come back by GET.
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { WaybillError } from '../../core/errors.ts';
import { copyKey } from '../common/identifier.ts';
import type { SnowflakeConnection } from './connection.ts';
import { literal, quote } from './dialect.ts';
import type { StagedFile, Staging, StoredFile } from './staging.ts';

const STAGE = '_WAYBILL_STAGE';
/** Staged files hold the data itself. */
const OWNER_ONLY = { recursive: true, mode: 0o700 } as const;

export class InternalStage implements Staging {
  readonly access = '';
  readonly #connection: SnowflakeConnection;
  readonly #reference: string;
  readonly #directory: string;
  readonly #key: string;

  constructor(connection: SnowflakeConnection, schema: string, copyId: string, workDirectory: string) {
    this.#connection = connection;
    this.#reference = `${quote(schema)}.${quote(STAGE)}`;
    this.#key = copyKey(copyId);
    this.#directory = join(workDirectory, this.#key);
  }

  /** Makes stage and local directory. Server-side encryption spares the driver a second, encrypted copy of each file. */
  async prepare(): Promise<void> {
    await mkdir(this.#directory, OWNER_ONLY);
    await this.#connection.execute(
      `CREATE STAGE IF NOT EXISTS ${this.#reference} ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE')`,
      'creating the stage',
    );
  }

  /** `@"S"."_WAYBILL_STAGE"/<key>/<folder>`. */
  location(folder: string): string {
    return `@${this.#reference}/${this.#key}/${folder}`;
  }

  /** The file is on this machine only until its PUT has ended, which others need not wait for. */
  async write(name: string, bytes: AsyncIterable<Buffer>): Promise<StoredFile> {
    const file = join(this.#directory, name);
    try {
      await pipeline(bytes, createWriteStream(file, { mode: 0o600 }));
      const { size } = await stat(file);
      const stored = this.#put(file).finally(() => rm(file, { force: true }));
      // Whoever wrote the file looks at `stored` later; until then a failure is nobody's.
      stored.catch(() => undefined);
      return { name, bytes: size, stored };
    } catch (error) {
      await rm(file, { force: true });
      throw localError(error);
    }
  }

  async list(folder: string): Promise<StagedFile[]> {
    const rows = await this.#connection.query(`LIST ${this.location(folder)}`, 'listing staged files');
    const mark = `/${this.#key}/`;
    return rows.map((row) => {
      const name = String(row['name']);
      return { name: name.slice(name.indexOf(mark) + mark.length) };
    });
  }

  /** GET reports failures only in its rows: one file at a time, so that each is answered for. */
  async open({ name }: StagedFile): Promise<AsyncIterable<Buffer>> {
    const file = join(this.#directory, name);
    const directory = dirname(file);
    await mkdir(directory, OWNER_ONLY);
    const rows = await this.#connection.query(
      `GET ${this.location(name)} ${literal(`file://${directory}/`)}`,
      'downloading a file',
    );
    const [only] = rows;
    if (rows.length !== 1 || only?.['status'] !== 'DOWNLOADED') {
      await rm(file, { force: true });
      throw new WaybillError(
        'STAGING_FAILED',
        `Snowflake did not hand over a staged file: ${rows.length === 0 ? 'it is not there' : rows.map((row) => String(row['status'])).join(', ')}.`,
        { file: name },
      );
    }
    return localFile(file);
  }

  async remove(folder: string): Promise<void> {
    await rm(join(this.#directory, folder), { recursive: true, force: true });
    await this.#connection.execute(`REMOVE ${this.location(folder)}`, 'removing staged files');
  }

  /** Removes the copy's files here and, where the stage exists, there. */
  async removeAll(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
    try {
      await this.remove('');
    } catch (error) {
      if (!(error instanceof WaybillError) || error.code !== 'OBJECT_MISSING') throw error;
    }
  }

  async close(): Promise<void> {}

  async #put(file: string): Promise<void> {
    const rows = await this.#connection.query(
      `PUT ${literal(`file://${file}`)} ${this.location('')} OVERWRITE = TRUE AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP`,
      'uploading a file',
    );
    const bad = rows.find((row) => row['status'] !== 'UPLOADED');
    if (rows.length === 1 && bad === undefined) return;
    throw new WaybillError(
      'STAGING_FAILED',
      `Snowflake did not take a file: ${String(bad?.['status'] ?? 'no answer')}.`,
    );
  }
}

async function* localFile(file: string): AsyncGenerator<Buffer> {
  try {
    for await (const piece of createReadStream(file, { highWaterMark: 262_144 })) yield piece as Buffer;
  } catch (error) {
    throw localError(error);
  } finally {
    await rm(file, { force: true });
  }
}

const localError = (error: unknown): unknown => {
  const code = (error as { code?: string }).code;
  if (error instanceof WaybillError || code === undefined || !/^E[A-Z]+$/.test(code)) return error;
  return new WaybillError('STAGING_FAILED', `A staging file of this machine failed: ${code}.`, {
    driverCode: code,
  });
};
