// The one table of error codes, and the error class that every layer throws. docs/errors.md lists the same codes;
// a test compares the two.

/** What a code means to the person who reads it. */
export interface ErrorEntry {
  /** One sentence: what happened, in general. */
  readonly meaning: string;
  /** One sentence: what to do next. */
  readonly next: string;
  /** Whether Temporal should try the activity again. */
  readonly retryable: boolean;
}

const fatal = (meaning: string, next: string): ErrorEntry => ({ meaning, next, retryable: false });
const transient = (meaning: string, next: string): ErrorEntry => ({ meaning, next, retryable: true });

/** Every error code. The code is also the `type` of the ApplicationFailure that carries it in a history. */
export const ERRORS = {
  DEFINITION_INVALID: fatal(
    'A definition file cannot be read as what it claims to be.',
    'Correct the file at the JSON pointer given, then run `waybill validate`.',
  ),
  DEFINITION_UNSUPPORTED: fatal(
    'A definition uses something waybill does not run yet.',
    'Remove or replace it; `waybill validate` lists every such place.',
  ),
  REFERENCE_MISSING: fatal(
    'A definition refers to something that does not exist.',
    'Correct the name; the nearest existing name is given.',
  ),
  PARAMETER_MISSING: fatal(
    'A parameter without a default was given no value.',
    'Pass it with `--param name=value`.',
  ),
  PARAMETER_INVALID: fatal(
    'A parameter was given a value of the wrong type, or does not exist.',
    'Pass a value of the declared type; `waybill validate` lists the parameters.',
  ),
  ACTIVITY_TIMEOUT: fatal(
    'An activity of a pipeline ran longer than its policy allows.',
    'Raise "timeout" in the policy of the activity, or find out what made it slow.',
  ),
  ATTEMPT_LOST: fatal(
    'A worker died while it performed an activity that may not be repeated blindly.',
    'Look whether its effect is there, then run again; "retry" in the policy says that repeating is harmless.',
  ),
  ACTIVITY_UNKNOWN: fatal(
    'An activity has a type that Data Factory does not have.',
    'Correct the type; the nearest existing one is given.',
  ),
  STORE_UNKNOWN: fatal(
    'A linked service, dataset, source or sink has a type that waybill does not know.',
    'Correct the type; the nearest existing one is given.',
  ),
  EXPRESSION_INVALID: fatal(
    'An expression cannot be parsed or evaluated.',
    'Correct the expression at the position given.',
  ),
  ACTIVITY_FAILED: fatal(
    'An activity of a pipeline failed.',
    'Read the cause below it, mend that, and run the pipeline again.',
  ),
  OUTPUT_TOO_LARGE: fatal(
    'An activity of a pipeline has more output than a pipeline may carry.',
    'Select fewer columns or rows, or copy the data instead.',
  ),
  SETTINGS_INVALID: fatal(
    'waybill.toml or the environment holds a bad setting.',
    'Correct the key that is named.',
  ),
  SECRET_MISSING: fatal(
    'A secret that a linked service refers to cannot be had.',
    'Set the environment variable or the vault secret that is named.',
  ),
  IDENTIFIER_INVALID: fatal(
    'A schema, table, column or file name cannot be used safely.',
    'Use a name without NUL that is not empty and not longer than the store allows.',
  ),
  CONNECTION_FAILED: transient(
    'A store could not be reached, or the connection broke.',
    'Check host, port and network; waybill tries again by itself.',
  ),
  AUTHENTICATION_FAILED: fatal(
    'A store refused the credentials.',
    'Check user and secret of the linked service that is named.',
  ),
  QUERY_FAILED: fatal('A store refused a statement.', 'Correct the query or the permission that is named.'),
  STORE_BUSY: transient(
    'A store asked to come back later (deadlock, lock timeout, throttling).',
    'Nothing to do: waybill waits and tries again.',
  ),
  OBJECT_MISSING: fatal('A table, file or bucket does not exist.', 'Create it or correct its name.'),
  FILE_INVALID: fatal(
    'A file is damaged, or not of the format its dataset names.',
    'Correct the dataset, or have the file made again.',
  ),
  TYPE_UNSUPPORTED: fatal(
    'A column type cannot be carried between these two stores without loss.',
    'Cast the column in the source query, or drop it from the mapping.',
  ),
  SINK_TYPE_OVERFLOW: fatal(
    'A value does not fit its column in the sink.',
    'Widen the column or mend the value in the source, then run again: nothing was published.',
  ),
  CONSTRAINT_VIOLATED: fatal(
    'The sink refused rows that break a constraint.',
    'Remove the duplicates or the rows named, then run again.',
  ),
  CHUNK_MISMATCH: fatal(
    'The sink does not hold what left the source.',
    'Nothing was published. Run again; if it stays, report it with the chunk named.',
  ),
  CHUNK_FENCED: fatal(
    'A newer attempt of this chunk has taken over, so this one may not write.',
    'Nothing to do: the newer attempt carries on.',
  ),
  SOURCE_CHANGED: fatal(
    'The source no longer matches the plan this copy was made with.',
    'Start the copy under a new key.',
  ),
  WATERMARK_TIES: fatal(
    'Too many rows share the last value of the watermark column to tell old ones from new ones.',
    'Use upsert with keys, or a watermark column with finer values.',
  ),
  WATERMARK_MOVED: fatal(
    'Another incremental copy of the same stream published while this one ran.',
    'Run again under a new key: it goes on where the other one ended.',
  ),
  STAGING_FAILED: transient(
    'A staged file could not be written or read.',
    'Nothing to do: waybill tries again.',
  ),
  CLUSTER_FAILED: fatal(
    'The Spark cluster ended before its work was done.',
    "Read the cluster's state change reason; run again for a new cluster.",
  ),
  STEP_FAILED: fatal('A Spark step failed.', 'Read the log tail; the full log is at the address given.'),
  STEP_CANCELLED: fatal('A Spark step was cancelled.', 'Run again if that was not wanted.'),
  STREAM_FAILED: fatal(
    'A stream failed too often and is no longer supervised. Its checkpoint is whole.',
    'Read the last failure; `waybill stream start` goes on from the checkpoint.',
  ),
  COMPUTE_BUSY: transient(
    'The compute service throttles or is briefly unavailable.',
    'Nothing to do: waybill waits.',
  ),
  COMPUTE_REFUSED: fatal(
    'The compute service refused a request.',
    'Correct what its message names: a role, an instance type, a release or a permission.',
  ),
  BUDGET_EXCEEDED: fatal(
    'A run has cost more than its budget, which says to stop it then.',
    'Raise "budget" in the definition, or find out from the cost ledger what was dear (docs/cost.md).',
  ),
  STAGE_TIMEOUT: fatal(
    'A stage took longer than its timeout allows.',
    'Give the stage more time in its definition, or find out what was slow from its children.',
  ),
  CHECK_FAILED: fatal(
    'A check of the result did not hold.',
    'Do not use the result; the check says what differs.',
  ),
  POINTER_MOVED: fatal(
    'The pointer to a migrated dataset was moved by someone else.',
    'Find out who: two migrations must not share pointers; then resume.',
  ),
  DBT_FAILED: fatal(
    'dbt failed: nodes of its project, or dbt itself before it had results.',
    'Mend the nodes that are named, then run again; a later run may begin with these alone (docs/dbt.md).',
  ),
  ADDRESS_REFUSED: fatal(
    'An address is one that waybill does not call: this machine, its own network link or a metadata service.',
    'Use another address, or name the host in "allow" of [web] in waybill.toml.',
  ),
  WEB_FAILED: fatal(
    'An HTTP endpoint answered with an error, or with something that is no answer.',
    'Correct the request, or what the endpoint complains of; "retry" in the policy has it tried again.',
  ),
  REQUEST_INVALID: fatal(
    'A request to the HTTP door is not of the form it should have.',
    'Correct what the message names; docs/http.md shows every request.',
  ),
  REQUEST_UNAUTHORIZED: fatal(
    'A request to the HTTP door bears no proof that it may be made, or one that no longer counts.',
    'Sign it anew with a key of this installation; docs/http.md shows how.',
  ),
  RUN_IN_PROGRESS: fatal(
    'A run under the same id is still going on.',
    'Wait for it, or cancel it with `waybill cancel`.',
  ),
  INTERNAL: transient('Something unforeseen went wrong.', 'Report it with the workflow id.'),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** Facts about one failure: names, ranges and counts. Never rows' contents beyond a key, never a secret. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean>>;

/** The error that every layer throws. `message` says what failed and why, in one or two sentences. */
export class WaybillError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  /** Whether trying again may help. Starts from the code's table entry. */
  readonly retryable: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
    options: { cause?: unknown; retryable?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'WaybillError';
    this.code = code;
    this.details = details;
    this.retryable = options.retryable ?? ERRORS[code].retryable;
  }
}
