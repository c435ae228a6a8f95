// The server's side of a message: tokens (MS-TDS 2.2.7) gathered and sent as packets, with back-pressure.
import { ByteWriter } from './byte-writer.ts';
import type { SqlError } from './errors.ts';
import { framePackets, HEADER_BYTES, PacketType } from './packets.ts';

export const SERVER_NAME = 'sql-server-stand-in';
/** Rows are sent on once this many bytes wait. */
const FLUSH_BYTES = 1 << 17;

export const Token = {
  returnStatus: 0x79,
  columnMetadata: 0x81,
  error: 0xaa,
  info: 0xab,
  returnValue: 0xac,
  loginAck: 0xad,
  featureExtAck: 0xae,
  row: 0xd1,
  nullRow: 0xd2,
  environmentChange: 0xe3,
  federationInfo: 0xee,
  done: 0xfd,
  doneProcedure: 0xfe,
  doneInProcedure: 0xff,
} as const;

export const DoneStatus = { more: 0x01, error: 0x02, inTransaction: 0x04, count: 0x10, attention: 0x20 };

export class Response {
  readonly writer = new ByteWriter();
  packetSize = 4096;
  #send: (packets: Buffer) => boolean;

  constructor(send: (packets: Buffer) => boolean) {
    this.#send = send;
  }

  /** From now on packets go another way (through TLS). */
  redirect(send: (packets: Buffer) => boolean): void {
    this.#send = send;
  }

  /** Sends what fills whole packets, when enough waits; false asks the caller to wait for drain. */
  flushFull(): boolean {
    if (this.writer.length < FLUSH_BYTES) return true;
    const room = this.packetSize - HEADER_BYTES;
    const whole = Math.floor((this.writer.length - 1) / room) * room;
    const packets = framePackets(
      PacketType.response,
      this.writer.buffer.subarray(0, whole),
      this.packetSize,
      false,
    );
    this.writer.dropFirst(whole);
    return this.#send(packets);
  }

  /** Ends the message. */
  finish(): void {
    const payload = this.writer.take();
    this.#send(framePackets(PacketType.response, payload, this.packetSize));
  }

  done(token: number, status: number, command: number, rows: number): void {
    this.writer.u8(token).u16(status).u16(command).u64(rows);
  }

  error(error: SqlError): void {
    this.#message(Token.error, error.number, error.state, error.severity, error.message);
  }

  info(number: number, message: string, severity = 0): void {
    this.#message(Token.info, number, 1, severity, message);
  }

  #message(token: number, number: number, state: number, severity: number, text: string): void {
    const body = new ByteWriter(1024);
    body
      .u32(number)
      .u8(state)
      .u8(severity)
      .longString(text.slice(0, 2000))
      .shortString(SERVER_NAME)
      .shortString('')
      .u32(1);
    const bytes = body.take();
    this.writer.u8(token).u16(bytes.length).bytes(bytes);
  }

  /** ENVCHANGE with textual old and new values. */
  environment(type: number, next: string, previous: string): void {
    const body = new ByteWriter(1024);
    body.u8(type).shortString(next).shortString(previous);
    this.#environment(body.take());
  }

  /** ENVCHANGE with binary old and new values. */
  environmentBytes(type: number, next: Buffer, previous: Buffer): void {
    const body = new ByteWriter(64);
    body.u8(type).u8(next.length).bytes(next).u8(previous.length).bytes(previous);
    this.#environment(body.take());
  }

  #environment(bytes: Buffer): void {
    this.writer.u8(Token.environmentChange).u16(bytes.length).bytes(bytes);
  }
}
