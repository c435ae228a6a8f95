// Cuts a data flow script into what its grammar is made of, on demand and in one pass.
import { scriptError } from './script-error.ts';

const SPACE = /(?:\s+|\/\/[^\n]*|\/\*[^*]*\*+(?:[^*/][^*]*\*+)*\/)*/y;
const NAME = /[\p{L}_][\p{L}\p{N}_]*/uy;
const NUMBER = /(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)([lLsSfFdDmM](?![\p{L}\p{N}_]))?/uy;
const SIZE = /\(\s*\d{1,6}\s*(?:,\s*\d{1,6}\s*)?\)/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

export class Scanner {
  readonly text: string;
  at = 0;
  #lineAt = 0;
  #line = 1;

  constructor(text: string) {
    this.text = text;
  }

  /** Passes over white space and comments. */
  space(): void {
    SPACE.lastIndex = this.at;
    SPACE.test(this.text);
    this.at = SPACE.lastIndex;
    if (this.text.startsWith('/*', this.at)) throw scriptError(this.text, this.at, 'A comment is not closed');
  }

  get ended(): boolean {
    this.space();
    return this.at >= this.text.length;
  }

  /** Line of the current place, from 1. Places asked for go forward, so that the whole script is counted once. */
  line(): number {
    for (;;) {
      const next = this.text.indexOf('\n', this.#lineAt);
      if (next < 0 || next >= this.at) return this.#line;
      this.#lineAt = next + 1;
      this.#line++;
    }
  }

  peek(sign: string): boolean {
    this.space();
    return this.text.startsWith(sign, this.at);
  }

  take(sign: string): boolean {
    if (!this.peek(sign)) return false;
    this.at += sign.length;
    return true;
  }

  expect(sign: string): void {
    if (!this.take(sign)) throw this.unexpected(`"${sign}"`);
  }

  /** A name that starts at the current place; undefined, and nothing passed over but space, when there is none. */
  name(): string | undefined {
    this.space();
    return this.#match(NAME)?.[0];
  }

  /** The word, when it is the next name. */
  word(word: string): boolean {
    this.space();
    const from = this.at;
    if (this.#match(NAME)?.[0] === word) return true;
    this.at = from;
    return false;
  }

  /** A column's or stream's name, plain or as `{odd name}`. */
  bracedOrName(wanted: string): string {
    this.space();
    const name = this.text[this.at] === '{' ? this.braced() : this.name();
    if (name === undefined) throw this.unexpected(wanted);
    return name;
  }

  /** `{odd name}` at the current place. */
  braced(): string {
    const open = this.at;
    let name = '';
    for (let at = open + 1; at < this.text.length; at++) {
      const character = this.text[at] as string;
      if (character === '}') {
        this.at = at + 1;
        return name;
      }
      if (character === '\\' && at + 1 < this.text.length) at++;
      name += character === '\\' ? (this.text[at] as string) : character;
    }
    throw scriptError(this.text, open, 'A name in braces is not closed by "}"');
  }

  number(): { digits: string; suffix: string } | undefined {
    const match = this.#match(NUMBER);
    return match === undefined
      ? undefined
      : { digits: match[1] as string, suffix: (match[2] ?? '').toLowerCase() };
  }

  /** `(10,2)` of a type, without spaces; "" when something else follows. */
  size(): string {
    this.space();
    return this.#match(SIZE)?.[0].replaceAll(/\s/g, '') ?? '';
  }

  /** A text in single quotes or, raw, in back quotes. */
  quoted(): string {
    const open = this.at;
    const quote = this.text[open] as string;
    let value = '';
    this.at++;
    for (;;) {
      const part = this.textUntil(quote, open);
      value += part;
      if (this.text[this.at] === quote) break;
    }
    this.at++;
    return value;
  }

  /** Text up to, not with, one of the characters. `\` escapes, but in back quotes, where it stands for itself. */
  textUntil(stops: string, open: number): string {
    const raw = stops === '`';
    let value = '';
    let from = this.at;
    for (let at = from; at < this.text.length; at++) {
      const character = this.text[at] as string;
      if (stops.includes(character)) {
        this.at = at;
        return value + this.text.slice(from, at);
      }
      if (character !== '\\' || raw) continue;
      const next = this.text[at + 1] ?? '';
      // A backslash before any other character is kept: '\d' is a pattern's digit.
      const meant = ESCAPES[next] ?? (/['"\\{}`]/.test(next) ? next : `\\${next}`);
      value += this.text.slice(from, at) + meant;
      at++;
      from = at + 1;
    }
    throw scriptError(this.text, open, 'A text is not closed by its quote');
  }

  unexpected(wanted: string): Error {
    const found =
      this.at < this.text.length ? JSON.stringify(this.text.slice(this.at, this.at + 12)) : 'the end';
    return scriptError(this.text, this.at, `Expected ${wanted}, found ${found}`);
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text) ?? undefined;
    if (found !== undefined) this.at += found[0].length;
    return found;
  }
}
