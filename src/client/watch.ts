// Follows a run to its end: a block that rewrites itself on a terminal, plain lines when something changes elsewhere.
import type { Client } from '@temporalio/client';
import { paletteFor, renderSnapshot } from './render.ts';
import { type RunSnapshot, SnapshotReader } from './snapshot.ts';

export interface WatchOptions {
  /** Where the lines go; colour and rewriting only if it is a terminal. */
  readonly stream: NodeJS.WriteStream;
  readonly signal?: AbortSignal;
  /** Milliseconds between two looks. */
  readonly interval?: number;
}

const CLOSED = new Set(['COMPLETED', 'FAILED', 'CANCELLED', 'TERMINATED', 'TIMED_OUT']);

/** Off a terminal a line that only counts up is repeated no more often than this. */
const PLAIN_REPEAT_MS = 10_000;

/** Resolves with the last snapshot when the run has closed or the signal fires. Never throws for a failed run. */
export async function watchRun(
  client: Client,
  workflowId: string,
  options: WatchOptions,
): Promise<RunSnapshot> {
  const reader = new SnapshotReader(client);
  const printer = options.stream.isTTY ? new BlockPrinter(options.stream) : new LinePrinter(options.stream);
  const palette = paletteFor(options.stream.isTTY === true && process.env['NO_COLOR'] === undefined);
  for (;;) {
    const snapshot = await reader.read(workflowId);
    printer.print(renderSnapshot(snapshot, Date.now(), palette));
    if (CLOSED.has(snapshot.status) || options.signal?.aborted === true) return snapshot;
    await pause(options.interval ?? 700, options.signal);
  }
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener('abort', done);
  });
}

class BlockPrinter {
  readonly #stream: NodeJS.WriteStream;
  #height = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  print(lines: string[]): void {
    const width = Math.max(40, (this.#stream.columns ?? 120) - 1);
    const up = this.#height > 0 ? `\u001b[${this.#height}F` : '';
    const body = lines.map((line) => `\u001b[2K${cut(line, width)}\n`).join('');
    this.#stream.write(`${up}${body}\u001b[0J`);
    this.#height = lines.length;
  }
}

/** Cuts a line to the terminal's width so that one line stays one line; colour codes take no room. */
function cut(line: string, width: number): string {
  let visible = 0;
  let result = '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes begin with the escape character
  for (const part of line.split(/(\u001b\[\d+m)/)) {
    if (part.startsWith('\u001b[')) {
      result += part;
      continue;
    }
    const taken = [...part].slice(0, width - visible);
    visible += taken.length;
    result += taken.join('');
  }
  return result;
}

class LinePrinter {
  readonly #stream: NodeJS.WriteStream;
  readonly #last = new Map<string, { shape: string; at: number }>();

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** Prints a line when its words change; when only its numbers do, every PLAIN_REPEAT_MS. */
  print(lines: string[]): void {
    const now = Date.now();
    for (const line of lines) {
      const shape = line.replace(/[\d,.█░]+\s*(ms|m|s|h|B|kB|MB|GB|k)?/g, '#').replace(/(# )+/g, '# ');
      const subject = shape.trim().split(/\s{2,}/)[0] ?? shape;
      const last = this.#last.get(subject);
      if (last !== undefined && last.shape === shape) {
        // What has ended is said once; what counts up, now and then.
        if (/[✔✖]/.test(line) || now - last.at < PLAIN_REPEAT_MS) continue;
      }
      this.#last.set(subject, { shape, at: now });
      this.#stream.write(`${line}\n`);
    }
  }
}
