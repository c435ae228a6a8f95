// Cuts T-SQL text into tokens; knows every form of quoting and comment, so later stages never see them.
import { SqlError } from '../errors.ts';

export type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'binary' | 'variable' | 'symbol' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** A word as written, the inside of quotes unescaped, a symbol, a number. */
  readonly text: string;
  /** `text` in lower case for words and variables, so that keywords compare simply. */
  readonly lower: string;
  /** N'...' literal. */
  readonly national: boolean;
  readonly start: number;
}

const SPACE = /\s+/y;
const LINE_COMMENT = /--[^\n]*/y;
const WORD = /\$(?:partition|action)\b|[\p{L}_#][\p{L}\p{N}_@#$]*/iuy;
const VARIABLE = /@@?[\p{L}\p{N}_@#$]+/uy;
const BINARY = /0x[0-9a-fA-F]*/y;
const NUMBER = /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const SYMBOL = /<>|<=|>=|!=|!<|!>|\+=|-=|\*=|\/=|%=|::|[-+*/%=<>(),.;&|^~:]/y;

export function tokenize(sql: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(sql)?.[0];
  };
  const add = (kind: TokenKind, text: string, start: number, national = false): void => {
    tokens.push({ kind, text, lower: text.toLowerCase(), national, start });
  };
  while (at < sql.length) {
    const skipped = match(SPACE) ?? match(LINE_COMMENT);
    if (skipped !== undefined) {
      at += skipped.length;
      continue;
    }
    const start = at;
    if (sql.startsWith('/*', at)) {
      at = endOfComment(sql, at);
      continue;
    }
    const character = sql[at] as string;
    const national = (character === 'N' || character === 'n') && sql[at + 1] === "'";
    if (character === "'" || national) {
      const [text, end] = readQuoted(sql, national ? at + 1 : at, "'");
      add('string', text, start, national);
      at = end;
    } else if (character === '[' || character === '"') {
      const [text, end] = readQuoted(sql, at, character === '[' ? ']' : '"');
      add('quoted', text, start);
      at = end;
    } else {
      const forms: [TokenKind, RegExp][] = [
        ['word', WORD],
        ['variable', VARIABLE],
        ['binary', BINARY],
        ['number', NUMBER],
        ['symbol', SYMBOL],
      ];
      const found = forms
        .map(([kind, pattern]) => [kind, match(pattern)] as const)
        .find(([, text]) => text !== undefined);
      if (found?.[1] === undefined) throw new SqlError(102, `Incorrect syntax near '${character}'.`, 15);
      add(found[0], found[1], start);
      at += found[1].length;
    }
  }
  add('end', '', sql.length);
  return tokens;
}

function endOfComment(sql: string, start: number): number {
  let depth = 0;
  for (let at = start; at < sql.length; at++) {
    if (sql.startsWith('/*', at)) {
      depth++;
      at++;
    } else if (sql.startsWith('*/', at)) {
      depth--;
      at++;
      if (depth === 0) return at + 1;
    }
  }
  throw new SqlError(113, "Missing end comment mark '*/'.", 15);
}

/** Reads from the opening quote at `start`; a doubled closing quote stands for itself. */
function readQuoted(sql: string, start: number, close: string): [text: string, end: number] {
  let text = '';
  let at = start + 1;
  for (;;) {
    const end = sql.indexOf(close, at);
    if (end < 0) {
      throw new SqlError(
        105,
        `Unclosed quotation mark after the character string '${sql.slice(start + 1, start + 40)}'.`,
        15,
      );
    }
    text += sql.slice(at, end);
    if (sql[end + 1] !== close) return [text, end + 1];
    text += close;
    at = end + 2;
  }
}
