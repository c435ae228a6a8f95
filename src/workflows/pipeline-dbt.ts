// The activity WaybillDbt, which Data Factory does not have: a run of dbt as a child, its retries for nodes alone.
import { ChildWorkflowCancellationType, executeChild, ParentClosePolicy } from '@temporalio/workflow';
import type { DbtProgress, RunDbtInput } from '../core/dbt.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { dbtActivityInput } from '../core/pipeline/dbt-input.ts';
import { convertTo } from '../core/pipeline/parameters.ts';
import type { ActivitySnapshot } from '../core/pipeline/snapshot.ts';
import { evaluateTask } from '../core/pipeline/task-input.ts';
import type { ActivityRun } from '../core/run.ts';
import { dbtWorkflowId } from '../core/workflow-ids.ts';
import { searchAttributes } from './pipeline-children.ts';
import { ActivityEndedError } from './pipeline-failure.ts';
import type { PipelineInterpreter } from './pipeline-interpreter.ts';
import { type BlockScope, labelOf } from './pipeline-scope.ts';
import { withTimeout } from './pipeline-timeout.ts';

/**
 * Runs dbt as the child workflow `runDbt`. The policy's timeout is for all of it; its retries are for nodes that failed
 * for a reason that passes, and nothing else is run again.
 */
export async function dbtActivity(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): Promise<JsonValue> {
  const { input: run, identity, loaded } = interpreter;
  const { policy } = activity;
  const evaluated = evaluateTask(activity, loaded.datasets, interpreter.context(scope));
  if (policy.secureInput || interpreter.secrets.within(evaluated as unknown as JsonObject).length > 0)
    throw new ActivityEndedError(
      'DEFINITION_UNSUPPORTED',
      `"${activity.name}" would hand a secret to dbt's command line. Secrets reach dbt by its linked service alone.`,
    );
  const asked = dbtActivityInput(evaluated.typeProperties);
  interpreter.noteInput(activity, entry, evaluated.typeProperties);
  const workflowId = dbtWorkflowId(identity.workflowId, activity.name, labelOf(scope));
  const { linkedService } = evaluated;
  const input: RunDbtInput = {
    name: activity.name,
    ...asked,
    ...(linkedService === undefined ? {} : { linkedService: linkedService.name }),
    ...(linkedService?.parameters === undefined ? {} : { linkedServiceParameters: linkedService.parameters }),
    timeout: policy.timeout,
    retries: Number(convertTo('Int', interpreter.evaluate(policy.retry, scope)) ?? 0),
    retryInterval: policy.retryIntervalSeconds * 1000,
  };
  interpreter.log.setWorkflowId(entry, workflowId);
  interpreter.show();
  const { calls } = await withTimeout(activity, policy.timeout, () =>
    executeChild<(input: RunDbtInput) => Promise<DbtProgress>>('runDbt', {
      workflowId,
      args: [input],
      staticSummary: `dbt ${asked.steps.map(({ command }) => command).join(', ')} · ${asked.target}`,
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      typedSearchAttributes: searchAttributes(loaded.pipeline.name, run, 'dbt'),
    }),
  );
  return { workflowId, calls } as unknown as JsonObject;
}
