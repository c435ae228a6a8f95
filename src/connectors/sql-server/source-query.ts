// Takes a source's T-SQL query apart, so that a chunk's columns and rows can be chosen around it.

/** A single SELECT: what stands before it, its body without ORDER BY, and what must stand at the very end. */
export interface SourceQuery {
  /** "WITH a AS (...) ", or nothing. */
  readonly ctes: string;
  readonly body: string;
  /** "ORDER BY ...", where the query has one that only orders rows (no TOP, no OFFSET). */
  readonly orderBy: string;
  /** "OPTION (...)", or nothing. */
  readonly option: string;
}

interface Word {
  readonly lower: string;
  readonly start: number;
  readonly end: number;
}

/** What is skipped, quoted or a word; the rest goes character by character. */
const PIECE =
  /(\s+|--[^\n]*)|('(?:[^']|'')*'|"(?:[^"]|"")*"|\[(?:[^\]]|\]\])*\])|([\p{L}_@#?$][\p{L}\p{N}_@#$]*)/uy;

const endOfComment = (text: string, start: number): number => {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text.startsWith('/*', at)) depth++;
    else if (text.startsWith('*/', at) && --depth === 0) return at + 2;
    else continue;
    at++;
  }
  return text.length;
};

/** Words and single characters outside of brackets, quotes and comments; nested ones are left out. */
const outerWords = (text: string): Word[] => {
  const words: Word[] = [];
  let depth = 0;
  for (let at = 0; at < text.length; ) {
    if (text.startsWith('/*', at)) {
      at = endOfComment(text, at);
      continue;
    }
    PIECE.lastIndex = at;
    const found = PIECE.exec(text);
    const end = at + (found?.[0].length ?? 1);
    if (found?.[1] === undefined) {
      const piece = text.slice(at, end);
      if (piece === ')') depth--;
      if (depth === 0) words.push({ lower: piece.toLowerCase(), start: at, end });
      if (piece === '(') depth++;
    }
    at = end;
  }
  return words;
};

/**
 * Undefined for anything but one SELECT with its common table expressions: such a text can only be run as it is.
 * Comments and semicolons at the end go.
 */
export const parseSourceQuery = (text: string): SourceQuery | undefined => {
  const words = outerWords(text);
  while (words.at(-1)?.lower === ';') words.pop();
  while (words[0]?.lower === ';') words.shift();
  const end = words.at(-1)?.end ?? 0;
  const first = words[0];
  if (first === undefined || words.some(({ lower }) => lower === ';')) return undefined;
  const select = first.lower === 'with' ? words.findIndex(({ lower }) => lower === 'select') : 0;
  const start = words[select];
  if (start === undefined || (start.lower !== 'select' && start.lower !== '(')) return undefined;
  const rest = words.slice(select);
  if (rest.some(({ lower }) => lower === 'into' || lower === 'for')) return undefined;
  const last = (word: string): Word | undefined => rest.findLast(({ lower }) => lower === word);
  const option = last('option');
  const order = last('order');
  const bounded =
    order === undefined ||
    rest.some(({ lower, start: at }) => lower === 'offset' && at > order.start) ||
    rest.slice(1, 4).some(({ lower }) => lower === 'top');
  const bodyEnd = (bounded ? option?.start : order?.start) ?? end;
  return {
    ctes: text.slice(first.start, start.start),
    body: text.slice(start.start, bodyEnd).trimEnd(),
    orderBy: bounded || order === undefined ? '' : text.slice(order.start, option?.start ?? end).trimEnd(),
    option: option === undefined ? '' : text.slice(option.start, end),
  };
};
