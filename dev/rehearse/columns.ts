// Columns of datasets and mappings, and which kind of value a declared type or a mere name stands for.
import type { JsonObject, JsonValue } from '../../src/core/json.ts';
import { isObject } from '../../src/definitions/factory.ts';
import { kindByName } from './infer/values.ts';
import type { ColumnKind } from './needs.ts';

const KINDS: readonly (readonly [RegExp, ColumnKind])[] = [
  [
    /^(tiny|small|medium|big)?int(eger)?(16|32|64)?\b|^(system\.)?(u?int(16|32|64)|byte$)|^(small|big)?serial|^int[248]$/i,
    'integer',
  ],
  [/^(system\.)?(decimal|double|single|float|numeric|number|money|smallmoney|real|fixed)/i, 'number'],
  [/^(system\.)?(bool|bit$|boolean)/i, 'boolean'],
  [/^(system\.)?(date|timestamp|smalldatetime)/i, 'date'],
  [/^(system\.)?time(span)?\b/i, 'time'],
  [/^(system\.)?(guid|uniqueidentifier|uuid)/i, 'guid'],
  [/^(system\.)?(byte\[\]|binary|varbinary|image|bytea|blob|rowversion)/i, 'binary'],
  [/./, 'text'],
];

/** What a type of a dataset's schema or a mapping holds. */
export const kindOfType = (type: string): ColumnKind =>
  KINDS.find(([pattern]) => pattern.test(type))?.[1] ?? 'text';

/** What a column's name lets expect. */
export function guessKind(name: string): ColumnKind {
  if (/price|amount|amt|total|rate|cost|salary|balance|percent|latitude|longitude/i.test(name))
    return 'number';
  const kind = kindByName(name);
  return kind === 'boolean' ? 'text' : kind;
}

export interface NamedColumn {
  readonly name: string;
  readonly kind: ColumnKind;
  readonly isKnown: boolean;
  /** Of a text: what its store's sink reads it as. */
  readonly holds?: ColumnKind;
}

/** What Studio once took from a file that was none: names no store can have. A header of a sheet may have two lines. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const NO_NAME = /[\u0000-\u0008\u000b-\u001f\ufffd]/;

const named = (name: JsonValue | undefined, type: JsonValue | undefined): NamedColumn | undefined => {
  if (typeof name !== 'string' || name === '' || name.length > 120 || NO_NAME.test(name)) return undefined;
  return typeof type === 'string' && type !== ''
    ? { name, kind: kindOfType(type), isKnown: true }
    : { name, kind: guessKind(name), isKnown: false };
};

/** Columns of a dataset's `schema` or `structure`. Data Factory writes an expression there too, which tells nothing. */
export function declaredColumns(schema: JsonValue | undefined): NamedColumn[] {
  if (Array.isArray(schema))
    return schema.flatMap((entry) => (isObject(entry) ? (named(entry['name'], entry['type']) ?? []) : []));
  // Avro datasets hold Avro's own schema.
  if (isObject(schema) && Array.isArray(schema['fields']))
    return schema['fields'].flatMap((field) =>
      isObject(field) ? (named(field['name'], avroKind(field['type'])) ?? []) : [],
    );
  // Json datasets hold a JSON Schema.
  const properties = isObject(schema) ? jsonProperties(schema) : undefined;
  if (properties === undefined) return [];
  return Object.entries(properties).flatMap(([name, value]) => {
    const type = isObject(value) ? String(value['type']) : '';
    if (type === 'object' || type === 'array') return [];
    return [{ name, kind: type === 'boolean' ? 'boolean' : kindOfType(type), isKnown: type !== '' }];
  });
}

/** The name of a field's type, without null; "" for one of several. */
function avroKind(type: JsonValue | undefined): string {
  const [only, ...others] = (Array.isArray(type) ? type : [type]).filter((each) => each !== 'null');
  if (others.length > 0 || only === undefined || only === null) return '';
  if (!isObject(only)) return only === 'long' ? 'int64' : String(only);
  const logical = String(only['logicalType'] ?? '');
  if (/date|timestamp/.test(logical)) return 'datetime';
  return logical === 'decimal' ? 'decimal' : avroKind(only['type']);
}

function jsonProperties(schema: JsonObject): JsonObject | undefined {
  const items = schema['type'] === 'array' && isObject(schema['items']) ? schema['items'] : schema;
  return isObject(items['properties']) ? items['properties'] : undefined;
}

/** One line of a Copy's mapping. A source or sink may be named by position alone. */
export interface ColumnPair {
  readonly source?: NamedColumn;
  readonly sourcePath?: string;
  readonly ordinal?: number;
  readonly sink?: NamedColumn;
}

/** The pairs of a translator, of the newer or the older form. */
export function mappingPairs(translator: JsonValue | undefined): ColumnPair[] {
  if (!isObject(translator)) return [];
  const { mappings, columnMappings } = translator;
  if (Array.isArray(mappings)) {
    return mappings.flatMap((entry): ColumnPair[] => {
      if (!isObject(entry)) return [];
      const source = isObject(entry['source']) ? entry['source'] : {};
      const sink = isObject(entry['sink']) ? entry['sink'] : {};
      const path = typeof source['path'] === 'string' ? source['path'] : undefined;
      const from = named(source['name'] ?? lastOfPath(path), source['type']);
      const to = named(sink['name'] ?? lastOfPath(sink['path']), sink['type']);
      return [
        {
          ...(from === undefined ? {} : { source: from }),
          ...(path === undefined ? {} : { sourcePath: path }),
          ...(typeof source['ordinal'] === 'number' ? { ordinal: source['ordinal'] } : {}),
          ...(to === undefined ? {} : { sink: to }),
        },
      ];
    });
  }
  const older: (readonly [string, string])[] =
    typeof columnMappings === 'string'
      ? columnMappings
          .split(',')
          .map((pair) => pair.split(':').map((part) => part.trim()) as [string, string])
      : isObject(columnMappings)
        ? Object.entries(columnMappings).map(([from, to]) => [from, String(to)] as const)
        : [];
  return older.flatMap(([from, to]) => {
    const source = named(from, undefined);
    const sink = named(to, undefined);
    return source === undefined || sink === undefined ? [] : [{ source, sink }];
  });
}

const lastOfPath = (path: JsonValue | undefined): string | undefined =>
  typeof path === 'string'
    ? [...path.matchAll(/\['([^']+)'\]|\.?([\w$-]+)/g)].map((match) => match[1] ?? match[2]).at(-1)
    : undefined;

/** Columns for a table of which nothing at all is known. */
export const ANY_COLUMNS: readonly NamedColumn[] = [
  { name: 'id', kind: 'integer', isKnown: true },
  { name: 'name', kind: 'text', isKnown: true },
  { name: 'amount', kind: 'number', isKnown: true },
  { name: 'modified_at', kind: 'date', isKnown: true },
];
