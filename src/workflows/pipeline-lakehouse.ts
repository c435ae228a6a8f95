// The activity WaybillLakehouse, which Data Factory does not have: a lakehouse pipeline over one window, as a child.
import type { JsonObject, JsonValue } from '../core/json.ts';
import { lakehouseActivityInput } from '../core/pipeline/lakehouse-input.ts';
import { convertTo } from '../core/pipeline/parameters.ts';
import type { ActivitySnapshot } from '../core/pipeline/snapshot.ts';
import { evaluateTask } from '../core/pipeline/task-input.ts';
import type { ActivityRun } from '../core/run.ts';
import { lakehouseWorkflowId } from '../core/workflow-ids.ts';
import { runOrFindLakehouse } from './lakehouse-run.ts';
import { withPolicy } from './pipeline-children.ts';
import { ActivityEndedError } from './pipeline-failure.ts';
import type { PipelineInterpreter } from './pipeline-interpreter.ts';
import type { BlockScope } from './pipeline-scope.ts';

/**
 * Runs a window of a lakehouse pipeline under the id that window has however it is started: a run of it that goes on is
 * waited for, one that has succeeded is taken, one that failed is done again. A timeout or a cancellation undoes a run
 * that this activity began, as it would by itself.
 */
export async function lakehouseActivity(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): Promise<JsonValue> {
  const evaluated = evaluateTask(activity, interpreter.loaded.datasets, interpreter.context(scope));
  if (
    activity.policy.secureInput ||
    interpreter.secrets.within(evaluated as unknown as JsonObject).length > 0
  )
    throw new ActivityEndedError(
      'DEFINITION_UNSUPPORTED',
      `"${activity.name}" would hand a secret to a lakehouse pipeline, whose parameters stand in its history.`,
    );
  const asked = lakehouseActivityInput(evaluated.typeProperties);
  interpreter.noteInput(activity, entry, evaluated.typeProperties);
  const workflowId = lakehouseWorkflowId(asked.name, asked.window);
  interpreter.log.setWorkflowId(entry, workflowId);
  interpreter.show();
  const retries = Number(convertTo('Int', interpreter.evaluate(activity.policy.retry, scope)) ?? 0);
  const { run } = await withPolicy(activity, retries, (tried) => {
    if (tried > 0) interpreter.log.setRetryAttempt(entry, tried);
    return runOrFindLakehouse(workflowId, { ...asked, trigger: interpreter.input.trigger });
  });
  return run as unknown as JsonObject;
}
