// Several statements as one query of pg: every result row by row, in one implicit transaction, as PostgreSQL's own
// protocol has it.
import type pg from 'pg';
import type { PreparedStatement } from '../common/script-text.ts';

/** A column of a result, as RowDescription has it. */
export interface ScriptField {
  readonly name: string;
  readonly dataTypeID: number;
}

export interface ScriptEvents {
  /** A result begins. */
  fields(fields: readonly ScriptField[]): void;
  /** True when reading should end: the connection is then lost. */
  row(values: readonly (string | null)[]): boolean;
  /** A statement ended: "UPDATE 3". */
  complete(tag: string): void;
}

/** What pg's Connection offers beyond its typings. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void; destroy(): void };
  query(text: string): void;
  parse(message: { text: string; types: readonly number[] }): void;
  bind(message: { values: readonly (string | null)[] }): void;
  describe(message: { type: 'P' }): void;
  execute(message: object): void;
  sync(): void;
  sendCopyFail(message: string): void;
}

/** A value as text, and the type to take it for; 0 lets PostgreSQL find out. */
export interface TextParameter {
  readonly text: string | null;
  readonly oid: number;
}

export class ScriptQuery implements pg.Submittable {
  readonly done: Promise<void>;
  readonly #script: string | readonly (PreparedStatement & { readonly values: readonly TextParameter[] })[];
  readonly #events: ScriptEvents;
  #resolve: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #error: unknown;
  #wire: Wire | undefined;
  #ended = false;

  /** `script` is a text to run as it is, or statements with values. */
  constructor(
    script: string | readonly (PreparedStatement & { readonly values: readonly TextParameter[] })[],
    events: ScriptEvents,
  ) {
    this.#script = script;
    this.#events = events;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit(connection: pg.Connection): void {
    const wire = connection as unknown as Wire;
    this.#wire = wire;
    if (typeof this.#script === 'string') {
      wire.query(this.#script);
      return;
    }
    wire.stream.cork();
    for (const { text, values } of this.#script) {
      wire.parse({ text, types: values.map(({ oid }) => oid) });
      wire.bind({ values: values.map((value) => value.text) });
      wire.describe({ type: 'P' });
      wire.execute({});
    }
    wire.sync();
    wire.stream.uncork();
  }

  // What pg's Client calls, from here on.

  handleRowDescription({ fields }: { fields: readonly ScriptField[] }): void {
    this.#guarded(() => this.#events.fields(fields));
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    if (this.#ended) return;
    this.#guarded(() => {
      if (!this.#events.row(fields)) return;
      this.#ended = true;
      this.#resolve();
      this.#wire?.stream.destroy();
    });
  }

  handleCommandComplete({ text }: { text: string }): void {
    this.#guarded(() => this.#events.complete(text));
  }

  handleEmptyQuery(): void {
    // Nothing but comments.
  }

  handleCopyInResponse(connection: pg.Connection): void {
    (connection as unknown as Wire).sendCopyFail('a script has no data for COPY FROM STDIN');
  }

  handleCopyData(): void {
    // COPY TO STDOUT in a script: nobody asked for the data.
  }

  handlePortalSuspended(): void {
    // Only portals with a limit of rows are; there are none.
  }

  handleReadyForQuery(): void {
    if (this.#error === undefined) this.#resolve();
    else this.#reject(this.#error);
  }

  /** A refused statement, or a lost connection: pg tells this query nothing after that. */
  handleError(error: unknown): void {
    this.#reject(this.#error ?? error);
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#error ??= error;
    }
  }
}
