// The activity ExecuteDataFlow: its data flow as the child workflow `runDataFlow`, under the activity's policy.
import { ChildWorkflowCancellationType, executeChild, ParentClosePolicy } from '@temporalio/workflow';
import type { FlowEnd } from '../core/dataflow/place.ts';
import type { DataFlowInput } from '../core/dataflow/run.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { evaluateDataset } from '../core/pipeline/evaluate-dataset.ts';
import { convertTo } from '../core/pipeline/parameters.ts';
import { sealed } from '../core/pipeline/secure.ts';
import type { ActivitySnapshot, DataFlowEnd } from '../core/pipeline/snapshot.ts';
import { masked } from '../core/pipeline/snapshot-secrets.ts';
import type { ActivityRun } from '../core/run.ts';
import { dataFlowWorkflowId } from '../core/workflow-ids.ts';
import { searchAttributes, withPolicy } from './pipeline-children.ts';
import { ActivityEndedError } from './pipeline-failure.ts';
import type { PipelineInterpreter } from './pipeline-interpreter.ts';
import { type BlockScope, labelOf } from './pipeline-scope.ts';

/** A further attempt under the policy goes on with the same run: a sink that was loaded is not loaded again. */
export async function dataFlowActivity(
  interpreter: PipelineInterpreter,
  activity: ActivitySnapshot,
  scope: BlockScope,
  entry: ActivityRun,
): Promise<JsonValue> {
  const { identity, input: run, loaded } = interpreter;
  const written = objectOf(activity.typeProperties['dataflow']);
  const name = String(written['referenceName'] ?? '');
  const flow = loaded.dataFlows?.[name.toLowerCase()];
  if (flow === undefined)
    throw new ActivityEndedError('REFERENCE_MISSING', `There is no data flow "${name}".`);
  const evaluated = (key: string): JsonObject => objectOf(interpreter.evaluate(written[key] ?? {}, scope));
  const [parameters, datasetParameters, serviceParameters] = [
    evaluated('parameters'),
    evaluated('datasetParameters'),
    evaluated('linkedServiceParameters'),
  ];
  const flowId = dataFlowWorkflowId(identity.workflowId, activity.name, labelOf(scope));
  const end = (one: DataFlowEnd): FlowEnd => {
    const given = byName(one.dataset === undefined ? serviceParameters : datasetParameters, one.name);
    if (one.dataset === undefined) {
      return {
        name: one.name,
        linkedService: one.linkedService ?? '',
        ...(Object.keys(given).length === 0 ? {} : { linkedServiceParameters: given }),
        dataset: {},
      };
    }
    const use = { dataset: one.dataset, parameters: given };
    const owner = `"${one.name}" of data flow "${flow.name}"`;
    const dataset = evaluateDataset(owner, use, loaded.datasets, interpreter.context(scope));
    const { name: service, parameters: passed } = dataset.linkedService;
    return {
      name: one.name,
      linkedService: service,
      ...(passed === undefined ? {} : { linkedServiceParameters: passed }),
      datasetType: dataset.type,
      dataset: dataset.typeProperties,
    };
  };
  const ends = { sources: flow.sources.map(end), sinks: flow.sinks.map(end) };
  const hidden =
    activity.policy.secureInput ||
    interpreter.secrets.within({ parameters, ...ends } as unknown as JsonObject).length > 0;
  const input: DataFlowInput = {
    flowId,
    pipeline: loaded.pipeline.name,
    activity: activity.name,
    name: flow.name,
    script: flow.script,
    ...ends,
    parameters,
    run: { runId: identity.runId, pipelineWorkflowId: identity.workflowId },
    ...(hidden ? { secure: sealed(true) } : {}),
  };
  interpreter.noteInput(
    activity,
    entry,
    masked({ dataflow: { referenceName: name, type: 'DataFlowReference', parameters, datasetParameters } }),
  );
  interpreter.log.setWorkflowId(entry, flowId);
  interpreter.show();
  const retries = Number(convertTo('Int', interpreter.evaluate(activity.policy.retry, scope)) ?? 0);
  return withPolicy(activity, retries, (tried) => {
    if (tried > 0) interpreter.log.setRetryAttempt(entry, tried);
    return executeChild<(input: DataFlowInput) => Promise<JsonObject>>('runDataFlow', {
      workflowId: flowId,
      args: [input],
      ...(hidden ? {} : { staticSummary: `data flow ${flow.name}` }),
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      typedSearchAttributes: searchAttributes(input.pipeline, run, 'dataflow'),
    });
  });
}

const objectOf = (value: JsonValue | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};

/** What is given under the stream's name. */
const byName = (given: JsonObject, name: string): JsonObject =>
  objectOf(Object.entries(given).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]);
