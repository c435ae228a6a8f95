// Planning and reading of incremental copies: which rows are new since the watermark that the sink keeps.
import { createHash } from 'node:crypto';
import { RememberedRows } from '../../connectors/common/remembered-rows.ts';
import type {
  CopySink,
  CopySource,
  PlannedRanges,
  RowFilter,
  StoredPlan,
} from '../../connectors/connector.ts';
import {
  type IncrementalPlan,
  isBelow,
  lagged,
  partsOf,
  type Watermark,
  type WatermarkPart,
} from '../../core/copy/incremental.ts';
import { type IncrementalOptions, incrementalOptions } from '../../core/copy/incremental-options.ts';
import { findColumn } from '../../core/copy/mapping.ts';
import type { KeyRange } from '../../core/copy/ranges.ts';
import type { CopyEndpoint, CopyInput } from '../../core/copy.ts';
import { WaybillError } from '../../core/errors.ts';
import type { Column, MappedColumn } from '../../core/types/column.ts';
import { conversionBetween } from '../../core/types/conversion.ts';
import type { CopyDependencies } from './endpoints.ts';
import { withSource } from './endpoints.ts';

/** Types that every store orders alike and prints exactly. */
const ORDERED = /^(Int16|Int32|Int64|Decimal|Date|DateTime|DateTimeOffset)$/;
/** A bound as canonical text: infinities and the like are none. */
const BOUND = /^(-?\d+(\.\d+)?|\d{4}-\d{2}-\d{2}(T[\d:.]+Z?)?|[0-9A-F]+)$/;

const unsupported = (message: string, key = 'incremental'): WaybillError =>
  new WaybillError('DEFINITION_UNSUPPORTED', message, { key });

const watermarkColumn = (
  columns: readonly Column[],
  { watermarkColumn: name }: IncrementalOptions,
): Column => {
  const column = findColumn(columns, name);
  if (column === undefined) {
    throw new WaybillError('OBJECT_MISSING', `The source has no column ${name} to take as a watermark.`, {
      key: 'incremental.watermarkColumn',
      column: name,
    });
  }
  const version = column.type === 'Byte[]' && /^(rowversion|timestamp)$/.test(column.native);
  if (ORDERED.test(column.type) || version) return column;
  throw unsupported(
    `${name} (${column.native}) cannot be a watermark: whole and decimal numbers, dates, date-times and rowversion can; ` +
      'texts are sorted differently by every store, and floating-point numbers are not exact.',
    'incremental.watermarkColumn',
  );
};

/** The definition's own lower bound in the column's canonical text. */
const initialBound = (column: Column, text: string | undefined): string | null => {
  if (text === undefined) return null;
  const given: Column = { name: 'initialValue', type: 'String', nullable: false, native: '' };
  try {
    return conversionBetween(given, column)?.convert?.(text) ?? text;
  } catch {
    throw new WaybillError(
      'DEFINITION_INVALID',
      `"incremental.initialValue" is no ${column.type}, which ${column.name} is.`,
      { key: 'incremental.initialValue' },
    );
  }
};

const tableOf = ({ dataset }: CopyEndpoint): string =>
  ['schema', 'table', 'tableName']
    .map((key) => dataset[key])
    .filter((part) => typeof part === 'string')
    .join('.');

/** The linked service's parameters, if it has any, in one order. */
const parametersOf = ({ linkedServiceParameters: given }: CopyEndpoint): readonly unknown[] => {
  const entries = Object.entries(given ?? {});
  return entries.length === 0 ? [] : [entries.sort(([a], [b]) => (a < b ? -1 : 1))];
};

/** What stays the same from run to run; the query does not count, since it may hold the run's own values. */
const streamOf = (input: CopyInput, options: IncrementalOptions): string =>
  JSON.stringify(
    options.name === undefined
      ? [
          input.pipeline,
          input.activity,
          input.source.linkedService,
          tableOf(input.source),
          tableOf(input.sink),
          options.watermarkColumn.toLowerCase(),
          // One linked service may stand for many databases. Streams from before this was said have no such part.
          ...parametersOf(input.source),
        ]
      : [options.name, tableOf(input.sink)],
  );

const shapeOf = (columns: readonly MappedColumn[]): string =>
  createHash('sha256')
    .update(
      JSON.stringify(
        columns.map(({ source, given }) => (given === undefined ? [source.name, source.type] : [])),
      ),
    )
    .digest('hex')
    .slice(0, 16);

interface Bounds {
  readonly lower: string | null;
  readonly upper: string | null;
  readonly resumed: boolean;
}

const boundsOf = (
  column: Column,
  options: IncrementalOptions,
  before: Watermark,
  highest: string | null,
): Bounds => {
  const resumed = !options.fullReload && before.value !== null;
  const initial = initialBound(column, options.initialValue);
  const lower = resumed ? before.value : options.fullReload ? null : initial;
  if (highest === null || lower === null || !isBelow(column, highest, lower)) {
    return { lower, upper: highest, resumed };
  }
  // Rows went, or the first value is yet to come: nothing is new, and the watermark stays where it is.
  return { lower, upper: resumed ? lower : null, resumed };
};

