// Reads JSON as people and tools write it: a byte order mark, comments and trailing commas are put up with. Refuses what
// could mislead or overload: duplicate keys, `__proto__`, deep nesting, huge files. One pass, linear time.
import type { JsonObject, JsonValue } from '../core/json.ts';
import { type Problem, Problems } from './problem.ts';

/** Characters. Azure refuses templates above 4 MB. */
export const MAX_JSON_LENGTH = 4 * 1024 * 1024;
/** Levels. Real pipelines stay below 40. */
export const MAX_JSON_DEPTH = 200;
/** A file with more faults of one kind than this is not worth listing further. */
const MAX_PROBLEMS = 50;

export interface JsonReading {
  /** Absent where the text is not JSON. */
  readonly value?: JsonValue;
  readonly problems: Problem[];
}

/** Parses the text of one file. Never throws: problems carry `file`, the JSON pointer, and line and column. */
export function readJson(text: string, file: string): JsonReading {
  const problems = new Problems(file);
  if (text.length > MAX_JSON_LENGTH) {
    problems.error(
      [],
      'DEFINITION_INVALID',
      `The file has ${text.length} characters; ${MAX_JSON_LENGTH} are allowed.`,
    );
    return { problems: problems.list };
  }
  const reader = new Reader(text, problems);
  try {
    return { value: reader.document(), problems: problems.list };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    problems.error(reader.path, 'DEFINITION_INVALID', error.message);
    return { problems: problems.list };
  }
}

class Unreadable extends Error {}

const WHITE = /[\s\uFEFF]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;

class Reader {
  readonly path: (string | number)[] = [];
  private readonly text: string;
  private readonly problems: Problems;
  private at = 0;
  private comments = 0;
  private tolerated = 0;

  constructor(text: string, problems: Problems) {
    this.text = text;
    this.problems = problems;
  }

  document(): JsonValue {
    const value = this.value();
    this.space();
    if (this.at < this.text.length) throw this.unexpected('the end of the file');
    return value;
  }

  private value(): JsonValue {
    this.space();
    switch (this.text[this.at]) {
      case '{':
        return this.object();
      case '[':
        return this.array();
      case '"':
        return this.string();
    }
    const word = this.match(WORD);
    if (word !== undefined) return word === 'null' ? null : word === 'true';
    const number = this.match(NUMBER);
    if (number !== undefined) return Number(number);
    throw this.unexpected('a value');
  }

  private object(): JsonObject {
    this.enter();
    const result: JsonObject = {};
    const keys = new Set<string>();
    this.space();
    while (this.text[this.at] !== '}') {
      if (this.text[this.at] !== '"') throw this.unexpected('a property name in double quotes');
      const key = this.string();
      this.path.push(key);
      this.checkKey(key, keys);
      this.space();
      if (this.text[this.at] !== ':') throw this.unexpected('":"');
      this.at++;
      const value = this.value();
      // A plain assignment to __proto__ would change the object's prototype instead of adding a key.
      if (key !== '__proto__') result[key] = value;
      this.path.pop();
      if (!this.separator('}')) break;
    }
    this.leave('}');
    return result;
  }

  private array(): JsonValue[] {
    this.enter();
    const result: JsonValue[] = [];
    this.space();
    while (this.text[this.at] !== ']') {
      this.path.push(result.length);
      result.push(this.value());
      this.path.pop();
      if (!this.separator(']')) break;
    }
    this.leave(']');
    return result;
  }

  private checkKey(key: string, keys: Set<string>): void {
    if (key === '__proto__')
      this.problems.error(this.path, 'DEFINITION_INVALID', 'A property may not be named "__proto__".');
    else if (keys.has(key))
      this.problems.error(
        this.path,
        'DEFINITION_INVALID',
        `Property "${key.slice(0, 80)}" occurs twice (${this.where(this.at)}).`,
        'Keep one of the two: tools disagree on which one counts.',
      );
    if (this.problems.list.length >= MAX_PROBLEMS)
      throw new Unreadable(`More than ${MAX_PROBLEMS} faults; the rest of the file was not read.`);
    keys.add(key);
  }

  /** After an entry: whether another may follow. */
  private separator(close: string): boolean {
    this.space();
    if (this.text[this.at] !== ',') return false;
    this.at++;
    this.space();
    if (this.text[this.at] === close)
      this.tolerate(`A comma before "${close}" (${this.where(this.at)}) is not JSON.`);
    return true;
  }

  private enter(): void {
    if (this.path.length >= MAX_JSON_DEPTH)
      throw new Unreadable(`Nested more than ${MAX_JSON_DEPTH} levels deep, at ${this.where(this.at)}.`);
    this.at++;
  }

  private leave(close: string): void {
    this.space();
    if (this.text[this.at] !== close) throw this.unexpected(`"," or "${close}"`);
    this.at++;
  }

  private string(): string {
    const open = this.at;
    let i = open + 1;
    for (; ; i++) {
      const code = this.text.charCodeAt(i);
      if (code === 0x22) break;
      if (code === 0x5c) i++;
      else if (Number.isNaN(code))
        throw new Unreadable(`A text is not closed, opened at ${this.where(open)}.`);
      else if (code < 0x20) throw new Unreadable(`A control character in a text, at ${this.where(i)}.`);
    }
    this.at = i + 1;
    try {
      return JSON.parse(this.text.slice(open, this.at)) as string;
    } catch {
      throw new Unreadable(`A text with a broken escape, at ${this.where(open)}.`);
    }
  }

  private space(): void {
    for (;;) {
      WHITE.lastIndex = this.at;
      WHITE.test(this.text);
      this.at = WHITE.lastIndex;
      if (this.text[this.at] !== '/') return;
      const next = this.text[this.at + 1];
      if (next !== '/' && next !== '*') return;
      const end = next === '/' ? this.text.indexOf('\n', this.at) : this.text.indexOf('*/', this.at + 2);
      if (end < 0 && next === '*')
        throw new Unreadable(`A comment is not closed, at ${this.where(this.at)}.`);
      if (this.comments++ === 0) this.tolerate(`A comment (${this.where(this.at)}) is not JSON.`);
      this.at = end < 0 ? this.text.length : end + (next === '/' ? 1 : 2);
    }
  }

  private tolerate(reason: string): void {
    if (this.tolerated++ < MAX_PROBLEMS / 2)
      this.problems.warn(
        this.path,
        'SHAPE_TOLERATED',
        reason,
        'Data Factory itself would refuse it; take it out.',
      );
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  private unexpected(wanted: string): Unreadable {
    const found = this.at < this.text.length ? JSON.stringify(this.text[this.at]) : 'the end of the file';
    return new Unreadable(`Expected ${wanted}, found ${found} at ${this.where(this.at)}.`);
  }

  private where(at: number): string {
    const before = this.text.slice(0, at);
    const line = before.split('\n').length;
    return `line ${line}, column ${at - before.lastIndexOf('\n')}`;
  }
}
