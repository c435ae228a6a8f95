// TLS inside PRELOGIN packets (TDS 7.x): handshake records travel as PRELOGIN payload, then TLS runs bare.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type SecureContext, TLSSocket } from 'node:tls';
import { framePackets, PacketReader, PacketType } from './packets.ts';

const APPLICATION_DATA = 0x17;
const MAX_PACKET = 32767;

export interface TlsTunnel {
  /** Where decrypted bytes come from and plain bytes go to. */
  readonly secure: TLSSocket;
  /** Takes raw bytes that arrived on the socket. */
  receive(chunk: Buffer): void;
}

/** The first byte of a TLS handshake: a client that speaks TDS 8.0 ("strict") begins with it. */
export const TLS_HANDSHAKE = 0x16;

/** TDS 8.0: TLS around everything, PRELOGIN included. */
export function startStrictTls(socket: Socket, context: SecureContext): TlsTunnel {
  const carrier = new Duplex({
    read() {},
    write: (record: Buffer, _encoding, done) => void socket.write(record, done),
    final(done) {
      socket.end();
      done();
    },
  });
  const secure = new TLSSocket(carrier, {
    isServer: true,
    secureContext: context,
    ALPNProtocols: ['tds/8.0'],
  });
  return { secure, receive: (chunk) => void carrier.push(chunk) };
}

/**
 * Starts the server side of a TLS handshake whose records are wrapped in PRELOGIN packets.
 * The server's Finished record must still be wrapped, so every record that is not application data is.
 */
export function startTlsTunnel(socket: Socket, context: SecureContext, onSecure: () => void): TlsTunnel {
  let handshaking = true;
  const wrapped = new PacketReader();
  // Once application data has begun nothing is wrapped any more: what is written then are slices of the stream, which
  // need not begin with a record.
  let bare = false;
  const carrier = new Duplex({
    read() {},
    write(record: Buffer, _encoding, done) {
      bare ||= !handshaking && record[0] === APPLICATION_DATA;
      if (bare) socket.write(record, done);
      else socket.write(framePackets(PacketType.prelogin, record, MAX_PACKET), done);
    },
    final(done) {
      socket.end();
      done();
    },
  });
  const secure = new TLSSocket(carrier, { isServer: true, secureContext: context });
  secure.on('secure', () => {
    handshaking = false;
    onSecure();
  });
  let firstBare = false;
  const receive = (chunk: Buffer): void => {
    if (!handshaking || firstBare) {
      carrier.push(chunk);
      return;
    }
    wrapped.push(chunk);
    while (handshaking) {
      const packet = wrapped.next();
      if (packet === undefined) break;
      carrier.push(Buffer.from(packet.payload));
    }
    // A client that has finished its side may send its first bare record in the same segment.
    const rest = wrapped.takeRest();
    if (rest.length === 0) return;
    if (rest[0] === PacketType.prelogin) wrapped.push(rest);
    else {
      firstBare = true;
      carrier.push(rest);
    }
  };
  return { secure, receive };
}
