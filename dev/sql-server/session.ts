// One client connection: TLS, login, then one request after another until it closes.
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { principalOf, type TokenRules } from './access-token.ts';
import { Batch } from './batch.ts';
import { ByteReader } from './byte-reader.ts';
import type { Databases } from './databases.ts';
import { SqlError, toSqlError } from './errors.ts';
import { IncomingBulk, runBulk } from './incoming-bulk.ts';
import {
  asksForFederation,
  Encryption,
  federatedToken,
  federationInfo,
  type LoginRequest,
  preloginAnswer,
  readLogin,
  requestedEncryption,
  samePassword,
  welcome,
} from './login.ts';
import { framePackets, type Packet, PacketReader, PacketStatus, PacketType } from './packets.ts';
import { type PostgresAddress, PostgresError } from './postgres-wire.ts';
import { DoneStatus, Response, Token } from './response.ts';
import type { ResultSet } from './result-set.ts';
import { PreparedStatements, remoteCall } from './rpc.ts';
import { SessionState } from './session-state.ts';
import { startStrictTls, startTlsTunnel, TLS_HANDSHAKE, type TlsTunnel } from './tls.ts';

export interface ServerSettings {
  readonly address: PostgresAddress;
  readonly user: string;
  readonly password: string;
  readonly tls: SecureContext | undefined;
  /** The access tokens it takes; none where undefined. */
  readonly tokens: TokenRules | undefined;
  readonly databases: Databases;
  log(event: string, details: Readonly<Record<string, unknown>>): void;
}

const KEEP_ALIVE_MILLISECONDS = 30_000;
const LOGIN_MILLISECONDS = 30_000;
const HANG_UP_MILLISECONDS = 2_000;

let lastProcessId = 50;

export class Session {
  readonly #socket: Socket;
  readonly #settings: ServerSettings;
  readonly #packets = new PacketReader();
  readonly #response: Response;
  readonly #processId = (++lastProcessId % 30000) + 51;
  #tunnel: TlsTunnel | undefined;
  #state: SessionState | undefined;
  #prepared = new PreparedStatements();
  #message: Buffer[] = [];
  #work: Promise<void> = Promise.resolve();
  #result: ResultSet | undefined;
  #bulk: IncomingBulk | undefined;
  /** A login that was told where to get its token, and has not brought it yet. */
  #awaitsToken: LoginRequest | undefined;
  #strict = false;
  #closed = false;
  readonly #whenClosed: Promise<void>;
  /** Requests that arrived, and how many of them an attention has given up. */
  #received = 0;
  #givenUp = 0;

  constructor(socket: Socket, settings: ServerSettings) {
    this.#socket = socket;
    this.#settings = settings;
    this.#response = new Response((bytes) => socket.write(bytes));
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MILLISECONDS);
    const timer = setTimeout(() => this.#state ?? socket.destroy(), LOGIN_MILLISECONDS);
    socket.on('data', (chunk) => {
      if (this.#tunnel === undefined && chunk[0] === TLS_HANDSHAKE) this.#startStrict();
      if (this.#tunnel) this.#tunnel.receive(chunk);
      else this.#receive(chunk);
    });
    socket.on('error', () => {});
    this.#whenClosed = new Promise((resolve) => {
      socket.on('close', () => {
        clearTimeout(timer);
        this.#closed = true;
        resolve();
        this.#release();
      });
    });
  }

  /** Ends the connection from the server's side. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Resolves once the connection is gone. */
  get closed(): Promise<void> {
    return this.#whenClosed;
  }

  /** Whatever ran for this client ends with it, and its PostgreSQL connection is free at once. */
  #release(): void {
    this.#bulk?.abort();
    const state = this.#state;
    if (state === undefined) return;
    state.cancelled = true;
    if (this.#result) this.#result.discarding = true;
    state.postgres.socket.resume();
    void state.postgres.close();
  }

