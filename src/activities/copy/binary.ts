// The copy activities for files as they are (Binary datasets): same steps, same workflow, bytes instead of rows.
import { Context } from '@temporalio/activity';
import { BinaryCopy } from '../../connectors/common/files/binary-copy.ts';
import { type FilesPlace, openFilesPlace } from '../../connectors/common/files/files-place.ts';
import { type Packing, packingOf } from '../../connectors/common/files/packing.ts';
import { booleanSetting, objectSetting } from '../../connectors/common/settings.ts';
import { openerFor } from '../../connectors/file-stores.ts';
import type {
  ChunkInput,
  ChunkResult,
  CopyPlan,
  CopyPreview,
  PublishInput,
  PublishResult,
} from '../../core/copy/activities.ts';
import { parallelCopies, verifiesContent } from '../../core/copy/options.ts';
import type { ChunkHeartbeat, CopyEndpoint, CopyInput } from '../../core/copy.ts';
import { WaybillError } from '../../core/errors.ts';
import { type CopyDependencies, hashOf, refuseOtherDefinition } from './endpoints.ts';
import { withHeartbeat } from './heartbeat.ts';
import { SkippedRows } from './session-log.ts';

/** Whether files are copied as they are. Throws DEFINITION_INVALID where one end alone is Binary. */
export const isBinary = ({ source, sink }: CopyInput): boolean => {
  const ends = [source, sink].map(({ datasetType }) => datasetType.toLowerCase() === 'binary');
  if (ends[0] === ends[1]) return ends[0] === true;
  throw new WaybillError(
    'DEFINITION_INVALID',
    `A Binary dataset is copied from and to Binary only, not ${source.datasetType} to ${sink.datasetType}.`,
  );
};

const openEnd = async (dependencies: CopyDependencies, end: CopyEndpoint): Promise<FilesPlace> => {
  const service = await dependencies.resolveLinkedService(end.linkedService, end.linkedServiceParameters);
  const settings = objectSetting(end.settings, 'storeSettings');
  const { cancellationSignal } = Context.current();
  return openFilesPlace(await openerFor(service), service, end.dataset, settings, cancellationSignal);
};

/** How the source's files are packed, and the sink's are to be. Throws DEFINITION_UNSUPPORTED. */
const packings = ({ source, sink }: CopyInput): { unpacks: Packing; packs: Packing } => {
  const [unpacks, packs] = [source, sink].map(({ dataset, settings }) =>
    packingOf(dataset, objectSetting(settings, 'formatSettings')),
  ) as [Packing, Packing];
  if (packs.archive !== undefined)
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `Archives (${packs.archive}) are read, not written: use gzip, deflate or none in the sink's dataset.`,
      { codec: packs.archive },
    );
  return { unpacks, packs };
};

/** Opens both ends, and closes them whatever happens. */
const withBoth = async <T>(
  dependencies: CopyDependencies,
  input: CopyInput,
  work: (copy: BinaryCopy) => Promise<T>,
  progress?: (files: number, bytes: number) => void,
  log?: SkippedRows,
): Promise<T> => {
  const source = await openEnd(dependencies, input.source);
  try {
    const sink = await openEnd(dependencies, input.sink);
    try {
      const errors = objectSetting(input.options, 'skipErrorFile');
      const copy = new BinaryCopy(source, sink, {
        ...packings(input),
        copyId: input.copyId,
        inputHash: hashOf(input),
        verify: verifiesContent(input.options),
        sameContainer:
          input.source.linkedService === input.sink.linkedService && source.container === sink.container,
        skips: {
          missing: booleanSetting(errors, 'fileMissing') ?? true,
          changed: booleanSetting(errors, 'dataInconsistency') ?? false,
          forbidden: booleanSetting(errors, 'fileForbidden') ?? false,
        },
        ...(progress === undefined ? {} : { progress }),
        skipped: (key, error) => log?.addFile(key, `${error.code}: ${error.message}`),
      });
      return await work(copy);
    } finally {
      await sink.store.close().catch(() => undefined);
    }
  } finally {
    await source.store.close().catch(() => undefined);
  }
};

export const planBinary = (dependencies: CopyDependencies, input: CopyInput): Promise<CopyPlan> =>
  withHeartbeat(
    () => 'planning',
    () =>
      withBoth(dependencies, input, async (copy) => {
        const { plan, chunks, epoch, published } = await copy.plan();
        refuseOtherDefinition(input, plan);
        return {
          chunks,
          rows: plan.rows,
          epoch,
          from: plan.from,
          to: copy.to,
          published,
          notes: [...plan.notes],
          verified: plan.verify,
          parallelCopies: parallelCopies(input.options, input.source.settings),
          files: plan.files ?? 0,
          binary: true,
        };
      }),
  );

export const copyBinaryChunk = (dependencies: CopyDependencies, input: ChunkInput): Promise<ChunkResult> => {
  const { copy: copyInput, chunk } = input;
  let beat: ChunkHeartbeat = { chunk, rows: 0, bytes: 0 };
  const log = new SkippedRows(dependencies, copyInput, `chunk ${chunk}`);
  return withHeartbeat(
    () => beat,
    () =>
      withBoth(
        dependencies,
        copyInput,
        async (copy) => {
          const { figures, resumed } = await copy.copyChunk(chunk);
          await log.finish();
          return { chunk, ...figures, resumed };
        },
        (rows, bytes) => {
          beat = { chunk, rows, bytes };
        },
        log,
      ),
  );
};

export const publishBinary = (dependencies: CopyDependencies, input: PublishInput): Promise<PublishResult> =>
  withHeartbeat(
    () => 'publishing',
    () => withBoth(dependencies, input.copy, (copy) => copy.publish(input.epoch)),
  );

export const cleanUpBinary = (dependencies: CopyDependencies, input: CopyInput): Promise<void> =>
  withBoth(dependencies, input, (copy) => copy.cleanUp());

export const previewBinary = (dependencies: CopyDependencies, input: CopyInput): Promise<CopyPreview> =>
  withHeartbeat(
    () => 'planning',
    () =>
      withBoth(dependencies, input, async (copy) => {
        const files = await copy.findTargets();
        return {
          from: copy.from,
          to: copy.to,
          chunks: files.length,
          rows: files.length,
          wire: 'bytes',
          parallelCopies: parallelCopies(input.options, input.source.settings),
          verified: verifiesContent(input.options),
          writeBehavior: 'files as they are',
          creates: false,
          columns: [],
          notes: ['Counts are of files.'],
          problems: [],
        };
      }),
  );
