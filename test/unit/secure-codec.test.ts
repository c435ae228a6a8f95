// What the payload codec hides, compresses and leaves readable.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { ApplicationFailure, defaultPayloadConverter, type Payload } from '@temporalio/common';
import { readPayloadKeys } from '../../src/config/payload-keys.ts';
import { WaybillError } from '../../src/core/errors.ts';
import { opened, sealed } from '../../src/core/pipeline/secure.ts';
import { SecureCodec } from '../../src/interceptors/secure-codec.ts';

const key = (): string => randomBytes(32).toString('base64');
const codecOf = (...keys: string[]): SecureCodec =>
  new SecureCodec({ keys: readPayloadKeys(keys.length === 0 ? [] : ['K'], { K: keys.join(',') }) });
const payloadOf = (value: unknown): Payload => {
  const payload = defaultPayloadConverter.toPayload(value);
  assert.ok(payload);
  return payload;
};
const textIn = (payload: Payload | undefined): string => {
  assert.ok(payload);
  const parts = [payload.data ?? new Uint8Array(), ...Object.values(payload.metadata ?? {})];
  return parts.map((bytes) => Buffer.from(bytes).toString('latin1')).join('\n');
};
const roundTrip = async (encoder: SecureCodec, decoder: SecureCodec, value: unknown): Promise<unknown> => {
  const [decoded] = await decoder.decode(await encoder.encode([payloadOf(value)]));
  return defaultPayloadConverter.fromPayload(decoded as Payload);
};

test('a payload with an envelope anywhere in it is encrypted as a whole', async () => {
  const codec = codecOf(key());
  const value = { name: 'neighbour-of-it', deep: [{ typeProperties: sealed({ password: 'canary-7f3a' }) }] };
  const [encoded] = await codec.encode([payloadOf(value)]);
  assert.doesNotMatch(textIn(encoded), /canary-7f3a|neighbour-of-it|waybillSecure/);
  assert.deepEqual(await roundTrip(codec, codec, value), value);
});

test('the same value is another text each time', async () => {
  const codec = codecOf(key());
  const texts = await codec.encode([payloadOf(sealed('same')), payloadOf(sealed('same'))]);
  assert.notEqual(textIn(texts[0]), textIn(texts[1]));
});

test('what hides nothing stays readable', async () => {
  const payload = payloadOf({ rows: 3, said: '$waybillSecure in a text' });
  assert.deepEqual(await codecOf(key()).encode([payload]), [payload]);
  assert.deepEqual(await codecOf().decode([payload]), [payload]);
});

test('nothing at all passes: what a workflow without a result returns', async () => {
  const codec = codecOf(key());
  const { metadata = {} } = payloadOf(undefined);
  // The last one is what Temporal's own messages have as their default.
  for (const payload of [
    payloadOf(undefined),
    { metadata },
    { metadata, data: [] as unknown as Uint8Array },
  ]) {
    const [decoded] = await codec.decode(await codec.encode([payload]));
    assert.equal(defaultPayloadConverter.fromPayload(decoded as Payload), undefined);
  }
});

test('a changed text, a changed surrounding and another key are refused', async () => {
  const [own, other] = [key(), key()];
  const codec = codecOf(own);
  const [encoded] = await codec.encode([payloadOf(sealed('x'))]);
  assert.ok(encoded?.data);
  const flipped = Uint8Array.from(encoded.data);
  flipped[14] = (flipped[14] ?? 0) ^ 1;
  await assert.rejects(codec.decode([{ ...encoded, data: flipped }]));
  const metadata = { ...encoded.metadata, 'waybill-metadata': Buffer.from('{}') };
  await assert.rejects(codec.decode([{ ...encoded, metadata }]));
  await assert.rejects(
    codecOf(other).decode([encoded]),
    (error: unknown) => error instanceof WaybillError && error.code === 'SECRET_MISSING',
  );
});

test('keys are exchanged by putting the new one before the old', async () => {
  const [old, next] = [key(), key()];
  assert.deepEqual(await roundTrip(codecOf(old), codecOf(next, old), sealed(1)), sealed(1));
  assert.deepEqual(await roundTrip(codecOf(next, old), codecOf(next), sealed(2)), sealed(2));
});

test('without a key nothing secret leaves, and the failure is final', async () => {
  await assert.rejects(
    codecOf().encode([payloadOf(sealed('x'))]),
    (error: unknown) =>
      error instanceof ApplicationFailure && error.type === 'SECRET_MISSING' && error.nonRetryable === true,
  );
});

test('a client without the key sees that there is something it may not see', async () => {
  const [encoded] = await codecOf(key()).encode([payloadOf(sealed('canary'))]);
  const [shown] = await new SecureCodec({ keys: [], lenient: true }).decode([encoded as Payload]);
  assert.match(
    String(opened(defaultPayloadConverter.fromPayload(shown as Payload))),
    /encrypted with the key/,
  );
});

test('4 MB of rows fit into a payload, hidden or not', async () => {
  const codec = codecOf(key());
  const rows = Array.from({ length: 5_000 }, (_, i) => ({
    Id: i,
    Guid: `6f9619ff-8b86-d011-b42d-${String(i * 7919).padStart(12, '0')}`,
    Text: `row ${i} `.repeat(120).slice(0, 780),
  }));
  for (const value of [{ output: { count: rows.length, value: rows } }, { output: sealed(rows) }]) {
    const payload = payloadOf(value);
    assert.ok((payload.data?.length ?? 0) > 3_900_000);
    const [encoded] = await codec.encode([payload]);
    assert.ok((encoded?.data?.length ?? 0) < 2_000_000, `${encoded?.data?.length} bytes`);
    assert.deepEqual(await roundTrip(codec, codec, value), value);
  }
});

test('a key is 32 bytes, in base64 or hex', () => {
  const bytes = randomBytes(32);
  const [base64] = readPayloadKeys(['K'], { K: bytes.toString('base64') });
  const [hex] = readPayloadKeys(['K'], { K: bytes.toString('hex') });
  assert.equal(base64?.id, hex?.id);
  const coded = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;
  assert.throws(() => readPayloadKeys(['K'], { K: 'short' }), coded('SETTINGS_INVALID'));
  assert.throws(() => readPayloadKeys(['K'], {}), coded('SECRET_MISSING'));
});
