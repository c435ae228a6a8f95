// Operations on steps: add, describe, list, cancel.
import { z } from 'zod';
import { invalidRequest, validation } from '../errors.ts';
import { clusterId, marker, stepConfig } from '../shapes.ts';
import { isActive, isEnding } from '../state.ts';
import { checkSteps, parseInput } from '../validation.ts';
import { type Operation, page } from './context.ts';

/** EMR's limit on the ids of one ListSteps request. */
const MOST_LISTED_IDS = 10;

export const stepOperations: Record<string, Operation> = {
  AddJobFlowSteps(input, { store, life }) {
    const shape = z.object({
      JobFlowId: z.string(),
      Steps: z.array(stepConfig),
      ExecutionRoleArn: z.string().optional(),
    });
    const query = parseInput(shape, input);
    const record = store.jobFlow(query.JobFlowId);
    if (isEnding(record)) {
      throw validation('A job flow that is shutting down, terminated, or finished may not be modified.');
    }
    checkSteps(query.Steps, record.view.StepConcurrencyLevel, record.steps.filter(isActive).length);
    const steps = life(record).addSteps(query.Steps, query.ExecutionRoleArn);
    const ids = steps.map(({ view }) => view.Id);
    store.logRequest({
      operation: 'AddJobFlowSteps',
      name: record.view.Name,
      clusterId: record.view.Id,
      ids,
      names: steps.map(({ view }) => view.Name),
    });
    return { StepIds: ids };
  },

  DescribeStep(input, { store }) {
    const { ClusterId, StepId } = parseInput(z.object({ ClusterId: clusterId, StepId: z.string() }), input);
    const step = store.cluster(ClusterId).steps.find(({ view }) => view.Id === StepId);
    if (!step) throw invalidRequest(`Step id '${StepId}' is not valid.`);
    return { Step: step.view };
  },

  ListSteps(input, { store }) {
    const shape = z.object({
      ClusterId: clusterId,
      StepStates: z.array(z.string()).optional(),
      StepIds: z.array(z.string()).optional(),
      Marker: marker,
    });
    const { ClusterId, StepStates, StepIds, Marker } = parseInput(shape, input);
    if (StepStates?.length && StepIds?.length)
      throw validation('StepStates and StepIds cannot be given together.');
    if (StepIds && StepIds.length > MOST_LISTED_IDS)
      throw validation(`At most ${MOST_LISTED_IDS} StepIds can be listed.`);
    const matching = store
      .cluster(ClusterId)
      .steps.map(({ view }) => view)
      .filter((view) => !StepStates?.length || StepStates.includes(view.Status.State))
      .filter((view) => !StepIds?.length || StepIds.includes(view.Id))
      .reverse();
    const { items, next } = page(matching, Marker);
    return { Steps: items.map(({ ExecutionRoleArn: _, ...summary }) => summary), ...next };
  },

  CancelSteps(input, { store, life }) {
    const shape = z.object({
      ClusterId: clusterId,
      StepIds: z.array(z.string()),
      StepCancellationOption: z.enum(['SEND_INTERRUPT', 'TERMINATE_PROCESS']).optional(),
    });
    const { ClusterId, StepIds, StepCancellationOption } = parseInput(shape, input);
    const record = store.cluster(ClusterId);
    const cluster = life(record);
    store.logRequest({
      operation: 'CancelSteps',
      name: record.view.Name,
      clusterId: record.view.Id,
      ids: StepIds,
      names: StepIds.map((id) => record.steps.find(({ view }) => view.Id === id)?.view.Name ?? ''),
    });
    const CancelStepsInfoList = StepIds.map((StepId) => {
      const Reason = cluster.cancelStep(StepId, StepCancellationOption === 'TERMINATE_PROCESS');
      return Reason === undefined ? { StepId, Status: 'SUBMITTED' } : { StepId, Status: 'FAILED', Reason };
    });
    return { CancelStepsInfoList };
  },
};
