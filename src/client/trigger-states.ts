// Which triggers are started, for whoever receives events.
import type { Client } from '@temporalio/client';
import { TriggerKeeper } from './trigger-keeper.ts';

/** Milliseconds that an answer counts for. */
const FRESH = 3_000;

export class TemporalTriggerStates {
  readonly #keeper: TriggerKeeper;
  readonly #known = new Map<string, { at: number; started: Promise<boolean | undefined> }>();

  constructor(client: Client, taskQueue: string) {
    this.#keeper = new TriggerKeeper(client, taskQueue);
  }

  /** What Temporal holds; for a trigger that was never applied, what its definition says. Throws where Temporal is away. */
  async isStarted(trigger: {
    readonly name: string;
    readonly runtimeState: string | undefined;
  }): Promise<boolean> {
    const known = this.#known.get(trigger.name);
    if (known !== undefined && Date.now() - known.at < FRESH)
      return (await known.started) ?? isStartedByDefinition(trigger);
    const started = this.#keeper.find(trigger.name).then((kept) => kept?.started);
    this.#known.set(trigger.name, { at: Date.now(), started });
    // An answer that never came is not remembered.
    started.catch(() => this.#known.delete(trigger.name));
    return (await started) ?? isStartedByDefinition(trigger);
  }
}

const isStartedByDefinition = ({ runtimeState }: { readonly runtimeState: string | undefined }): boolean =>
  runtimeState?.toLowerCase() === 'started';
