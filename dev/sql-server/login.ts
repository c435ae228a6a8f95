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

/** The client's ENCRYPTION option of a PRELOGIN message. */
export function requestedEncryption(message: Buffer): number {
  for (let at = 0; at + 5 <= message.length && message[at] !== 0xff; at += 5) {
    if (message[at] === 1) return message[message.readUInt16BE(at + 1)] ?? Encryption.notSupported;
  }
  return Encryption.notSupported;
}

export function preloginAnswer(encryption: number): Buffer {
  const options: [type: number, value: Buffer][] = [
    [0, Buffer.concat([VERSION, Buffer.alloc(2)])],
    [1, Buffer.from([encryption])],
    [2, Buffer.from([0])],
    [3, Buffer.alloc(0)],
    [4, Buffer.from([0])],
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
}

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
  return {
    user: field(1).toString('utf16le'),
    password: password.toString('utf16le'),
    database: field(8).toString('utf16le'),
    packetSize: Math.min(32767, Math.max(512, packetSize || 4096)),
    utf8: features(message).has(FEATURE_UTF8),
  };
}

/** The feature extensions a client lists, when it has any (OptionFlags3 bit 4). */
function features(message: Buffer): Set<number> {
  const found = new Set<number>();
  if (((message[27] ?? 0) & 0x10) === 0) return found;
  const reader = new ByteReader(message, message.readUInt32LE(message.readUInt16LE(56)));
  for (let id = reader.u8(); id !== FEATURE_END; id = reader.u8()) {
    found.add(id);
    reader.bytes(reader.u32());
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
  if (login.utf8) response.writer.u8(Token.featureExtAck).u8(FEATURE_UTF8).u32(1).u8(1).u8(FEATURE_END);
}
