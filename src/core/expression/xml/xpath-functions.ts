// XPath 1.0's core functions.
import { expressionError } from '../expression-error.ts';
import { textOf, type XmlNode } from './node.ts';
import { booleanOf, numberOf, type Place, stringOf, type XPathValue } from './xpath-values.ts';

const local = (name: string): string => name.slice(name.indexOf(':') + 1);

/** The node that the argument, or else the context, stands for. */
const nodeOf = (value: XPathValue | undefined, place: Place): XmlNode | undefined =>
  value === undefined ? place.node : Array.isArray(value) ? value[0] : undefined;

const nameOf = (node: XmlNode | undefined): string => node?.name ?? '';

const namespaceOf = (node: XmlNode | undefined): string =>
  node !== undefined && 'namespace' in node ? node.namespace : '';

function nodeSet(name: string, value: XPathValue | undefined): XmlNode[] {
  if (Array.isArray(value)) return value;
  throw expressionError(`XPath's ${name}() takes nodes`);
}

/** XPath counts characters from 1 and rounds. */
function substring(text: string, from: number, length: number): string {
  const start = Math.round(from);
  const end = start + Math.round(length);
  return [...text].filter((_, index) => index + 1 >= start && index + 1 < end).join('');
}

function translate(text: string, from: string, to: string): string {
  const source = [...from];
  const target = [...to];
  return [...text]
    .map((character) => {
      const index = source.indexOf(character);
      return index < 0 ? character : (target[index] ?? '');
    })
    .join('');
}

type Call = (args: XPathValue[], place: Place) => XPathValue;
const text = (args: XPathValue[], index: number): string => stringOf(args[index] ?? '');

/** Each with its least and greatest number of arguments. */
const FUNCTIONS: Readonly<Record<string, readonly [number, number, Call]>> = {
  last: [0, 0, (_, { size }) => size],
  position: [0, 0, (_, { position }) => position],
  count: [1, 1, ([a]) => nodeSet('count', a).length],
  sum: [1, 1, ([a]) => nodeSet('sum', a).reduce((total, node) => total + numberOf(textOf(node)), 0)],
  name: [0, 1, ([a], place) => nameOf(nodeOf(a, place))],
  'local-name': [0, 1, ([a], place) => local(nameOf(nodeOf(a, place)))],
  'namespace-uri': [0, 1, ([a], place) => namespaceOf(nodeOf(a, place))],
  string: [0, 1, ([a], { node }) => stringOf(a ?? [node])],
  concat: [2, Number.POSITIVE_INFINITY, (args) => args.map(stringOf).join('')],
  'starts-with': [2, 2, (args) => text(args, 0).startsWith(text(args, 1))],
  contains: [2, 2, (args) => text(args, 0).includes(text(args, 1))],
  'substring-before': [
    2,
    2,
    (args) => text(args, 0).slice(0, Math.max(0, text(args, 0).indexOf(text(args, 1)))),
  ],
  'substring-after': [
    2,
    2,
    (args) => {
      const at = text(args, 0).indexOf(text(args, 1));
      return at < 0 ? '' : text(args, 0).slice(at + text(args, 1).length);
    },
  ],
  substring: [
    2,
    3,
    ([a, from, length]) =>
      substring(
        stringOf(a ?? ''),
        numberOf(from ?? 1),
        length === undefined ? Number.POSITIVE_INFINITY : numberOf(length),
      ),
  ],
  'string-length': [0, 1, ([a], { node }) => [...stringOf(a ?? [node])].length],
  'normalize-space': [
    0,
    1,
    ([a], { node }) =>
      stringOf(a ?? [node])
        .trim()
        .replace(/\s+/g, ' '),
  ],
  translate: [3, 3, (args) => translate(text(args, 0), text(args, 1), text(args, 2))],
  boolean: [1, 1, ([a]) => booleanOf(a ?? false)],
  not: [1, 1, ([a]) => !booleanOf(a ?? false)],
  true: [0, 0, () => true],
  false: [0, 0, () => false],
  number: [0, 1, ([a], { node }) => numberOf(a ?? [node])],
  floor: [1, 1, ([a]) => Math.floor(numberOf(a ?? 0))],
  ceiling: [1, 1, ([a]) => Math.ceil(numberOf(a ?? 0))],
  round: [1, 1, ([a]) => Math.round(numberOf(a ?? 0))],
};

export function callFunction(name: string, args: XPathValue[], place: Place): XPathValue {
  const entry = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (entry === undefined) throw expressionError(`XPath has no function "${name.slice(0, 40)}"`);
  const [min, max, call] = entry;
  if (args.length < min || args.length > max)
    throw expressionError(`XPath's ${name}() does not take ${args.length} arguments`);
  return call(args, place);
}
