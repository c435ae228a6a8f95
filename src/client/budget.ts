// The `budget` command: lets a run go on that its budget has paused.
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { WaybillError } from '../core/errors.ts';
import { existingRun, withClient } from './commands.ts';

/** Throws PARAMETER_INVALID where the run is not paused, or the amount is not above what it has cost. */
export async function resumeBudgetCommand(id: string, options: { amount: string }): Promise<void> {
  const amount = Number(options.amount);
  if (!(Number.isFinite(amount) && amount > 0))
    throw new WaybillError('PARAMETER_INVALID', `--amount is a number above zero, not "${options.amount}".`);
  await withClient(async (client) => {
    const handle = await existingRun(client, id);
    try {
      await handle.executeUpdate('resumeBudget', { args: [{ amount }] });
    } catch (error) {
      if (!(error instanceof WorkflowUpdateFailedError)) throw error;
      const reason = error.cause instanceof Error ? error.cause.message : error.message;
      throw new WaybillError('PARAMETER_INVALID', `${id} does not go on: ${reason}`, { id });
    }
    console.log(`${id} goes on with a budget of ${amount}`);
  });
}
