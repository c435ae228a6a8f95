// Runs dbt step by step, each in an activity; takes up again only what failed, and only where that may help.
import { ApplicationFailure } from '@temporalio/common';
import {
  ActivityCancellationType,
  defineQuery,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import {
  type DbtActivities,
  type DbtCall,
  type DbtFailureDetails,
  type DbtNode,
  type DbtProgress,
  type DbtStep,
  failedNodes,
  mayPass,
  type RunDbtInput,
  unfinishedNodes,
} from '../core/dbt.ts';

export const dbtProgressQuery = defineQuery<DbtProgress>('progress');

/** Failed nodes that a message names. */
const NAMED = 10;

/**
 * Runs the steps in order. Nodes that failed for a reason that passes are run again with those that were skipped
 * because of them, `retries` times; a failed test never is. Fails with DBT_FAILED naming the nodes; its details say
 * where a later run may go on (`resume`).
 */
export async function runDbt(input: RunDbtInput): Promise<DbtProgress> {
  const calls: DbtCall[] = [];
  let status: DbtProgress['status'] = 'InProgress';
  let doing = '';
  const answer = (): DbtProgress => ({ kind: 'dbt', name: input.name, status, doing, calls: [...calls] });
  setHandler(dbtProgressQuery, answer);
  try {
    for (const [index, step] of input.steps.entries()) {
      const { resume } = input;
      if (resume !== undefined && index < resume.step) continue;
      const first = resume?.step === index ? resume.nodes : undefined;
      await runStep(input, index, step, first, {
        begin: (text) => {
          doing = text;
          setCurrentDetails(`dbt ${text}`);
        },
        end: (call) => calls.push(call),
      });
    }
    status = 'Succeeded';
    doing = '';
    return answer();
  } catch (error) {
    status = isCancellation(error) ? 'Cancelled' : 'Failed';
    throw error;
  }
}

async function runStep(
  input: RunDbtInput,
  index: number,
  step: DbtStep,
  first: readonly string[] | undefined,
  shown: { begin: (text: string) => void; end: (call: DbtCall) => void },
): Promise<void> {
  const { performDbtStep } = proxyActivities<DbtActivities>({
    startToCloseTimeout: input.timeout,
    heartbeatTimeout: '30s',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { initialInterval: '1s', maximumInterval: '30s', maximumAttempts: input.retries + 3 },
    summary: `dbt ${step.command}`,
  });
  let nodes = first;
  for (let attempt = 1; ; attempt++) {
    shown.begin(nodes === undefined ? step.command : `${step.command}, ${nodes.length} nodes again`);
    const result = await performDbtStep({
      ...(input.linkedService === undefined ? {} : { linkedService: input.linkedService }),
      ...(input.linkedServiceParameters === undefined
        ? {}
        : { linkedServiceParameters: input.linkedServiceParameters }),
      ...(input.schema === undefined ? {} : { schema: input.schema }),
      target: input.target,
      vars: input.vars,
      step,
      ...(nodes === undefined ? {} : { nodes }),
    });
    shown.end({ step: index, command: step.command, attempt, ...result });
    const failed = failedNodes(result.nodes);
    if (failed.length === 0) return;
    nodes = unfinishedNodes(result.nodes).map(({ node }) => node);
    if (attempt > input.retries || !mayPass(result.nodes)) throw dbtFailed(step, failed, index, nodes);
    await sleep(input.retryInterval, { summary: `${nodes.length} nodes wait for another attempt` });
  }
}

function dbtFailed(
  step: DbtStep,
  failed: readonly DbtNode[],
  index: number,
  nodes: readonly string[],
): ApplicationFailure {
  const named = failed.slice(0, NAMED);
  const more = failed.length > named.length ? `; and ${failed.length - named.length} more` : '';
  const skipped = nodes.length - failed.length;
  const details: DbtFailureDetails = { failed: named, resume: { step: index, nodes: [...nodes] } };
  return ApplicationFailure.create({
    type: 'DBT_FAILED',
    message: `dbt ${step.command}: ${named.map(({ node, message }) => `${node}: ${message ?? 'failed'}`).join('; ')}${more}.${skipped > 0 ? ` ${skipped} nodes were skipped.` : ''}`,
    nonRetryable: true,
    details: [{ failed: named.map(({ node }) => node).join(', '), skipped }, details],
  });
}
