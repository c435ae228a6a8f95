// Runs an encoder: batches are appended while the consumer takes finished row groups, with a bound on what is between.
import type { EncodedFile } from '../files/file-format.ts';
import type { FileEncoder } from './file-encoder.ts';

/** Appends one batch to the encoder. */
export interface Appender<Batch> {
  append(batch: Batch): void;
}

/** Opens encoder and appender once the bytes are asked for; a file is encoded once. */
export const encodeFile = <Batch>(
  open: () => Promise<{ encoder: FileEncoder; appender: Appender<Batch> }>,
  batches: AsyncIterable<Batch>,
): EncodedFile => {
  let running: FileEncoder | undefined;
  async function* bytes(): AsyncGenerator<Buffer> {
    const { encoder, appender } = await open();
    running = encoder;
    const pump = new Pump(encoder, appender, batches);
    try {
      yield encoder.begin();
      while (await pump.hasGroup()) yield* encoder.takeGroup();
      yield encoder.finish();
    } finally {
      await pump.stop();
    }
  }
  return {
    bytes: bytes(),
    figures: () => running?.figures() ?? { rows: 0, bytes: 0, checksum: '0' },
  };
};

/** Moves batches into the encoder by itself, until the source ends, fails, or nobody takes the result any more. */
class Pump<Batch> {
  readonly #encoder: FileEncoder;
  readonly #done: Promise<void>;
  #stopped = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(encoder: FileEncoder, appender: Appender<Batch>, batches: AsyncIterable<Batch>) {
    this.#encoder = encoder;
    this.#done = this.#run(appender, batches);
  }

  /** Whether there is another row group to take; waits for it. Throws what the source or the encoder threw. */
  async hasGroup(): Promise<boolean> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#encoder.hasGroup) return true;
      if (this.#ended) return false;
      await this.#encoder.changed();
    }
  }

  /** Ends reading; resolves when the source is closed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#encoder.wake();
    await this.#done;
  }

  async #run(appender: Appender<Batch>, batches: AsyncIterable<Batch>): Promise<void> {
    try {
      for await (const batch of batches) {
        if (this.#stopped) break;
        appender.append(batch);
        while (this.#encoder.isBusy && !this.#stopped) await this.#encoder.changed();
      }
      if (!this.#stopped) this.#encoder.end();
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#ended = true;
      this.#encoder.wake();
    }
  }
}
