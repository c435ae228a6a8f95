// Parses Data Factory's strings: literal text, `@expression`, and text with `@{expression}` in it. One pass, linear.
import { expressionError } from './expression-error.ts';
import { type Expression, Float, type Template } from './syntax.ts';

/** Calls and indexes may be nested this deep. Real expressions stay below 40; a parser must not overflow its stack. */
const MAX_DEPTH = 200;
/** Characters. Data Factory's own limit is 8,192 for an expression; text around interpolations may be longer. */
const MAX_LENGTH = 1_000_000;

/** Whether the string is anything but literal text. */
export const isDynamic = (text: string): boolean => text.startsWith('@') || text.includes('@{');

/**
 * Parses one string of a definition. `@x` is an expression that keeps its type, `@@x` is the text `@x`, and `@{x}`
 * anywhere in a text is replaced by x as a string (`@@{` stands for `@{`). Throws EXPRESSION_INVALID with the position.
 */
export function parseTemplate(text: string): Template {
  if (!isDynamic(text)) return { kind: 'text', text };
  if (text.length > MAX_LENGTH)
    throw expressionError(`The expression is ${text.length} characters long; ${MAX_LENGTH} are allowed`);
  if (text.startsWith('@') && text[1] !== '@' && text[1] !== '{') {
    const parser = new Parser(text, 1);
    const expression = parser.expression(0);
    parser.end();
    return { kind: 'expression', expression };
  }
  return parseInterpolation(text);
}

function parseInterpolation(text: string): Template {
  const parts: (string | Expression)[] = [];
  let literal = '';
  let from = text.startsWith('@@') && text[2] !== '{' ? 1 : 0;
  if (from === 1) {
    literal = '@';
    from = 2;
  }
  for (;;) {
    const open = text.indexOf('@{', from);
    if (open < 0) break;
    if (open > from && text[open - 1] === '@') {
      literal += `${text.slice(from, open - 1)}@{`;
      from = open + 2;
      continue;
    }
    literal += text.slice(from, open);
    if (literal !== '') parts.push(literal);
    literal = '';
    const parser = new Parser(text, open + 2);
    parts.push(parser.expression(0));
    from = parser.closeBrace();
  }
  literal += text.slice(from);
  if (parts.length === 0) return { kind: 'text', text: literal };
  if (literal !== '') parts.push(literal);
  return { kind: 'interpolation', parts };
}

const NAME = /[A-Za-z_$][\w$-]*/y;
const PROPERTY = /[\p{L}\p{N}_$-]+/uy;
// Microsoft's page writes sub(10.3, .3).
const NUMBER = /[+-]?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?/y;
const SPACE = /\s*/y;

/** As Data Factory holds it: 64 bits. */
function wholeNumber(text: string, at: number): number | bigint {
  const value = Number(text) + 0;
  if (Number.isSafeInteger(value)) return value;
  const exact = BigInt(text.replace('+', ''));
  if (BigInt.asIntN(64, exact) === exact) return exact;
  throw expressionError(`The number ${text.slice(0, 40)} is outside the range of 64-bit whole numbers`, at);
}

class Parser {
  private readonly text: string;
  private at: number;

  constructor(text: string, at: number) {
    this.text = text;
    this.at = at;
  }

  expression(depth: number): Expression {
    if (depth > MAX_DEPTH)
      throw expressionError(`The expression is nested more than ${MAX_DEPTH} deep`, this.at);
    let target = this.primary(depth);
    for (let links = 0; ; links++) {
      if (links > MAX_DEPTH)
        throw expressionError(`More than ${MAX_DEPTH} properties follow each other`, this.at);
      this.space();
      const at = this.at;
      const optional = this.text[this.at] === '?' && /[.[]/.test(this.text[this.at + 1] ?? '');
      if (optional) this.at++;
      if (this.take('.')) {
        this.space();
        const name = this.match(PROPERTY);
        if (name === undefined) throw expressionError('A property name is missing after "."', this.at);
        target = { kind: 'member', target, name, optional, at };
      } else if (this.take('[')) {
        const index = this.expression(depth + 1);
        this.space();
        if (!this.take(']')) throw this.unexpected('"]"');
        target = { kind: 'index', target, index, optional, at };
      } else {
        return target;
      }
    }
  }

  /** After an interpolated expression: the offset behind its closing brace. */
  closeBrace(): number {
    this.space();
    if (!this.take('}')) throw this.unexpected('"}"');
    return this.at;
  }

  end(): void {
    this.space();
    if (this.at < this.text.length) throw this.unexpected('the end of the expression');
  }

  private primary(depth: number): Expression {
    this.space();
    const at = this.at;
    const next = this.text[at];
    if (next === "'") return { kind: 'literal', value: this.string(), at };
    const number = this.match(NUMBER);
    if (number !== undefined) {
      const value = Number(number);
      if (!Number.isFinite(value)) throw expressionError(`The number ${number} is too large`, at);
      return {
        kind: 'literal',
        value: /[.eE]/.test(number) ? new Float(value) : wholeNumber(number, at),
        at,
      };
    }
    const name = this.match(NAME);
    if (name === undefined) throw this.unexpected('a function, a text in single quotes or a number');
    this.space();
    if (this.take('(')) return { kind: 'call', name, args: this.args(depth), at };
    const constant = { true: true, false: false, null: null }[name.toLowerCase()];
    if (constant !== undefined) return { kind: 'literal', value: constant, at };
    throw expressionError(`"${name}" is neither a function call nor a text in single quotes`, at);
  }

  private args(depth: number): Expression[] {
    const args: Expression[] = [];
    this.space();
    if (this.take(')')) return args;
    for (;;) {
      args.push(this.expression(depth + 1));
      this.space();
      if (this.take(')')) return args;
      if (!this.take(',')) throw this.unexpected('"," or ")"');
    }
  }

  private string(): string {
    const open = this.at;
    let value = '';
    let from = open + 1;
    for (;;) {
      const quote = this.text.indexOf("'", from);
      if (quote < 0) throw expressionError('A text is not closed by a single quote', open);
      value += this.text.slice(from, quote);
      if (this.text[quote + 1] !== "'") {
        this.at = quote + 1;
        return value;
      }
      value += "'";
      from = quote + 2;
    }
  }

  private space(): void {
    SPACE.lastIndex = this.at;
    SPACE.test(this.text);
    this.at = SPACE.lastIndex;
  }

  private take(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  private unexpected(wanted: string): Error {
    const found = this.at < this.text.length ? `"${this.text[this.at]}"` : 'the end';
    return expressionError(`Expected ${wanted}, found ${found}`, this.at);
  }
}
