// What job runs of EMR Serverless used, as it is charged: hours of vCPU, memory and storage.
import type { Application, JobRun } from '@aws-sdk/client-emr-serverless';
import type { ClusterUsage } from '../../core/monitoring/cost.ts';

/**
 * What is billed where the service says it, else what was used. Approximate while a run goes on, where a run that has ended
 * says nothing, and where workers are kept ready: those are charged, and told in no run.
 */
export function workerUse(
  application: Application,
  runs: readonly JobRun[],
): Pick<ClusterUsage, 'workers' | 'approximate'> {
  let approximate = Object.keys(application.initialCapacity ?? {}).length > 0;
  let [vcpuHours, memoryGbHours, storageGbHours] = [0, 0, 0];
  for (const { billedResourceUtilization: billed, totalResourceUtilization: total } of runs) {
    const used = billed ?? total;
    if (billed === undefined) approximate = true;
    vcpuHours += used?.vCPUHour ?? 0;
    memoryGbHours += used?.memoryGBHour ?? 0;
    storageGbHours += used?.storageGBHour ?? 0;
  }
  const architecture = application.architecture === 'ARM64' ? 'ARM64' : 'X86_64';
  return {
    workers: { architecture, vcpuHours, memoryGbHours, storageGbHours },
    ...(approximate ? { approximate } : {}),
  };
}