export interface IncrementalCopy {
  readonly plan: IncrementalPlan;
  readonly parts: readonly WatermarkPart[];
}

/** What is new since the watermark; undefined for a copy that is not incremental. The upper bound is fixed here. */
export const planIncremental = async (
  input: CopyInput,
  source: CopySource,
  sink: CopySink,
  columns: readonly Column[],
  mapped: readonly MappedColumn[],
): Promise<IncrementalCopy | undefined> => {
  const options = incrementalOptions(input.options);
  if (options === undefined) return undefined;
  if (sink.watermark === undefined) {
    throw unsupported(`${sink.label} keeps no watermark: incremental copies need a table as their sink.`);
  }
  if (source.highest === undefined) {
    throw unsupported(`${source.label} cannot be read by a watermark: incremental copies need a SQL source.`);
  }
  const column = watermarkColumn(columns, options);
  const remembers = sink.repeatable !== true;
  if (remembers && options.lag > 0) {
    throw new WaybillError(
      'DEFINITION_INVALID',
      '"incremental.lag" reads rows again: the sink must upsert them by key, not insert.',
      { key: 'incremental.lag' },
    );
  }
  const stream = streamOf(input, options);
  const before = await sink.watermark(stream);
  const { value, nulls } = await source.highest(column);
  if (value !== null && !BOUND.test(value)) {
    throw new WaybillError(
      'TYPE_UNSUPPORTED',
      `The highest ${column.name} is ${value}, which no later row exceeds.`,
      {
        column: column.name,
      },
    );
  }
  if (options.onNull === 'fail' && nulls > 0) {
    throw new WaybillError(
      'CONSTRAINT_VIOLATED',
      `${nulls} rows of ${source.label} have no ${column.name}: say with "incremental.onNull" whether to include or skip them.`,
      { column: column.name, rows: nulls },
    );
  }
  const { lower, upper, resumed } = boundsOf(column, options, before, value);
  const shape = shapeOf(mapped);
  if (resumed && remembers && before.shape !== shape) {
    throw new WaybillError(
      'SOURCE_CHANGED',
      `The last run upserted, or took other columns of ${source.label} than these: rows at the watermark cannot be told ` +
        'from those already copied. Upsert by key, or run once with "fullReload".',
      { column: column.name },
    );
  }
  const plan: IncrementalPlan = {
    stream,
    column,
    lower: resumed && lower !== null ? lagged(column, lower, options.lag) : lower,
    upper,
    version: before.version,
    resumed,
    remembers,
    reload: options.fullReload,
    shape,
  };
  return { plan, parts: partsOf(plan, options.onNull === 'include' && nulls > 0) };
};

/** The rows that a chunk of `part` reads. */
export const filterOf = (
  { column, lower, upper, resumed }: IncrementalPlan,
  part: WatermarkPart,
): RowFilter => ({
  column,
  part,
  lower,
  upper,
  lowerIncluded: !resumed,
});

const boundsText = ({ column, lower, upper, resumed, reload }: IncrementalPlan): string => {
  const by = `Incremental by ${column.name}`;
  if (upper === null) return `${by}: the source has nothing to copy.`;
  const from = reload ? 'everything' : lower === null ? 'from the beginning' : `from ${lower}`;
  return `${by}: ${from} to ${upper}${resumed && lower === upper ? ', which was reached before' : ''}.`;
};

/** Cuts every part into chunks. Rows at a bound are one chunk: they are few, and are compared as a whole. */
export const planParts = async (
  dependencies: CopyDependencies,
  input: CopyInput,
  { plan, parts }: IncrementalCopy,
  planPart: (source: CopySource) => Promise<PlannedRanges>,
): Promise<PlannedRanges> => {
  const ranges: KeyRange[] = [];
  const notes = [boundsText(plan)];
  let rows = 0;
  let sourceState: PlannedRanges['sourceState'] = {};
  for (const part of parts) {
    const planned = await withSource(dependencies, input, planPart, filterOf(plan, part));
    rows += planned.rows;
    notes.push(...(planned.notes ?? []).filter((note) => !notes.includes(note)));
    if (part === 'window' || part === 'between') {
      ranges.push(...planned.ranges.map((range) => ({ ...range, part })));
      sourceState = planned.sourceState;
    } else {
      ranges.push({ lower: null, upper: null, part });
    }
  }
  return { ranges, rows, sourceState, notes };
};

/** The filter of a chunk, and what it must remember of its rows; both undefined where there is nothing to. */
export const partOfChunk = async (
  sink: CopySink,
  { incremental }: StoredPlan,
  { part }: KeyRange,
): Promise<{ readonly filter?: RowFilter; readonly memory?: RememberedRows }> => {
  if (incremental === undefined || part === undefined) return {};
  const filter = filterOf(incremental, part);
  if (!incremental.remembers || part === 'between' || part === 'window') return { filter };
  if (part === 'newest' || incremental.reload) return { filter, memory: new RememberedRows({}) };
  const known = await sink.watermark?.(incremental.stream);
  return { filter, memory: new RememberedRows((part === 'ties' ? known?.ties : known?.nulls) ?? {}) };
};
