// Opens the two ends of a copy for one activity attempt.
import { createHash } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { booleanSetting, objectSetting, textSetting } from '../../connectors/common/settings.ts';
import type {
  CopySink,
  CopySource,
  EndpointContext,
  RowFilter,
  SkippedFiles,
  StagingPlace,
  StoredPlan,
} from '../../connectors/connector.ts';
import { openFileStore } from '../../connectors/file-stores.ts';
import { connectorFor } from '../../connectors/registry.ts';
import { incompatibleRows } from '../../core/copy/options.ts';
import type { CopyEndpoint, CopyInput } from '../../core/copy.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { LinkedServiceResolver } from '../../core/linked-service.ts';

export interface CopyDependencies {
  readonly resolveLinkedService: LinkedServiceResolver;
  /** Whether a secret of the linked service has changed after `since`; absent where secrets never do. */
  readonly secretsChanged?: (linkedService: string, since: number) => Promise<boolean>;
  /** Directory for files that pass through this machine. */
  readonly workDirectory: string;
}

/** The copy's stagingSettings, where it enables staging. */
const stagingOf = (dependencies: CopyDependencies, { options }: CopyInput): { staging?: StagingPlace } => {
  const settings = objectSetting(options, 'stagingSettings');
  const reference = objectSetting(settings, 'linkedServiceName');
  const name = textSetting(reference, 'referenceName') ?? textSetting(settings, 'linkedServiceName');
  if (booleanSetting(options, 'enableStaging') !== true || name === undefined) return {};
  const path = textSetting(settings, 'path') ?? '';
  const linkedService = () => dependencies.resolveLinkedService(name, objectSetting(reference, 'parameters'));
  const { cancellationSignal } = Context.current();
  const openFolder = async () => openFileStore(await linkedService(), path, cancellationSignal);
  return { staging: { path, linkedService, openFolder } };
};

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
  ...(input.options['translator'] === undefined ? {} : { translator: input.options['translator'] }),
  ...(keepsDocuments(input) ? { asDocuments: true } : {}),
  ...(skippedFiles(input.options) === undefined
    ? {}
    : { skipFiles: skippedFiles(input.options) as SkippedFiles }),
  ...(incompatibleRows(input.options).skip ? { skipRows: true } : {}),
  ...stagingOf(dependencies, input),
});

/** The definition's skipErrorFile, with ADF's defaults; undefined where it has none. */
export const skippedFiles = (options: JsonObject): SkippedFiles | undefined => {
  if (typeof options['skipErrorFile'] !== 'object' || options['skipErrorFile'] === null) return undefined;
  const errors = objectSetting(options, 'skipErrorFile');
  return {
    missing: booleanSetting(errors, 'fileMissing') ?? true,
    inconsistent: booleanSetting(errors, 'dataInconsistency') ?? false,
    forbidden: booleanSetting(errors, 'fileForbidden') ?? false,
  };
};

/** Documents into documents, and no mapping that takes them apart: they are copied as they are. */
const keepsDocuments = ({ source, sink, options }: CopyInput): boolean => {
  const translator = objectSetting(options, 'translator');
  return (
    ['Json', 'RestResource'].includes(source.datasetType) &&
    sink.datasetType === 'Json' &&
    !['mappings', 'schemaMapping', 'columnMappings'].some((key) => isFilled(translator[key])) &&
    !isFilled(source.settings['additionalColumns'])
  );
};

const isFilled = (value: JsonValue | undefined): boolean =>
  typeof value === 'object' && value !== null
    ? Object.keys(value).length > 0
    : value !== undefined && value !== null && value !== '';

/** Runs `work` with the source open (narrowed to the rows of `filter`), and closes it whatever happens. */
export const withSource = async <T>(
  dependencies: CopyDependencies,
  input: CopyInput,
  work: (source: CopySource) => Promise<T>,
  filter?: RowFilter,
): Promise<T> => {
  const whole = await contextFor(dependencies, input, input.source);
  const context = filter === undefined ? whole : { ...whole, filter };
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

/** SHA-256 of source, sink and options; the order of keys says nothing. */
export const hashOf = ({ source, sink, options }: CopyInput): string => {
  const sorted = (_key: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return createHash('sha256').update(JSON.stringify({ source, sink, options }, sorted)).digest('hex');
};

/** A key stands for one definition: under another one, its ledger would report rows nobody asked for. */
export const refuseOtherDefinition = (input: CopyInput, { inputHash }: StoredPlan): void => {
  if (inputHash === undefined || inputHash === hashOf(input)) return;
  throw new WaybillError(
    'SOURCE_CHANGED',
    "The copy's definition differs from the one this key was started with; start under a new key.",
    { copyId: input.copyId },
  );
};
