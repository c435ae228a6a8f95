// XML to JSON and back, the way JSON.NET does it (SerializeXmlNode, DeserializeXmlNode): "@name" for attributes, "#text" for
// text beside other things, an array where a name occurs more than once.
import type { JsonObject, JsonValue } from '../../json.ts';
import { expressionError } from '../expression-error.ts';
import { isElement, textOf, writeXml, type XmlElement } from './node.ts';
import { parseXml, rootElement, textNode } from './parse-xml.ts';

export function xmlToJson(text: string): JsonValue {
  const result: JsonObject = {};
  for (const node of parseXml(text).children) {
    if (node.kind === 'declaration') {
      const pseudo = [...node.value.matchAll(/(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)];
      result['?xml'] = Object.fromEntries(pseudo.map(([, name, a, b]) => [`@${name ?? ''}`, a ?? b ?? '']));
    } else if (node.kind === 'element') result[node.name] = elementToJson(node);
  }
  return result;
}

function elementToJson(element: XmlElement): JsonValue {
  const children = element.children.filter(({ kind }) => kind !== 'comment' && kind !== 'instruction');
  const onlyText = children.every(({ kind }) => kind === 'text' || kind === 'cdata');
  if (element.attributes.length === 0 && children.length === 0)
    return element.children.length === 0 ? null : {};
  if (element.attributes.length === 0 && onlyText && !children.some(({ kind }) => kind === 'cdata'))
    return textOf(element);
  const entries: [string, JsonValue][] = element.attributes.map(({ name, value }) => [`@${name}`, value]);
  for (const child of children) {
    if (isElement(child)) entries.push([child.name, elementToJson(child)]);
    else entries.push([child.kind === 'cdata' ? '#cdata-section' : '#text', textOf(child)]);
  }
  const grouped = new Map<string, JsonValue[]>();
  for (const [name, value] of entries) grouped.set(name, [...(grouped.get(name) ?? []), value]);
  return Object.fromEntries(
    [...grouped].map(([name, values]) => [name, values.length === 1 ? (values[0] as JsonValue) : values]),
  );
}

/** Throws EXPRESSION_INVALID where the object has not exactly one property to be the document's element. */
export function jsonToXml(value: JsonObject): string {
  const root = rootElement();
  for (const [name, entry] of Object.entries(value)) {
    if (name === '?xml' && typeof entry === 'object' && entry !== null && !Array.isArray(entry)) {
      const text = Object.entries(entry).map(([key, part]) => `${key.replace(/^@/, '')}="${String(part)}"`);
      root.children.push({ kind: 'declaration', name: 'xml', value: text.join(' '), parent: root });
    } else append(root, name, entry, 0);
  }
  if (root.children.filter(({ kind }) => kind === 'element').length !== 1)
    throw expressionError('xml() of an object needs exactly one property, which becomes the root element');
  return writeXml(root);
}

function append(parent: XmlElement, name: string, value: JsonValue, depth: number): void {
  if (depth > 200) throw expressionError('xml() was given an object of more than 200 levels');
  if (Array.isArray(value)) {
    for (const entry of value) append(parent, name, entry, depth + 1);
    return;
  }
  if (!/^[\p{L}_][\p{L}\p{N}\-._:]*$/u.test(name))
    throw expressionError(`"${name.slice(0, 60)}" cannot name an XML element`);
  const element: XmlElement = { kind: 'element', name, namespace: '', attributes: [], children: [], parent };
  parent.children.push(element);
  if (value === null) return;
  if (typeof value !== 'object') {
    element.children.push(textNode('text', jsonText(value), element));
    return;
  }
  for (const [key, entry] of Object.entries(value)) {
    if (key.startsWith('@'))
      element.attributes.push({
        kind: 'attribute',
        name: key.slice(1),
        namespace: '',
        value: jsonText(entry),
        parent: element,
      });
    else if (key === '#text') element.children.push(textNode('text', jsonText(entry), element));
    else if (key === '#cdata-section') element.children.push(textNode('cdata', jsonText(entry), element));
    else append(element, key, entry, depth + 1);
  }
}

const jsonText = (value: JsonValue): string =>
  typeof value === 'string' ? value : value === null ? '' : JSON.stringify(value);
