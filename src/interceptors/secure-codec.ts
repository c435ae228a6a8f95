// What of a payload Temporal may see: those with an envelope of core/pipeline/secure.ts are encrypted as a whole, large
// ones are compressed, all others stay readable in its UI.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { ApplicationFailure, type Payload, type PayloadCodec } from '@temporalio/common';
import type { PayloadKey } from '../config/payload-keys.ts';
import { ERRORS, WaybillError } from '../core/errors.ts';
import { SECURE_MARKER } from '../core/pipeline/secure.ts';

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** Temporal warns of payloads above 256 KB and refuses those above 2 MB. */
const LARGE = 256 * 1024;
/** A payload that is longer than this once decompressed is none of ours. */
const MAX_BYTES = 64 * 1024 * 1024;

const ENCODING = 'encoding';
const ENCRYPTED = 'binary/waybill-aes256gcm';
const COMPRESSED = 'binary/waybill-gzip';
const KEY_ID = 'encryption-key-id';
/** The metadata of the payload that is inside, as JSON of base64. */
const INNER = 'waybill-metadata';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

/** Only JSON texts hold envelopes, and a property's name stands in them as it is. */
const MARK = Buffer.from(`"${SECURE_MARKER}"`);

export interface SecureCodecOptions {
  /** The first one encrypts. Without any, a payload that needs encryption is an error. */
  readonly keys: readonly PayloadKey[];
  /** Shows a text in place of what there is no key for: for clients, who mostly look at other things. */
  readonly lenient?: boolean;
}

export class SecureCodec implements PayloadCodec {
  readonly #keys: ReadonlyMap<string, PayloadKey>;
  readonly #current: PayloadKey | undefined;
  readonly #lenient: boolean;

  constructor({ keys, lenient = false }: SecureCodecOptions) {
    this.#keys = new Map(keys.map((key) => [key.id, key]));
    this.#current = keys[0];
    this.#lenient = lenient;
  }

  encode(payloads: Payload[]): Promise<Payload[]> {
    return Promise.all(payloads.map((payload) => this.#encode(payload)));
  }

  decode(payloads: Payload[]): Promise<Payload[]> {
    return Promise.all(payloads.map((payload) => this.#decode(payload)));
  }

  async #encode(payload: Payload): Promise<Payload> {
    // What a workflow without a result returns: a payload of metadata alone, its data absent or an empty array.
    if (!payload.data || payload.data.length === 0) return payload;
    const data = bytesOf(payload);
    const secure = data.includes(MARK);
    const small = data.length > LARGE ? await compressed(payload, data) : payload;
    return secure ? this.#encrypt(small) : small;
  }

  async #decode(payload: Payload): Promise<Payload> {
    const encoding = textOf(payload.metadata?.[ENCODING]);
    if (encoding === ENCRYPTED) return this.#decode(this.#decrypt(payload));
    if (encoding !== COMPRESSED) return payload;
    const data = await decompress(bytesOf(payload), { maxOutputLength: MAX_BYTES });
    return { metadata: innerMetadata(payload), data };
  }

  #encrypt(payload: Payload): Payload {
    const key = this.#current;
    if (key === undefined) {
      // As an activity fails with it: trying again would not help.
      throw ApplicationFailure.create({
        type: 'SECRET_MISSING',
        message:
          'A value that must not be readable in history would go to Temporal in clear: set WAYBILL_PAYLOAD_KEY (32 bytes in base64).',
        nonRetryable: true,
        details: [{ variable: 'WAYBILL_PAYLOAD_KEY', next: ERRORS.SECRET_MISSING.next }],
      });
    }
    const nonce = randomBytes(NONCE_BYTES);
    const metadata = outerMetadata(payload, ENCRYPTED, { [KEY_ID]: Buffer.from(key.id) });
    const cipher = createCipheriv(CIPHER, key.bytes, nonce);
    // What is around the data cannot be exchanged either.
    cipher.setAAD(metadata[INNER] ?? Buffer.alloc(0));
    const data = Buffer.concat([nonce, cipher.update(bytesOf(payload)), cipher.final(), cipher.getAuthTag()]);
    return { metadata, data };
  }

  #decrypt(payload: Payload): Payload {
    const id = textOf(payload.metadata?.[KEY_ID]);
    const key = this.#keys.get(id);
    if (key === undefined) {
      if (this.#lenient) return placeholder(id);
      throw new WaybillError(
        'SECRET_MISSING',
        `A payload is encrypted with the key ${id}, which WAYBILL_PAYLOAD_KEY does not hold. Several keys are separated by commas.`,
        { key: id },
      );
    }
    const data = bytesOf(payload);
    const decipher = createDecipheriv(CIPHER, key.bytes, data.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(payload.metadata?.[INNER] ?? []));
    decipher.setAuthTag(data.subarray(data.length - TAG_BYTES));
    const inner = decipher.update(data.subarray(NONCE_BYTES, data.length - TAG_BYTES));
    return { metadata: innerMetadata(payload), data: Buffer.concat([inner, decipher.final()]) };
  }
}

const bytesOf = ({ data }: Payload): Buffer =>
  data === null || data === undefined
    ? Buffer.alloc(0)
    : ArrayBuffer.isView(data)
      ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
      : Buffer.from(data);

const textOf = (bytes: Uint8Array | undefined): string =>
  bytes === undefined ? '' : Buffer.from(bytes).toString('utf8');

/** The payload in gzip, where that makes it smaller. */
async function compressed(payload: Payload, data: Buffer): Promise<Payload> {
  const smaller = await compress(data);
  return smaller.length < data.length
    ? { metadata: outerMetadata(payload, COMPRESSED), data: smaller }
    : payload;
}

function outerMetadata(
  { metadata }: Payload,
  encoding: string,
  more: Record<string, Uint8Array> = {},
): Record<string, Uint8Array> {
  const inner = Object.entries(metadata ?? {}).map(([name, value]): [string, string] => [
    name,
    Buffer.from(value).toString('base64'),
  ]);
  return {
    [ENCODING]: Buffer.from(encoding),
    [INNER]: Buffer.from(JSON.stringify(Object.fromEntries(inner))),
    ...more,
  };
}

function innerMetadata({ metadata }: Payload): Record<string, Uint8Array> {
  const inner = JSON.parse(textOf(metadata?.[INNER])) as Record<string, string>;
  return Object.fromEntries(
    Object.entries(inner).map(([name, value]) => [name, Buffer.from(value, 'base64')]),
  );
}

/** What a client without the key is shown. */
const placeholder = (id: string): Payload => ({
  metadata: { [ENCODING]: Buffer.from('json/plain') },
  data: Buffer.from(JSON.stringify({ [SECURE_MARKER]: `encrypted with the key ${id}` })),
});
