// Opens the two ends of a copy for one activity attempt.
import { Context } from '@temporalio/activity';
import type { CopySink, CopySource, EndpointContext } from '../../connectors/connector.ts';
import { connectorFor } from '../../connectors/registry.ts';
import type { CopyEndpoint, CopyInput } from '../../core/copy.ts';
import type { LinkedServiceResolver } from '../../core/linked-service.ts';

export interface CopyDependencies {
  readonly resolveLinkedService: LinkedServiceResolver;
  /** Whether a secret of the linked service has changed after `since`; absent where secrets never do. */
  readonly secretsChanged?: (linkedService: string, since: number) => Promise<boolean>;
  /** Directory for files that pass through this machine. */
  readonly workDirectory: string;
}

const contextFor = async (
  dependencies: CopyDependencies,
  input: CopyInput,
  endpoint: CopyEndpoint,
): Promise<EndpointContext> => ({
  linkedService: await dependencies.resolveLinkedService(
    endpoint.linkedService,
    endpoint.linkedServiceParameters,
  ),
  endpoint,
  copyId: input.copyId,
  workDirectory: dependencies.workDirectory,
  signal: Context.current().cancellationSignal,
});

/** Runs `work` with the source open, and closes it whatever happens. */
export const withSource = async <T>(
  dependencies: CopyDependencies,
  input: CopyInput,
  work: (source: CopySource) => Promise<T>,
): Promise<T> => {
  const context = await contextFor(dependencies, input, input.source);
  const source = await (await connectorFor(context.linkedService.type)).openSource(context);
  return closing(source, context.signal, work);
};

/** Whether reading this copy's source may have left files in it. */
export const readingLeavesFiles = async (
  dependencies: CopyDependencies,
  input: CopyInput,
): Promise<boolean> => {
  const { linkedService } = await contextFor(dependencies, input, input.source);
  return (await connectorFor(linkedService.type)).readingLeavesFiles;
};

/** Runs `work` with the sink open, and closes it whatever happens. */
export const withSink = async <T>(
  dependencies: CopyDependencies,
  input: CopyInput,
  work: (sink: CopySink) => Promise<T>,
): Promise<T> => {
  const context = await contextFor(dependencies, input, input.sink);
  const sink = await (await connectorFor(context.linkedService.type)).openSink(context);
  return closing(sink, context.signal, work);
};

const closing = async <C extends { close(): Promise<void> }, T>(
  end: C,
  signal: AbortSignal,
  work: (end: C) => Promise<T>,
): Promise<T> => {
  try {
    // Cancelled while it was being opened: nothing listened yet.
    signal.throwIfAborted();
    return await work(end);
  } finally {
    // A connection that cannot be closed was lost already; what `work` says matters more.
    await end.close().catch(() => undefined);
  }
};
