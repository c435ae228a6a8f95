// Makes values that meet the demands on them: the same for the same seed.
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';
import type { Shape } from './shape.ts';

/** Rows of a table that only carries data. */
export const DATA_ROWS = 100;
/** Rows of a table that steers: a loop goes through each. */
export const CONTROL_ROWS = 3;

/** What a generated value is for. */
export interface ValueContext {
  readonly seed: number;
  /** Which of several: rows and array elements differ by it. */
  readonly index: number;
}

/** A number from 0 to below 1, by seed and what it is for (FNV-1a). */
export function chance(seed: number, what: string): number {
  let hash = (2_166_136_261 ^ seed) >>> 0;
  for (let at = 0; at < what.length; at++) hash = Math.imul(hash ^ what.charCodeAt(at), 16_777_619) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 15), 2_246_822_519) >>> 0;
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}

/** "updated_by", "candidate" and "runtime_version" are no dates. */
const DATE_NAME =
  /(^|[^a-z])date(?!d|base)|(?<!candi|man|vali|up)date$|(^|[^a-z])time$|(start|end|run|load|file|created?|updated?|modified|modify|last|batch|date)_?time$|datetime|watermark|timestamp|last_?run|(^|_)(since|until)|(start|end)dt|_dt$|_at$|(updated|created|modified|changed|processed|loaded|inserted)(_?on|_?at|$)|fecha|datum/i;
const CAMEL_DATE = /[a-z](Date(?!d|base)|Time$|At$)/;
const NUMBER_NAME =
  /((^|_)id$|[a-z]Id$|count|number|num$|^no_|size|year|month|^day|hour|minute|second|retry|limit|threshold|seq|index|offset|days|batch|priority|stage|level|version)/i;
const FLAG_NAME =
  /^([Ii]s|[Hh]as|[Cc]an|[Ss]hould|[Ee]nable|[Dd]isable|[Aa]llow|[Uu]se)(_|[A-Z])|([Ee]nabled|[Aa]ctive|[Ff]lag|[Dd]isabled)$/;
/** Names of things, whatever else they speak of. */
const THING_NAME =
  /(by|column|col|field|name|format|zone|type|path|folder|file|prefix|suffix|delimiter|separator|terminator|char|character)s?$/i;

/** Stand for the log sequence numbers before and after all generated data, which are known once it is there. */
export const EARLY_LSN = '0x00000000000000000001';
export const LATE_LSN = '0x7FFFFFFFFFFFFFFFFFFF';

/** What a column or value of that name holds if it is one of Change Data Capture's log sequence numbers. */
export function lsnFor(name: string): string | undefined {
  if (!/(^|_|[^a-z])lsn|lsn($|[^a-z])/i.test(name)) return undefined;
  return /cur|max|end|high|upper|(^|_)to/i.test(name) ? LATE_LSN : EARLY_LSN;
}

/** A moment before all generated data: what a first incremental run begins from. */
export const EARLY = '2023-12-01T00:00:00Z';
/** A moment after all of it: the end of a range. */
const LATE = '2035-01-01T00:00:00Z';

const momentFor = (name: string): string =>
  /end|until|^to[A-Z_]|_to$|max|upper|new|stop/i.test(name) ? LATE : EARLY;

/** Whether a name reads like a moment's, a number's or a flag's. */
export function kindByName(name: string): 'date' | 'integer' | 'boolean' | 'text' {
  if (THING_NAME.test(name) || lsnFor(name) !== undefined) return 'text';
  if (FLAG_NAME.test(name)) return 'boolean';
  if (DATE_NAME.test(name) || CAMEL_DATE.test(name)) return 'date';
  return NUMBER_NAME.test(name) ? 'integer' : 'text';
}

/** What a shape says its value is; undefined where only its name can tell. */
export function kindOf(
  shape: Shape,
): 'array' | 'object' | 'json' | 'date' | 'integer' | 'boolean' | 'text' | undefined {
  const { hints } = shape;
  if (shape.declared !== undefined) return shape.declared;
  if (hints.has('json')) return 'json';
  if (hints.has('array')) return 'array';
  if (hints.has('object') || shape.properties.size > 0) return 'object';
  if (shape.knownElement !== undefined && !hints.has('text')) return 'array';
  if (hints.has('date')) return 'date';
  for (const hint of [
    'table',
    'schema',
    'folder',
    'file',
    'container',
    'query',
    'procedure',
    'url',
    'column',
    'database',
    'guid',
  ] as const)
    if (hints.has(hint)) return 'text';
  if ([...shape.literals].some((value) => typeof value === 'string' && value !== '')) return 'text';
  if (hints.has('boolean')) return 'boolean';
  if (hints.has('integer') || hints.has('number')) return 'integer';
  if (hints.has('text') || shape.splits.size > 0) return 'text';
  return undefined;
}

