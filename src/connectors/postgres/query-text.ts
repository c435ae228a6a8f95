// A query as a definition gives it, made fit to stand in parentheses.

/** Strings, quoted names, dollar quotes and comments: what may hold a semicolon that ends nothing. */
const PARTS =
  /(?<comment>--[^\n]*|\/\*)|\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|[^\s;]/g;

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

/** The query without the comments, semicolons and blanks that follow it. */
export const bareQuery = (query: string): string => {
  let end = 0;
  const parts = new RegExp(PARTS);
  for (let part = parts.exec(query); part !== null; part = parts.exec(query)) {
    const [text] = part;
    if (text.startsWith('/*')) {
      parts.lastIndex = commentEnd(query, part.index);
    } else if (part.groups?.['comment'] === undefined) {
      if (/^\$.*\$$/.test(text)) {
        const close = query.indexOf(text, parts.lastIndex);
        parts.lastIndex = close < 0 ? query.length : close + text.length;
      }
      end = parts.lastIndex;
    }
  }
  return query.slice(0, end);
};
