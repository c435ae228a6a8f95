// The request that sets a Databricks activity going: a one-time run, or a job of the workspace.
import { createHash } from 'node:crypto';
import type { DatabricksService } from '../../compute/databricks/linked-service.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { TaskInput } from '../../core/pipeline/task.ts';

/** The run's task, where it is ours to name. */
const TASK_KEY = 'main';
/** Longest name that stays readable in a list; Databricks takes 4096. */
const NAME_CHARACTERS = 200;

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** 64 characters, as many as Databricks takes; the same for every repetition of one attempt. */
const tokenOf = ({ attemptKey }: TaskInput): string => createHash('sha256').update(attemptKey).digest('hex');

/** What tells this attempt's run from all others in a list of runs. */
const runName = (input: TaskInput): string =>
  `waybill ${input.pipeline} / ${input.activity}`.slice(0, NAME_CHARACTERS) +
  ` [${tokenOf(input).slice(0, 16)}]`;

/** Body of runs/submit. `timeoutSeconds` is the net below waybill's own time limit. */
export function submitBody(
  input: TaskInput,
  { cluster }: DatabricksService,
  timeoutSeconds: number,
): JsonObject {
  const libraries = input.typeProperties['libraries'];
  const task: JsonObject = {
    task_key: TASK_KEY,
    ...taskOf(input),
    ...cluster,
    ...(Array.isArray(libraries) && libraries.length > 0 ? { libraries } : {}),
  };
  return {
    run_name: runName(input),
    idempotency_token: tokenOf(input),
    tasks: [task],
    ...(timeoutSeconds > 0 ? { timeout_seconds: timeoutSeconds } : {}),
  };
}

/** Body of run-now. */
export function startBody(input: TaskInput): JsonObject {
  const { jobId, jobParameters } = input.typeProperties;
  const id = Number(typeof jobId === 'string' ? jobId.trim() || 'none' : (jobId ?? 'none'));
  if (!Number.isSafeInteger(id)) throw invalid(input, 'jobId', 'is not the number of a job');
  return {
    job_id: id,
    idempotency_token: tokenOf(input),
    ...(isObject(jobParameters) ? { job_parameters: textsOf(jobParameters) } : {}),
  };
}

function taskOf(input: TaskInput): JsonObject {
  const { typeProperties } = input;
  const text = (key: string): string => {
    const value = typeProperties[key];
    if (typeof value === 'string' && value.trim() !== '') return value.trim();
    throw invalid(input, key, 'is empty');
  };
  const list = (): string[] => {
    const value = typeProperties['parameters'] ?? [];
    if (!Array.isArray(value)) throw invalid(input, 'parameters', 'is not an array');
    return value.map(asText);
  };
  switch (input.type) {
    case 'DatabricksNotebook': {
      const base = typeProperties['baseParameters'];
      return {
        notebook_task: {
          notebook_path: text('notebookPath'),
          ...(isObject(base) ? { base_parameters: textsOf(base) } : {}),
        },
      };
    }
    case 'DatabricksSparkPython':
      return { spark_python_task: { python_file: text('pythonFile'), parameters: list() } };
    default:
      return { spark_jar_task: { main_class_name: text('mainClassName'), parameters: list() } };
  }
}

/** Widgets and parameters are text; Data Factory writes null as nothing. */
const asText = (value: JsonValue): string =>
  value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
const textsOf = (values: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, asText(value)]));

const invalid = ({ activity }: TaskInput, key: string, why: string): WaybillError =>
  new WaybillError('DEFINITION_INVALID', `"${key}" of "${activity}" ${why}.`, { activity, key });
