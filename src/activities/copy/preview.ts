// What a copy would do, found out without moving a row, making a table or writing a ledger entry.
import type { CopyPreview, PlannedColumn } from '../../core/copy/activities.ts';
import { incrementalOptions } from '../../core/copy/incremental-options.ts';
import { assessColumns, unmappedRequired } from '../../core/copy/mapping.ts';
import { parallelCopies, verifiesContent } from '../../core/copy/options.ts';
import type { CopyInput } from '../../core/copy.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Column } from '../../core/types/column.ts';
import { typeSettings } from '../../core/types/type-settings.ts';
import { type CopyDependencies, withSink, withSource } from './endpoints.ts';
import { withHeartbeat } from './heartbeat.ts';
import { commonWire, notesFor, pairUp, refuseImpossible } from './prepare.ts';

/** "Decimal(10,2)", "DateTime(7)", "String(50)", with the store's own name where it says more. */
const typeText = ({ type, precision, scale, length, native, nullable }: Column): string => {
  const facets =
    type === 'Decimal' ? `(${precision ?? 38},${scale ?? 0})` : length === undefined ? '' : `(${length})`;
  const digits = type !== 'Decimal' && scale !== undefined ? `(${scale})` : '';
  const own = native === '' || native.toLowerCase() === type.toLowerCase() ? '' : ` ${native}`;
  return `${type}${facets}${digits}${own}${nullable ? '' : ' not null'}`;
};

const asObject = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

/** The sink's write behaviour in a few words. */
const writeBehaviorText = ({ sink }: CopyInput): string => {
  const { settings } = sink;
  const upsert = String(settings['writeMethod'] ?? '').toLowerCase() === 'upsert';
  const behavior =
    settings['sqlWriterStoredProcedureName'] === undefined
      ? String(settings['writeBehavior'] ?? (upsert ? 'upsert' : 'insert'))
      : `stored procedure ${String(settings['sqlWriterStoredProcedureName'])}`;
  const keys = asObject(settings['upsertSettings'])['keys'];
  const by = Array.isArray(keys) && keys.length > 0 ? ` by ${keys.join(', ')}` : '';
  const script = typeof settings['preCopyScript'] === 'string' && settings['preCopyScript'].trim() !== '';
  return `${behavior}${by}${script ? ', after preCopyScript' : ''}`;
};

const plannedColumns = (input: CopyInput, mapped: Parameters<typeof assessColumns>[0]): PlannedColumn[] =>
  assessColumns(mapped, typeSettings(input.options['translator'])).map((pair) => {
    const given =
      pair.given === undefined ? [] : [pair.given === 'filePath' ? "each row's file" : 'a constant'];
    const note = [...given, ...(pair.note === undefined ? [] : [pair.note])].join('; ');
    return {
      source: pair.source.name,
      sourceType: typeText(pair.source),
      sink: pair.sink.name,
      sinkType: typeText(pair.sink),
      fidelity: pair.fidelity,
      ...(note === '' ? {} : { note }),
    };
  });

/** Reads catalogues and counts; writes nothing. Throws what opening the two ends throws. */
export const previewCopy = (dependencies: CopyDependencies, input: CopyInput): Promise<CopyPreview> =>
  withHeartbeat(
    () => 'planning',
    () =>
      withSink(dependencies, input, async (sink) => {
        const target = await sink.columns();
        return withSource(dependencies, input, async (source) => {
          const columns = await source.columns();
          const { mapped, sinkColumns } = await pairUp(input, columns, sink, target, async (own) =>
            sink.previewTarget === undefined ? [...own] : sink.previewTarget(own),
          );
          refuseImpossible(input, source, mapped);
          const planned = plannedColumns(input, mapped);
          const parallel = parallelCopies(input.options, input.source.settings);
          const verify = verifiesContent(input.options);
          const wire = commonWire(input, source, sink, mapped);
          const { ranges, rows, sourceState } = await source.plan(parallel, wire);
          const partitionColumn = sourceState['partitionColumn'];
          return {
            from: source.label,
            to: sink.label,
            chunks: ranges.length,
            rows,
            ...(typeof partitionColumn === 'string' ? { partitionColumn } : {}),
            wire: wire ?? 'rows',
            parallelCopies: parallel,
            verified: verify,
            writeBehavior: writeBehaviorText(input),
            creates: target === undefined,
            columns: planned,
            notes: [
              ...notesFor(input, sink, { columns: mapped, verify, wire: wire !== undefined }),
              ...(incrementalOptions(input.options) === undefined
                ? []
                : [
                    'Incremental: only rows beyond the watermark in the sink are read; all are counted here.',
                  ]),
            ],
            problems: [
              ...planned
                .filter(({ fidelity }) => fidelity === 'refused')
                .map((column) => `${column.source} → ${column.sink}: ${column.note}`),
              ...unmappedRequired(mapped, sinkColumns).map(
                (column) => `nothing is mapped to ${column.name}, which takes no NULL and has no default`,
              ),
            ],
          };
        });
      }),
  );