/** A value of the declared type that meets the demands. */
export function valueFor(shape: Shape, name: string, context: ValueContext, declared?: string): JsonValue {
  const type = declared?.toLowerCase();
  switch (type) {
    case 'array':
      return arrayFor(shape, name, context);
    case 'object':
      return objectFor(shape, context);
    case 'int':
    case 'integer':
    case 'float':
    case 'double':
    case 'number':
      return integerFor(shape, name, context);
    case 'bool':
    case 'boolean':
      return booleanFor(shape);
  }
  switch (kindOf(shape) ?? (type === undefined ? kindByName(shape.name || name) : undefined)) {
    case 'array':
      return type === undefined
        ? arrayFor(shape, name, context)
        : JSON.stringify(arrayFor(shape, name, context));
    case 'object':
      return type === undefined ? objectFor(shape, context) : JSON.stringify(objectFor(shape, context));
    case 'json':
      return JSON.stringify(contentFor(shape, name, context));
    case 'date':
      return momentFor(name);
    case 'integer':
      return type === undefined ? integerFor(shape, name, context) : String(integerFor(shape, name, context));
    case 'boolean':
      return type === undefined ? booleanFor(shape) : booleanFor(shape) ? 'true' : 'false';
    case 'text':
      return textFor(shape, name, context);
    default:
      return byName(shape, name, context);
  }
}

/** Text for a parameter of which only the name is known. */
function byName(shape: Shape, name: string, context: ValueContext): string {
  const kind = kindByName(name);
  if (kind === 'date')
    return /date$/i.test(name) && !/time/i.test(name) ? momentFor(name).slice(0, 10) : momentFor(name);
  if (kind === 'integer') return String(integerFor(shape, name, context));
  if (kind === 'boolean') return 'true';
  return textFor(shape, name, context);
}

function arrayFor(shape: Shape, name: string, context: ValueContext): JsonValue[] {
  const element = shape.element();
  return Array.from({ length: 2 }, (_, index) => valueFor(element, singular(name), { ...context, index }));
}

const singular = (name: string): string => name.replace(/ies$/i, 'y').replace(/s$/i, '') || 'item';

function objectFor(shape: Shape, context: ValueContext): JsonObject {
  const result: JsonObject = {};
  for (const property of shape.properties.values())
    result[property.name] = valueFor(property, property.name, context);
  return result;
}

function contentFor(shape: Shape, name: string, context: ValueContext): JsonValue {
  if (shape.hints.has('translator') || shape.content().hints.has('translator'))
    return { type: 'TabularTranslator', typeConversion: true };
  const content = shape.content();
  const kind = kindOf(content);
  if (kind === 'array') return arrayFor(content, name, context);
  if (kind === undefined || kind === 'object') return objectFor(content, context);
  return valueFor(content, name, context);
}

function integerFor(shape: Shape, name: string, { index }: ValueContext): number {
  for (const literal of preferred(shape)) {
    const number = Number(literal);
    if (literal !== '' && Number.isInteger(number)) return number;
  }
  if (/year/i.test(name)) return 2024;
  return index + 1;
}

/** Failing, too, ends most loops that poll. */
const MISFORTUNE = /fail|error|cancel|abort|stop|timed|kill/i;

/** The values that a shape is compared with. Those that keep a loop going are left out, those that end it well come first. */
function preferred({ literals, endsLoop, keepsLoop }: Shape): JsonValue[] {
  if (endsLoop.size === 0 && keepsLoop.size === 0) return [...literals];
  const good = [...endsLoop].filter((value) => !MISFORTUNE.test(String(value)));
  if (good.length > 0 || endsLoop.size > 0) return good.length > 0 ? good : [...endsLoop];
  return [...literals].filter((value) => !keepsLoop.has(value) && !MISFORTUNE.test(String(value)));
}

function booleanFor(shape: Shape): boolean {
  const { endsLoop, keepsLoop } = shape;
  if (endsLoop.size === 0 && [true, false].some((value) => keepsLoop.has(value))) return !keepsLoop.has(true);
  for (const literal of preferred(shape)) {
    if (typeof literal === 'boolean') return literal;
    if (/^(true|false)$/i.test(String(literal))) return String(literal).toLowerCase() === 'true';
  }
  return true;
}

