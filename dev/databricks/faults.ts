// Faults asked for on the command line, so that clients can be seen to bear them: throttling and lost answers.
import { readFileSync, writeFileSync } from 'node:fs';

export interface Fault {
  /** Operation, e.g. "POST /jobs/runs/submit". */
  readonly operation: string;
  /** throttled: 429 before anything is done; busy: 503; lost: carried out, and the connection is cut. */
  readonly kind: 'throttled' | 'busy' | 'lost';
  /** How many requests it hits. */
  times: number;
}

/** A JSON file with an array of faults, read anew at each request: a test writes it while the program runs. */
export class Faults {
  readonly #file: string | undefined;

  constructor(file: string | undefined) {
    this.#file = file;
  }

  /** The fault that hits this request, counted down. */
  take(operation: string): Fault['kind'] | undefined {
    if (this.#file === undefined) return undefined;
    let faults: Fault[];
    try {
      faults = JSON.parse(readFileSync(this.#file, 'utf8')) as Fault[];
    } catch {
      return undefined;
    }
    const hit = faults.find((fault) => fault.operation === operation && fault.times > 0);
    if (hit === undefined) return undefined;
    hit.times -= 1;
    writeFileSync(this.#file, JSON.stringify(faults));
    return hit.kind;
  }
}
