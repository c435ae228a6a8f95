// Rows out of JSON text that comes piece by piece, without holding a document: only what the mapping names is kept.
//
// A document's fields may come after the array whose elements are the rows. Rows then wait; where too many do, whoever
// reads asks `waiting` and gives the fields with `resolve`, having read ahead.
import { CsvError } from '../../../core/copy/csv.ts';
import type { JsonMapping } from '../../../core/copy/json-mapping.ts';
import type { JsonPathStep } from '../../../core/copy/json-path.ts';
import { WaybillError } from '../../../core/errors.ts';
import type { Row } from '../../../core/types/column.ts';

/** Characters of one value, and of rows that wait. */
export const LONGEST_VALUE = 16 * 1_048_576;
/** Characters of a name or number. */
const LONGEST_WORD = 65_536;

/** A place of a document that a path leads to or through. */
interface PathNode {
  readonly members: Map<string, PathNode>;
  readonly items: Map<number, PathNode>;
  /** Every element of an array that is taken apart. */
  every?: PathNode;
  /** Fields whose value stands here. */
  readonly slots: number[];
  /** How many arrays are taken apart on the way here. */
  readonly level: number;
  /** Whether a document or an element of such an array begins here. */
  readonly scope: boolean;
  /** The node by itself, as most places of a document are reached by one path only. */
  readonly alone: readonly PathNode[];
}

const nodeAt = (level: number, scope: boolean): PathNode => {
  const alone: PathNode[] = [];
  const node: PathNode = { members: new Map(), items: new Map(), slots: [], level, scope, alone };
  alone.push(node);
  return node;
};

const NOWHERE: readonly PathNode[] = [];

/** Where `step` leads to from all of `nodes`. */
const reach = (
  nodes: readonly PathNode[],
  step: (node: PathNode) => PathNode | undefined,
): readonly PathNode[] => {
  const [first] = nodes;
  if (first === undefined) return NOWHERE;
  if (nodes.length === 1) return step(first)?.alone ?? NOWHERE;
  return nodes.flatMap((node) => step(node) ?? []);
};

/** Values of one document or element; `missing` is how many of its fields have not come yet. */
interface Scope {
  readonly values: (string | null | undefined)[];
  missing: number;
}

const follow = (from: PathNode, step: JsonPathStep, makesScope: boolean): PathNode => {
  if ('every' in step) {
    if (from.every === undefined && !makesScope)
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        'A path of the mapping names several values ("[*]") outside the collectionReference.',
      );
    from.every ??= nodeAt(from.level + 1, true);
    return from.every;
  }
  const [map, key]: [Map<string | number, PathNode>, string | number] =
    'member' in step
      ? [from.members as Map<string | number, PathNode>, step.member]
      : [from.items as Map<string | number, PathNode>, step.index];
  const found = map.get(key) ?? nodeAt(from.level, false);
  map.set(key, found);
  return found;
};

interface Frame {
  readonly array: boolean;
  readonly nodes: readonly PathNode[];
  readonly start: number;
  index: number;
  state: State;
}

type State = 'firstName' | 'name' | 'colon' | 'value' | 'after' | 'firstItem' | 'item';

const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_ARRAY, CLOSE_ARRAY, COMMA, COLON] = [
  34, 92, 123, 125, 91, 93, 44, 58,
];
const WORD = /[-+.\w]+/y;
const LITERAL = /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null)$/;

/** Feed with `push`, call `end` once. Both throw CsvError for what is no JSON. */
export class JsonRows {
  readonly #mapping: JsonMapping;
  readonly #root: PathNode;
  /** Level of each field. */
  readonly #levels: number[] = [];
  readonly #depth: number;
  /** How many fields there are on each level. */
  readonly #fieldsAt: number[];
  #text = '';
  #at = 0;
  #line = 1;
  #frames: Frame[] = [];
  /** A value that is passed over up to its end: where it began, whose it is, how deep we are in it. */
  #passing:
    | {
        readonly nodes: readonly PathNode[];
        readonly kept: boolean;
        start: number;
        depth: number;
        inText: boolean;
      }
    | undefined;
  #scopes: Scope[] = [];
  #waiting: Scope[][] = [];
  #waitingSize = 0;
  #documents = 0;
  #rows: Row[] = [];
  #ended = false;

