// PRELOGIN and LOGIN7 (MS-TDS 2.2.6.4, 2.2.6.5): what the client asks for, and the server's words of welcome.
import { timingSafeEqual } from 'node:crypto';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import type { Response } from './response.ts';
import { Token } from './response.ts';
import { LATIN1_COLLATION, UTF8_COLLATION } from './type-info.ts';

/** SQL Server 2022: 16.0.1000. */
const VERSION = Buffer.from([16, 0, 0x03, 0xe8]);
const TDS_74 = Buffer.from([0x74, 0x00, 0x00, 0x04]);

export const Encryption = { off: 0, on: 1, notSupported: 2, required: 3 };

const PRELOGIN_ENCRYPTION = 1;
const PRELOGIN_FEDERATED = 6;

/** The first byte of an option of a PRELOGIN message. */
function preloginOption(message: Buffer, option: number): number | undefined {
  for (let at = 0; at + 5 <= message.length && message[at] !== 0xff; at += 5) {
    if (message[at] === option) return message[message.readUInt16BE(at + 1)];
  }
  return undefined;
}

/** The client's ENCRYPTION option of a PRELOGIN message. */
export const requestedEncryption = (message: Buffer): number =>
  preloginOption(message, PRELOGIN_ENCRYPTION) ?? Encryption.notSupported;

/** Whether the client asks if it may sign in by a token. */
export const asksForFederation = (message: Buffer): boolean =>
  preloginOption(message, PRELOGIN_FEDERATED) === 1;

export function preloginAnswer(encryption: number, federated: boolean): Buffer {
  const options: [type: number, value: Buffer][] = [
    [0, Buffer.concat([VERSION, Buffer.alloc(2)])],
    [1, Buffer.from([encryption])],
    [2, Buffer.from([0])],
    [3, Buffer.alloc(0)],
    [4, Buffer.from([0])],
    ...(federated ? [[PRELOGIN_FEDERATED, Buffer.from([1])] as [number, Buffer]] : []),
  ];
  const head = new ByteWriter(64);
  let offset = options.length * 5 + 1;
  for (const [type, value] of options) {
    head
      .u8(type)
      .u8(offset >> 8)
      .u8(offset & 0xff)
      .u8(0)
      .u8(value.length);
    offset += value.length;
  }
  head.u8(0xff);
  return Buffer.concat([head.take(), ...options.map(([, value]) => value)]);
}

export interface LoginRequest {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly packetSize: number;
  /** The client understands UTF-8 collations in varchar columns. */
  readonly utf8: boolean;
  /** Set where it signs in by a token: the token itself, or none yet if it first wants to know where to get one. */
  readonly federated: { readonly token: string | undefined } | undefined;
}

const FEATURE_FEDERATED = 0x02;
const FEATURE_UTF8 = 0x0a;
const FEATURE_END = 0xff;

export function readLogin(message: Buffer): LoginRequest {
  const field = (index: number): Buffer => {
    const offset = message.readUInt16LE(36 + index * 4);
    return message.subarray(offset, offset + 2 * message.readUInt16LE(38 + index * 4));
  };
  const password = Buffer.from(field(2));
  for (const [index, byte] of password.entries()) {
    const mixed = byte ^ 0xa5;
    password[index] = ((mixed << 4) | (mixed >> 4)) & 0xff;
  }
  const packetSize = message.readUInt32LE(8);
  const extensions = features(message);
  const federated = extensions.get(FEATURE_FEDERATED);
  return {
    user: field(1).toString('utf16le'),
    password: password.toString('utf16le'),
    database: field(8).toString('utf16le'),
    packetSize: Math.min(32767, Math.max(512, packetSize || 4096)),
    utf8: extensions.has(FEATURE_UTF8),
    federated: federated === undefined ? undefined : { token: tokenOf(federated) },
  };
}

const SECURITY_TOKEN_LIBRARY = 0x01;

/** The token in a FEDAUTH extension (MS-TDS 2.2.6.4): there is one with the library "security token" only. */
function tokenOf(extension: Buffer): string | undefined {
  if ((extension[0] ?? 0) >> 1 !== SECURITY_TOKEN_LIBRARY) return undefined;
  return extension.toString('utf16le', 5, 5 + extension.readUInt32LE(1));
}

/** The token of a FEDAUTH message (MS-TDS 2.2.6.3). */
export const federatedToken = (message: Buffer): string =>
  message.toString('utf16le', 8, 8 + message.readUInt32LE(4));

/** FEDAUTHINFO (MS-TDS 2.2.7.12): where tokens are got, and for which resource. */
export function federationInfo(response: Response, authority: string, resource: string): void {
  const values: [id: number, value: Buffer][] = [
    [1, Buffer.from(authority, 'utf16le')],
    [2, Buffer.from(resource, 'utf16le')],
  ];
  const body = new ByteWriter(256);
  body.u32(values.length);
  let offset = 4 + values.length * 9;
  for (const [id, value] of values) {
    body.u8(id).u32(value.length).u32(offset);
    offset += value.length;
  }
  for (const [, value] of values) body.bytes(value);
  const bytes = body.take();
  response.writer.u8(Token.federationInfo).u32(bytes.length).bytes(bytes);
}

/** The feature extensions a client lists, when it has any (OptionFlags3 bit 4). */
function features(message: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  if (((message[27] ?? 0) & 0x10) === 0) return found;
  const reader = new ByteReader(message, message.readUInt32LE(message.readUInt16LE(56)));
  for (let id = reader.u8(); id !== FEATURE_END; id = reader.u8()) {
    found.set(id, reader.bytes(reader.u32()));
  }
  return found;
}

/** Compares without telling by its time how much was right. */
export function samePassword(given: string, expected: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The tokens of a successful login. */
export function welcome(response: Response, login: LoginRequest, database: string): void {
  response.environment(1, database, 'master');
  response.info(5701, `Changed database context to '${database}'.`);
  response.environmentBytes(7, login.utf8 ? UTF8_COLLATION : LATIN1_COLLATION, Buffer.alloc(0));
  response.environment(2, 'us_english', '');
  response.info(5703, 'Changed language setting to us_english.');
  const ack = new ByteWriter(128);
  ack.u8(1).bytes(TDS_74).shortString('Microsoft SQL Server').bytes(VERSION);
  const bytes = ack.take();
  response.writer.u8(Token.loginAck).u16(bytes.length).bytes(bytes);
  response.environment(4, String(login.packetSize), '4096');
  if (!login.utf8 && login.federated === undefined) return;
  response.writer.u8(Token.featureExtAck);
  if (login.federated) response.writer.u8(FEATURE_FEDERATED).u32(0);
  if (login.utf8) response.writer.u8(FEATURE_UTF8).u32(1).u8(1);
  response.writer.u8(FEATURE_END);
}
