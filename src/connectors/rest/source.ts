// A REST resource as the source of a copy: page after page is asked for, and its objects become rows as a JSON file's do.

import type { KeyRange } from '../../core/copy/ranges.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { OutboundAnswer } from '../../core/outbound-http.ts';
import type { Column, Row } from '../../core/types/column.ts';
import type { FileFormat, ReadableFile } from '../common/files/file-format.ts';
import type { HttpService } from '../common/http/authentication.ts';
import { headersOf, joinedUrl, placeOf, refusedAnswer, spanSetting } from '../common/http/requests.ts';
import { objectSetting, textSetting } from '../common/settings.ts';
import type { CopySource, EndpointContext, PlannedRanges } from '../connector.ts';
import { type PageAnswer, type PageRequest, Pagination } from './pagination.ts';

/** Data Factory's defaults, ms. */
const REQUEST_TIMEOUT = 100_000;
const REQUEST_INTERVAL = 10;
/** Bytes of one answer: it is held in memory. */
const LARGEST_PAGE = 128 * 1_048_576;
const ATTEMPTS = 5;
/** Headers that are for the host that the definition names. */
const PRIVATE_HEADERS = /^(authorization|cookie|.*(key|token|secret|signature).*)$/i;

export class RestSource implements CopySource {
  readonly #service: HttpService;
  readonly #format: FileFormat;
  readonly #signal: AbortSignal;
  readonly #method: string;
  readonly #body: string | undefined;
  readonly #template: PageRequest;
  readonly #pagination: Pagination;
  readonly #timeout: number;
  readonly #interval: number;

  constructor(service: HttpService, format: FileFormat, { endpoint, signal }: EndpointContext) {
    const { dataset, settings } = endpoint;
    this.#service = service;
    this.#format = format;
    this.#signal = signal;
    // Older definitions have all of it in the dataset.
    const either = (name: string): JsonValue | undefined => given(settings[name]) ?? given(dataset[name]);
    this.#method = String(either('requestMethod') ?? 'GET').toUpperCase();
    if (this.#method !== 'GET' && this.#method !== 'POST')
      throw new WaybillError('DEFINITION_INVALID', `requestMethod ${this.#method} is neither GET nor POST.`);
    const body = either('requestBody');
    this.#body =
      this.#method === 'GET' || body === undefined
        ? undefined
        : typeof body === 'string'
          ? body
          : JSON.stringify(body);
    this.#template = {
      url: joinedUrl(service.url, textSetting(dataset, 'relativeUrl') ?? ''),
      headers: {
        accept: 'application/json',
        ...(this.#body === undefined ? {} : { 'content-type': 'application/json' }),
        ...lowerCase(headersOf(dataset['additionalHeaders'])),
        ...lowerCase(headersOf(settings['additionalHeaders'])),
      },
    };
    const rules = objectSetting(settings, 'paginationRules');
    this.#pagination = new Pagination(
      Object.keys(rules).length > 0 ? rules : objectSetting(dataset, 'paginationRules'),
    );
    this.#timeout = spanSetting(settings, 'httpRequestTimeout', REQUEST_TIMEOUT);
    this.#interval = spanSetting(settings, 'requestInterval', REQUEST_INTERVAL);
  }

  get label(): string {
    return `REST ${placeOf(this.#template.url)}`;
  }

