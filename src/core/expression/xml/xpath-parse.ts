// Parses XPath 1.0 expressions.
import { expressionError } from '../expression-error.ts';

export interface Step {
  readonly axis: string;
  readonly test:
    | { readonly kind: 'node' | 'text' | 'comment' }
    | { readonly kind: 'instruction'; readonly name: string | undefined }
    | { readonly kind: 'name'; readonly name: string };
  readonly predicates: XPath[];
}

export type XPath =
  | { readonly kind: 'literal'; readonly value: string | number }
  | { readonly kind: 'negate'; readonly operand: XPath }
  | { readonly kind: 'binary'; readonly operator: string; readonly left: XPath; readonly right: XPath }
  | { readonly kind: 'call'; readonly name: string; readonly args: XPath[] }
  | {
      readonly kind: 'path';
      readonly start: 'root' | 'here' | XPath;
      readonly filters: XPath[];
      readonly steps: Step[];
    };

const TOKEN =
  /\s*("[^"]*"|'[^']*'|\d+(?:\.\d*)?|\.\d+|\/\/|::|\.\.|<=|>=|!=|[()[\].@,|+\-=<>*/$]|[\p{L}_][\p{L}\p{N}\-._]*(?::(?!:)(?:\*|[\p{L}_][\p{L}\p{N}\-._]*))?)/uy;
const LEVELS = [['or'], ['and'], ['=', '!='], ['<', '<=', '>', '>='], ['+', '-'], ['*', 'div', 'mod']];
const NODE_TYPES = new Set(['node', 'text', 'comment', 'processing-instruction']);
const MAX_LENGTH = 10_000;
const MAX_DEPTH = 100;

export function parseXPath(text: string): XPath {
  if (text.length > MAX_LENGTH)
    throw expressionError(`An XPath expression has at most ${MAX_LENGTH} characters`);
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  let at = 0;
  for (;;) {
    const found = TOKEN.exec(text);
    if (found === null) break;
    tokens.push(found[1] as string);
    at = TOKEN.lastIndex;
  }
  if (text.slice(at).trim() !== '')
    throw expressionError(`The XPath expression has a fault at its character ${at + 1}`);
  const parser = new Parser(tokens);
  const expression = parser.expression(0);
  parser.end();
  return expression;
}

class Parser {
  private readonly tokens: readonly string[];
  private at = 0;
  private depth = 0;

  constructor(tokens: readonly string[]) {
    this.tokens = tokens;
  }

  end(): void {
    if (this.at < this.tokens.length) throw this.fault();
  }

  expression(level: number): XPath {
    if (level === 0 && ++this.depth > MAX_DEPTH)
      throw expressionError('The XPath expression is nested too deep');
    const operators = LEVELS[level];
    if (operators === undefined) return this.unary();
    let left = this.expression(level + 1);
    for (let next = this.peek(); next !== undefined && operators.includes(next); next = this.peek()) {
      this.at++;
      left = { kind: 'binary', operator: next, left, right: this.expression(level + 1) };
    }
    if (level === 0) this.depth--;
    return left;
  }

  private unary(): XPath {
    let negative = false;
    while (this.take('-')) negative = !negative;
    let left = this.path();
    while (this.take('|')) left = { kind: 'binary', operator: '|', left, right: this.path() };
    return negative ? { kind: 'negate', operand: left } : left;
  }

  private path(): XPath {
    const next = this.peek();
    if (next === '/' || next === '//') {
      this.at++;
      const steps = next === '//' ? [anywhere(), this.step()] : this.startsStep() ? [this.step()] : [];
      return { kind: 'path', start: 'root', filters: [], steps: this.steps(steps) };
    }
    const primary = this.primary();
    if (primary === undefined)
      return { kind: 'path', start: 'here', filters: [], steps: this.steps([this.step()]) };
    const filters = this.predicates();
    const steps = this.steps([]);
    return filters.length + steps.length === 0 ? primary : { kind: 'path', start: primary, filters, steps };
  }

  private primary(): XPath | undefined {
    const next = this.peek() ?? '';
    if (this.take('(')) {
      const inner = this.expression(0);
      this.expect(')');
      return inner;
    }
    if (/^["']/.test(next)) {
      this.at++;
      return { kind: 'literal', value: next.slice(1, -1) };
    }
    if (/^\.?\d/.test(next)) {
      this.at++;
      return { kind: 'literal', value: Number(next) };
    }
    if (next === '$') throw expressionError('XPath variables have no values here');
    if (!/^[\p{L}_]/u.test(next) || this.tokens[this.at + 1] !== '(' || NODE_TYPES.has(next))
      return undefined;
    this.at += 2;
    const args: XPath[] = [];
    if (!this.take(')')) {
      do args.push(this.expression(0));
      while (this.take(','));
      this.expect(')');
    }
    return { kind: 'call', name: next, args };
  }

  private startsStep(): boolean {
    const next = this.peek();
    return next !== undefined && /^[\p{L}_.@*]/u.test(next);
  }

  private steps(steps: Step[]): Step[] {
    for (;;) {
      if (this.take('//')) steps.push(anywhere(), this.step());
      else if (this.take('/')) steps.push(this.step());
      else return steps;
    }
  }

  private step(): Step {
    if (this.take('.')) return { axis: 'self', test: { kind: 'node' }, predicates: this.predicates() };
    if (this.take('..')) return { axis: 'parent', test: { kind: 'node' }, predicates: this.predicates() };
    let axis = 'child';
    if (this.take('@')) axis = 'attribute';
    else if (this.tokens[this.at + 1] === '::') {
      axis = this.peek() ?? '';
      this.at += 2;
    }
    return { axis, test: this.test(), predicates: this.predicates() };
  }

  private test(): Step['test'] {
    const name = this.peek() ?? '';
    if (!/^[\p{L}_*]/u.test(name)) throw this.fault();
    this.at++;
    if (!NODE_TYPES.has(name) || !this.take('(')) return { kind: 'name', name };
    const target = this.peek() === ')' ? undefined : this.tokens[this.at++]?.replace(/^["']|["']$/g, '');
    this.expect(')');
    if (name === 'processing-instruction') return { kind: 'instruction', name: target };
    return { kind: name as 'node' | 'text' | 'comment' };
  }

  private predicates(): XPath[] {
    const found: XPath[] = [];
    while (this.take('[')) {
      found.push(this.expression(0));
      this.expect(']');
    }
    return found;
  }

  private peek(): string | undefined {
    return this.tokens[this.at];
  }

  private take(token: string): boolean {
    if (this.tokens[this.at] !== token) return false;
    this.at++;
    return true;
  }

  private expect(token: string): void {
    if (!this.take(token)) throw this.fault();
  }

  private fault(): Error {
    const token = this.tokens[this.at];
    return expressionError(
      token === undefined
        ? 'The XPath expression ends too early'
        : `The XPath expression has "${token.slice(0, 40)}" where it does not belong`,
    );
  }
}

const anywhere = (): Step => ({ axis: 'descendant-or-self', test: { kind: 'node' }, predicates: [] });
