// All engines of one world: started together, written to world.json at every change, stopped in reverse order.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { askedFor, type Engine, type EngineContext, engines } from './engines.ts';
import { identify } from './processes.ts';
import { type EngineName, type WorldState, writeWhole } from './state.ts';
import { SupervisedEngine } from './supervised-engine.ts';

/** Runs a world. */
export class Supervisor {
  readonly #context: EngineContext;
  readonly #control: string;
  readonly #startedAt = new Date().toISOString();
  readonly #engines = new Map<EngineName, SupervisedEngine>();
  #writing: Promise<void> = Promise.resolve();
  #unwritten = false;

  constructor(context: EngineContext, control: string) {
    this.#context = context;
    this.#control = control;
    for (const engine of askedFor(context.config.engines)) this.#add(engine);
  }

  /** Starts every engine as soon as those it needs run. Failures are in the state, not thrown. */
  async startAll(): Promise<void> {
    const started = new Map<EngineName, Promise<void>>();
    for (const each of this.#ordered()) {
      const needed = Promise.all(each.engine.needs.map((name) => started.get(name)));
      started.set(
        each.engine.name,
        needed.then(() => each.start()),
      );
    }
    await Promise.all(started.values());
    await this.#writing;
  }

  /** Starts one engine, and those it needs. @throws when it does not come up */
  async startEngine(name: EngineName): Promise<void> {
    for (const engine of askedFor([name])) {
      const supervised = this.#engines.get(engine.name) ?? this.#add(engine);
      await supervised.start();
      if (supervised.status.state === 'failed') {
        const { what, lastLines } = supervised.status.incidents.at(-1) ?? {
          what: 'it failed',
          lastLines: [],
        };
        throw new Error([`${engine.name} did not start: ${what}`, ...lastLines].join('\n  | '));
      }
    }
    await this.#writing;
  }

  /** Stops one engine; it stays stopped until it is started. @throws when the world has no such engine */
  async stopEngine(name: EngineName): Promise<void> {
    const supervised = this.#engines.get(name);
    if (!supervised) throw new Error(`this world runs no ${name}`);
    await supervised.stop();
    await this.#writing;
  }

  /** Stops every engine after those that need it, then removes world.json. */
  async stopAll(): Promise<void> {
    const stopping = new Map<EngineName, Promise<void>>();
    for (const each of this.#ordered().reverse()) {
      const users = this.#ordered().filter(({ engine }) => engine.needs.includes(each.engine.name));
      const waited = Promise.all(users.map(({ engine }) => stopping.get(engine.name)));
      stopping.set(
        each.engine.name,
        waited.then(() => each.stop()),
      );
    }
    await Promise.all(stopping.values());
    await this.#writing;
    await rm(this.#file, { force: true });
  }

  #add(engine: Engine): SupervisedEngine {
    const supervised = new SupervisedEngine(engine, this.#context, () => this.#write());
    this.#engines.set(engine.name, supervised);
    return supervised;
  }

  #ordered(): SupervisedEngine[] {
    return engines.flatMap(({ name }) => this.#engines.get(name) ?? []);
  }

  /** Writes the state; changes during a write are written together after it. */
  #write(): void {
    if (this.#unwritten) return;
    this.#unwritten = true;
    this.#writing = this.#writing.then(async () => {
      this.#unwritten = false;
      await writeWhole(this.#file, JSON.stringify(this.#state(), null, 2));
    });
  }

  #state(): WorldState {
    const supervisor = identify(process.pid);
    if (!supervisor) throw new Error('/proc does not know this process');
    return {
      name: this.#context.config.name,
      directory: this.#context.config.directory,
      startedAt: this.#startedAt,
      supervisor,
      control: this.#control,
      engines: Object.fromEntries(this.#ordered().map(({ engine, status }) => [engine.name, status])),
    };
  }

  get #file(): string {
    return join(this.#context.config.directory, 'world.json');
  }
}
