// Options of a transformation: `key: value` arguments, and arguments without a key.
import type { JsonValue } from '../json.ts';
import type { Node, Stream } from './syntax.ts';

/** A value that is not known before the data is there. */
const UNKNOWN = Symbol('unknown');

/** The value of an option; undefined where it is not given. Names are compared as written. */
export const optionOf = (stream: Stream, name: string): Node | undefined => {
  for (const argument of stream.arguments)
    if (argument.type === 'entry' && argument.key === name) return argument.value;
  return undefined;
};

/** The arguments of `name(…)` among the transformation's; undefined where there is none. */
export const partOf = (stream: Stream, name: string): Node[] | undefined => {
  for (const argument of stream.arguments)
    if (argument.type === 'call' && argument.name === name) return argument.arguments;
  return undefined;
};

/**
 * What an expression without columns is: literals, lists, parameters, joined texts. `undefined` where it takes Spark to
 * tell; also where it refers to a parameter whose value is itself such an expression.
 */
export function constantOf(
  node: Node,
  parameters: Readonly<Record<string, JsonValue>>,
): JsonValue | undefined {
  const value = evaluate(node, parameters);
  return value === UNKNOWN ? undefined : value;
}

function evaluate(node: Node, parameters: Readonly<Record<string, JsonValue>>): JsonValue | typeof UNKNOWN {
  const all = (nodes: readonly Node[]): JsonValue[] | typeof UNKNOWN => {
    const values: JsonValue[] = [];
    for (const one of nodes) {
      const value = evaluate(one, parameters);
      if (value === UNKNOWN) return UNKNOWN;
      values.push(value);
    }
    return values;
  };
  const joined = (nodes: readonly Node[], between = ''): string | null | typeof UNKNOWN => {
    const values = all(nodes);
    if (values === UNKNOWN) return UNKNOWN;
    return values.includes(null) ? null : values.map(textOf).join(between);
  };
  switch (node.type) {
    case 'literal':
      return node.value;
    case 'list':
      return all(node.items);
    case 'parameter':
      return parameters[node.name] ?? UNKNOWN;
    case 'interpolation':
      return joined(node.parts);
    case 'index': {
      const list = evaluate(node.of, parameters);
      const index = evaluate(node.index, parameters);
      // Arrays count from 1.
      return Array.isArray(list) && typeof index === 'number' ? (list[index - 1] ?? null) : UNKNOWN;
    }
    case 'call': {
      if (node.name === 'true' || node.name === 'false') return node.name === 'true';
      if (node.name === 'concat') return joined(node.arguments);
      if (node.name === 'toString' && node.arguments.length === 1) return joined(node.arguments);
      if (node.name === 'array') return all(node.arguments);
      if (node.name === '+' && node.arguments.length === 2) {
        const values = all(node.arguments);
        if (values === UNKNOWN) return UNKNOWN;
        const [left, right] = values;
        if (typeof left === 'number' && typeof right === 'number') return left + right;
        return typeof left === 'string' || typeof right === 'string' ? joined(node.arguments) : UNKNOWN;
      }
      return UNKNOWN;
    }
    default:
      return UNKNOWN;
  }
}

const textOf = (value: JsonValue): string =>
  typeof value === 'string' ? value : Array.isArray(value) ? JSON.stringify(value) : String(value);

/** Calls `visit` with every node of an expression, from the outside in. */
export function walkNodes(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const inner of childrenOf(node)) walkNodes(inner, visit);
}

function childrenOf(node: Node): readonly Node[] {
  switch (node.type) {
    case 'call':
      return node.arguments;
    case 'list':
      return node.items;
    case 'interpolation':
      return node.parts;
    case 'index':
      return [node.of, node.index];
    case 'member':
      return [node.of];
    case 'entry':
      return [node.value];
    case 'assign':
      return [node.target, node.value];
    default:
      return [];
  }
}
