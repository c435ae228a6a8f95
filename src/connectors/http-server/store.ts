// One resource of an HTTP server as a store of one file: read in one go, or kept on disk where a format jumps about in it.
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { OutboundStream } from '../../core/outbound-http.ts';
import type { ReadableFile } from '../common/files/file-format.ts';
import type { FileStore, FolderChildren, StoredFile, WrittenFile } from '../common/files/file-store.ts';
import type { HttpService } from '../common/http/authentication.ts';
import { headersOf, joinedUrl, placeOf, refusedAnswer, spanSetting } from '../common/http/requests.ts';
import { textSetting } from '../common/settings.ts';

/** Data Factory's default of requestTimeout, ms. */
const REQUEST_TIMEOUT = 100_000;
const ATTEMPTS = 4;

export class HttpStore implements FileStore {
  readonly label: string;
  readonly #service: HttpService;
  readonly #signal: AbortSignal;
  readonly #url: string;
  readonly #method: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #body: string | undefined;
  readonly #timeout: number;
  /** Answers that nobody has read yet. */
  readonly #unread = new Set<OutboundStream>();
  #directory: string | undefined;
  #kept = 0;

  constructor(service: HttpService, relativeUrl: string, settings: JsonObject, signal: AbortSignal) {
    this.#service = service;
    this.#signal = signal;
    this.#url = joinedUrl(service.url, relativeUrl);
    this.label = `HTTP ${new URL(service.url).host}`;
    this.#method = (textSetting(settings, 'requestMethod') ?? 'GET').toUpperCase();
    if (this.#method !== 'GET' && this.#method !== 'POST')
      throw new WaybillError('DEFINITION_INVALID', `requestMethod ${this.#method} is neither GET nor POST.`);
    this.#headers = headersOf(settings['additionalHeaders']);
    this.#body = this.#method === 'POST' ? textSetting(settings, 'requestBody') : undefined;
    this.#timeout = spanSetting(settings, 'requestTimeout', REQUEST_TIMEOUT);
  }

  // biome-ignore lint/correctness/useYield: nothing can be listed.
  async *list(): AsyncGenerator<StoredFile> {
    throw unlisted();
  }

  async children(): Promise<FolderChildren | undefined> {
    throw unlisted();
  }

  /** What the server says of the resource; its length is 0 where it says none. */
  async head(key: string): Promise<StoredFile | undefined> {
    const answer = await this.#ask();
    if (answer === undefined) return undefined;
    await ended(answer);
    const modified = Date.parse(answer.headers['last-modified'] ?? '');
    return {
      key,
      bytes: lengthOf(answer) ?? 0,
      etag: etagOf(answer),
      ...(Number.isNaN(modified) ? {} : { modified }),
    };
  }

  async open(key: string, etag?: string): Promise<ReadableFile> {
    const answer = await this.#ask();
    if (answer === undefined)
      throw new WaybillError('OBJECT_MISSING', `There is nothing at ${placeOf(this.#url)}.`, { key });
    const found = etagOf(answer);
    if (etag !== undefined && etag !== '' && found !== etag) {
      await ended(answer);
      throw new WaybillError('SOURCE_CHANGED', `${placeOf(this.#url)} is another one than was planned.`, {
        key,
      });
    }
    let first: OutboundStream | undefined = answer;
    this.#unread.add(answer);
    const take = async (): Promise<OutboundStream> => {
      const taken = first ?? (await this.#ask());
      first = undefined;
      if (taken === undefined || etagOf(taken) !== found)
        throw new WaybillError('SOURCE_CHANGED', `${placeOf(this.#url)} changed while it was read.`, { key });
      this.#unread.delete(taken);
      return taken;
    };
    let kept: Promise<{ readonly path: string; readonly size: number }> | undefined;
    const keep = (): Promise<{ readonly path: string; readonly size: number }> => {
      kept ??= take().then((taken) => this.#keep(taken));
      return kept;
    };
    const size = lengthOf(answer) ?? (await keep()).size;
    return {
      name: key,
      size,
      read: async (offset, length) => {
        const file = await open((await keep()).path);
        try {
          const buffer = Buffer.alloc(length);
          const { bytesRead } = await file.read(buffer, 0, length, offset);
          return buffer.subarray(0, bytesRead);
        } finally {
          await file.close();
        }
      },
      stream: async function* () {
        if (kept !== undefined) {
          for await (const piece of createReadStream((await kept).path)) yield piece as Buffer;
          return;
        }
        const taken = await take();
        const expected = lengthOf(taken);
        let bytes = 0;
        for await (const piece of taken.body) {
          bytes += piece.length;
          yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
        }
        if (expected !== undefined && bytes !== expected)
          throw new WaybillError(
            'CONNECTION_FAILED',
            `${key} broke off after ${bytes} of ${expected} bytes.`,
            {
              key,
            },
          );
      },
    };
  }

  async write(): Promise<WrittenFile> {
    throw readOnly();
  }

  async copy(): Promise<void> {
    throw readOnly();
  }

  async remove(): Promise<void> {
    throw readOnly();
  }

  async readJson(): Promise<unknown> {
    return undefined;
  }

  async writeJson(): Promise<boolean> {
    throw readOnly();
  }

  async abortUploads(): Promise<void> {
    // There are none.
  }

  async close(): Promise<void> {
    for (const answer of this.#unread) await ended(answer);
    this.#unread.clear();
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
  }

  /** An answer that is a success; undefined for one that says there is nothing. */
  async #ask(): Promise<OutboundStream | undefined> {
    const { http, verifyCertificate, proof } = this.#service;
    for (let attempt = 1; ; attempt++) {
      let failure: WaybillError;
      try {
        const answer = await http.open({
          method: this.#method,
          url: this.#url,
          headers: this.#headers,
          ...(this.#body === undefined ? {} : { body: this.#body }),
          timeout: this.#timeout,
          signal: this.#signal,
          verifyCertificate,
          proof,
        });
        if (answer.status >= 200 && answer.status < 300) return answer;
        await ended(answer);
        failure = refusedAnswer(this.#method, this.#url, answer);
        if (failure.code === 'OBJECT_MISSING') return undefined;
      } catch (error) {
        if (!(error instanceof WaybillError)) throw error;
        failure = error;
      }
      if (!failure.retryable || attempt === ATTEMPTS || this.#method !== 'GET') throw failure;
      await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** attempt));
      this.#signal.throwIfAborted();
    }
  }

  async #keep(answer: OutboundStream): Promise<{ readonly path: string; readonly size: number }> {
    this.#directory ??= await mkdtemp(join(tmpdir(), 'waybill-http-'));
    const path = join(this.#directory, String(this.#kept++));
    const file = await open(path, 'w', 0o600);
    let size = 0;
    try {
      for await (const piece of answer.body) {
        size += piece.length;
        await file.write(piece);
      }
    } finally {
      await file.close();
    }
    return { path, size };
  }
}

const ended = async (answer: OutboundStream): Promise<void> => {
  // A generator that was never begun has no end to run: begin it, and leave it.
  for await (const _ of answer.body) break;
};

const lengthOf = ({ headers }: OutboundStream): number | undefined => {
  const length = headers['content-length'];
  return length === undefined || headers['content-encoding'] !== undefined ? undefined : Number(length);
};

/** Changes with the resource, as far as the server says so; "" where it says nothing. */
const etagOf = ({ headers }: OutboundStream): string =>
  headers['etag'] ??
  (headers['last-modified'] === undefined
    ? ''
    : `${headers['last-modified']} ${headers['content-length'] ?? ''}`);

const unlisted = (): WaybillError =>
  new WaybillError(
    'DEFINITION_UNSUPPORTED',
    'HTTP servers list no files: name one by relativeUrl, without wildcards, prefixes or times.',
  );

const readOnly = (): WaybillError =>
  new WaybillError('DEFINITION_UNSUPPORTED', 'Nothing is written to HTTP servers.');
