// A PostgreSQL v3 client that hands raw binary rows to its caller and honours back-pressure both ways.
import { connect, type Socket } from 'node:net';
import { ByteWriter } from './byte-writer.ts';

const SECRET_CANCEL_CODE = 80877102;
const PROTOCOL_VERSION = 196608;

export interface PostgresAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

/** One column of a RowDescription; `table` and `attribute` are 0 for an expression. */
export interface PostgresField {
  readonly name: string;
  readonly table: number;
  readonly attribute: number;
  readonly type: number;
  readonly modifier: number;
}

/** A parameter in text form with the PostgreSQL type it is to be read as. */
export interface PostgresParameter {
  readonly type: number;
  readonly value: string | null;
}

export interface RowHandler {
  onFields?(fields: readonly PostgresField[]): void;
  /** The DataRow body: column count at `start`, then length-prefixed values. */
  onRow?(buffer: Buffer, start: number): void;
  /** Called after each chunk read from the socket was handled. */
  onChunk?(): void;
  onCopyIn?(): void;
}

/** An ErrorResponse, with the fields that clients of SQL Server get to see in other words. */
export class PostgresError extends Error {
  readonly sqlState: string;
  readonly detail: string | undefined;
  readonly schema: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly constraint: string | undefined;

  constructor(fields: ReadonlyMap<string, string>) {
    super(fields.get('M') ?? 'unknown PostgreSQL error');
    this.name = 'PostgresError';
    this.sqlState = fields.get('C') ?? 'XX000';
    this.detail = fields.get('D');
    this.schema = fields.get('s');
    this.table = fields.get('t');
    this.column = fields.get('c');
    this.constraint = fields.get('n');
  }
}

interface Running {
  readonly handler: RowHandler;
  readonly resolve: (tag: string) => void;
  readonly reject: (error: Error) => void;
  tag: string;
  error?: Error;
}

export class PostgresConnection {
  readonly #address: PostgresAddress;
  readonly #database: string;
  readonly socket: Socket;
  #pending: Buffer = Buffer.alloc(0);
  #running: Running | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #processId = 0;
  #secretKey = 0;
  /** PostgreSQL's own word: I idle, T in a transaction, E in a failed one. */
  transactionStatus = 'I';
  closed = false;

  private constructor(address: PostgresAddress, database: string, socket: Socket) {
    this.#address = address;
    this.#database = database;
    this.socket = socket;
  }

  /** Opens a connection; rejects with PostgresError 3D000 when the database does not exist. */
  static open(address: PostgresAddress, database: string): Promise<PostgresConnection> {
    const socket = connect(address.port, address.host);
    const connection = new PostgresConnection(address, database, socket);
    return connection.#start();
  }

  #start(): Promise<PostgresConnection> {
    this.socket.setNoDelay(true);
    this.socket.on('data', (chunk) => this.#receive(chunk));
    this.socket.on('error', (error) => this.#fail(error));
    this.socket.on('close', () => this.#fail(new Error('the PostgreSQL connection closed')));
    const settings = `user\0${this.#address.user}\0database\0${this.#database}\0application_name\0sql-server-stand-in\0\0`;
    const body = Buffer.from(settings);
    const message = new ByteWriter(256);
    message
      .i32be(8 + body.length)
      .i32be(PROTOCOL_VERSION)
      .bytes(body);
    return new Promise((resolve, reject) => {
      this.#running = { handler: {}, resolve: () => resolve(this), reject, tag: '' };
      this.socket.write(message.take());
    });
  }

  #fail(error: Error): void {
    this.closed = true;
    const running = this.#running;
    this.#running = undefined;
    running?.reject(running.error ?? error);
  }

  #receive(chunk: Buffer): void {
    const data = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk;
    let at = 0;
    while (data.length - at >= 5) {
      const end = at + 1 + data.readInt32BE(at + 1);
      if (end > data.length) break;
      this.#message(data[at] as number, data, at + 5, end);
      at = end;
    }
    this.#pending = data.subarray(at);
    this.#running?.handler.onChunk?.();
  }

