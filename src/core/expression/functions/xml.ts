// xml() and xpath(). An XML value is its text: JSON, which workflows hold, has no other form for it.
import type { JsonValue } from '../../json.ts';
import { expressionError } from '../expression-error.ts';
import { isElement, writeElement, writeXml, type XmlNode } from '../xml/node.ts';
import { parseXml } from '../xml/parse-xml.ts';
import { jsonToXml } from '../xml/xml-json.ts';
import { evaluateXPath } from '../xml/xpath.ts';
import { type FunctionEntry, isObject, plain, text } from './define.ts';

/** Checks a text and writes it anew, or turns an object into XML. */
function toXml(value: JsonValue | undefined): string {
  if (isObject(value)) return jsonToXml(value);
  return writeXml(parseXml(text('xml', value)));
}

/** Elements come as their XML, everything else as its text. */
const result = (node: XmlNode): string => (isElement(node) ? writeElement(node) : node.value);

function xpath(source: JsonValue | undefined, path: JsonValue | undefined): JsonValue {
  const value = evaluateXPath(parseXml(text('xpath', source)), text('xpath', path));
  if (Array.isArray(value)) return value.map(result);
  if (typeof value === 'number' && !Number.isFinite(value))
    throw expressionError('xpath() found what is not a number');
  return value;
}

export const XML: FunctionEntry[] = [
  plain('xml', 1, 1, ([a]) => toXml(a)),
  plain('xpath', 2, 2, ([source, path]) => xpath(source, path)),
];
