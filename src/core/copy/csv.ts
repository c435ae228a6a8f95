// Delimited text, both ways, where a quoted empty field is '' and the bare null text is NULL.
import { WaybillError } from '../errors.ts';
import type { InterimType, Row } from '../types/column.ts';

export interface CsvFormat {
  readonly delimiter: string;
  readonly quote: string;
  /** What makes a quote inside a quoted field plain; the quote itself where quotes are doubled. */
  readonly escapeMark: string;
  /** What an unquoted field must be to mean NULL. */
  readonly nullText: string;
  /** What ends a row. Absent: "\n" is written; "\n", "\r\n" and "\r" are read. */
  readonly rowDelimiter?: string;
}

/** Text that is not of its format, where it says so itself. */
export class CsvError extends Error {
  /** Line on which the record begins, from 1; the record's number where rows are not lines. */
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.name = 'CsvError';
    this.line = line;
  }
}

/** RFC 4180 with doubled quotes; NULL is an empty field without quotes. What we exchange with stores ourselves. */
export const PLAIN_CSV: CsvFormat = { delimiter: ',', quote: '"', escapeMark: '"', nullText: '' };

/** Types whose text may be empty or hold anything: quoted, so that an empty text is not taken for NULL. */
export const isQuoted = (type: InterimType): boolean =>
  type === 'String' || type === 'Guid' || type === 'Byte[]';

/**
 * One line per row. `quoted[i]` says whether column i is quoted: always, or (`needed`) where the text would be read as
 * something else without. Other values are bare, unless bare they would mean NULL.
 */
export const formatCsv = (
  rows: readonly Row[],
  quoted: readonly (boolean | 'needed')[],
  format: CsvFormat,
): string => {
  const { delimiter, quote, escapeMark, nullText, rowDelimiter = '\n' } = format;
  let text = '';
  for (const row of rows) {
    for (let i = 0; i < quoted.length; i++) {
      if (i > 0) text += delimiter;
      const value = row[i];
      const rule = quoted[i];
      if (value === null || value === undefined) text += nullText;
      else if (quote === '') text += bareField(value, format);
      else if (rule === true || value === nullText || (rule === 'needed' && needsQuotes(value, format)))
        text += quote + escapeField(value, quote, escapeMark) + quote;
      else text += value;
    }
    text += rowDelimiter;
  }
  return text;
};

const escapeField = (value: string, quote: string, escapeMark: string): string => {
  let text = value;
  if (escapeMark !== quote && text.includes(escapeMark))
    text = text.replaceAll(escapeMark, escapeMark + escapeMark);
  return text.includes(quote) ? text.replaceAll(quote, escapeMark + quote) : text;
};

const needsQuotes = (value: string, { delimiter, quote, rowDelimiter }: CsvFormat): boolean =>
  value === '' ||
  value.includes(delimiter) ||
  value.includes(quote) ||
  /[\r\n]/.test(value) ||
  (rowDelimiter !== undefined && value.includes(rowDelimiter));

/** Without a quote the escape mark makes the delimiter, and itself, plain. Some texts cannot be written so. */
const bareField = (value: string, { delimiter, escapeMark, nullText, rowDelimiter }: CsvFormat): string => {
  if (/[\r\n]/.test(value) || (rowDelimiter !== undefined && value.includes(rowDelimiter))) {
    throw new WaybillError(
      'SINK_TYPE_OVERFLOW',
      'A text holds a line break, which delimited text without a quoteChar cannot.',
    );
  }
  if (value === nullText) {
    throw new WaybillError(
      'SINK_TYPE_OVERFLOW',
      'A text is what the nullValue is: without a quoteChar it would be read as NULL.',
    );
  }
  if (escapeMark === '') {
    if (!value.includes(delimiter)) return value;
    throw new WaybillError(
      'SINK_TYPE_OVERFLOW',
      'A text holds the columnDelimiter, which needs a quoteChar or an escapeChar.',
    );
  }
  return value.replaceAll(escapeMark, escapeMark + escapeMark).replaceAll(delimiter, escapeMark + delimiter);
};

/** Reads delimited text piece by piece. Feed it with `push`, take rows from its result, call `end` once. */
export class CsvReader {
  readonly #format: CsvFormat;
  readonly #longest: number;
  #rest = '';
  #line = 1;
  #ended = false;

  /** `longest` bounds a record, in characters: a quote that is never closed would else take in the rest of the file. */
  constructor(format: CsvFormat, longest = Number.POSITIVE_INFINITY) {
    this.#format = format;
    this.#longest = longest;
  }

  /** Rows that `text` completes. Blank lines are rows of one NULL, as a one-column file needs them. */
  push(text: string): Row[] {
    this.#rest = this.#rest === '' ? text : this.#rest + text;
    const rows = this.#take();
    if (this.#rest.length > this.#longest) {
      throw new CsvError(
        this.#line,
        `a record is longer than ${this.#longest} characters; a quote in it may never be closed`,
      );
    }
    return rows;
  }

