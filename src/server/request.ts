// A request as handlers see it, and their answers.
import type { IncomingMessage } from 'node:http';
import type { JsonValue } from '../core/json.ts';
import { Refusal } from './refusal.ts';

export interface DoorRequest {
  readonly method: string;
  readonly query: URLSearchParams;
  /** What the path's placeholders stand for, decoded. */
  readonly path: Readonly<Record<string, string>>;
  /** The text of a header; undefined where there is none. */
  header(name: string): string | undefined;
  /** The bytes as they came. Throws 413 above `limit`, 415 for compressed bytes. */
  body(limit: number): Promise<Buffer>;
}

export interface Answer {
  readonly status: number;
  readonly json?: JsonValue;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Reads a body of at most `limit` bytes. What comes after an answer is thrown away: see server.ts. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding.trim().toLowerCase() !== 'identity')
    throw new Refusal(415, 'REQUEST_INVALID', `A body is taken as it is, not as ${encoding.slice(0, 40)}.`);
  const tooLarge = (): Refusal =>
    new Refusal(413, 'REQUEST_INVALID', `The body has more than the ${limit} bytes that are taken.`);
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge();
  const parts: Buffer[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    request.on('data', (part: Buffer) => {
      size += part.length;
      if (size > limit) reject(tooLarge());
      else parts.push(part);
    });
    request.on('end', () => resolve(Buffer.concat(parts)));
    request.on('error', () => reject(new Refusal(400, 'REQUEST_INVALID', 'The body broke off.')));
    request.on('aborted', () => reject(new Refusal(400, 'REQUEST_INVALID', 'The body broke off.')));
  });
}

/** Throws 415 unless the body is said to be of one of these types. */
export function requireType(request: DoorRequest, types: readonly string[]): void {
  const type = (request.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (types.includes(type)) return;
  throw new Refusal(415, 'REQUEST_INVALID', `The Content-Type must be ${types.join(' or ')}.`);
}

/** The JSON in a body of UTF-8. Throws 400. */
export function parseJson(body: Buffer): JsonValue {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as JsonValue;
  } catch {
    throw new Refusal(400, 'REQUEST_INVALID', 'The body is no JSON in UTF-8.');
  }
}
