// The Spark activities with the time limits and retries that each of them needs.
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { SparkActivities } from '../core/spark.ts';

/** Attempts go on until the caller's own time limit: throttling may last for minutes. */
const patient = { initialInterval: '1s', maximumInterval: '30s', backoffCoefficient: 2 } as const;

/** Calls that change something: a cancelled attempt is waited for, so that nothing is made behind one's back. */
export const { openCluster, submitJob, cancelJob } = proxyActivities<SparkActivities>({
  startToCloseTimeout: '5m',
  heartbeatTimeout: '15s',
  retry: patient,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

export const { followCluster } = proxyActivities<SparkActivities>({
  startToCloseTimeout: '30m',
  heartbeatTimeout: '15s',
  retry: patient,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** A cluster that will not end costs money: tried without end. */
export const { closeCluster } = proxyActivities<SparkActivities>({
  startToCloseTimeout: '30m',
  heartbeatTimeout: '15s',
  retry: patient,
});

export const { readJobLogs, readJobResult } = proxyActivities<SparkActivities>({
  startToCloseTimeout: '3m',
  heartbeatTimeout: '15s',
  retry: { ...patient, maximumAttempts: 5 },
});
