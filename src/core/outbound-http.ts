// How connectors call HTTP endpoints: only where the worker's settings let them, as somebody who can prove who it is.
import type { JsonObject } from './json.ts';

/** As much of an AbortSignal as this layer can name. */
export interface CancelSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface OutboundRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Milliseconds until the whole answer must be there; of a stream, until it begins, and between its pieces. */
  readonly timeout: number;
  readonly signal: CancelSignal;
  readonly verifyCertificate: boolean;
  readonly proof: OutboundProof;
  /** Bytes that the answer may have, where it is not a stream. */
  readonly limit?: number;
}

export interface OutboundAnswer {
  readonly status: number;
  readonly statusText: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where the answer came from, after redirects. */
  readonly url: string;
  readonly body: Uint8Array;
}

export interface OutboundStream extends Omit<OutboundAnswer, 'body'> {
  /** To be read to its end, or ended by whoever reads it. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** What shows who asks. */
export interface OutboundProof {
  readonly headers: Readonly<Record<string, string>>;
  readonly clientCertificate?: { readonly pfx: Uint8Array; readonly passphrase: string };
}

export interface OutboundHttp {
  /** The answer, whatever its status. Throws ADDRESS_REFUSED, CONNECTION_FAILED, WEB_FAILED. */
  send(request: OutboundRequest): Promise<OutboundAnswer>;
  /** As `send`, with a body of any length. */
  open(request: OutboundRequest): Promise<OutboundStream>;
  /** Headers and certificate for a WebActivity's `authentication`. Throws DEFINITION_INVALID, AUTHENTICATION_FAILED. */
  prove(authentication: JsonObject, linkedService: string): Promise<OutboundProof>;
}
