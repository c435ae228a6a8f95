// Where in a pipeline an activity runs, and how a block of activities ended.
import type { JsonValue } from '../core/json.ts';
import type { ActivityRun } from '../core/run.ts';

/** Where in the pipeline an activity runs: its loop iterations, and the results it can see. */
export interface BlockScope {
  readonly parent?: BlockScope;
  /** By lower-case name: the activities of this block that ended, with outputs also where the log hides them. */
  readonly results: Map<string, ActivityRun>;
  readonly item?: { readonly value: JsonValue };
  /** Iterations, outermost first; they make child workflow ids. */
  readonly labels: readonly string[];
  /** The activity of the outermost block that this scope is inside of; absent in the outermost block itself. */
  readonly top?: string;
}

/** The scope of a block inside of the activity named `owner`. */
export const innerScope = (
  parent: BlockScope,
  owner: string,
  iteration?: { label: string; item?: JsonValue },
): BlockScope => ({
  parent,
  results: new Map(),
  labels: iteration === undefined ? parent.labels : [...parent.labels, iteration.label],
  top: parent.top ?? owner,
  ...(iteration?.item === undefined ? {} : { item: { value: iteration.item } }),
});

/** What is known of a block after it ended. */
export interface BlockOutcome {
  /** The first failure that makes the block fail; absent when it succeeded. */
  readonly failure?: { activity: string; errorCode: string; message: string };
}

/** The item of the innermost loop. */
export function itemOf(scope: BlockScope): { readonly value: JsonValue } | undefined {
  for (let at: BlockScope | undefined = scope; at !== undefined; at = at.parent)
    if (at.item !== undefined) return at.item;
  return undefined;
}

/** The iterations as one text, for logs and child workflow ids. */
export const labelOf = (scope: BlockScope): string | undefined =>
  scope.labels.length === 0 ? undefined : scope.labels.join('/');
