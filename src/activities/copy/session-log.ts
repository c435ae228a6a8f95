// Writes the rows a chunk leaves out to ADF's session log, one file per chunk under a name that a retry writes again.
import { createHash } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { openFileStore } from '../../connectors/file-stores.ts';
import { type SessionLogPlace, sessionLogPlace } from '../../core/copy/options.ts';
import {
  SESSION_LOG_HEADER,
  sessionLogFileLine,
  sessionLogFolder,
  sessionLogLine,
} from '../../core/copy/session-log.ts';
import type { CopyInput } from '../../core/copy.ts';
import type { Row } from '../../core/types/column.ts';
import type { CopyDependencies } from './endpoints.ts';

/** A GUID that stands for `text`: the same text is the same GUID. */
const guidOf = (text: string): string => {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
};

/** Folder of the copy's log within its store; undefined where it logs nothing. */
export const logFolder = (input: CopyInput): string | undefined => {
  const log = sessionLogPlace(input.options);
  return log === undefined ? undefined : sessionLogFolder(log.path, input.activity, guidOf(input.copyId));
};

/** Bytes of lines kept before they are written out. */
const PIECE = 262_144;

/** The rows one step of a copy leaves out. Nothing is written where there is none, or no place for them. */
export class SkippedRows {
  readonly #dependencies: CopyDependencies;
  readonly #input: CopyInput;
  readonly #name: string;
  readonly #place: SessionLogPlace | undefined;
  readonly #lines: string[] = [];

  /** `step` tells this file from those of the copy's other steps: "chunk 4". */
  constructor(dependencies: CopyDependencies, input: CopyInput, step: string) {
    this.#dependencies = dependencies;
    this.#input = input;
    this.#name = `${guidOf(`${input.copyId} ${step}`)}.csv`;
    this.#place = sessionLogPlace(input.options);
  }

  add(row: Row, reason: string): void {
    if (this.#place === undefined) return;
    this.#lines.push(sessionLogLine(new Date(), row, reason));
  }

  /** A file that was left out. */
  addFile(key: string, reason: string): void {
    if (this.#place === undefined) return;
    this.#lines.push(sessionLogFileLine(new Date(), key, reason));
  }

  async finish(): Promise<void> {
    const place = this.#place;
    if (place === undefined) return;
    const service = await this.#dependencies.resolveLinkedService(
      place.linkedService,
      place.linkedServiceParameters,
    );
    const { cancellationSignal } = Context.current();
    const { store, folder } = await openFileStore(service, logFolder(this.#input) ?? '', cancellationSignal);
    const lines = this.#lines;
    async function* bytes(): AsyncGenerator<Buffer> {
      let text = SESSION_LOG_HEADER;
      for (const line of lines) {
        text += line;
        if (text.length < PIECE) continue;
        yield Buffer.from(text);
        text = '';
      }
      yield Buffer.from(text);
    }
    const key = `${folder}/${this.#name}`;
    try {
      // An attempt that ended before its commit may have logged rows that this one copied.
      if (lines.length === 0) {
        await store.remove(key);
        return;
      }
      await store.write(key, bytes(), {
        contentType: 'text/csv; charset=utf-8',
        verify: true,
      });
    } finally {
      await store.close();
    }
  }
}
