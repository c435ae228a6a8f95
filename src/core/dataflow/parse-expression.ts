// Parses the arguments of a data flow transformation: expressions, options, assignments and typed columns.
import type { Scanner } from './scanner.ts';
import { scriptError } from './script-error.ts';
import type { LiteralKind, Node, Typed } from './syntax.ts';

/** How high the tree of an expression may be: a parser, and what walks its tree, must not overflow a stack. */
const MAX_HEIGHT = 250;

/** Characters of a type's name with the brackets of arrays in arrays. */
const MAX_TYPE = 200;

/** Binary operators, a longer sign before its own beginning, with how tightly they bind. */
const OPERATORS: readonly (readonly [sign: string, binds: number])[] = [
  ['->', 1],
  ['||', 2],
  ['&&', 3],
  ['===', 7],
  ['==', 7],
  ['!==', 7],
  ['!=', 7],
  ['<=>', 7],
  ['<=', 8],
  ['>=', 8],
  ['**', 10],
  ['|', 4],
  ['^', 5],
  ['&', 6],
  ['<', 8],
  ['>', 8],
  ['+', 9],
  ['-', 9],
  ['*', 10],
  ['/', 10],
  ['%', 10],
];

const KINDS: Readonly<Record<string, LiteralKind>> = {
  l: 'long',
  s: 'short',
  f: 'float',
  d: 'double',
  m: 'decimal',
};

export class ExpressionParser {
  readonly #scan: Scanner;
  #depth = 0;
  /** Height of the tree parsed last. */
  #height = 0;

  constructor(scan: Scanner) {
    this.#scan = scan;
  }

  /** Arguments behind "(", with the closing parenthesis. */
  args(): Node[] {
    return this.#list(')', () => this.#argument());
  }

  expression(): Node {
    return this.#nested(() => this.#binary(1));
  }

  /** The type behind `as`, for the column or parameter `name`. */
  typeOf(name: string): Typed {
    return this.#nested(() => this.#formatted(this.#type(name)));
  }

  /** The type of a parameter: what stands behind it in parentheses is its default, and no format. */
  parameterType(name: string): Typed {
    return this.#nested(() => this.#type(name));
  }

