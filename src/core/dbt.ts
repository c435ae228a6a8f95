// dbt as workflows see it: what to run, what came of each node, and which nodes a retry takes up again.
import type { JsonObject } from './json.ts';

/** What `dbt` is asked to do. */
export const DBT_COMMANDS = ['deps', 'seed', 'run', 'test', 'build', 'snapshot', 'source freshness'] as const;
export type DbtCommand = (typeof DBT_COMMANDS)[number];

/** One call of dbt. Selectors are dbt's own: `mart_carriers+`, `tag:daily`, `path:models/marts`. */
export interface DbtStep {
  readonly command: DbtCommand;
  readonly select?: readonly string[];
  readonly exclude?: readonly string[];
  /** Incremental models and seeds are made from nothing. */
  readonly fullRefresh?: boolean;
}

/** Input of the workflow `runDbt`. Holds no secret: those are in the linked service. */
export interface RunDbtInput {
  readonly name: string;
  /** Its address and credentials become dbt's environment; none for a target that needs none (a Spark session). */
  readonly linkedService?: string;
  readonly linkedServiceParameters?: JsonObject;
  /** Output in profiles.yml. */
  readonly target: string;
  /** Schema that the marts go to: DBT_SCHEMA. The profile's own unless set. */
  readonly schema?: string;
  readonly vars: JsonObject;
  readonly steps: readonly DbtStep[];
  /** ms for each step. */
  readonly timeout: number;
  /** How often nodes are tried again that failed for a reason that passes. */
  readonly retries: number;
  /** ms. */
  readonly retryInterval: number;
  /** Where an earlier run ended, from the details of its DBT_FAILED: that step begins with these nodes alone. */
  readonly resume?: DbtResume;
}

export interface DbtResume {
  /** Index of the step. */
  readonly step: number;
  /** Unique ids of the nodes that failed or were skipped. */
  readonly nodes: readonly string[];
}

/** Input of the activity `performDbtStep`. */
export interface DbtStepInput {
  readonly linkedService?: string;
  readonly linkedServiceParameters?: JsonObject;
  readonly target: string;
  readonly schema?: string;
  readonly vars: JsonObject;
  readonly step: DbtStep;
  /** Only these nodes, by unique id, in place of what the step selects. */
  readonly nodes?: readonly string[];
}

/** What the heartbeat of `performDbtStep` says. */
export interface DbtBeat {
  /** Nodes that have ended. */
  readonly done: number;
  /** Nodes at work, by unique id. */
  readonly running: readonly string[];
  /** The node that ended last, and how. */
  readonly last?: { readonly node: string; readonly status: string };
}

/** One node of run_results.json. */
export interface DbtNode {
  /** dbt's unique id: `model.nycflights.mart_carriers`. */
  readonly node: string;
  /** success, pass, warn, error, fail, skipped, partial success, runtime error, no-op. */
  readonly status: string;
  readonly seconds: number;
  /** Rows as the adapter counted them; failing rows of a test. */
  readonly rows?: number;
  /** Of what did not succeed; cut. */
  readonly message?: string;
}

export interface DbtStepResult {
  /** All that did not succeed, then as many others as fit; `counts` counts all. */
  readonly nodes: readonly DbtNode[];
  /** Nodes by status. */
  readonly counts: Readonly<Record<string, number>>;
  /** Nodes that are not listed. */
  readonly left: number;
}

/** One call of dbt in a run: the first of a step, or a retry of some of its nodes. */
export interface DbtCall extends DbtStepResult {
  readonly step: number;
  readonly command: DbtCommand;
  readonly attempt: number;
}

/** Answer of the query `progress` on `runDbt`, and its result. */
export interface DbtProgress {
  readonly kind: 'dbt';
  readonly name: string;
  readonly status: 'InProgress' | 'Succeeded' | 'Failed' | 'Cancelled';
  /** What it is doing: "build", "build, 2 nodes again". */
  readonly doing: string;
  readonly calls: readonly DbtCall[];
}

/** Second detail of DBT_FAILED: where to go on. */
export interface DbtFailureDetails {
  readonly failed: readonly DbtNode[];
  readonly resume: DbtResume;
}

export interface DbtActivities {
  /**
   * Runs one step in a process of its own and gives what its run_results.json says, failed nodes included.
   * Throws DBT_FAILED (no results: the project does not compile, a bad selector), CONNECTION_FAILED or STORE_BUSY (none
   * for a reason that passes), and what resolving the linked service throws.
   */
  performDbtStep(input: DbtStepInput): Promise<DbtStepResult>;
}

const FAILED = new Set(['error', 'fail', 'runtime error', 'partial success']);

/** Nodes that failed by themselves, not because of another. */
export const failedNodes = (nodes: readonly DbtNode[]): DbtNode[] =>
  nodes.filter(({ status }) => FAILED.has(status));

/** Nodes that a retry has to take up: those that failed and those that were skipped because of them. */
export const unfinishedNodes = (nodes: readonly DbtNode[]): DbtNode[] =>
  nodes.filter(({ status }) => FAILED.has(status) || status === 'skipped');

const TRANSIENT =
  /connection (?:reset|refused|aborted|closed|timed out)|(?:could not|failed to|unable to) connect|server closed the connection|broken pipe|timed? ?out|too many (?:requests|connections)|throttl|rate limit|service unavailable|temporarily unavailable|bad gateway|gateway time|\b(?:429|502|503|504)\b (?:client|server|error|too|bad|service|gateway)|250001|deadlock|serialization failure|concurrent (?:append|modification|transaction)|Concurrent(?:Append|DeleteRead|DeleteDelete|Transaction|Write)Exception|may have already booted the database/i;

/** Whether a message tells of a reason that passes by itself: a broken connection, throttling, a lost race. */
export const isTransient = (message: string): boolean => TRANSIENT.test(message);

/** Whether trying again may help: every failure passes by itself, and none is a test that found something. */
export function mayPass(nodes: readonly DbtNode[]): boolean {
  const failed = failedNodes(nodes);
  return (
    failed.length > 0 &&
    failed.every(({ status, message }) => status !== 'fail' && isTransient(message ?? ''))
  );
}

/** dbt's selector for exactly one node. `source.p.s.t` is a source's table, all others are found by name. */
export function selectorOf(uniqueId: string): string {
  const [kind, project, ...rest] = uniqueId.split('.');
  if (kind === 'source') return `source:${project}.${rest.join('.')}`;
  // A generic test's id ends in a hash that its name has not; a versioned model's in its version, which it has.
  const name = kind === 'test' || kind === 'unit_test' ? rest.slice(0, 1) : rest;
  return `fqn:${name.join('.')}`;
}
