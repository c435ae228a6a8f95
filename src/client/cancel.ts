// Cancels runs: a pipeline's run with every pipeline it has started, also those it does not wait for.
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { quoted } from './visibility.ts';

/**
 * Asks a run to end: copies clean up, clusters end, pipelines that it waits for end with it. With `recursive` those that
 * it does not wait for are cancelled as well. Gives the workflow ids that were asked. Throws what Temporal answers for an
 * id that it does not know.
 */
export async function cancelRun(
  client: Client,
  workflowId: string,
  { recursive }: { recursive: boolean },
): Promise<string[]> {
  await client.workflow.getHandle(workflowId).cancel();
  if (!recursive) return [workflowId];
  const asked = [workflowId];
  const query =
    `WorkflowType = 'runPipeline' AND ExecutionStatus = 'Running' ` +
    `AND WorkflowId STARTS_WITH ${quoted(`${workflowId}/pipeline/`)}`;
  for await (const child of client.workflow.list({ query })) {
    try {
      await client.workflow.getHandle(child.workflowId, child.runId).cancel();
      asked.push(child.workflowId);
    } catch (error) {
      // It has ended in the meantime.
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }
  return asked;
}
