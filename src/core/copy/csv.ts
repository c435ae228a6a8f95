// Delimited text, both ways, where a quoted empty field is '' and the bare null text is NULL.
import type { InterimType, Row } from '../types/column.ts';

export interface CsvFormat {
  readonly delimiter: string;
  readonly quote: string;
  /** What makes a quote inside a quoted field plain; the quote itself where quotes are doubled. */
  readonly escapeMark: string;
  /** What an unquoted field must be to mean NULL. */
  readonly nullText: string;
}

/** RFC 4180 with doubled quotes; NULL is an empty field without quotes. What we exchange with stores ourselves. */
export const PLAIN_CSV: CsvFormat = { delimiter: ',', quote: '"', escapeMark: '"', nullText: '' };

/** Types whose text may be empty or hold anything: quoted, so that an empty text is not taken for NULL. */
export const isQuoted = (type: InterimType): boolean =>
  type === 'String' || type === 'Guid' || type === 'Byte[]';

/** One line per row, strings quoted, other values bare; `quoted[i]` says whether column i is a string. */
export const formatCsv = (rows: readonly Row[], quoted: readonly boolean[], format: CsvFormat): string => {
  const { delimiter, quote, escapeMark, nullText } = format;
  let text = '';
  for (const row of rows) {
    for (let i = 0; i < quoted.length; i++) {
      if (i > 0) text += delimiter;
      const value = row[i];
      if (value === null || value === undefined) text += nullText;
      else if (quoted[i]) text += quote + escapeField(value, quote, escapeMark) + quote;
      else text += value;
    }
    text += '\n';
  }
  return text;
};

const escapeField = (value: string, quote: string, escapeMark: string): string => {
  let text = value;
  if (escapeMark !== quote && text.includes(escapeMark))
    text = text.replaceAll(escapeMark, escapeMark + escapeMark);
  return text.includes(quote) ? text.replaceAll(quote, escapeMark + quote) : text;
};

/** Reads delimited text piece by piece. Feed it with `push`, take rows from its result, call `end` once. */
export class CsvReader {
  readonly #format: CsvFormat;
  #rest = '';
  #ended = false;

  constructor(format: CsvFormat) {
    this.#format = format;
  }

  /** Rows that `text` completes. Blank lines are rows of one NULL, as a one-column file needs them. */
  push(text: string): Row[] {
    this.#rest = this.#rest === '' ? text : this.#rest + text;
    return this.#take();
  }

  /** The last row, where the file does not end in a newline. Throws an Error on an unfinished quoted field. */
  end(): Row[] {
    this.#ended = true;
    const rows = this.#take();
    if (this.#rest !== '') throw new Error('the file ends inside a quoted field');
    return rows;
  }

  #take(): Row[] {
    const { delimiter, quote, escapeMark, nullText } = this.#format;
    const text = this.#rest;
    const rows: Row[] = [];
    let row: Row = [];
    let start = 0;
    let at = 0;
    while (at < text.length || (this.#ended && row.length > 0)) {
      if (text.startsWith(quote, at) && quote !== '') {
        const end = this.#closingQuote(text, at + quote.length);
        if (end < 0) break;
        const raw = text.slice(at + quote.length, end);
        const after = end + quote.length;
        if (after >= text.length && !this.#ended) break;
        row.push(unescapeField(raw, quote, escapeMark));
        at = after;
      } else {
        let end = at;
        while (end < text.length) {
          const code = text.charCodeAt(end);
          if (code === 10 || code === 13 || code === delimiter.charCodeAt(0)) {
            if (code === 10 || code === 13 || text.startsWith(delimiter, end)) break;
          }
          end++;
        }
        if (end >= text.length && !this.#ended) break;
        const value = text.slice(at, end);
        row.push(value === nullText ? null : value);
        at = end;
      }
      if (text.startsWith(delimiter, at)) {
        at += delimiter.length;
        if (at >= text.length && this.#ended) {
          row.push(nullText === '' ? null : '');
          rows.push(row);
          row = [];
          start = at;
        }
        continue;
      }
      if (text.charCodeAt(at) === 13) {
        if (at + 1 >= text.length && !this.#ended) break;
        at++;
      }
      if (text.charCodeAt(at) === 10) at++;
      rows.push(row);
      row = [];
      start = at;
    }
    this.#rest = text.slice(start);
    return rows;
  }

  /** Index of the quote that closes the field begun before `from`, or -1 if it is not in the text yet. */
  #closingQuote(text: string, from: number): number {
    const { quote, escapeMark } = this.#format;
    let at = from;
    for (;;) {
      const next = text.indexOf(quote, at);
      if (next < 0) return -1;
      if (escapeMark === quote) {
        if (!text.startsWith(quote, next + quote.length)) return next;
        at = next + 2 * quote.length;
        continue;
      }
      let escapes = 0;
      while (next - (escapes + 1) * escapeMark.length >= from) {
        if (!text.startsWith(escapeMark, next - (escapes + 1) * escapeMark.length)) break;
        escapes++;
      }
      if (escapes % 2 === 0) return next;
      at = next + quote.length;
    }
  }
}

const unescapeField = (raw: string, quote: string, escapeMark: string): string => {
  if (escapeMark === quote) return raw.includes(quote) ? raw.replaceAll(quote + quote, quote) : raw;
  if (escapeMark === '' || !raw.includes(escapeMark)) return raw;
  let text = '';
  let at = 0;
  for (;;) {
    const next = raw.indexOf(escapeMark, at);
    if (next < 0) return text + raw.slice(at);
    const after = next + escapeMark.length;
    const escaped = raw.startsWith(quote, after)
      ? quote
      : raw.startsWith(escapeMark, after)
        ? escapeMark
        : undefined;
    text += raw.slice(at, next) + (escaped ?? escapeMark);
    at = after + (escaped?.length ?? 0);
  }
};
