// What a factory's expressions demand of a value that only a run will have: its properties, its type, its words.
import type { JsonValue } from '../../../src/core/json.ts';

/** What a use says about a value. */
export type Hint =
  | 'array'
  | 'object'
  | 'json'
  | 'date'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'text'
  | 'guid'
  | 'base64'
  | 'table'
  | 'schema'
  | 'database'
  | 'server'
  | 'column'
  | 'query'
  | 'procedure'
  | 'container'
  | 'folder'
  | 'file'
  | 'url'
  | 'translator';

/** The demands on one value. Values flow along edges: what the goal needs, the origin must have. */
export class Shape {
  readonly name: string;
  readonly hints = new Set<Hint>();
  /** Values it is compared with. */
  readonly literals = new Set<JsonValue>();
  /** Of these, the values with which a loop that polls for it ends, and those with which it goes on. */
  readonly endsLoop = new Set<JsonValue>();
  readonly keepsLoop = new Set<JsonValue>();
  /** Texts that must occur in it, and those it begins or ends with. */
  readonly contains = new Set<string>();
  readonly starts = new Set<string>();
  readonly ends = new Set<string>();
  /** Separators it is split at, and how many pieces are read. */
  readonly splits = new Map<string, number>();
  readonly properties = new Map<string, Shape>();
  /** Characters that are read of it. */
  minLength = 0;
  /** What it is declared to be: whatever its uses or its name suggest, another kind of value is refused. */
  declared: 'integer' | 'boolean' | undefined;
  /** It is asked whether there is anything in it: nothing is a value too. */
  mayBeEmpty = false;
  #element: Shape | undefined;
  #content: Shape | undefined;
  readonly #goals = new Set<Shape>();

  constructor(name = '') {
    this.name = name;
  }

  /** The shape of a property, in the spelling in which it was first read. */
  property(name: string): Shape {
    const key = name.toLowerCase();
    let found = this.properties.get(key);
    if (found === undefined) {
      found = new Shape(name);
      this.properties.set(key, found);
    }
    return found;
  }

  /** Makes two names of one property mean the same shape. */
  alias(name: string, shape: Shape): void {
    this.properties.set(name.toLowerCase(), shape);
  }

  /** The shape of an array's elements. */
  element(): Shape {
    this.#element ??= new Shape(this.name);
    return this.#element;
  }

  setElement(shape: Shape): void {
    this.#element = shape;
  }

  /** The shape of what its text is once it has been read as JSON. */
  content(): Shape {
    this.hints.add('json');
    this.#content ??= new Shape(this.name);
    return this.#content;
  }

  get knownElement(): Shape | undefined {
    return this.#element;
  }

  get knownContent(): Shape | undefined {
    return this.#content;
  }

  /** Whether anything at all is demanded of it. */
  get isDemanded(): boolean {
    return (
      this.hints.size > 0 || this.literals.size > 0 || this.properties.size > 0 || this.#element !== undefined
    );
  }

  /** Its value goes to `goal` as it is. */
  flowsTo(goal: Shape): void {
    if (goal !== this) this.#goals.add(goal);
  }

  /** Takes over what its goals demand. Returns whether that was anything new; repeat until nothing is. */
  absorb(): boolean {
    let changed = false;
    for (const goal of this.#goals) {
      const before = this.#size();
      for (const hint of goal.hints) this.hints.add(hint);
      for (const literal of goal.literals) this.literals.add(literal);
      for (const literal of goal.endsLoop) this.endsLoop.add(literal);
      for (const literal of goal.keepsLoop) this.keepsLoop.add(literal);
      for (const text of goal.contains) this.contains.add(text);
      for (const text of goal.starts) this.starts.add(text);
      for (const text of goal.ends) this.ends.add(text);
      for (const [separator, count] of goal.splits)
        this.splits.set(separator, Math.max(count, this.splits.get(separator) ?? 0));
      this.minLength = Math.max(this.minLength, goal.minLength);
      this.mayBeEmpty ||= goal.mayBeEmpty;
      this.declared ??= goal.declared;
      for (const [, property] of goal.properties) this.property(property.name).flowsTo(property);
      if (goal.#element !== undefined) this.element().flowsTo(goal.#element);
      if (goal.#content !== undefined) this.content().flowsTo(goal.#content);
      if (this.#size() !== before) changed = true;
    }
    return changed;
  }

  /** Counts what is known; an edge to a new goal counts too, for demands that are still on their way. */
  #size(): number {
    let size = this.hints.size + this.literals.size + this.contains.size + this.starts.size + this.ends.size;
    size +=
      this.properties.size +
      this.endsLoop.size +
      this.keepsLoop.size +
      this.minLength +
      (this.mayBeEmpty ? 1 : 0) +
      (this.declared === undefined ? 0 : 1) +
      (this.#element ? 1 : 0) +
      (this.#content ? 1 : 0);
    for (const count of this.splits.values()) size += 1 + count;
    for (const property of this.properties.values()) size += property.#goals.size;
    for (const inner of [this.#element, this.#content]) if (inner !== undefined) size += inner.#goals.size;
    return size;
  }

  /** This shape and every shape below it. */
  *all(seen = new Set<Shape>()): Generator<Shape> {
    if (seen.has(this)) return;
    seen.add(this);
    yield this;
    for (const property of [...this.properties.values()]) yield* property.all(seen);
    if (this.#element !== undefined) yield* this.#element.all(seen);
    if (this.#content !== undefined) yield* this.#content.all(seen);
  }
}

/** Lets demands flow back from goals to origins until nothing changes. */
export function settle(roots: readonly Shape[]): void {
  for (let round = 0; round < 50; round++) {
    const seen = new Set<Shape>();
    let changed = false;
    for (const root of roots) for (const shape of root.all(seen)) changed = shape.absorb() || changed;
    if (!changed) return;
  }
}
