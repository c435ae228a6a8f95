// TDS packet framing: splits a byte stream into packets and cuts payloads into packets (MS-TDS 2.2.3).

export const PacketType = {
  sqlBatch: 0x01,
  rpc: 0x03,
  response: 0x04,
  attention: 0x06,
  bulkLoad: 0x07,
  federatedToken: 0x08,
  transactionManager: 0x0e,
  login7: 0x10,
  prelogin: 0x12,
} as const;

const KNOWN_TYPES: ReadonlySet<number> = new Set(Object.values(PacketType));

export const PacketStatus = {
  endOfMessage: 0x01,
  ignore: 0x02,
  resetConnection: 0x08,
  resetKeepTransaction: 0x10,
};

export const HEADER_BYTES = 8;
const SERVER_PROCESS_ID = 51;

export interface Packet {
  readonly type: number;
  readonly status: number;
  readonly payload: Buffer;
}

/** Collects bytes and yields whole packets; a packet of an unknown type or under 8 bytes is a protocol error. */
export class PacketReader {
  #pending: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#pending = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk;
  }

  next(): Packet | undefined {
    const data = this.#pending;
    if (data.length < HEADER_BYTES) return undefined;
    const length = data.readUInt16BE(2);
    if (length < HEADER_BYTES || !KNOWN_TYPES.has(data[0] as number)) {
      throw new Error(`a packet of type ${data[0]} and ${length} bytes is not TDS`);
    }
    if (data.length < length) return undefined;
    this.#pending = data.subarray(length);
    return {
      type: data[0] as number,
      status: data[1] as number,
      payload: data.subarray(HEADER_BYTES, length),
    };
  }

  /** Gives back bytes that follow the last whole packet (they belong to TLS after a PRELOGIN). */
  takeRest(): Buffer {
    const rest = this.#pending;
    this.#pending = Buffer.alloc(0);
    return rest;
  }
}

/** Cuts a whole message into packets of `packetSize` bytes; the last one carries end-of-message. */
export function framePackets(type: number, payload: Buffer, packetSize: number, last = true): Buffer {
  const room = packetSize - HEADER_BYTES;
  const count = Math.max(1, Math.ceil(payload.length / room));
  const framed = Buffer.allocUnsafe(payload.length + count * HEADER_BYTES);
  let at = 0;
  for (let index = 0; index < count; index++) {
    const start = index * room;
    const end = Math.min(start + room, payload.length);
    framed[at] = type;
    framed[at + 1] = last && index === count - 1 ? PacketStatus.endOfMessage : 0;
    framed.writeUInt16BE(end - start + HEADER_BYTES, at + 2);
    framed.writeUInt16BE(SERVER_PROCESS_ID, at + 4);
    framed[at + 6] = (index + 1) & 0xff;
    framed[at + 7] = 0;
    payload.copy(framed, at + HEADER_BYTES, start, end);
    at += HEADER_BYTES + end - start;
  }
  return framed;
}
