// What of a running EMR cluster can be made larger: its managed scaling, else its task machines.
import {
  type Cluster,
  type EMRClient,
  GetManagedScalingPolicyCommand,
  ListInstanceFleetsCommand,
  ListInstanceGroupsCommand,
  ModifyInstanceFleetCommand,
  ModifyInstanceGroupsCommand,
  PutManagedScalingPolicyCommand,
} from '@aws-sdk/client-emr';
import type { ClusterCapacity } from '../../core/monitoring/supervision.ts';

interface Abort {
  readonly abortSignal?: AbortSignal;
}

export async function readCapacity(
  client: EMRClient,
  { Id: ClusterId, InstanceCollectionType: collection }: Cluster,
  abort: Abort,
): Promise<ClusterCapacity | undefined> {
  const limits = await scaling(client, ClusterId, abort);
  if (limits?.MaximumCapacityUnits !== undefined)
    return { kind: 'managedScaling', size: limits.MaximumCapacityUnits };
  if (collection === 'INSTANCE_FLEET') {
    const { InstanceFleets: fleets = [] } = await client.send(
      new ListInstanceFleetsCommand({ ClusterId }),
      abort,
    );
    const task = fleets.find(({ InstanceFleetType: type }) => type === 'TASK');
    const size = task?.TargetSpotCapacity || task?.TargetOnDemandCapacity;
    return task?.Id === undefined || !size ? undefined : { kind: 'fleet', id: task.Id, size };
  }
  const { InstanceGroups: groups = [] } = await client.send(
    new ListInstanceGroupsCommand({ ClusterId }),
    abort,
  );
  const task =
    groups.find(({ InstanceGroupType: type }) => type === 'TASK') ??
    groups.find(({ InstanceGroupType: type }) => type === 'CORE');
  return task?.Id === undefined
    ? undefined
    : { kind: 'group', id: task.Id, size: task.RequestedInstanceCount ?? 0 };
}

/** Asks for exactly that size. */
export async function resizeCluster(
  client: EMRClient,
  ClusterId: string,
  { kind, id, size }: ClusterCapacity,
  abort: Abort,
): Promise<void> {
  if (kind === 'group') {
    await client.send(
      new ModifyInstanceGroupsCommand({
        ClusterId,
        InstanceGroups: [{ InstanceGroupId: id, InstanceCount: size }],
      }),
      abort,
    );
    return;
  }
  if (kind === 'fleet') {
    const { InstanceFleets: fleets = [] } = await client.send(
      new ListInstanceFleetsCommand({ ClusterId }),
      abort,
    );
    const spot = (fleets.find((fleet) => fleet.Id === id)?.TargetSpotCapacity ?? 0) > 0;
    await client.send(
      new ModifyInstanceFleetCommand({
        ClusterId,
        InstanceFleet: {
          InstanceFleetId: id,
          ...(spot ? { TargetSpotCapacity: size } : { TargetOnDemandCapacity: size }),
        },
      }),
      abort,
    );
    return;
  }
  const limits = await scaling(client, ClusterId, abort);
  if (limits === undefined) return;
  await client.send(
    new PutManagedScalingPolicyCommand({
      ClusterId,
      ManagedScalingPolicy: { ComputeLimits: { ...limits, MaximumCapacityUnits: size } },
    }),
    abort,
  );
}

async function scaling(client: EMRClient, ClusterId: string | undefined, abort: Abort) {
  const { ManagedScalingPolicy: policy } = await client.send(
    new GetManagedScalingPolicyCommand({ ClusterId }),
    abort,
  );
  return policy?.ComputeLimits;
}
