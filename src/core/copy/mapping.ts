// Which source column goes to which sink column: by name, or by ADF's translator.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { Column, MappedColumn } from '../types/column.ts';
import { conversionBetween } from '../types/conversion.ts';

const asObject = (value: JsonValue | undefined): JsonObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;

interface NamePair {
  readonly source: string | number;
  readonly sink: string;
}

const translatorPairs = (translator: JsonObject | undefined): NamePair[] | undefined => {
  if (translator === undefined) return undefined;
  if (Array.isArray(translator['mappings'])) {
    return translator['mappings'].map((entry) => {
      const source = asObject(asObject(entry)?.['source']);
      const sink = asObject(asObject(entry)?.['sink']);
      const from = source?.['name'] ?? source?.['ordinal'];
      const to = sink?.['name'];
      if ((typeof from !== 'string' && typeof from !== 'number') || typeof to !== 'string') {
        throw new WaybillError(
          'DEFINITION_UNSUPPORTED',
          'A column mapping must name a source column (name or ordinal) and a sink column (name).',
        );
      }
      return { source: from, sink: to };
    });
  }
  // The older form: "columnMappings": "a: b, c: d", or an object.
  const older = translator['columnMappings'];
  if (typeof older === 'string') {
    return older.split(',').map((pair) => {
      const [source = '', sink = ''] = pair.split(':').map((name) => name.trim());
      return { source, sink };
    });
  }
  const olderObject = asObject(older);
  return olderObject === undefined
    ? undefined
    : Object.entries(olderObject).map(([source, sink]) => ({ source, sink: String(sink) }));
};

/** Finds a column by name: exactly, else case-insensitively where that is unambiguous. */
export const findColumn = (columns: readonly Column[], name: string): Column | undefined => {
  const exact = columns.find((column) => column.name === name);
  if (exact !== undefined) return exact;
  const folded = columns.filter((column) => column.name.toLowerCase() === name.toLowerCase());
  return folded.length === 1 ? folded[0] : undefined;
};

const mapPairs = (
  source: readonly Column[],
  sink: readonly Column[],
  pairs: readonly NamePair[],
): MappedColumn[] =>
  pairs.map((pair) => {
    const from = typeof pair.source === 'number' ? source[pair.source - 1] : findColumn(source, pair.source);
    if (from === undefined) {
      throw new WaybillError('OBJECT_MISSING', `The source has no column ${pair.source}.`, {
        column: pair.source,
      });
    }
    const to = findColumn(sink, pair.sink);
    if (to === undefined) {
      throw new WaybillError('OBJECT_MISSING', `The sink has no column ${pair.sink}.`, { column: pair.sink });
    }
    return { source: from, sink: to };
  });

/**
 * Maps source columns to sink columns. Without a mapping of its own every source column needs a sink column of its
 * name (case-insensitive). Throws OBJECT_MISSING for a column without a partner and TYPE_UNSUPPORTED for a pair
 * of types that could lose something.
 */
export const mapColumns = (
  source: readonly Column[],
  sink: readonly Column[],
  translator?: JsonValue,
): MappedColumn[] => {
  const pairs =
    translatorPairs(asObject(translator)) ??
    source.map((column) => ({ source: column.name, sink: column.name }));
  const mapped = mapPairs(source, sink, pairs);
  for (const { source: from, sink: to } of mapped) {
    if (conversionBetween(from, to) === undefined) {
      throw new WaybillError(
        'TYPE_UNSUPPORTED',
        `Column ${from.name} (${from.native}) cannot be carried into ${to.name} (${to.native}) without loss.`,
        { column: from.name, sourceType: from.native, sinkType: to.native },
      );
    }
  }
  const taken = new Set<string>();
  for (const { sink: to } of mapped) {
    if (taken.has(to.name)) {
      throw new WaybillError('DEFINITION_INVALID', `Two columns are mapped to the sink's column ${to.name}.`);
    }
    taken.add(to.name);
  }
  const missing = sink.filter((column) => !column.nullable && !taken.has(column.name));
  if (missing.length > 0 && mapped.length === 0) {
    throw new WaybillError('OBJECT_MISSING', 'Source and sink have no column in common.');
  }
  return mapped;
};
