// waybill's internal stage: where files pass between this machine and Snowflake.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { WaybillError } from '../../core/errors.ts';
import { copyKey } from '../common/identifier.ts';
import type { SnowflakeConnection } from './connection.ts';
import { literal, quote } from './dialect.ts';

const STAGE = '_WAYBILL_STAGE';
/** Staged files hold the data itself. */
const OWNER_ONLY = { recursive: true, mode: 0o700 } as const;

export class Stage {
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

  /** A path of this machine for a file or directory of the copy. */
  local(name: string): string {
    return join(this.#directory, name);
  }

  /** The copy's place on the stage: `@"S"."_WAYBILL_STAGE"/<key>/<name>`. */
  path(name: string): string {
    return `@${this.#reference}/${this.#key}/${name}`;
  }

  /** Uploads a gzip file under its own name, replacing what an earlier attempt left. */
  async put(file: string): Promise<void> {
    const rows = await this.#connection.query(
      `PUT ${literal(`file://${file}`)} ${this.path('')} OVERWRITE = TRUE AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP`,
      'uploading a file',
    );
    const bad = rows.find((row) => row['status'] !== 'UPLOADED');
    if (rows.length === 0 || bad !== undefined) {
      throw new WaybillError(
        'STAGING_FAILED',
        `Snowflake did not take a file: ${String(bad?.['status'] ?? 'no answer')}.`,
      );
    }
  }

  /** Downloads everything under `name` into the local `directory`. GET reports failures only in its rows. */
  async get(name: string, directory: string): Promise<string[]> {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, OWNER_ONLY);
    const rows = await this.#connection.query(
      `GET ${this.path(name)} ${literal(`file://${directory}/`)}`,
      'downloading files',
    );
    const bad = rows.find((row) => row['status'] !== 'DOWNLOADED');
    if (bad !== undefined) {
      throw new WaybillError(
        'STAGING_FAILED',
        `Snowflake did not hand over a file: ${String(bad['status'])}.`,
      );
    }
    return rows.map((row) => join(directory, String(row['file']).split('/').at(-1) ?? ''));
  }

  async remove(name: string): Promise<void> {
    await this.#connection.execute(`REMOVE ${this.path(name)}`, 'removing staged files');
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
}
