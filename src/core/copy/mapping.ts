// Which source column goes to which sink column: by name, or by ADF's translator.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { type Column, type InterimType, isFloat, type MappedColumn } from '../types/column.ts';
import { type Assessment, assessPair } from '../types/conversion.ts';
import { INTERIM_TYPES } from '../types/matrix.ts';
import { type TypeSettings, typeSettings } from '../types/type-settings.ts';
import { missingColumn, type SourceField, sourceFields } from './additional-columns.ts';
import { findColumn } from './find-column.ts';
import { collectionOf, givenNames, nameInPath, schemaMappingPairs, sourceLabel } from './json-mapping.ts';

export { findColumn } from './find-column.ts';

const asObject = (value: JsonValue | undefined): JsonObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;

/** One end of a mapping entry: a name, or a position counted from 1. */
type Place = string | number;

interface Pair {
  readonly source: Place;
  readonly sink: Place;
  /** The type a mapping names for a column that is yet to be made. */
  readonly sinkType?: InterimType;
}

/** A field on its way to a column of the sink, known by name or position. */
export interface WantedColumn {
  readonly field: SourceField;
  readonly sink: Place;
  readonly sinkType?: InterimType;
}

/** A sink's column: `name`, or a `path`, of which documents may have several steps. */
const sinkLabel = ({ name, path }: JsonObject): string | undefined =>
  typeof name === 'string' && name !== ''
    ? name
    : typeof path === 'string' && path.trim() !== ''
      ? (nameInPath(path) ?? path)
      : undefined;

const placeOf = (end: JsonObject, label: string | undefined, what: string): Place => {
  if (label !== undefined) return label;
  const { ordinal } = end;
  const position = Number(ordinal);
  if (ordinal !== undefined && Number.isInteger(position) && position >= 1) return position;
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `A column mapping does not name its ${what} column: it needs "name", "ordinal" (from 1) or "path".`,
  );
};

const interimType = (end: JsonObject | undefined): InterimType | undefined =>
  INTERIM_TYPES.find((type) => type.toLowerCase() === String(end?.['type'] ?? '').toLowerCase());

const translatorPairs = (translator: JsonObject | undefined, settings: JsonObject): Pair[] | undefined => {
  const collection = collectionOf(translator) !== undefined;
  const given = givenNames(settings);
  const mappings = translator?.['mappings'];
  if (Array.isArray(mappings) && mappings.length > 0) {
    return mappings.map((entry): Pair => {
      const source = asObject(asObject(entry)?.['source']) ?? {};
      const sink = asObject(asObject(entry)?.['sink']) ?? {};
      const sinkType = interimType(sink) ?? interimType(source);
      return {
        source: placeOf(source, sourceLabel(source, collection, given), 'source'),
        sink: placeOf(sink, sinkLabel(sink), 'sink'),
        ...(sinkType === undefined ? {} : { sinkType }),
      };
    });
  }
  const oldest = schemaMappingPairs(translator);
  if (oldest.length > 0) {
    return oldest.map(([path, sink]) => ({
      source: sourceLabel({ path }, collection, given) ?? path,
      sink: sinkLabel({ path: sink }) ?? sink,
    }));
  }
  // The older form: "columnMappings": "a: b, c: d", or an object.
  const older = translator?.['columnMappings'];
  if (typeof older === 'string' && older.trim() !== '') {
    return older.split(',').map((pair) => {
      const [source = '', sink = ''] = pair.split(':').map((name) => name.trim());
      if (source === '' || sink === '') {
        throw new WaybillError(
          'DEFINITION_INVALID',
          `columnMappings has no pair of names in "${pair.trim()}".`,
        );
      }
      return { source, sink };
    });
  }
  const olderObject = asObject(older);
  return olderObject === undefined
    ? undefined
    : Object.entries(olderObject).map(([source, sink]) => ({ source, sink: String(sink) }));
};

/** A source that is no document has no paths: where it is mapped as if it were, a path of one step is a name. */
const sourceField = (fields: readonly SourceField[], name: string): SourceField | undefined =>
  findColumn(fields, name) ?? findColumn(fields, nameInPath(name) ?? name);

/**
 * What goes where, before the sink's columns are looked at. Without a mapping every source column (and every additional
 * one) wants a sink column of its name. Throws OBJECT_MISSING, naming the nearest column.
 */
