// What a mapping data flow script means, as JSON: streams in script order and the expressions in their arguments.
// jobs/waybill_jobs/dataflow reads exactly this.
import type { JsonObject } from '../json.ts';

export type LiteralKind =
  | 'string'
  | 'integer'
  | 'long'
  | 'short'
  | 'float'
  | 'double'
  | 'decimal'
  | 'boolean'
  | 'null';

export type Node =
  /** A number is kept as written, without its suffix, where a double cannot hold it exactly (long, decimal). */
  | { type: 'literal'; value: string | number | boolean | null; kind: LiteralKind }
  /** `X`, `S@X`, and `S@Branch@X` with the branch of a split as `output`. */
  | { type: 'column'; name: string; stream: string | null; output: string | null }
  /** `$$` and, with an index, `$0`, `$1`: the column that a rule matched. */
  | { type: 'matched'; index: number | null }
  /** `#item`, `#item1`, `#1`, `#acc`, `#result`, `#index`: what a function over an array is at. */
  | { type: 'item'; index: number | null; name: string }
  | { type: 'parameter'; name: string }
  | { type: 'local'; name: string }
  /** Functions, and operators by their sign: `+`, `==`, `&&`, `!`; unary minus is `neg`; `@` makes a structure. */
  | { type: 'call'; name: string; arguments: Node[]; line: number }
  | { type: 'list'; items: Node[] }
  | { type: 'index'; of: Node; index: Node }
  | { type: 'member'; of: Node; name: string }
  | { type: 'interpolation'; parts: Node[] }
  | { type: 'entry'; key: string; value: Node }
  | { type: 'assign'; target: Node; value: Node }
  | Typed;

/** `name as type 'format'`. A structure has `fields`; an array of it, or of a simple type, has `array`. */
export interface Typed {
  type: 'typed';
  name: string;
  as: string;
  format: string | null;
  fields: Typed[] | null;
  array: boolean;
}

export interface StreamInput {
  stream: string;
  output: string | null;
}

export interface Stream {
  name: string;
  /** Names of the branches of a split: `~> X@(Yes, No)`. */
  outputs: string[];
  inputs: StreamInput[];
  transformation: string;
  arguments: Node[];
  /** Of the script, from 1: where the transformation begins. */
  line: number;
}

export interface FlowParameter {
  name: string;
  type: string;
  default: Node | null;
}

export interface Program {
  parameters: FlowParameter[];
  streams: Stream[];
}

/** The program as what a payload or a plan holds. */
export const programJson = (program: Program): JsonObject => program as unknown as JsonObject;