/** Words that names give away; `{n}` is the row's number. */
const TEXTS: readonly (readonly [RegExp, string])[] = [
  [/e?mail/i, 'rehearsal@example.invalid'],
  [/guid|uuid|runid|executionid/i, '00000000-0000-4000-8000-00000000000{n}'],
  [/subscription|tenant/i, '00000000-0000-4000-8000-000000000001'],
  [/encoding|charset/i, 'UTF-8'],
  [/row_?(delimiter|separator)/i, '\n'],
  [/delimiter|separator/i, ','],
  [/quote_?char/i, '"'],
  [/escape_?char/i, '\\'],
  [/file_?name|blob_?name|^file$/i, 'file_{n}.csv'],
  [/extension|suffix/i, 'csv'],
  [/format$/i, 'yyyy-MM-dd'],
  [/zone/i, 'UTC'],
  [/container|bucket|filesystem/i, 'rehearsal'],
  [/folder|directory|path/i, 'folder_{n}'],
  [/query|sql/i, 'SELECT 1 AS id'],
  [/schema/i, 'dbo'],
  [/table|entity|object/i, 'table_{n}'],
  // As the column that a table with no columns known has for it.
  [/(watermark|modif|updated?|date|time|delta|incremental)\w*(column|col|field)/i, 'modified_at'],
  [/column|key/i, 'id'],
  [/url|uri|endpoint/i, 'http://127.0.0.1/rehearsal'],
  [/status|state/i, 'Succeeded'],
];

function textFor(shape: Shape, name: string, { index }: ValueContext): string {
  const strings = preferred(shape).filter(
    (value): value is string => typeof value === 'string' && value !== '',
  );
  const { hints } = shape;
  if (hints.has('query')) return 'SELECT 1 AS id';
  if (hints.has('translator')) return '{"type":"TabularTranslator"}';
  if (strings.length > 0) return strings[index % strings.length] as string;
  if (hints.has('guid')) return `00000000-0000-4000-8000-00000000000${index + 1}`;
  if (hints.has('base64')) return 'cmVoZWFyc2Fs';
  const base = plainText(shape, shape.name || name, index);
  return fitted(shape, base, index);
}

function plainText(shape: Shape, name: string, index: number): string {
  const { hints } = shape;
  const n = String(index + 1);
  if (hints.has('table')) return `table_${n}`;
  if (hints.has('schema')) return 'dbo';
  if (hints.has('database')) return 'rehearsal';
  if (hints.has('server')) return 'localhost';
  if (hints.has('procedure')) return 'usp_rehearsal';
  if (hints.has('container')) return 'rehearsal';
  if (hints.has('file')) return `file_${n}.csv`;
  if (hints.has('folder')) return `folder_${n}`;
  if (hints.has('url')) return 'http://127.0.0.1/rehearsal';
  const lsn = lsnFor(name);
  if (lsn !== undefined) return lsn;
  for (const [pattern, text] of TEXTS) if (pattern.test(name)) return text.replace('{n}', n);
  return `${name.replaceAll(/\W+/g, '_') || 'value'}_${n}`;
}

/** The text with what is searched in it, split out of it, and read of it by position. */
function fitted(shape: Shape, base: string, index: number): string {
  let text = base;
  for (const [separator, count] of shape.splits) {
    const pieces = separator === '' ? [] : text.split(separator);
    while (pieces.length > 0 && pieces.length < count) pieces.unshift(`part${count - pieces.length}`);
    if (pieces.length > 0) text = pieces.join(separator);
  }
  const end = [...shape.ends][0];
  const start = [...shape.starts][0];
  if (end !== undefined && !text.endsWith(end)) text = `${text.replace(/\.\w+$/, '')}${end}`;
  if (start !== undefined && !text.startsWith(start)) text = `${start}${text}`;
  const missing = [...shape.contains].filter((part) => !text.includes(part));
  // Names are told apart by what they contain: one after another.
  const part = missing[index % Math.max(1, missing.length)];
  if (part !== undefined && !part.includes('/')) {
    const dot = text.lastIndexOf('.');
    text =
      part.startsWith('.') || dot < 0 ? `${text}${part}` : `${text.slice(0, dot)}${part}${text.slice(dot)}`;
  }
  while (text.length < shape.minLength) text += '0';
  return text;
}
