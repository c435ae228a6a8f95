// What an expression can see while it is evaluated.
import type { JsonValue } from '../json.ts';

/** What an expression can see. */
export interface EvaluationContext {
  /**
   * The scope functions by lower-case name: pipeline, variables, activity, item, dataset, linkedservice, trigger,
   * triggerbody. One that is absent cannot be used here.
   */
  readonly roots: Readonly<Record<string, (args: JsonValue[]) => JsonValue>>;
  /** Milliseconds since the epoch: the workflow's time inside a workflow. */
  readonly now: () => number;
  readonly guid: () => string;
  /** From 0 to below 1. */
  readonly random: () => number;
}
