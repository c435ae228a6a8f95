// Conversion functions. "Binary" is what Microsoft's page shows: the text's bytes as a string of zeros and ones.
import type { JsonValue } from '../../json.ts';
import { expressionError } from '../expression-error.ts';
import { Float, type RawValue } from '../syntax.ts';
import { base64Decode, base64Encode, utf8Encode } from '../utf8-base64.ts';
import { toText } from '../values.ts';
import { xmlToJson } from '../xml/xml-json.ts';
import { type FunctionEntry, inInt64, MANY, plain, raw, text } from './define.ts';

const bits = (value: string): string =>
  utf8Encode(value)
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('');

function toBoolean(value: JsonValue | undefined): boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'string') {
    const word = value.trim().toLowerCase();
    if (word === 'true' || word === '1') return true;
    if (word === 'false' || word === '0') return false;
  }
  throw expressionError('bool() takes true, false, a number, or one of these as text');
}

function toInteger(value: RawValue | undefined): number | bigint {
  if (typeof value === 'bigint') return value;
  const number = value instanceof Float ? value.value : value;
  // A fraction is no whole number, and Data Factory cuts none off.
  if (typeof number === 'number' && Number.isInteger(number)) return inInt64('int', BigInt(number));
  if (typeof number === 'boolean') return Number(number);
  if (typeof number === 'string' && /^\s*[+-]?\d{1,40}\s*$/.test(number))
    return inInt64('int', BigInt(number.trim().replace('+', '')));
  throw expressionError(`int() cannot read ${JSON.stringify(number ?? null).slice(0, 80)}`);
}

const FLOAT = /^\s*[+-]?(\d[\d,]*(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*$/i;

function toFloat(value: JsonValue | undefined): Float {
  // .NET's invariant culture takes commas between thousands.
  const number = typeof value === 'string' && FLOAT.test(value) ? Number(value.replaceAll(',', '')) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return new Float(number);
  throw expressionError(`float() cannot read ${JSON.stringify(value ?? null).slice(0, 80)}`);
}

function parseJson(value: JsonValue | undefined): JsonValue {
  // Microsoft's page: "If the string is null, the function returns an empty object."
  if (typeof value !== 'string') return value ?? {};
  if (/^\s*</.test(value)) return xmlToJson(value);
  try {
    return JSON.parse(value) as JsonValue;
  } catch {
    return parseLoosely(value);
  }
}

/** With a comma behind the last element, as Data Factory's parser (Json.NET) lets pass and people write. */
function parseLoosely(value: string): JsonValue {
  const strict = value.replace(/"(?:[^"\\]|\\.)*"|,(?=\s*[\]}])/gs, (part) => (part === ',' ? '' : part));
  try {
    return JSON.parse(strict) as JsonValue;
  } catch {
    throw expressionError('json() was given a text that is not JSON');
  }
}

/** .NET's Uri.UnescapeDataString: what is no escape sequence of UTF-8 stays as it is. */
function unescapeUri(name: string, value: JsonValue | undefined): string {
  return text(name, value).replace(/(?:%[\da-f]{2})+/gi, (sequence) => {
    try {
      return decodeURIComponent(sequence);
    } catch {
      return sequence;
    }
  });
}

const escapeUri = (value: string): string =>
  encodeURIComponent(value.replace(/\p{Surrogate}/gu, '\ufffd')).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const DATA_URI = /^data:([^,]*?)(;base64)?,(.*)$/s;

function dataUriText(name: string, value: JsonValue | undefined): string {
  const found = DATA_URI.exec(text(name, value));
  if (found === null) throw expressionError(`${name}() takes a data URI`);
  const content = found[3] ?? '';
  return found[2] === undefined ? unescapeUri(name, content) : base64Decode(content);
}

export const CONVERSION: FunctionEntry[] = [
  // An array stays as it is, as in templates of Azure (PSRule.Rules.Azure, issue 1027), whose language this is.
  plain('array', 1, 1, ([a]) => (Array.isArray(a) ? a : [a as JsonValue])),
  plain('createArray', 0, MANY, (args) => args),
  plain('base64', 1, 1, ([a]) => base64Encode(text('base64', a))),
  plain('base64ToString', 1, 1, ([a]) => base64Decode(text('base64ToString', a))),
  plain('decodeBase64', 1, 1, ([a]) => base64Decode(text('decodeBase64', a))),
  plain('base64ToBinary', 1, 1, ([a]) => bits(text('base64ToBinary', a))),
  plain('binary', 1, 1, ([a]) => bits(text('binary', a))),
  plain('bool', 1, 1, ([a]) => toBoolean(a)),
  raw('int', 1, 1, ([a]) => toInteger(a)),
  plain('float', 1, 1, ([a]) => toFloat(a)),
  raw('string', 1, 1, ([a]) => toText(a ?? null)),
  plain('json', 1, 1, ([a]) => parseJson(a)),
  plain('dataUri', 1, 1, ([a]) => `data:text/plain;charset=utf-8;base64,${base64Encode(text('dataUri', a))}`),
  plain('dataUriToString', 1, 1, ([a]) => dataUriText('dataUriToString', a)),
  // Microsoft's page: decodeDataUri() works as dataUriToBinary() does, unlike decodeBase64() and decodeUriComponent().
  plain('decodeDataUri', 1, 1, ([a]) => bits(text('decodeDataUri', a))),
  plain('dataUriToBinary', 1, 1, ([a]) => bits(text('dataUriToBinary', a))),
  plain('uriComponent', 1, 1, ([a]) => escapeUri(text('uriComponent', a))),
  plain('encodeUriComponent', 1, 1, ([a]) => escapeUri(text('encodeUriComponent', a))),
  plain('uriComponentToString', 1, 1, ([a]) => unescapeUri('uriComponentToString', a)),
  plain('decodeUriComponent', 1, 1, ([a]) => unescapeUri('decodeUriComponent', a)),
  plain('uriComponentToBinary', 1, 1, ([a]) => bits(text('uriComponentToBinary', a))),
];