  /** Those the mapping names; without one, those of the first page that has objects. */
  async columns(): Promise<Column[]> {
    if (this.#format.columnsAreMapped === true)
      return this.#format.columns(pageFile(this.label, Buffer.alloc(0)));
    let empty: unknown;
    for await (const page of this.#pages()) {
      try {
        return await this.#format.columns(page);
      } catch (error) {
        if (!(error instanceof WaybillError) || error.details?.['reason'] !== 'empty') throw error;
        empty = error;
      }
    }
    throw (
      empty ??
      new WaybillError('OBJECT_MISSING', `${this.label} answered without an object: map its columns.`)
    );
  }

  async plan(): Promise<PlannedRanges> {
    return {
      ranges: [{ lower: null, upper: null }],
      rows: 0,
      sourceState: { columns: (await this.columns()) as unknown as JsonValue },
    };
  }

  async *read(columns: readonly Column[], _range: KeyRange, sourceState: JsonObject): AsyncGenerator<Row[]> {
    const planned = sourceState['columns'] as unknown as Column[] | undefined;
    for await (const page of this.#pages())
      yield* this.#format.read(page, columns, { part: null }, planned ?? columns);
  }

  /** Whole objects, for Lookups. */
  async *objects(): AsyncGenerator<JsonObject> {
    for await (const page of this.#pages())
      if (this.#format.objects !== undefined) yield* this.#format.objects(page);
  }

  async cleanUp(): Promise<void> {
    // Reading leaves nothing behind.
  }

  async close(): Promise<void> {
    // Every request has a connection of its own.
  }

  async *#pages(): AsyncGenerator<ReadableFile> {
    let request = this.#pagination.first(this.#template);
    for (let count = 1; ; count++) {
      const { status, headers, url, body } = await this.#answered(request);
      const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
      if (bytes.length > 0) yield pageFile(`Page ${count} of ${this.label}`, bytes);
      const answer: PageAnswer = { status, headers, url, body: () => jsonOf(bytes, count, this.label) };
      const next = this.#pagination.next(this.#template, request, answer, count);
      if (next === undefined) return;
      if (next.url === request.url && JSON.stringify(next.headers) === JSON.stringify(request.headers))
        throw new WaybillError(
          'WEB_FAILED',
          `Page ${count} of ${this.label} names itself as the next one: the pagination would never end.`,
          { page: count },
        );
      request = next;
      await pause(this.#interval, this.#signal);
    }
  }

  /** One answer that is a success. Throttled and broken ones are asked for again, if asking twice does no harm. */
  async #answered({ url, headers }: PageRequest): Promise<OutboundAnswer> {
    const { http, verifyCertificate, proof } = this.#service;
    const own = new URL(url).origin === new URL(this.#template.url).origin;
    for (let attempt = 1; ; attempt++) {
      let failure: WaybillError;
      let wait = 500 * 2 ** attempt;
      try {
        const answer = await http.send({
          method: this.#method,
          url,
          headers: own
            ? headers
            : Object.fromEntries(Object.entries(headers).filter(([name]) => !PRIVATE_HEADERS.test(name))),
          ...(this.#body === undefined ? {} : { body: this.#body }),
          timeout: this.#timeout,
          signal: this.#signal,
          verifyCertificate,
          // A credential belongs to the address it was written for.
          proof: own ? proof : { headers: {} },
          limit: LARGEST_PAGE,
        });
        if (answer.status >= 200 && answer.status < 300) return answer;
        failure = refusedAnswer(this.#method, url, answer);
        const asked = Number(answer.headers['retry-after']);
        if (asked > 0) wait = Math.min(asked * 1000, 60_000);
        if (this.#method !== 'GET' && answer.status !== 429 && answer.status !== 503) throw failure;
      } catch (error) {
        if (!(error instanceof WaybillError)) throw error;
        failure = error;
      }
      if (!failure.retryable || attempt === ATTEMPTS) throw failure;
      await pause(wait, this.#signal);
    }
  }
}

const given = (value: JsonValue | undefined): JsonValue | undefined =>
  value === null || value === '' ? undefined : value;

const lowerCase = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

const pageFile = (name: string, bytes: Buffer): ReadableFile => ({
  name,
  size: bytes.length,
  read: async (offset, length) => bytes.subarray(offset, offset + length),
  stream: async function* () {
    // In pieces, so that no text as long as the page is made of it.
    for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
  },
});

const jsonOf = (bytes: Buffer, page: number, label: string): JsonValue | undefined => {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8').replace(/^\uFEFF/, '')) as JsonValue;
  } catch {
    throw new WaybillError('FILE_INVALID', `Page ${page} of ${label} is not JSON.`, { page });
  }
};

const pause = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