  get #stream(): Socket {
    return this.#tunnel?.secure ?? this.#socket;
  }

  /** Resolves when the client has taken what was sent, or is gone. */
  #drained(): Promise<void> {
    const stream = this.#stream;
    if (this.#closed || !stream.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const go = (): void => {
        stream.off('drain', go);
        stream.off('close', go);
        resolve();
      };
      stream.on('drain', go);
      stream.on('close', go);
      void this.#whenClosed.then(go);
    });
  }

  #receive(chunk: Buffer): void {
    try {
      this.#packets.push(chunk);
      for (let packet = this.#packets.next(); packet !== undefined; packet = this.#packets.next()) {
        this.#packet(packet);
        if (this.#tunnel && !this.#strict && packet.type === PacketType.prelogin) {
          const rest = this.#packets.takeRest();
          if (rest.length > 0) this.#tunnel.receive(rest);
          return;
        }
      }
    } catch (error) {
      this.#settings.log('protocol-error', { error: String(error) });
      this.#socket.destroy();
    }
  }

  #packet(packet: Packet): void {
    const last = (packet.status & PacketStatus.endOfMessage) !== 0;
    const ignored = (packet.status & PacketStatus.ignore) !== 0;
    if (packet.type === PacketType.attention) {
      this.#attention();
      return;
    }
    if (packet.type === PacketType.bulkLoad) {
      this.#bulkPacket(packet.payload, last, ignored);
      return;
    }
    this.#message.push(Buffer.from(packet.payload));
    if (!last) return;
    const message = Buffer.concat(this.#message);
    this.#message = [];
    if (packet.type === PacketType.prelogin) {
      this.#prelogin(message);
      return;
    }
    const reset = (packet.status & PacketStatus.resetConnection) !== 0;
    const sequence = ++this.#received;
    this.#enqueue(() =>
      ignored ? this.#ignored() : this.#request({ type: packet.type, message, reset, sequence }),
    );
  }

  /** Requests run one after another; a failure of the server itself ends the connection, never hangs it. */
  #enqueue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      if (!this.#closed)
        this.#settings.log('session-error', {
          error: error instanceof Error ? (error.stack ?? '') : String(error),
        });
      this.#socket.destroy();
    });
  }

  async #ignored(): Promise<void> {
    this.#response.done(Token.done, DoneStatus.error, 0xfd, 0);
    this.#response.finish();
  }

  #prelogin(message: Buffer): void {
    const { tls, tokens } = this.#settings;
    const federated = tokens !== undefined && asksForFederation(message);
    if (this.#strict) {
      this.#stream.write(framePackets(PacketType.response, preloginAnswer(Encryption.on, federated), 4096));
      return;
    }
    const asked = requestedEncryption(message);
    const encrypt = tls !== undefined && (asked === Encryption.on || asked === Encryption.required);
    const answer = preloginAnswer(encrypt ? Encryption.on : Encryption.notSupported, federated);
    this.#socket.write(framePackets(PacketType.response, answer, 4096));
    if (encrypt && tls !== undefined) this.#secured(startTlsTunnel(this.#socket, tls, () => {}));
  }

  /** The first byte was TLS's, not TDS's: TDS 8.0. */
  #startStrict(): void {
    const { tls } = this.#settings;
    if (tls === undefined) throw new Error('TLS without a certificate');
    this.#strict = true;
    this.#secured(startStrictTls(this.#socket, tls));
  }

  #secured(tunnel: TlsTunnel): void {
    this.#tunnel = tunnel;
    const { secure } = tunnel;
    secure.on('data', (chunk: Buffer) => this.#receive(chunk));
    secure.on('error', (error) => {
      this.#settings.log('tls-error', { error: error.message });
      this.#socket.destroy();
    });
    secure.on('end', () => this.#socket.end());
    this.#response.redirect((bytes) => secure.write(bytes));
  }

  // ---- requests ----

  async #request({ type, message, reset, sequence }: Request): Promise<void> {
    if (type === PacketType.login7) return this.#askedIn(readLogin(message));
    if (type === PacketType.federatedToken) return this.#broughtToken(message);
    const state = this.#state;
    if (state === undefined) throw new Error('a request before the login');
    state.cancelled = sequence <= this.#givenUp;
    if (reset) await state.reset();
    const reader = new ByteReader(message);
    reader.offset = message.readUInt32LE(0);
    if (type === PacketType.sqlBatch) {
      await new Batch(state, new Map(), { ...this.#batchOptions(), doneToken: Token.done }).run(
        message.toString('utf16le', reader.offset),
      );
    } else if (type === PacketType.rpc) {
      await remoteCall(state, this.#prepared, reader, this.#batchOptions());
    } else if (type === PacketType.transactionManager) {
      await this.#transactionRequest(state, reader);
    } else throw new Error(`message type ${type}`);
    if (state.postgres.closed) {
      this.#hangUp();
      return;
    }
    this.#response.finish();
    await this.#drained();
  }

  /** Ends the connection in order: a reset in the middle of things upsets some clients. */
  #hangUp(): void {
    this.#stream.end();
    setTimeout(() => this.#socket.destroy(), HANG_UP_MILLISECONDS).unref();
  }

  #batchOptions(): { drained(): Promise<void>; onResult(result: ResultSet | undefined): void } {
    return {
      drained: () => this.#drained(),
      onResult: (result) => {
        this.#result = result;
        if (result && (this.#state?.cancelled ?? false)) result.discarding = true;
      },
    };
  }

  /** A client that has no token yet is told where to get one; any other is let in or refused. */
  async #askedIn(login: LoginRequest): Promise<void> {
    const { tokens } = this.#settings;
    if (login.federated === undefined || login.federated.token !== undefined || tokens === undefined)
      return this.#login(login);
    this.#awaitsToken = login;
    federationInfo(this.#response, tokens.authority, tokens.resource);
    this.#response.finish();
  }

  async #broughtToken(message: Buffer): Promise<void> {
    const login = this.#awaitsToken;
    if (login === undefined) throw new Error('a token that nobody asked for');
    this.#awaitsToken = undefined;
    return this.#login({ ...login, federated: { token: federatedToken(message) } });
  }

  /** Who it is that signs in. Throws 18456. */
  #principal({ user, password, federated }: LoginRequest): string {
    const { tokens } = this.#settings;
    if (federated !== undefined) {
      if (tokens === undefined || federated.token === undefined)
        throw new SqlError(18456, "Login failed for user '<token-identified principal>'.", 14);
      return principalOf(federated.token, tokens);
    }
    if (
      user.toLowerCase() !== this.#settings.user.toLowerCase() ||
      !samePassword(password, this.#settings.password)
    ) {
      throw new SqlError(18456, `Login failed for user '${user}'.`, 14);
    }
    return user;
  }

  async #login(login: LoginRequest): Promise<void> {
    const { address, databases } = this.#settings;
    try {
      const options = {
        processId: this.#processId,
        login: this.#principal(login),
        utf8: login.utf8,
        response: this.#response,
        address,
        databases,
      };
      const state = await SessionState.open(options, login.database || 'master');
      if (this.#closed) {
        await state.postgres.close();
        return;
      }
      this.#state = state;
      // A server that lost its engine drops its clients, so that their pools make new connections.
      state.onEngineLost = () => this.#hangUp();
      this.#loggedIn(login, state.database);
    } catch (error) {
      if (!(error instanceof SqlError) && !(error instanceof PostgresError && error.sqlState === '53300')) {
        // PostgreSQL is not there (yet): shown as a server that is down, not as a login that is wrong.
        this.#settings.log('engine-unreachable', { error: String(error) });
        this.#hangUp();
        return;
      }
      const shown = toSqlError(error, {
        verb: 'login',
        database: login.database,
        processId: 0,
        snapshot: false,
      });
      this.#settings.log('login-failed', {
        user: login.user,
        database: login.database,
        number: shown.number,
        message: shown.message,
      });
      this.#response.error(shown);
      this.#response.done(Token.done, DoneStatus.error, 0, 0);
      this.#response.finish();
      this.#stream.end();
    }
  }

  #loggedIn(login: LoginRequest, database: string): void {
    welcome(this.#response, login, database);
    this.#response.done(Token.done, 0, 0, 0);
    this.#response.finish();
    this.#response.packetSize = login.packetSize;
  }

  async #transactionRequest(state: SessionState, reader: ByteReader): Promise<void> {
    const kind = reader.u16();
    const name = (): string => (reader.atEnd ? '' : reader.shortString());
    try {
      if (kind === 5) await state.transactions.begin(reader.u8());
      else if (kind === 7) await state.transactions.commit();
      else if (kind === 8) await state.transactions.rollback(name());
      else if (kind === 9) await state.transactions.save(name());
      else
        throw new SqlError(40517, `Transaction manager request ${kind} is not supported by this stand-in.`);
      this.#response.done(Token.done, state.transactions.doneStatus, 0xfd, 0);
    } catch (error) {
      const { database, processId, transactions } = state;
      this.#response.error(
        toSqlError(error, { verb: 'transaction', database, processId, snapshot: transactions.snapshot }),
      );
      this.#response.done(Token.done, DoneStatus.error | transactions.doneStatus, 0xfd, 0);
    }
  }

  // ---- attention ----

  /** The client gives a request up: what runs is cancelled, what was to be sent dropped, and it is told so. */
  #attention(): void {
    const state = this.#state;
    if (state === undefined) return;
    state.cancelled = true;
    this.#givenUp = this.#received;
    if (this.#result) this.#result.discarding = true;
    state.postgres.socket.resume();
    const cancelling = state.postgres.cancel();
    this.#bulk?.abort();
    this.#bulk = undefined;
    this.#enqueue(async () => {
      await cancelling;
      // A cancel that came late would hit the next statement; an empty round trip takes it instead.
      await state.postgres.simple('').catch(() => undefined);
      state.cancelled = false;
      state.bulk = undefined;
      this.#response.done(Token.done, DoneStatus.attention | state.transactions.doneStatus, 0, 0);
      this.#response.finish();
    });
  }

  // ---- bulk load ----

  #bulkPacket(payload: Buffer, last: boolean, ignored: boolean): void {
    const bulk = this.#bulk ?? this.#startBulk();
    bulk.push(payload, last);
    if (ignored) bulk.abort();
    if (last) this.#bulk = undefined;
  }

  #startBulk(): IncomingBulk {
    const bulk = new IncomingBulk({
      pause: () => this.#stream.pause(),
      resume: () => this.#stream.resume(),
    });
    this.#bulk = bulk;
    this.#received++;
    this.#enqueue(async () => {
      const state = this.#state;
      if (state === undefined) throw new Error('bulk rows before the login');
      await runBulk(state, bulk);
      if (state.postgres.closed) this.#hangUp();
      else this.#response.finish();
    });
    return bulk;
  }
}

interface Request {
  readonly type: number;
  readonly message: Buffer;
  readonly reset: boolean;
  readonly sequence: number;
}