  constructor(mapping: JsonMapping) {
    this.#mapping = mapping;
    this.#root = nodeAt(0, true);
    let rowNode = this.#root;
    if (mapping.collection !== undefined) {
      for (const step of [...mapping.collection, { every: true } as const])
        rowNode = follow(rowNode, step, true);
    }
    this.#depth = rowNode.level;
    for (const [i, { path }] of mapping.fields.entries()) {
      let node = path.absolute || mapping.collection === undefined ? this.#root : rowNode;
      for (const step of path.steps) node = follow(node, step, false);
      node.slots.push(i);
      this.#levels.push(node.level);
    }
    this.#fieldsAt = Array.from(
      { length: this.#depth + 1 },
      (_, level) => this.#levels.filter((one) => one === level).length,
    );
  }

  /** Rows that `piece` completes. */
  push(piece: string): Row[] {
    this.#text += piece;
    this.#run();
    this.#forget();
    return this.#take();
  }

  end(): Row[] {
    this.#ended = true;
    this.#run();
    if (this.#passing !== undefined || this.#frames.length > 0)
      throw this.#error('the file ends inside an object or array');
    return this.#take();
  }

  /** The document (from 0) whose fields are wanted before its rows can go on; undefined where none has to be asked. */
  get waiting(): number | undefined {
    if (this.#waitingSize <= LONGEST_VALUE) return undefined;
    if (this.#scopes.slice(1, this.#depth).some(({ missing }) => missing > 0))
      throw this.#error('more rows than memory may hold wait for a value that comes after them');
    return this.#documents - 1;
  }

  /** Gives the current document's own fields, in the order of `documentFields`. */
  resolve(values: Row): Row[] {
    const [document] = this.#scopes;
    let given = 0;
    for (const [i, level] of this.#levels.entries()) {
      if (level === 0 && document !== undefined) document.values[i] = values[given++] ?? null;
    }
    if (document !== undefined) document.missing = 0;
    this.#release();
    return this.#take();
  }

  /** The mapping of the fields that belong to documents as a whole. */
  get documentFields(): JsonMapping {
    const fields = this.#mapping.fields.filter((_, i) => this.#levels[i] === 0);
    return { fields, complexAsText: this.#mapping.complexAsText };
  }

  #take(): Row[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  #error(message: string): CsvError {
    return new CsvError(this.#line + lines(this.#text, this.#at), message);
  }

  /** Drops the text that nothing needs any more. */
  #forget(): void {
    let keep = Math.min(this.#at, this.#text.length);
    if (this.#passing?.kept === true) keep = this.#passing.start;
    const held = this.#mapping.complexAsText ? this.#frames.find(({ nodes }) => isKept(nodes)) : undefined;
    if (held !== undefined) keep = Math.min(keep, held.start);
    this.#line += lines(this.#text, keep);
    if (keep > 0) this.#text = this.#text.slice(keep);
    this.#at -= keep;
    if (this.#passing !== undefined) this.#passing.start -= keep;
    if (keep > 0) this.#frames = this.#frames.map((frame) => ({ ...frame, start: frame.start - keep }));
    if (this.#text.length > LONGEST_VALUE)
      throw this.#error(`a value is longer than ${LONGEST_VALUE} characters`);
  }

  #run(): void {
    const text = this.#text;
    while (this.#at < text.length) {
      if (this.#passing !== undefined) {
        this.#pass(text);
        continue;
      }
      const code = text.charCodeAt(this.#at);
      if (code === 32 || code === 10 || code === 13 || code === 9) {
        this.#at++;
        continue;
      }
      const frame = this.#frames.at(-1);
      if (!(frame === undefined ? this.#betweenDocuments(code) : this.#inFrame(frame, code, text))) return;
    }
  }

  /** Before and after documents: blanks, commas, and the brackets of an array of documents. */
  #betweenDocuments(code: number): boolean {
    if (code === COMMA && this.#documents > 0) {
      this.#at++;
      return true;
    }
    if (code === OPEN_ARRAY) {
      this.#frames.push({ array: true, nodes: NOWHERE, start: this.#at, index: -1, state: 'firstItem' });
      this.#at++;
      return true;
    }
    if (code !== OPEN) throw this.#error('there is something else than an object');
    return this.#begin(this.#root.alone, code);
  }

  /** One step within an object or array. False where more text is needed. */
  #inFrame(frame: Frame, code: number, text: string): boolean {
    switch (frame.state) {
      case 'firstName':
      case 'name': {
        if (code === CLOSE && frame.state === 'firstName') return this.#close(frame);
        if (code !== QUOTE) throw this.#error('there should be a name in quotes');
        const end = closingQuote(text, this.#at + 1);
        if (end < 0) return this.#needMore();
        const name = this.#valueOf(text.slice(this.#at, end + 1));
        this.#at = end + 1;
        frame.state = 'colon';
        this.#next = reach(frame.nodes, ({ members }) => members.get(name));
        return true;
      }
      case 'colon':
        if (code !== COLON) throw this.#error('there should be a colon after a name');
        this.#at++;
        frame.state = 'value';
        return true;
      case 'value':
        frame.state = 'after';
        if (this.#begin(this.#next, code)) return true;
        frame.state = 'value';
        return false;
      case 'firstItem':
      case 'item': {
        if (code === CLOSE_ARRAY && frame.state === 'firstItem') return this.#close(frame);
        const before = frame.state;
        frame.state = 'after';
        frame.index++;
        if (this.#begin(this.#elementNodes(frame, code), code)) return true;
        frame.state = before;
        frame.index--;
        return false;
      }
      default:
        if (code === COMMA) {
          frame.state = frame.array ? 'item' : 'name';
          this.#at++;
          return true;
        }
        if (code !== (frame.array ? CLOSE_ARRAY : CLOSE))
          throw this.#error('there should be a comma or the end of an object or array');
        return this.#close(frame);
    }
  }

  /** Where the value of the name just read stands. */
  #next: readonly PathNode[] = [];

  /** Only an array of documents is an array that stands in no document. */
  #elementNodes(frame: Frame, code: number): readonly PathNode[] {
    if (this.#frames.length === 1) {
      if (code !== OPEN) throw this.#error('there is something else than an object');
      return this.#root.alone;
    }
    const elements = reach(frame.nodes, ({ every }) => every);
    if (frame.nodes.every(({ items }) => items.size === 0)) return elements;
    return [...reach(frame.nodes, ({ items }) => items.get(frame.index)), ...elements];
  }

  /** A value begins at `#at`. False where more text is needed to know it. */
  #begin(nodes: readonly PathNode[], code: number): boolean {
    const text = this.#text;
    const start = this.#at;
    if (code === OPEN || code === OPEN_ARRAY || code === QUOTE) {
      // An object in place of an array of one.
      const single = code === OPEN ? reach(nodes, ({ every }) => every) : NOWHERE;
      const reached = single.length === 0 ? nodes : [...nodes, ...single];
      this.#open(reached);
      const enters =
        code === OPEN
          ? reached.some(({ members }) => members.size > 0)
          : code === OPEN_ARRAY && nodes.some(({ items, every }) => items.size > 0 || every !== undefined);
      if (enters) {
        const array = code === OPEN_ARRAY;
        this.#frames.push({
          array,
          nodes: reached,
          start,
          index: -1,
          state: array ? 'firstItem' : 'firstName',
        });
        this.#at++;
      } else {
        const isText = code === QUOTE;
        const kept = isKept(reached) && (isText || this.#mapping.complexAsText);
        this.#passing = { nodes: reached, kept, start, depth: isText ? 0 : 1, inText: isText };
        this.#at++;
      }
      return true;
    }
    WORD.lastIndex = start;
    const word = WORD.exec(text)?.[0] ?? '';
    if (start + word.length >= text.length && !this.#ended) return this.#needMore();
    if (!LITERAL.test(word)) throw this.#error('there is something that is no JSON value');
    this.#open(nodes);
    this.#at = start + word.length;
    this.#finish(nodes, () => (word === 'null' ? null : word));
    return true;
  }

  #needMore(): false {
    if (this.#text.length - this.#at > LONGEST_WORD) throw this.#error('a name or number does not end');
    if (this.#ended) throw this.#error('the file ends inside an object or array');
    return false;
  }

  /** Goes on to the end of a value that nothing within is wanted of. */
  #pass(text: string): void {
    const passing = this.#passing;
    if (passing === undefined) return;
    let at = this.#at;
    let { depth, inText } = passing;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (inText) {
        if (code === BACKSLASH) at++;
        else if (code === QUOTE) {
          inText = false;
          if (depth === 0) break;
        }
      } else if (code === QUOTE) inText = true;
      else if (code === OPEN || code === OPEN_ARRAY) depth++;
      else if ((code === CLOSE || code === CLOSE_ARRAY) && --depth === 0) break;
    }
    passing.depth = depth;
    passing.inText = inText;
    this.#at = at >= text.length ? at : at + 1;
    if (at >= text.length) return;
    this.#passing = undefined;
    const { nodes, kept, start } = passing;
    this.#finish(nodes, () => (kept ? this.#valueOf(text.slice(start, at + 1)) : null));
  }

  #close(frame: Frame): true {
    this.#at++;
    this.#frames.pop();
    const { nodes, start } = frame;
    // The brackets of an array of documents.
    if (this.#frames.length === 0 && frame.array) return true;
    const { complexAsText } = this.#mapping;
    this.#finish(nodes, () => (complexAsText ? this.#valueOf(this.#text.slice(start, this.#at)) : null));
    return true;
  }

  #valueOf(text: string): string {
    if (text.startsWith('"')) return (text.includes('\\') ? this.#parsed(text) : text.slice(1, -1)) as string;
    // Proves that it is JSON.
    this.#parsed(text);
    return text;
  }

  #parsed(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      throw this.#error('there is something that is no JSON value');
    }
  }

  #open(nodes: readonly PathNode[]): void {
    for (const { scope, level } of nodes) {
      if (!scope) continue;
      this.#scopes.length = level;
      this.#scopes.push({ values: [], missing: this.#fieldsAt[level] ?? 0 });
      if (level === 0) this.#documents++;
    }
  }

  #finish(nodes: readonly PathNode[], value: () => string | null): void {
    for (const { slots, level } of nodes) {
      const scope = this.#scopes[level];
      if (slots.length === 0 || scope === undefined) continue;
      const found = value();
      for (const slot of slots) {
        if (scope.values[slot] === undefined) scope.missing--;
        scope.values[slot] = found;
      }
    }
    for (const { scope, level } of nodes) if (scope && level === this.#depth) this.#row();
    for (const { scope, level } of nodes) {
      if (!scope || level === this.#depth) continue;
      this.#scopes.length = level;
      this.#release();
    }
  }

  #row(): void {
    const scopes = [...this.#scopes];
    const own = scopes[this.#depth];
    this.#scopes.length = this.#depth;
    this.#waiting.push(scopes);
    for (const value of own?.values ?? []) this.#waitingSize += (value?.length ?? 0) + 8;
    this.#release();
  }

  /** Rows whose documents have all their fields, or have ended, need not wait. */
  #release(): void {
    if (this.#scopes.some(({ missing }) => missing > 0)) return;
    for (const scopes of this.#waiting)
      this.#rows.push(this.#levels.map((level, i) => scopes[level]?.values[i] ?? null));
    this.#waiting = [];
    this.#waitingSize = 0;
  }
}

const isKept = (nodes: readonly PathNode[]): boolean => nodes.some(({ slots }) => slots.length > 0);

const lines = (text: string, to: number): number => {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) count++;
  return count;
};

const closingQuote = (text: string, from: number): number => {
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at;
  }
  return -1;
};
