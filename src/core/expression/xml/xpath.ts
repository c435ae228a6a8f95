// XPath 1.0 over a parsed document: location paths with every axis but namespace, predicates, operators and the core
// functions. Without declared prefixes, as in Data Factory: names in a namespace are met by local-name() and name().
import { expressionError } from '../expression-error.ts';
import { isElement, textOf, type XmlElement, type XmlNode } from './node.ts';
import { callFunction } from './xpath-functions.ts';
import { parseXPath, type Step, type XPath } from './xpath-parse.ts';
import { booleanOf, numberOf, type Place, type XPathValue } from './xpath-values.ts';

/** Evaluates the expression at the document's root. Throws EXPRESSION_INVALID. */
export function evaluateXPath(root: XmlElement, text: string): XPathValue {
  const order = new Map<XmlNode, number>();
  number(root, order);
  return new Evaluator(root, order).evaluate(parseXPath(text), { node: root, position: 1, size: 1 });
}

/** Document order: an element, its attributes, its children. */
function number(node: XmlNode, order: Map<XmlNode, number>): void {
  order.set(node, order.size);
  if (!isElement(node)) return;
  for (const attribute of node.attributes) order.set(attribute, order.size);
  for (const child of node.children) number(child, order);
}

class Evaluator {
  private readonly root: XmlElement;
  private readonly order: ReadonlyMap<XmlNode, number>;

  constructor(root: XmlElement, order: ReadonlyMap<XmlNode, number>) {
    this.root = root;
    this.order = order;
  }

  evaluate(expression: XPath, place: Place): XPathValue {
    switch (expression.kind) {
      case 'literal':
        return expression.value;
      case 'negate':
        return -numberOf(this.evaluate(expression.operand, place));
      case 'call':
        return callFunction(
          expression.name,
          expression.args.map((arg) => this.evaluate(arg, place)),
          place,
        );
      case 'path':
        return this.path(expression, place);
      case 'binary':
        return this.binary(expression, place);
    }
  }

  private binary(expression: Extract<XPath, { kind: 'binary' }>, place: Place): XPathValue {
    const left = this.evaluate(expression.left, place);
    const { operator } = expression;
    if (operator === 'or' && booleanOf(left)) return true;
    if (operator === 'and' && !booleanOf(left)) return false;
    const right = this.evaluate(expression.right, place);
    switch (operator) {
      case 'or':
      case 'and':
        return booleanOf(right);
      case '|':
        return this.sorted([...nodes(left), ...nodes(right)]);
      case '+':
        return numberOf(left) + numberOf(right);
      case '-':
        return numberOf(left) - numberOf(right);
      case '*':
        return numberOf(left) * numberOf(right);
      case 'div':
        return numberOf(left) / numberOf(right);
      case 'mod':
        return numberOf(left) % numberOf(right);
      default:
        return compare(operator, left, right);
    }
  }

  private path(path: Extract<XPath, { kind: 'path' }>, place: Place): XPathValue {
    let current: XPathValue;
    if (path.start === 'root') current = [this.root];
    else if (path.start === 'here') current = [place.node];
    else current = this.evaluate(path.start, place);
    if (path.filters.length > 0) current = this.filter(nodes(current), path.filters);
    for (const step of path.steps) current = this.step(nodes(current), step);
    return current;
  }

  private step(from: readonly XmlNode[], step: Step): XmlNode[] {
    const found: XmlNode[] = [];
    for (const node of from) {
      const candidates = axis(node, step.axis).filter((candidate) => matches(candidate, step));
      found.push(...this.filter(candidates, step.predicates));
    }
    return this.sorted(found);
  }

  /** Positions count along the axis: backwards on ancestor and preceding ones. */
  private filter(candidates: readonly XmlNode[], predicates: readonly XPath[]): XmlNode[] {
    let kept = [...candidates];
    for (const predicate of predicates) {
      kept = kept.filter((node, index, { length: size }) => {
        const value = this.evaluate(predicate, { node, position: index + 1, size });
        return typeof value === 'number' ? value === index + 1 : booleanOf(value);
      });
    }
    return kept;
  }

  private sorted(list: XmlNode[]): XmlNode[] {
    return [...new Set(list)].sort((a, b) => (this.order.get(a) ?? 0) - (this.order.get(b) ?? 0));
  }
}

