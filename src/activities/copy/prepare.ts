// What planning and previewing a copy have in common: which columns go where, and how they travel.
import type { CopySink, CopySource, WireFormat } from '../../connectors/connector.ts';
import { columnToMake, floatColumns, pairColumns, wantedColumns } from '../../core/copy/mapping.ts';
import { incompatibleRows } from '../../core/copy/options.ts';
import type { CopyInput } from '../../core/copy.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Column, MappedColumn } from '../../core/types/column.ts';

/** The target's columns as the sink said them: undefined where it is yet to be made, null where any will do. */
export type Target = Column[] | undefined | null;

export interface Pairing {
  readonly mapped: MappedColumn[];
  /** All columns of the target, mapped or not. */
  readonly sinkColumns: readonly Column[];
}

/** Pairs the source's columns with the target's. `make` is called for a target that does not exist. */
export const pairUp = async (
  input: CopyInput,
  columns: readonly Column[],
  sink: CopySink,
  target: Target,
  make: (columns: readonly Column[]) => Promise<Column[]>,
): Promise<Pairing> => {
  const wanted = wantedColumns(columns, input.source.settings, input.options['translator']);
  if (target !== null && target !== undefined) {
    return { mapped: pairColumns(wanted, target, false), sinkColumns: target };
  }
  const own = wanted.map(columnToMake);
  const made = target === null ? (sink.previewTarget?.(own) ?? own) : await make(own);
  return { mapped: pairColumns(wanted, made, true), sinkColumns: made };
};

/** Refuses what the two ends cannot do together. */
export const refuseImpossible = (
  input: CopyInput,
  source: CopySource,
  mapped: readonly MappedColumn[],
): void => {
  if (mapped.some(({ given }) => given === 'filePath') && source.filePath === undefined) {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `$$FILEPATH in additionalColumns needs a source of files; ${source.label} is none.`,
    );
  }
  incompatibleRows(input.options);
};

/**
 * The wire form both ends speak for these columns. Rows are made where a value must be looked at: columns that are
 * given, and rows that may have to be left out.
 */
export const commonWire = (
  input: CopyInput,
  source: CopySource,
  sink: CopySink,
  columns: readonly MappedColumn[],
): WireFormat | undefined => {
  if (incompatibleRows(input.options).skip || columns.some(({ given }) => given !== undefined))
    return undefined;
  const spoken = source.wireFormats?.(columns.map((column) => column.source)) ?? [];
  return spoken.find((format) => sink.acceptsFrames?.(format, columns) === true);
};

/** Things the reader of the result should know. */
export const notesFor = (
  input: CopyInput,
  sink: CopySink,
  plan: { readonly columns: readonly MappedColumn[]; readonly verify: boolean; readonly wire: boolean },
): string[] => {
  const notes: string[] = [];
  const floats = floatColumns(plan.columns);
  if (plan.verify && !plan.wire && floats.length > 0) {
    notes.push(`Values of floating-point columns are outside the content checksum: ${floats.join(', ')}.`);
  }
  if (
    String(input.options['enableStaging'] ?? 'false').toLowerCase() === 'true' &&
    input.options['stagingSettings'] === undefined &&
    sink.label.startsWith('Snowflake')
  ) {
    notes.push("Staged through waybill's internal Snowflake stage.");
  }
  return [...notes, ...(sink.notes ?? [])];
};
