// A cursor over tokens with the small helpers a recursive-descent parser needs, and SQL Server's syntax errors.
import { createHash } from 'node:crypto';
import { keywordError, SqlError, syntaxError } from '../errors.ts';
import type { Token } from './lexer.ts';

/** Words that cannot be a bare identifier in T-SQL (the reserved ones that matter to this grammar). */
const RESERVED = new Set(
  `add all alter and any as asc authorization begin between break by case check close clustered collate column commit
  constraint continue contains convert create cross current current_timestamp cursor database declare default delete desc
  distinct drop else end escape except exec execute exists fetch for foreign from full function goto grant group having
  holdlock identity if in index inner insert intersect into is join key left like merge nonclustered not null of off on
  open option or order outer over percent pivot primary print proc procedure public raiserror read references return
  revoke right rollback rowcount save schema select set some table then to top tran transaction trigger truncate
  try_convert union unique unpivot update use user values view waitfor when where while with`.split(/\s+/),
);

export const isReserved = (word: string): boolean => RESERVED.has(word.toLowerCase());

/** PostgreSQL cuts longer names silently: those are held under their beginning and a hash (tsql.held does the same). */
const LONGEST_HELD_BYTES = 63;
const LONGEST_NAME = 128;

/** The name under which PostgreSQL holds a T-SQL name: names compare without case, so all are in lower case. */
export function heldName(name: string): string {
  const lower = name.toLowerCase();
  if (name.length > LONGEST_NAME) {
    throw new SqlError(
      103,
      `The identifier that starts with '${name.slice(0, 60)}' is too long. Maximum length is ${LONGEST_NAME}.`,
      15,
    );
  }
  if (Buffer.byteLength(lower) <= LONGEST_HELD_BYTES) return lower;
  return `${[...lower].slice(0, 7).join('')}~${createHash('md5').update(lower).digest('hex')}`;
}

/** A PostgreSQL identifier for a T-SQL name. */
export function quoteName(name: string): string {
  if (name === '') throw new SqlError(1038, 'An object or column name is missing or empty.', 15);
  return `"${heldName(name).replaceAll('"', '""')}"`;
}

export const quoteText = (text: string): string => `'${text.replaceAll("'", "''")}'`;

export class TokenStream {
  readonly tokens: Token[];
  position = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = [...tokens];
  }

  /** From `start` on the variable that stands there is the table of that name. */
  renameVariable(start: number, table: string): void {
    const { lower } = this.tokens[start] as Token;
    for (const [at, token] of this.tokens.entries())
      if (at >= start && token.kind === 'variable' && token.lower === lower)
        this.tokens[at] = { ...token, kind: 'quoted', text: table, lower: table };
  }

  peek(ahead = 0): Token {
    return this.tokens[Math.min(this.position + ahead, this.tokens.length - 1)] as Token;
  }

  next(): Token {
    const token = this.peek();
    if (this.position < this.tokens.length - 1) this.position++;
    return token;
  }

  get atEnd(): boolean {
    return this.peek().kind === 'end';
  }

  isSymbol(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind === 'symbol' && token.text === text;
  }

  isWord(...words: readonly string[]): boolean {
    const token = this.peek();
    return token.kind === 'word' && words.includes(token.lower);
  }

  wordAt(ahead: number, ...words: readonly string[]): boolean {
    const token = this.peek(ahead);
    return token.kind === 'word' && words.includes(token.lower);
  }

  /** Takes the words when they all follow, in order. */
  accept(...words: readonly string[]): boolean {
    for (const [index, word] of words.entries()) if (!this.wordAt(index, word)) return false;
    this.position += words.length;
    return true;
  }

  acceptSymbol(text: string): boolean {
    if (!this.isSymbol(text)) return false;
    this.position++;
    return true;
  }

  expect(...words: readonly string[]): void {
    for (const word of words) if (!this.accept(word)) throw this.unexpected();
  }

  expectSymbol(text: string): void {
    if (!this.acceptSymbol(text)) throw this.unexpected();
  }

  /** The error for a token that does not belong where it stands. */
  unexpected(): SqlError {
    const token = this.peek();
    if (token.kind === 'word' && isReserved(token.text)) return keywordError(token.text);
    const before = this.tokens[this.position - 1];
    return syntaxError(token.kind === 'end' ? (before?.text ?? '') : token.text);
  }

  isName(ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind === 'quoted' || (token.kind === 'word' && !RESERVED.has(token.lower));
  }

  /** One identifier as written. */
  name(): string {
    if (!this.isName()) throw this.unexpected();
    return this.next().text;
  }

  /** a, a.b, a..b or a.b.c, as written. */
  dottedName(): string[] {
    const parts = [this.name()];
    while (this.acceptSymbol('.')) parts.push(this.isSymbol('.') ? '' : this.name());
    return parts;
  }

  integer(): number {
    const token = this.next();
    if (token.kind !== 'number' || !/^\d+$/.test(token.text)) {
      this.position--;
      throw this.unexpected();
    }
    return Number(token.text);
  }

  /** Skips a parenthesised group whose opening bracket comes next. */
  skipGroup(): void {
    this.expectSymbol('(');
    for (let depth = 1; depth > 0; ) {
      const token = this.next();
      if (token.kind === 'end') throw this.unexpected();
      if (token.kind !== 'symbol') continue;
      if (token.text === '(') depth++;
      if (token.text === ')') depth--;
    }
  }
}
