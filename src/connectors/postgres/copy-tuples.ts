// Cuts the byte stream of a COPY TO STDOUT (FORMAT binary) into runs of whole tuples, wherever the socket broke it.
import { WaybillError } from '../../core/errors.ts';
import type { FrameBatch } from '../connector.ts';

/** A batch is handed over once it holds this much: large enough to write at once, small enough to keep memory flat. */
const BATCH_BYTES = 256 * 1024;
/** Batches given back that are kept for use again: a new one each time is what sets off most garbage collections. */
const BATCHES_KEPT = 6;
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
/** Signature, flags, length of the extension. */
const HEADER_BYTES = SIGNATURE.length + 8;
/** Type byte and length of a protocol message. */
const MESSAGE_HEAD = 5;

const COPY_DATA = 0x64;
/** Messages PostgreSQL may put between those of a COPY: its response, notices, parameters, notifications. */
const BESIDES = new Set([0x48, 0x4e, 0x53, 0x41]);

const broken = (what: string): WaybillError =>
  new WaybillError('INTERNAL', `PostgreSQL's binary COPY stream is not as expected: ${what}.`);

/**
 * Reads protocol messages piece by piece. PostgreSQL sends each tuple as one CopyData message (the first has the
 * stream's header before it, the last is the trailer), which is how tuples are counted without looking into them.
 */
export class CopyTuples {
  readonly #emit: (batch: FrameBatch) => void;
  readonly #free: ReturnType<typeof Buffer.allocUnsafe>[] = [];
  #batch = Buffer.allocUnsafe(BATCH_BYTES);
  /** Bytes in the batch, and how many of them are whole messages. */
  #filled = 0;
  #rows = 0;
  #totalRows = 0;
  #begun = false;
  #ended = false;
  /** The message under way: bytes of its head that came so far, its type, bytes still to come. */
  readonly #head = Buffer.alloc(MESSAGE_HEAD);
  #headBytes = 0;
  #type = 0;
  #left = 0;
  #messageStart = 0;

  constructor(emit: (batch: FrameBatch) => void) {
    this.#emit = emit;
  }

  /** Tuples seen so far. */
  get rows(): number {
    return this.#totalRows;
  }

  /**
   * Takes a piece of the stream, to keep: its bytes are moved about. Returns what is not COPY any more (CopyDone, an error), from its first byte on, which
   * is for the driver to read; undefined while the COPY goes on.
   */
  push(piece: Buffer): Buffer | undefined {
    const end = piece.length;
    let at = 0;
    while (at < end) {
      if (this.#left === 0) {
        const head = this.#takeHead(piece, at);
        if (head < 0) return undefined;
        at = head;
        if (this.#type !== COPY_DATA && !BESIDES.has(this.#type)) {
          this.#flush();
          return Buffer.concat([this.#head, piece.subarray(at)]);
        }
        if (this.#type === COPY_DATA) this.#reserve(this.#left);
        this.#messageStart = this.#filled;
      }
      const take = Math.min(this.#left, end - at);
      if (this.#type === COPY_DATA) {
        piece.copy(this.#batch, this.#filled, at, at + take);
        this.#filled += take;
      }
      at += take;
      this.#left -= take;
      if (this.#left === 0 && this.#type === COPY_DATA) this.#endMessage();
      if (this.#begun) at = this.#takeWhole(piece, at);
    }
    return undefined;
  }

  /**
   * The fast path: whole CopyData messages that lie in one piece. They are moved together within the piece, which costs
   * half of copying each out of it, and then copied at once. Returns where it stopped.
   */
  #takeWhole(piece: Buffer, from: number): number {
    if (this.#left > 0 || this.#headBytes > 0) return from;
    const end = piece.length;
    const most = from + BATCH_BYTES - this.#filled;
    let at = from;
    let to = from;
    let rows = 0;
    while (at + MESSAGE_HEAD <= end && piece[at] === COPY_DATA) {
      const length = piece.readInt32BE(at + 1) - 4;
      const start = at + MESSAGE_HEAD;
      const stop = start + length;
      // Two bytes are the trailer, or a table without columns: rare enough for the slow path.
      if (stop > end || length <= 2 || to + length > most) break;
      piece.copyWithin(to, start, stop);
      to += length;
      rows++;
      at = stop;
    }
    piece.copy(this.#batch, this.#filled, from, to);
    this.#filled += to - from;
    this.#rows += rows;
    this.#totalRows += rows;
    return at;
  }

  /** Completes the head of a message; returns where its body begins, or -1 where the piece ends before. */
  #takeHead(piece: Buffer, from: number): number {
    const take = Math.min(MESSAGE_HEAD - this.#headBytes, piece.length - from);
    piece.copy(this.#head, this.#headBytes, from, from + take);
    this.#headBytes += take;
    if (this.#headBytes < MESSAGE_HEAD) return -1;
    this.#headBytes = 0;
    this.#type = this.#head[0] ?? 0;
    this.#left = this.#head.readUInt32BE(1) - 4;
    return from + take;
  }

  /** Makes room for a message: ends the batch, and gives a message larger than a batch one of its own. */
  #reserve(length: number): void {
    if (this.#filled + length <= this.#batch.length) return;
    this.#flush();
    if (length > this.#batch.length) this.#batch = Buffer.allocUnsafe(length);
  }

  #endMessage(): void {
    let start = this.#messageStart;
    if (!this.#begun) {
      start += this.#headerLength(start);
      this.#batch.copy(this.#batch, this.#messageStart, start, this.#filled);
      this.#filled -= start - this.#messageStart;
      start = this.#messageStart;
      this.#begun = true;
    }
    const length = this.#filled - start;
    if (length === 0) return;
    if (this.#ended) throw broken('data after its end');
    if (length === 2 && this.#batch.readInt16BE(start) === -1) {
      this.#ended = true;
      this.#filled = start;
      return;
    }
    this.#rows++;
    this.#totalRows++;
    if (this.#filled >= BATCH_BYTES) this.#flush();
  }

  #headerLength(start: number): number {
    if (
      this.#filled - start < HEADER_BYTES ||
      SIGNATURE.compare(this.#batch, start, start + SIGNATURE.length) !== 0
    ) {
      throw broken('it has no header');
    }
    if (this.#batch.readInt32BE(start + SIGNATURE.length) !== 0) throw broken('its flags are unknown');
    return HEADER_BYTES + this.#batch.readInt32BE(start + SIGNATURE.length + 4);
  }

  #flush(): void {
    if (this.#filled === 0) return;
    const memory = this.#batch;
    const batch = {
      data: memory.subarray(0, this.#filled),
      rows: this.#rows,
      release: () => {
        if (memory.length === BATCH_BYTES && this.#free.length < BATCHES_KEPT) this.#free.push(memory);
      },
    };
    this.#batch = this.#free.pop() ?? Buffer.allocUnsafe(BATCH_BYTES);
    this.#filled = 0;
    this.#rows = 0;
    this.#emit(batch);
  }
}