  #message(type: number, data: Buffer, start: number, end: number): void {
    const running = this.#running;
    switch (String.fromCharCode(type)) {
      case 'D':
        running?.handler.onRow?.(data, start);
        return;
      case 'T':
        running?.handler.onFields?.(readFields(data, start));
        return;
      case 'C':
        if (running) running.tag = data.toString('utf8', start, end - 1);
        return;
      case 'E':
        this.#serverError(readError(data, start));
        return;
      case 'G':
        running?.handler.onCopyIn?.();
        return;
      case 'K':
        this.#processId = data.readInt32BE(start);
        this.#secretKey = data.readInt32BE(start + 4);
        return;
      case 'Z':
        this.transactionStatus = String.fromCharCode(data[start] as number);
        this.#running = undefined;
        if (running?.error) running.reject(running.error);
        else running?.resolve(running.tag);
        return;
      default:
    }
  }

  #serverError(error: PostgresError): void {
    // A refusal to log in is followed by a closed socket, not by ReadyForQuery.
    if (this.#running) this.#running.error ??= error;
  }

  #enqueue(handler: RowHandler, send: () => void): Promise<string> {
    const result = this.#queue.then(
      () =>
        new Promise<string>((resolve, reject) => {
          if (this.closed) {
            reject(new Error('the PostgreSQL connection is closed'));
            return;
          }
          this.#running = { handler, resolve, reject, tag: '' };
          send();
        }),
    );
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Runs one statement with parameters; rows come in binary. Resolves with the command tag. */
  run(
    text: string,
    parameters: readonly PostgresParameter[] = [],
    handler: RowHandler = {},
  ): Promise<string> {
    return this.#enqueue(handler, () => this.socket.write(extendedQuery(text, parameters)));
  }

  /** Runs statements by the simple protocol (the only one that COPY and several statements work with). */
  simple(text: string, handler: RowHandler = {}): Promise<string> {
    return this.#enqueue(handler, () => this.socket.write(message('Q', Buffer.from(`${text}\0`))));
  }

  /** Runs a query of the server's own and returns its rows as text. */
  async rows(text: string, parameters: readonly PostgresParameter[] = []): Promise<(string | null)[][]> {
    const rows: (string | null)[][] = [];
    await this.run(text, parameters, {
      onRow(buffer, start) {
        const row: (string | null)[] = [];
        let at = start + 2;
        for (let left = buffer.readInt16BE(start); left > 0; left--) {
          const length = buffer.readInt32BE(at);
          at += 4;
          if (length < 0) row.push(null);
          else {
            row.push(buffer.toString('utf8', at, at + length));
            at += length;
          }
        }
        rows.push(row);
      },
    });
    return rows;
  }

  /** Sends COPY data; false means: wait for the socket's drain event. */
  copyData(data: Buffer): boolean {
    const head = Buffer.allocUnsafe(5);
    head[0] = 0x64;
    head.writeInt32BE(data.length + 4, 1);
    this.socket.write(head);
    return this.socket.write(data);
  }

  /** Resolves when PostgreSQL has taken what was sent, or is gone. */
  drained(): Promise<void> {
    const { socket } = this;
    if (this.closed || !socket.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const go = (): void => {
        socket.off('drain', go);
        socket.off('close', go);
        resolve();
      };
      socket.on('drain', go);
      socket.on('close', go);
    });
  }

  copyDone(): void {
    this.socket.write(message('c', Buffer.alloc(0)));
  }

  copyFail(reason: string): void {
    this.socket.write(message('f', Buffer.from(`${reason}\0`)));
  }

  /** Asks PostgreSQL to cancel what runs; resolves once the request was taken. */
  cancel(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(this.#address.port, this.#address.host);
      const request = new ByteWriter(16);
      request.i32be(16).i32be(SECRET_CANCEL_CODE).i32be(this.#processId).i32be(this.#secretKey);
      socket.on('error', () => resolve());
      socket.on('close', () => resolve());
      socket.resume();
      socket.end(request.take());
    });
  }

  /** Ends the connection; what runs is cancelled first so that the server process is freed at once. */
  async close(): Promise<void> {
    if (this.closed) return;
    if (this.#running) await this.cancel();
    this.socket.removeAllListeners('drain');
    this.socket.end(message('X', Buffer.alloc(0)));
    this.socket.resume();
    this.#running = undefined;
    this.closed = true;
    setTimeout(() => this.socket.destroy(), 1000).unref();
  }
}

function message(type: string, ...parts: readonly Buffer[]): Buffer {
  const head = Buffer.allocUnsafe(5);
  head[0] = type.charCodeAt(0);
  head.writeInt32BE(
    parts.reduce((sum, part) => sum + part.length, 4),
    1,
  );
  return Buffer.concat([head, ...parts]);
}

function extendedQuery(text: string, parameters: readonly PostgresParameter[]): Buffer {
  const parse = new ByteWriter(1024);
  parse.bytes(Buffer.from(`\0${text}\0`)).i16be(parameters.length);
  for (const parameter of parameters) parse.i32be(parameter.type);
  const bind = new ByteWriter(1024);
  bind.i16be(0).i16be(0).i16be(parameters.length);
  for (const { value } of parameters) {
    if (value === null) bind.i32be(-1);
    else {
      const bytes = Buffer.from(value);
      bind.i32be(bytes.length).bytes(bytes);
    }
  }
  bind.i16be(1).i16be(1);
  return Buffer.concat([
    message('P', parse.take()),
    message('B', bind.take()),
    message('D', Buffer.from('P\0')),
    message('E', Buffer.from([0, 0, 0, 0, 0])),
    message('S'),
  ]);
}

function readFields(data: Buffer, start: number): PostgresField[] {
  const fields: PostgresField[] = [];
  let at = start + 2;
  for (let left = data.readInt16BE(start); left > 0; left--) {
    const end = data.indexOf(0, at);
    const name = data.toString('utf8', at, end);
    at = end + 1;
    fields.push({
      name,
      table: data.readUInt32BE(at),
      attribute: data.readInt16BE(at + 4),
      type: data.readUInt32BE(at + 6),
      modifier: data.readInt32BE(at + 12),
    });
    at += 18;
  }
  return fields;
}

function readError(data: Buffer, start: number): PostgresError {
  const fields = new Map<string, string>();
  let at = start;
  while (data[at]) {
    const end = data.indexOf(0, at + 1);
    fields.set(String.fromCharCode(data[at] as number), data.toString('utf8', at + 1, end));
    at = end + 1;
  }
  return new PostgresError(fields);
}
