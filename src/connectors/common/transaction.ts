// One transaction of a SQL store around a piece of work.
import type { SqlStore } from './sql-store.ts';

/** Commits what `work` did, or rolls back: when it throws, and when it says with undefined that nothing is to be kept. */
export async function inTransaction<T>(store: SqlStore, work: () => Promise<T>): Promise<T> {
  await store.begin();
  try {
    const result = await work();
    if (result === undefined) await store.rollback();
    else await store.commit();
    return result;
  } catch (error) {
    await store.rollback().catch(() => undefined);
    throw error;
  }
}
