// Turns a driver's row events into batches for an async iterator, with back-pressure.
import type { Row } from '../../core/types/column.ts';

const ROWS_PER_BATCH = 1_000;
const BATCHES_AHEAD = 4;

/** Rows are pushed in, batches are iterated out; `pause` and `resume` steer the pusher. Rows pushed late are kept. */
export class BatchQueue {
  readonly #pause: () => void;
  readonly #resume: () => void;
  #batch: Row[] = [];
  #ready: Row[][] = [];
  #paused = false;
  #done = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  constructor(steer: { pause: () => void; resume: () => void }) {
    this.#pause = steer.pause;
    this.#resume = steer.resume;
  }

  push(row: Row): void {
    this.#batch.push(row);
    if (this.#batch.length < ROWS_PER_BATCH) return;
    this.#ready.push(this.#batch);
    this.#batch = [];
    if (!this.#paused && this.#ready.length >= BATCHES_AHEAD) {
      this.#paused = true;
      this.#pause();
    }
    this.#wake?.();
  }

  end(): void {
    if (this.#batch.length > 0) this.#ready.push(this.#batch);
    this.#batch = [];
    this.#done = true;
    this.#wake?.();
  }

  fail(error: unknown): void {
    this.#error ??= error;
    this.#done = true;
    this.#wake?.();
  }

  async *batches(): AsyncGenerator<Row[]> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      const next = this.#ready.shift();
      if (next !== undefined) {
        if (this.#paused && this.#ready.length === 0) {
          this.#paused = false;
          this.#resume();
        }
        yield next;
        continue;
      }
      if (this.#done) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
