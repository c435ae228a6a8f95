// One session on a SQL store for one activity attempt, with a time limit that ends its statement in the store as well.
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { connectorFor } from '../../connectors/registry.ts';
import type { SqlCommands } from '../../connectors/sql-commands.ts';
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService, LinkedServiceResolver } from '../../core/linked-service.ts';
import type { LinkedServiceUse } from '../../core/pipeline/task.ts';

export interface SqlDependencies {
  readonly resolveLinkedService: LinkedServiceResolver;
  /** Whether a secret of the linked service has changed after `since`; absent where secrets never do. */
  readonly secretsChanged?: (linkedService: string, since: number) => Promise<boolean>;
  /** Directory for files that pass through this machine. */
  readonly workDirectory: string;
}

export interface Session {
  readonly commands: SqlCommands;
  /** Runs `work`, or ends it and the session after so many ms with ACTIVITY_TIMEOUT; 0 waits as long as it takes. */
  within<T>(milliseconds: number, what: string, work: () => Promise<T>): Promise<T>;
}

export interface SessionRequest {
  readonly linkedService: LinkedServiceUse;
  readonly tag: string;
  /** Whether to go on trying for half a minute where the store is away: for attempts that Temporal does not repeat. */
  readonly patient: boolean;
}

/** ms before the second and the further tries to connect. */
const PAUSES = [1_000, 2_000, 4_000, 8_000, 16_000];

/** The linked service's type with its connector; throws DEFINITION_UNSUPPORTED where that has no statements. */
export async function withSession<T>(
  dependencies: SqlDependencies,
  request: SessionRequest,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const signal = AbortSignal.any([Context.current().cancellationSignal, stop.signal]);
  const commands = await connect(dependencies, request, signal);
  const session: Session = {
    commands,
    within: async (milliseconds, what, perform) => {
      if (milliseconds === 0) return perform();
      const timer = setTimeout(() => stop.abort(), milliseconds);
      try {
        return await perform();
      } catch (error) {
        if (!stop.signal.aborted) throw error;
        throw new WaybillError(
          'ACTIVITY_TIMEOUT',
          `${what} ran longer than the ${Math.round(milliseconds / 1000)} s it is given, and was ended.`,
        );
      } finally {
        clearTimeout(timer);
      }
    },
  };
  try {
    // Cancelled while it was being opened: nothing listened yet.
    signal.throwIfAborted();
    return await work(session);
  } finally {
    // A connection that cannot be closed was lost already; what `work` says matters more.
    await commands.close().catch(() => undefined);
  }
}

async function connect(
  dependencies: SqlDependencies,
  { linkedService: { name, parameters }, tag, patient }: SessionRequest,
  signal: AbortSignal,
): Promise<SqlCommands> {
  for (let tried = 0; ; tried++) {
    const since = Date.now();
    try {
      const linkedService = await dependencies.resolveLinkedService(name, parameters);
      return await open(linkedService, tag, signal);
    } catch (error) {
      if (!(error instanceof WaybillError)) throw error;
      const renewed =
        error.code === 'AUTHENTICATION_FAILED' && (await dependencies.secretsChanged?.(name, since)) === true;
      const pause = PAUSES[tried];
      const again = renewed || (patient && error.retryable);
      if (!again || pause === undefined) throw error;
      await sleep(pause, undefined, { signal });
    }
  }
}

async function open(
  linkedService: ConnectedLinkedService,
  tag: string,
  signal: AbortSignal,
): Promise<SqlCommands> {
  const { openCommands } = await connectorFor(linkedService.type);
  if (openCommands !== undefined) return openCommands({ linkedService, tag, signal });
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `Linked service "${linkedService.name}" (${linkedService.type}) takes no SQL statements.`,
    { linkedService: linkedService.name, type: linkedService.type },
  );
}