export const wantedColumns = (
  source: readonly Column[],
  sourceSettings: JsonObject,
  translator?: JsonValue,
): WantedColumn[] => {
  const fields = sourceFields(source, sourceSettings);
  const pairs = translatorPairs(asObject(translator), sourceSettings);
  if (pairs === undefined) {
    return fields
      .filter(({ column }) => column.onlyIfNamed !== true)
      .map((field) => ({ field, sink: field.name }));
  }
  return pairs.map((pair) => {
    const field =
      typeof pair.source === 'number' ? fields[pair.source - 1] : sourceField(fields, pair.source);
    if (field === undefined) throw missingColumn('The source', String(pair.source), fields);
    return { field, sink: pair.sink, ...(pair.sinkType === undefined ? {} : { sinkType: pair.sinkType }) };
  });
};

/** The column to make in a sink that has none yet: as the field, under its new name and, where the mapping says so, type. */
export const columnToMake = ({ field, sink, sinkType }: WantedColumn): Column => {
  const name = typeof sink === 'number' ? `Prop_${sink - 1}` : sink;
  const { required: _, ...column } = field.column;
  return sinkType === undefined || sinkType === column.type
    ? { ...column, name, ...(field.given === undefined ? {} : { native: '' }) }
    : { name, type: sinkType, nullable: column.nullable, native: '' };
};

/** Pairs every wanted column with the sink's. `made` says that `sink` was made for them, one for one. */
export const pairColumns = (
  wanted: readonly WantedColumn[],
  sink: readonly Column[],
  made: boolean,
): MappedColumn[] =>
  wanted.map((one, i): MappedColumn => {
    const to = made
      ? sink[i]
      : typeof one.sink === 'number'
        ? sink[one.sink - 1]
        : findColumn(sink, one.sink);
    if (to === undefined) throw missingColumn('The sink', String(one.sink), sink);
    return {
      source: one.field.column,
      sink: to,
      ...(one.field.given === undefined ? {} : { given: one.field.given }),
    };
  });

/** Sink columns that no insert may leave out, and that nothing is mapped to. */
export const unmappedRequired = (mapped: readonly MappedColumn[], sink: readonly Column[]): Column[] => {
  const taken = new Set(mapped.map(({ sink: column }) => column.name));
  return sink.filter((column) => column.required === true && !taken.has(column.name));
};

/** The pairs as the type matrix judges them. */
export const assessColumns = (
  mapped: readonly MappedColumn[],
  settings: TypeSettings,
): (Assessment & MappedColumn)[] =>
  mapped.map((pair) => ({ ...pair, ...assessPair(pair.source, pair.sink, settings) }));

/**
 * Refuses a mapping that cannot work: a pair of types that the matrix refuses (TYPE_UNSUPPORTED), one sink column for two
 * fields, or a sink column that needs a value and gets none (DEFINITION_INVALID).
 */
export const checkMapping = (
  mapped: readonly MappedColumn[],
  sink: readonly Column[],
  translator?: JsonValue,
): void => {
  if (mapped.length === 0)
    throw new WaybillError('OBJECT_MISSING', 'Source and sink have no column in common.');
  const refused = assessColumns(mapped, typeSettings(translator)).filter(
    ({ fidelity }) => fidelity === 'refused',
  );
  const [first] = refused;
  if (first !== undefined) {
    const others = refused.slice(1).map(({ source }) => source.name);
    throw new WaybillError(
      'TYPE_UNSUPPORTED',
      `Column ${first.source.name} (${first.source.native}) cannot be carried into ${first.sink.name} (${first.sink.native}): ` +
        `${first.note}.${others.length === 0 ? '' : ` Neither can ${others.join(', ')}.`}`,
      { column: first.source.name, sourceType: first.source.native, sinkType: first.sink.native },
    );
  }
  const taken = new Set<string>();
  for (const { sink: to } of mapped) {
    if (taken.has(to.name)) {
      throw new WaybillError('DEFINITION_INVALID', `Two columns are mapped to the sink's column ${to.name}.`);
    }
    taken.add(to.name);
  }
  const required = unmappedRequired(mapped, sink).map((column) => column.name);
  if (required.length > 0) {
    throw new WaybillError(
      'DEFINITION_INVALID',
      `Nothing is mapped to the sink's column ${required.join(', ')}, which takes no NULL and has no default.`,
      { column: required.join(', ') },
    );
  }
};

/** Maps source columns to those of a sink that exists, and checks the result. */
export const mapColumns = (
  source: readonly Column[],
  sink: readonly Column[],
  translator?: JsonValue,
  sourceSettings: JsonObject = {},
): MappedColumn[] => {
  const mapped = pairColumns(wantedColumns(source, sourceSettings, translator), sink, false);
  checkMapping(mapped, sink, translator);
  return mapped;
};

/** Floating-point columns of the sink, whose values are outside the content checksum. */
export const floatColumns = (mapped: readonly MappedColumn[]): string[] =>
  mapped.filter(({ sink }) => isFloat(sink.type)).map(({ sink }) => sink.name);
