// Splits JSON text into objects, and one object into its members, keeping numbers as they are written.
import { CsvError } from '../../../core/copy/csv.ts';

/** Characters of one object. */
const LONGEST_OBJECT = 16 * 1_048_576;

/**
 * Finds objects in text that comes piece by piece: one after another (lines or not), or as the elements of one array.
 * Throws CsvError with the line for anything else between them.
 */
export class JsonObjects {
  #rest = '';
  #line = 1;
  #at = 0;
  #depth = 0;
  #inText = false;
  /** Within an array of objects. */
  #inArray = false;

  push(piece: string): string[] {
    this.#rest += piece;
    const found: string[] = [];
    const text = this.#rest;
    let start = 0;
    let at = this.#at;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (this.#inText) {
        if (code === BACKSLASH) at++;
        else if (code === QUOTE) this.#inText = false;
        continue;
      }
      if (code === NEWLINE) this.#line++;
      if (this.#depth === 0) {
        if (code === OPEN) {
          start = at;
          this.#depth = 1;
        } else if (code === OPEN_ARRAY && !this.#inArray) this.#inArray = true;
        else if (code === CLOSE_ARRAY && this.#inArray) this.#inArray = false;
        else if (!BETWEEN.includes(text[at] ?? '')) {
          throw new CsvError(this.#line, 'there is something else than an object');
        }
      } else if (code === QUOTE) this.#inText = true;
      else if (code === OPEN || code === OPEN_ARRAY) this.#depth++;
      else if (code === CLOSE || code === CLOSE_ARRAY) {
        if (--this.#depth === 0) {
          found.push(text.slice(start, at + 1));
          start = at + 1;
        }
      }
    }
    if (this.#depth === 0) start = text.length;
    this.#rest = text.slice(start);
    this.#at = at - start;
    if (this.#rest.length > LONGEST_OBJECT)
      throw new CsvError(this.#line, `an object is longer than ${LONGEST_OBJECT} characters`);
    return found;
  }

  end(): void {
    if (this.#depth > 0) throw new CsvError(this.#line, 'the file ends inside an object');
    if (this.#inArray) throw new CsvError(this.#line, 'the file ends inside an array');
  }
}

const [QUOTE, BACKSLASH, NEWLINE, OPEN, CLOSE, OPEN_ARRAY, CLOSE_ARRAY] = [34, 92, 10, 123, 125, 91, 93];
const BETWEEN = ' \t\r\n,';

const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|([-+\d.eE]+|true|false|null))/sy;

/**
 * Members of one object: texts unescaped, numbers as written, true and false, null as null, objects and arrays as their
 * JSON. Throws an Error where it is not JSON.
 */
export const membersOf = (text: string): Map<string, string | null> => {
  // Proves that it is JSON; the values are cut out of the text, because numbers would lose digits.
  JSON.parse(text);
  const members = new Map<string, string | null>();
  let at = text.indexOf('{') + 1;
  for (;;) {
    TOKEN.lastIndex = at;
    const name = TOKEN.exec(text)?.[1];
    if (name === undefined) return members;
    at = text.indexOf(':', TOKEN.lastIndex) + 1;
    TOKEN.lastIndex = at;
    const scalar = TOKEN.exec(text);
    const key = JSON.parse(name) as string;
    if (scalar !== null) {
      const literal = scalar[2];
      members.set(key, literal === undefined ? (JSON.parse(scalar[1] ?? '""') as string) : plain(literal));
      at = TOKEN.lastIndex;
    } else {
      const end = nestedEnd(text, at);
      members.set(key, text.slice(at, end).trim());
      at = end;
    }
    const comma = /\s*,/y;
    comma.lastIndex = at;
    if (comma.exec(text) === null) return members;
    at = comma.lastIndex;
  }
};

const plain = (literal: string): string | null => (literal === 'null' ? null : literal);

/** Where the object or array that begins at `from` (blanks before it) ends. */
const nestedEnd = (text: string, from: number): number => {
  let depth = 0;
  let inText = false;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (inText) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) inText = false;
    } else if (code === QUOTE) inText = true;
    else if (code === OPEN || code === OPEN_ARRAY) depth++;
    else if ((code === CLOSE || code === CLOSE_ARRAY) && --depth === 0) return at + 1;
  }
  return text.length;
};
