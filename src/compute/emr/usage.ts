// Which machines an EMR cluster has had, and when: instance by instance, so that scaling and lost spot machines count.
import { type Cluster, type EMRClient, type Instance, paginateListInstances } from '@aws-sdk/client-emr';
import type { MachineUse } from '../../core/monitoring/cost.ts';

const ROLES = ['MASTER', 'CORE', 'TASK'] as const;

/** Machines that were ready, grouped by role, type, market and times. Throws what the client throws. */
export async function instanceUse(
  client: EMRClient,
  { Id: clusterId, InstanceCollectionType: collection }: Cluster,
  options: { abortSignal?: AbortSignal },
): Promise<MachineUse[]> {
  const uses = new Map<string, MachineUse>();
  for (const role of ROLES) {
    const of = collection === 'INSTANCE_FLEET' ? { InstanceFleetType: role } : { InstanceGroupTypes: [role] };
    for await (const page of paginateListInstances({ client }, { ClusterId: clusterId, ...of }, options)) {
      for (const instance of page.Instances ?? []) {
        const use = useOf(instance, role);
        if (use === undefined) continue;
        const key = JSON.stringify(use);
        uses.set(key, { ...use, count: (uses.get(key)?.count ?? 0) + 1 });
      }
    }
  }
  return [...uses.values()];
}

/** One that was never ready was never had: it waits for capacity, or did. */
function useOf(instance: Instance, role: string): MachineUse | undefined {
  const { ReadyDateTime: ready, EndDateTime: end } = instance.Status?.Timeline ?? {};
  if (ready === undefined || instance.InstanceType === undefined) return undefined;
  return {
    role,
    type: instance.InstanceType,
    market: instance.Market === 'SPOT' ? 'spot' : 'onDemand',
    count: 0,
    from: ready.getTime(),
    ...(end === undefined ? {} : { to: end.getTime() }),
  };
}
