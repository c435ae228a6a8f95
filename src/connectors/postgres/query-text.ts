// Queries and scripts as a definition gives them: what of them ends where.

/** Strings, quoted names, dollar quotes and comments: what may hold a semicolon that ends nothing. */
const PARTS =
  /(?<comment>--[^\n]*|\/\*)|\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|[^\s]/g;

/** Where the block comment that begins at `from` ends; PostgreSQL nests them. */
const commentEnd = (text: string, from: number): number => {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = from;
  let depth = 0;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return text.length;
};

/** Calls `see` for each part that is no comment: its text, where it begins and ends. A semicolon is a part too. */
const eachPart = (text: string, see: (part: string, start: number, end: number) => void): void => {
  const parts = new RegExp(PARTS);
  for (let part = parts.exec(text); part !== null; part = parts.exec(text)) {
    const [found] = part;
    if (found.startsWith('/*')) {
      parts.lastIndex = commentEnd(text, part.index);
    } else if (part.groups?.['comment'] === undefined) {
      if (/^\$.*\$$/.test(found)) {
        const close = text.indexOf(found, parts.lastIndex);
        parts.lastIndex = close < 0 ? text.length : close + found.length;
      }
      see(found, part.index, parts.lastIndex);
    }
  }
};

/** The query without the comments, semicolons and blanks that follow it. */
export const bareQuery = (query: string): string => {
  let last = 0;
  eachPart(query, (part, _start, end) => {
    if (part !== ';') last = end;
  });
  return query.slice(0, last);
};

/** First words of statements that begin or end a transaction. */
const TRANSACTION_WORDS = new Set(['begin', 'start', 'commit', 'end', 'rollback', 'abort', 'prepare']);

/** The first word of a script's statements that would leave the transaction it runs in; undefined where none does. */
export const transactionWord = (script: string): string | undefined => {
  let fresh = true;
  let found: string | undefined;
  eachPart(script, (part, start) => {
    if (fresh && part !== ';') {
      const word = /^[a-z]+/i.exec(script.slice(start))?.[0].toLowerCase() ?? '';
      if (TRANSACTION_WORDS.has(word)) found ??= word;
    }
    fresh = part === ';';
  });
  return found;
};