  #argument(): Node {
    const scan = this.#scan;
    const key = this.#key();
    if (key !== undefined) {
      const value = this.#nested(() => this.#argument());
      return { type: 'entry', key, value };
    }
    const node = this.expression();
    if (node.type === 'column' && node.stream === null && scan.word('as')) {
      return this.typeOf(node.name);
    }
    const height = this.#height;
    if (scan.take(':=') || (scan.peek('=') && !scan.peek('==') && scan.take('='))) {
      const value = this.#typedValue();
      this.#grow(Math.max(height, this.#height));
      return { type: 'assign', target: node, value };
    }
    this.#height = height;
    return node;
  }

  /** A value and, in parse and stringify, what it is read as: `body ? (a as string)`. */
  #typedValue(): Node {
    const scan = this.#scan;
    const value = this.expression();
    if (!scan.peek('?')) return value;
    const line = scan.line();
    scan.take('?');
    return { type: 'call', name: '?', arguments: [value, this.typeOf('')], line };
  }

  /** `name:` or `'name':` at the current place, but not `name :local`, nor `name :=`. */
  #key(): string | undefined {
    const scan = this.#scan;
    scan.space();
    const from = scan.at;
    const quoted = scan.text[from] === "'";
    const key = quoted ? scan.quoted() : scan.name();
    if (key !== undefined && scan.peek(':') && !scan.peek(':=')) {
      scan.take(':');
      return key;
    }
    scan.at = from;
    return undefined;
  }

  #binary(least: number): Node {
    const scan = this.#scan;
    let left = this.#unary();
    for (;;) {
      scan.space();
      const [sign, binds] = OPERATORS.find(([sign]) => scan.text.startsWith(sign, scan.at)) ?? ['', 0];
      if (binds < least) return left;
      const height = this.#height;
      const line = scan.line();
      scan.at += sign.length;
      const right = this.#binary(binds + 1);
      this.#grow(Math.max(height, this.#height));
      left = { type: 'call', name: sign, arguments: [left, right], line };
    }
  }

  #unary(): Node {
    const scan = this.#scan;
    scan.space();
    const sign = scan.text[scan.at];
    if (sign !== '!' && sign !== '-' && sign !== '+') return this.#postfix();
    const line = scan.line();
    scan.at++;
    const operand = this.#nested(() => this.#unary());
    if (sign === '+') return operand;
    if (sign === '-' && operand.type === 'literal' && operand.kind !== 'string') {
      if (typeof operand.value === 'number') return { ...operand, value: -operand.value };
      if (typeof operand.value === 'string' && !operand.value.startsWith('-'))
        return { ...operand, value: `-${operand.value}` };
    }
    this.#grow(this.#height);
    return { type: 'call', name: sign === '!' ? '!' : 'neg', arguments: [operand], line };
  }

  #postfix(): Node {
    const scan = this.#scan;
    let node = this.#primary();
    for (;;) {
      if (scan.peek('[')) {
        const height = this.#height;
        scan.take('[');
        const index = this.expression();
        scan.expect(']');
        this.#grow(Math.max(height, this.#height));
        node = { type: 'index', of: node, index };
      } else if (scan.take('.')) {
        const name = scan.bracedOrName('the name of a field');
        this.#grow(this.#height);
        node = { type: 'member', of: node, name };
      } else {
        return node;
      }
    }
  }

  #primary(): Node {
    const scan = this.#scan;
    scan.space();
    this.#height = 1;
    const start = scan.text[scan.at];
    if (start === "'" || start === '`') return { type: 'literal', value: scan.quoted(), kind: 'string' };
    if (start === '"') return this.#interpolation();
    if (start === '{') return this.#column(scan.braced());
    if (start === '$') return this.#dollar();
    if (start === '#') return this.#item();
    if (start === ':') {
      scan.at++;
      return { type: 'local', name: scan.bracedOrName('the name of a local') };
    }
    if (start === '(') {
      scan.at++;
      const inner = this.expression();
      scan.expect(')');
      return inner;
    }
    if (start === '[') {
      scan.at++;
      return { type: 'list', items: this.#list(']', () => this.#argument()) };
    }
    const line = scan.line();
    if (start === '@') {
      scan.at++;
      scan.expect('(');
      return { type: 'call', name: '@', arguments: this.args(), line };
    }
    const number = scan.number();
    if (number !== undefined) return this.#numberOf(number.digits, number.suffix);
    const name = scan.name();
    if (name === undefined) throw scan.unexpected('a value');
    if (scan.text[scan.at] === '@' || !scan.peek('(')) return this.#named(name);
    scan.take('(');
    return { type: 'call', name, arguments: this.args(), line };
  }

  #named(name: string): Node {
    if (name === 'true' || name === 'false') {
      return { type: 'literal', value: name === 'true', kind: 'boolean' };
    }
    if (name === 'null') return { type: 'literal', value: null, kind: 'null' };
    return this.#column(name);
  }

  /** `X` or, when `@` follows, `S@X`, or `S@Branch@X`. */
  #column(name: string): Node {
    const scan = this.#scan;
    if (scan.text[scan.at] !== '@') return { type: 'column', name, stream: null, output: null };
    scan.at++;
    const second = scan.bracedOrName('the name of a column');
    if (scan.text[scan.at] !== '@') return { type: 'column', name: second, stream: name, output: null };
    scan.at++;
    return { type: 'column', name: scan.bracedOrName('the name of a column'), stream: name, output: second };
  }

  #dollar(): Node {
    const scan = this.#scan;
    scan.at++;
    if (scan.text[scan.at] === '$') {
      scan.at++;
      return { type: 'matched', index: null };
    }
    const index = scan.number();
    if (index !== undefined) return { type: 'matched', index: Number(index.digits) };
    return { type: 'parameter', name: scan.bracedOrName("a parameter's name") };
  }

  #item(): Node {
    const scan = this.#scan;
    scan.at++;
    const position = scan.number();
    if (position !== undefined) return { type: 'item', index: Number(position.digits), name: 'item' };
    const name = scan.name();
    if (name === undefined) throw scan.unexpected('"item", "acc", "result" or "index"');
    const [, word = name, digits] = /^(.*?)(\d+)?$/.exec(name) ?? [];
    return { type: 'item', index: digits === undefined ? null : Number(digits), name: word };
  }

  #numberOf(digits: string, suffix: string): Node {
    const kind: LiteralKind = KINDS[suffix] ?? (/[.eE]/.test(digits) ? 'double' : 'integer');
    const value = Number(digits);
    // A whole number that is too large for an integer is a long, as in Data Factory's own editor.
    if (kind === 'integer' && value > 2_147_483_647) return { type: 'literal', value: digits, kind: 'long' };
    return { type: 'literal', value: kind === 'long' || kind === 'decimal' ? digits : value, kind };
  }

  /** `"text {expression} text"`; one without expressions is a literal. */
  #interpolation(): Node {
    const scan = this.#scan;
    const open = scan.at;
    const parts: Node[] = [];
    let height = 1;
    scan.at++;
    for (;;) {
      const text = scan.textUntil('"{', open);
      if (text !== '') parts.push({ type: 'literal', value: text, kind: 'string' });
      scan.at++;
      if (scan.text[scan.at - 1] === '"') break;
      parts.push(this.expression());
      height = Math.max(height, this.#height);
      scan.expect('}');
    }
    this.#grow(height);
    const [only] = parts;
    if (only === undefined) return { type: 'literal', value: '', kind: 'string' };
    return parts.length === 1 && only.type === 'literal' ? only : { type: 'interpolation', parts };
  }

  #type(name: string): Typed {
    const scan = this.#scan;
    let as: string;
    let fields: Typed[] | null = null;
    if (scan.take('(')) {
      as = 'struct';
      fields = this.#list(')', () => {
        const field = scan.bracedOrName('the name of a column');
        if (!scan.word('as')) throw scan.unexpected('"as" and a type');
        return this.typeOf(field);
      });
    } else if (scan.take('[')) {
      // `[string,integer]`: a map.
      const parts = this.#list(']', () => this.typeOf(''));
      as = `map<${parts.map(({ as, array }) => (array ? `${as}[]` : as)).join(',')}>`;
    } else {
      as = scan.name() ?? '';
      if (as === '') throw scan.unexpected('a type');
      // Only decimals have a size: behind another type of a parameter stands its default, `n as integer (1)`.
      if (as.toLowerCase() === 'decimal') as += scan.size();
    }
    let array = false;
    while (scan.take('[')) {
      scan.expect(']');
      if (array) as += '[]';
      array = true;
      if (as.length > MAX_TYPE) throw scan.unexpected('a type that ends');
    }
    return { type: 'typed', name, as, format: null, fields, array };
  }

  #formatted(typed: Typed): Typed {
    const scan = this.#scan;
    scan.space();
    const quoted = scan.text[scan.at] === "'" || scan.text[scan.at] === '"';
    return { ...typed, format: quoted ? scan.quoted() : this.#formatInParentheses() };
  }

  /** `date ('yyyy-MM-dd')`. */
  #formatInParentheses(): string | null {
    const scan = this.#scan;
    const from = scan.at;
    if (scan.take('(')) {
      scan.space();
      if (scan.text[scan.at] === "'") {
        const format = scan.quoted();
        scan.expect(')');
        return format;
      }
    }
    scan.at = from;
    return null;
  }

  #list<T>(close: string, one: () => T): T[] {
    const scan = this.#scan;
    const items: T[] = [];
    let height = 0;
    if (!scan.take(close)) {
      for (;;) {
        this.#height = 0;
        scan.space();
        items.push(one());
        height = Math.max(height, this.#height);
        if (scan.take(close)) break;
        if (!scan.take(',')) throw scan.unexpected(`"," or "${close}"`);
      }
    }
    this.#grow(height);
    return items;
  }

  #nested<T>(parse: () => T): T {
    this.#depth++;
    this.#limit(this.#depth);
    const parsed = parse();
    this.#depth--;
    return parsed;
  }

  #grow(height: number): void {
    this.#height = height + 1;
    this.#limit(this.#height);
  }

  #limit(height: number): void {
    if (height > MAX_HEIGHT) {
      throw scriptError(
        this.#scan.text,
        this.#scan.at,
        `An expression is nested more than ${MAX_HEIGHT} deep`,
      );
    }
  }
}