function nodes(value: XPathValue): XmlNode[] {
  if (Array.isArray(value)) return value;
  throw expressionError('The XPath expression takes nodes out of what is none');
}

function compare(operator: string, left: XPathValue, right: XPathValue): boolean {
  if (Array.isArray(left) && Array.isArray(right))
    return left.some((a) => right.some((b) => compare(operator, textOf(a), textOf(b))));
  if (Array.isArray(left)) return compareNodes(operator, left, right, false);
  if (Array.isArray(right)) return compareNodes(operator, right, left, true);
  if (operator === '=' || operator === '!=') {
    const same =
      typeof left === 'boolean' || typeof right === 'boolean'
        ? booleanOf(left) === booleanOf(right)
        : typeof left === 'number' || typeof right === 'number'
          ? numberOf(left) === numberOf(right)
          : left === right;
    return (operator === '=') === same;
  }
  const [a, b] = [numberOf(left), numberOf(right)];
  return operator === '<' ? a < b : operator === '<=' ? a <= b : operator === '>' ? a > b : a >= b;
}

function compareNodes(operator: string, list: XmlNode[], other: XPathValue, swapped: boolean): boolean {
  const one = (value: XPathValue): boolean =>
    swapped ? compare(operator, other, value) : compare(operator, value, other);
  return typeof other === 'boolean' ? one(list.length > 0) : list.some((node) => one(textOf(node)));
}

function matches(node: XmlNode, { test, axis: along }: Step): boolean {
  switch (test.kind) {
    case 'node':
      return true;
    case 'text':
      return node.kind === 'text' || node.kind === 'cdata';
    case 'comment':
      return node.kind === 'comment';
    case 'instruction':
      return node.kind === 'instruction' && (test.name === undefined || test.name === node.name);
    default: {
      const wanted = along === 'attribute' ? 'attribute' : 'element';
      if (node.kind !== wanted || (node.kind !== 'attribute' && node.kind !== 'element')) return false;
      if (node.kind === 'attribute' && /^xmlns(:|$)/.test(node.name)) return false;
      if (test.name === '*') return true;
      if (test.name.endsWith(':*')) return node.name.startsWith(test.name.slice(0, -1));
      return node.name === test.name && (test.name.includes(':') || node.namespace === '');
    }
  }
}

function descendants(node: XmlNode, found: XmlNode[] = []): XmlNode[] {
  if (isElement(node))
    for (const child of node.children) {
      found.push(child);
      descendants(child, found);
    }
  return found;
}

function ancestors(node: XmlNode): XmlNode[] {
  const found: XmlNode[] = [];
  for (let up = node.parent; up !== undefined; up = up.parent) found.push(up);
  return found;
}

function siblings(node: XmlNode, direction: 1 | -1): XmlNode[] {
  const list = node.kind === 'attribute' ? [] : (node.parent?.children ?? []);
  const index = list.indexOf(node);
  return direction === 1 ? list.slice(index + 1) : list.slice(0, Math.max(0, index)).reverse();
}

function axis(node: XmlNode, name: string): XmlNode[] {
  switch (name) {
    case 'child':
      return isElement(node) ? node.children.filter(({ kind }) => kind !== 'declaration') : [];
    case 'attribute':
      return isElement(node) ? node.attributes : [];
    case 'self':
      return [node];
    case 'parent':
      return node.parent === undefined ? [] : [node.parent];
    case 'descendant':
      return descendants(node);
    case 'descendant-or-self':
      return [node, ...descendants(node)];
    case 'ancestor':
      return ancestors(node);
    case 'ancestor-or-self':
      return [node, ...ancestors(node)];
    case 'following-sibling':
      return siblings(node, 1);
    case 'preceding-sibling':
      return siblings(node, -1);
    case 'following':
      return [node, ...ancestors(node)].flatMap((up) =>
        siblings(up, 1).flatMap((other) => [other, ...descendants(other)]),
      );
    case 'preceding':
      return [node, ...ancestors(node)].flatMap((up) =>
        siblings(up, -1).flatMap((other) => [...descendants(other).reverse(), other]),
      );
    default:
      throw expressionError(`XPath has no axis "${name}" here`);
  }
}
