// Definition levels of a flat optional column: one bit per row in Parquet's hybrid of runs and packed bits.

/** Reads bytes `at` to `end` of `bytes`, a row at a time. */
export class LevelReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;
  /** Rows left of the run; of packed bits, the bits not yet used. */
  #left = 0;
  #packed = false;
  /** The run's level, or the byte that bits are taken from. */
  #value = 0;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = Math.min(end, bytes.length);
  }

  /** Whether the next row has a value. Throws RangeError where there is no next row. */
  next(): boolean {
    if (this.#left === 0) this.#nextRun();
    this.#left--;
    if (!this.#packed) return this.#value !== 0;
    // Rows come from the lowest bit on.
    const bit = 7 - (this.#left & 7);
    if (bit === 0) this.#value = this.#byte();
    return ((this.#value >> bit) & 1) !== 0;
  }

  #nextRun(): void {
    let head = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#byte();
      head += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    this.#packed = head % 2 === 1;
    const count = Math.floor(head / 2);
    this.#left = this.#packed ? count * 8 : count;
    if (!this.#packed) this.#value = this.#byte();
    // An empty run is allowed, and says nothing.
    if (count === 0) this.#nextRun();
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new RangeError('its levels end early');
    return this.#bytes[this.#at++] as number;
  }
}
