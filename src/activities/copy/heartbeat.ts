// Tells Temporal every second that an activity lives, and how far it is.
import { Context } from '@temporalio/activity';

/** Runs `work` while sending `details()` once a second; a cancelled activity learns of it through these beats. */
export const withHeartbeat = async <T>(details: () => unknown, work: () => Promise<T>): Promise<T> => {
  const context = Context.current();
  context.heartbeat(details());
  const timer = setInterval(() => context.heartbeat(details()), 1_000);
  try {
    const result = await work();
    context.cancellationSignal.throwIfAborted();
    return result;
  } catch (error) {
    // Broken connections are how a cancelled activity stops; the cancellation is the reason to report.
    if (context.cancellationSignal.aborted) throw context.cancellationSignal.reason;
    throw error;
  } finally {
    clearInterval(timer);
  }
};