  /** The last row, where the file does not end in a newline. Throws CsvError on an unfinished quoted field. */
  end(): Row[] {
    this.#ended = true;
    const rows = this.#take();
    if (this.#rest !== '') throw new CsvError(this.#line, 'the file ends inside a quoted field');
    return rows;
  }

  #take(): Row[] {
    const { delimiter, quote, escapeMark, nullText } = this.#format;
    const text = this.#rest;
    const rows: Row[] = [];
    let row: Row = [];
    let start = 0;
    let at = 0;
    let inner = 0;
    while (at < text.length || (this.#ended && row.length > 0)) {
      if (quote !== '' && text.startsWith(quote, at)) {
        const end = this.#closingQuote(text, at + quote.length);
        if (end < 0) break;
        const raw = text.slice(at + quote.length, end);
        const after = end + quote.length;
        if (!this.#ended && after + this.#longestMark > text.length) break;
        if (!this.#isFieldEnd(text, after)) {
          throw new CsvError(
            this.#line,
            'a quoted field goes on after its closing quote; a quote inside a field must be escaped',
          );
        }
        row.push(unescapeField(raw, quote, escapeMark));
        inner += newlinesIn(raw);
        at = after;
      } else {
        const end = quote === '' ? this.#bareEnd(text, at) : this.#fieldEnd(text, at);
        if (end >= text.length && !this.#ended) break;
        const value = text.slice(at, end);
        row.push(value === nullText ? null : quote === '' ? unescapeBare(value, escapeMark) : value);
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
      const mark = this.#rowEnd(text, at);
      if (mark < 0) break;
      at += mark;
      rows.push(row);
      row = [];
      start = at;
      this.#line += 1 + inner;
      inner = 0;
    }
    this.#rest = text.slice(start);
    return rows;
  }

  /** Characters that must be there to know what follows a closing quote. */
  get #longestMark(): number {
    const { delimiter, rowDelimiter } = this.#format;
    return Math.max(1, delimiter.length, rowDelimiter?.length ?? 1);
  }

  #isFieldEnd(text: string, at: number): boolean {
    const { delimiter, rowDelimiter } = this.#format;
    if (at >= text.length || text.startsWith(delimiter, at)) return true;
    if (rowDelimiter !== undefined && text.startsWith(rowDelimiter, at)) return true;
    const code = text.charCodeAt(at);
    return rowDelimiter === undefined && (code === 10 || code === 13);
  }

  /** Length of the row's end at `at` (0 at the end of the text), or -1 if more text is needed to tell. */
  #rowEnd(text: string, at: number): number {
    const { rowDelimiter } = this.#format;
    if (rowDelimiter !== undefined) return text.startsWith(rowDelimiter, at) ? rowDelimiter.length : 0;
    if (text.charCodeAt(at) !== 13) return text.charCodeAt(at) === 10 ? 1 : 0;
    if (at + 1 >= text.length && !this.#ended) return -1;
    return text.charCodeAt(at + 1) === 10 ? 2 : 1;
  }

  /** Where the field without quotes that begins at `at` ends: at a delimiter, at the row's end, or at the text's. */
  #fieldEnd(text: string, at: number): number {
    const { delimiter, rowDelimiter } = this.#format;
    const first = delimiter.charCodeAt(0);
    let end = at;
    if (rowDelimiter !== undefined) {
      while (end < text.length && !text.startsWith(delimiter, end) && !text.startsWith(rowDelimiter, end))
        end++;
      return end;
    }
    while (end < text.length) {
      const code = text.charCodeAt(end);
      if (code === 10 || code === 13 || (code === first && text.startsWith(delimiter, end))) break;
      end++;
    }
    return end;
  }

  /** As `#fieldEnd`, where the escape mark takes the next character with it. */
  #bareEnd(text: string, at: number): number {
    const { escapeMark } = this.#format;
    if (escapeMark === '') return this.#fieldEnd(text, at);
    let end = at;
    while (end < text.length && !this.#isFieldEnd(text, end)) {
      end += text.startsWith(escapeMark, end) ? escapeMark.length + 1 : 1;
    }
    return Math.min(end, text.length);
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
      while (escapeMark !== '' && next - (escapes + 1) * escapeMark.length >= from) {
        if (!text.startsWith(escapeMark, next - (escapes + 1) * escapeMark.length)) break;
        escapes++;
      }
      if (escapes % 2 === 0) return next;
      at = next + quote.length;
    }
  }
}

const newlinesIn = (text: string): number => {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  return count;
};

const unescapeBare = (value: string, escapeMark: string): string => {
  if (escapeMark === '' || !value.includes(escapeMark)) return value;
  let text = '';
  for (let at = 0; at < value.length; at++) {
    if (value.startsWith(escapeMark, at)) at += escapeMark.length;
    text += value[at] ?? '';
  }
  return text;
};

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
