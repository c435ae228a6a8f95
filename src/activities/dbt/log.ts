// Reads dbt's log lines (`--log-format json`): which nodes are at work, how many are done, what it complained of.
import { redact } from '../../config/redaction.ts';
import type { DbtBeat } from '../../core/dbt.ts';

interface LogLine {
  readonly info?: { readonly level?: string; readonly msg?: string; readonly name?: string };
  readonly data?: { readonly node_info?: { readonly unique_id?: string; readonly node_status?: string } };
}

/** At most so much of dbt's complaints is kept. */
const COMPLAINTS = 4_000;

export class DbtLog {
  #done = 0;
  #last: DbtBeat['last'];
  /** What dbt calls errors. */
  #errors = '';
  /** Everything else that is no log line: a stack, what Spark's JVM prints. */
  #rest = '';
  readonly #running = new Set<string>();

  /** Takes one line of standard output or error; one that is not JSON is a complaint. */
  line(text: string): void {
    const parsed = parse(text);
    if (parsed === undefined) this.#rest = appended(this.#rest, text);
    else this.#take(parsed);
  }

  beat(): DbtBeat {
    const running = [...this.#running].slice(0, 10);
    return { done: this.#done, running, ...(this.#last === undefined ? {} : { last: this.#last }) };
  }

  /** What dbt said was wrong, or the last of what there is; without secrets. */
  complaints(): string {
    return redact((this.#errors || this.#rest).trim());
  }

  #take({ info, data }: LogLine): void {
    if (info?.level === 'error') this.#errors = appended(this.#errors, info.msg ?? '');
    const node = data?.node_info?.unique_id;
    if (node === undefined || node === '') return;
    const status = data?.node_info?.node_status ?? '';
    if (
      info?.name === 'LogStartLine' ||
      status === 'started' ||
      status === 'compiling' ||
      status === 'executing'
    ) {
      this.#running.add(node);
      return;
    }
    if (status !== '' && this.#running.delete(node)) {
      this.#done += 1;
      this.#last = { node, status };
    }
  }
}

const appended = (all: string, text: string): string =>
  text.trim() === '' ? all : `${all}${text}\n`.slice(-COMPLAINTS);

function parse(text: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as LogLine) : undefined;
  } catch {
    return undefined;
  }
}
