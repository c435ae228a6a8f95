// Plans a copy once: columns, types, ranges. A copy that was planned before goes on with that plan.
import { createHash } from 'node:crypto';
import type {
  CopySink,
  CopySource,
  LedgerState,
  StoredPlan,
  WireFormat,
} from '../../connectors/connector.ts';
import type { CopyPlan } from '../../core/copy/activities.ts';
import { mapColumns } from '../../core/copy/mapping.ts';
import { parallelCopies } from '../../core/copy/options.ts';
import type { CopyInput } from '../../core/copy.ts';
import { WaybillError } from '../../core/errors.ts';
import { type Column, isFloat, type MappedColumn } from '../../core/types/column.ts';
import { type CopyDependencies, withSink, withSource } from './endpoints.ts';
import { withHeartbeat } from './heartbeat.ts';

/** Content verification is on unless the definition turns it off. */
const verifies = (input: CopyInput): boolean =>
  String(input.options['validateDataConsistency'] ?? 'true').toLowerCase() !== 'false';

/** SHA-256 of source, sink and options; the order of keys says nothing. */
const hashOf = ({ source, sink, options }: CopyInput): string => {
  const sorted = (_key: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return createHash('sha256').update(JSON.stringify({ source, sink, options }, sorted)).digest('hex');
};

/** A key stands for one definition: under another one, its ledger would report rows nobody asked for. */
const refuseOtherDefinition = (input: CopyInput, { inputHash }: StoredPlan): void => {
  if (inputHash === undefined || inputHash === hashOf(input)) return;
  throw new WaybillError(
    'SOURCE_CHANGED',
    "The copy's definition differs from the one this key was started with; start under a new key.",
    { copyId: input.copyId },
  );
};

/** Options that would change the result if they were ignored. */
const refuseUnsupported = (input: CopyInput): void => {
  if (String(input.options['enableSkipIncompatibleRow'] ?? 'false').toLowerCase() === 'true') {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      'enableSkipIncompatibleRow is not supported: bad rows fail the copy.',
    );
  }
  const additional = input.source.settings['additionalColumns'];
  if (Array.isArray(additional) && additional.length > 0) {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      'additionalColumns is not supported; add them in the source query.',
    );
  }
};

const sinkColumns = async (
  sink: CopySink,
  source: readonly Column[],
  target: Column[] | undefined | null,
): Promise<readonly Column[]> => {
  if (target === null) return source;
  return target ?? (await sink.createTarget(source));
};

const notesFor = (
  input: CopyInput,
  sink: CopySink,
  plan: Pick<StoredPlan, 'columns' | 'verify'>,
): string[] => {
  const notes: string[] = [];
  const floats = plan.columns
    .filter(({ sink: column }) => isFloat(column.type))
    .map(({ sink: column }) => column.name);
  if (plan.verify && floats.length > 0) {
    notes.push(`Values of floating-point columns are outside the content checksum: ${floats.join(', ')}.`);
  }
  if (
    String(input.options['enableStaging'] ?? 'false').toLowerCase() === 'true' &&
    sink.label.startsWith('Snowflake')
  ) {
    notes.push("Staged through waybill's internal Snowflake stage.");
  }
  return notes;
};

/** The wire form both ends speak for these columns, where no value needs a conversion between them. */
const commonWire = (
  source: CopySource,
  sink: CopySink,
  columns: readonly MappedColumn[],
): WireFormat | undefined => {
  const spoken = source.wireFormats?.(columns.map((column) => column.source)) ?? [];
  return spoken.find((format) => sink.acceptsFrames?.(format, columns) === true);
};

const makePlan = async (
  input: CopyInput,
  source: CopySource,
  sink: CopySink,
  target: Column[] | undefined | null,
): Promise<LedgerState> => {
  const columns = await source.columns();
  const mapped = mapColumns(columns, await sinkColumns(sink, columns, target), input.options['translator']);
  const verify = verifies(input);
  const { ranges, rows, sourceState } = await source.plan(parallelCopies(input.options));
  const wire = commonWire(source, sink, mapped);
  const plan: StoredPlan = {
    columns: mapped,
    ...(wire === undefined ? {} : { wire }),
    sourceState,
    rows,
    from: source.label,
    verify,
    notes: notesFor(input, sink, { columns: mapped, verify }),
    inputHash: hashOf(input),
  };
  return sink.storePlan(plan, ranges);
};

/** Finds the copy's plan in the sink's ledger, or makes and stores it. Fences attempts made under an older epoch. */
export const planCopy = (dependencies: CopyDependencies, input: CopyInput): Promise<CopyPlan> =>
  withHeartbeat(
    () => 'planning',
    () =>
      withSink(dependencies, input, async (sink) => {
        refuseUnsupported(input);
        const target = await sink.columns();
        const state =
          (await sink.resumePlan()) ??
          (await withSource(dependencies, input, (source) => makePlan(input, source, sink, target)));
        const { plan } = state;
        refuseOtherDefinition(input, plan);
        return {
          chunks: state.chunks,
          rows: plan.rows,
          epoch: state.epoch,
          from: plan.from,
          to: sink.label,
          published: state.published,
          notes: [...plan.notes],
          verified: plan.verify,
        };
      }),
  );
