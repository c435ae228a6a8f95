// The syntax tree of Data Factory's expression language, and the values that its evaluation passes around.
import type { JsonValue } from '../json.ts';

/**
 * A number that Data Factory holds as floating point. JSON and JavaScript cannot tell 5.0 from 5, but `div(11, 5.0)`
 * is 2.2 and `div(11, 5)` is 2, so the difference is kept while an expression is being evaluated.
 */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/**
 * A value during evaluation. A bigint is a whole number beyond 2^53, such as ticks(), which JSON would round. Functions get
 * plain JSON unless they ask for the raw value.
 */
export type RawValue = JsonValue | Float | bigint;

export type Expression =
  | { readonly kind: 'literal'; readonly value: RawValue; readonly at: number }
  | { readonly kind: 'call'; readonly name: string; readonly args: Expression[]; readonly at: number }
  | {
      readonly kind: 'member';
      readonly target: Expression;
      readonly name: string;
      readonly optional: boolean;
      readonly at: number;
    }
  | {
      readonly kind: 'index';
      readonly target: Expression;
      readonly index: Expression;
      readonly optional: boolean;
      readonly at: number;
    };

/** A string of a definition: literal text, one expression that keeps its type, or text with expressions in it. */
export type Template =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'expression'; readonly expression: Expression }
  | { readonly kind: 'interpolation'; readonly parts: (string | Expression)[] };
