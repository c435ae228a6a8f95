// Instance fleets, groups and instances as a cluster would show them. There is one machine: instances are answered
// according to the capacity asked for, with loopback addresses, and their state follows the cluster's.
import { createHash } from 'node:crypto';
import type { InstanceFleetConfig } from '@aws-sdk/client-emr';
import type { ClusterRecord, ClusterState, FleetRecord, GroupRecord } from './state.ts';

/** The state of a part of the cluster, by the cluster's own. */
const PART_STATE: Record<ClusterState, string> = {
  STARTING: 'PROVISIONING',
  BOOTSTRAPPING: 'BOOTSTRAPPING',
  RUNNING: 'RUNNING',
  WAITING: 'RUNNING',
  TERMINATING: 'TERMINATING',
  TERMINATED: 'TERMINATED',
  TERMINATED_WITH_ERRORS: 'TERMINATED',
};

export interface InstanceView {
  Id: string;
  Ec2InstanceId: string;
  PublicDnsName: string;
  PrivateDnsName: string;
  PrivateIpAddress: string;
  Market: string;
  InstanceType: string;
  InstanceFleetId?: string;
  InstanceGroupId?: string;
  Status: { State: string; StateChangeReason: object; Timeline: object };
}

export function fleetView(cluster: ClusterRecord, fleet: FleetRecord): object {
  const { InstanceTypeConfigs, TargetOnDemandCapacity = 0, TargetSpotCapacity = 0, ...rest } = fleet.config;
  const there = !['PROVISIONING', 'TERMINATED'].includes(partState(cluster));
  return {
    ...rest,
    Id: fleet.id,
    Status: partStatus(cluster, fleet.createdAt),
    TargetOnDemandCapacity,
    TargetSpotCapacity,
    ProvisionedOnDemandCapacity: there ? TargetOnDemandCapacity : 0,
    ProvisionedSpotCapacity: there ? TargetSpotCapacity : 0,
    InstanceTypeSpecifications: InstanceTypeConfigs?.map(({ EbsConfiguration: _, ...type }) => ({
      ...type,
      WeightedCapacity: type.WeightedCapacity ?? 1,
    })),
  };
}

export function groupView(cluster: ClusterRecord, group: GroupRecord): object {
  const { InstanceRole, InstanceCount, AutoScalingPolicy: _, EbsConfiguration: __, ...rest } = group.config;
  const there = !['PROVISIONING', 'TERMINATED'].includes(partState(cluster));
  return {
    ...rest,
    Id: group.id,
    Market: rest.Market ?? 'ON_DEMAND',
    InstanceGroupType: InstanceRole,
    RequestedInstanceCount: InstanceCount,
    RunningInstanceCount: there ? InstanceCount : 0,
    Status: partStatus(cluster, group.createdAt),
    ...(group.autoScaling && { AutoScalingPolicy: { Status: { State: 'ATTACHED' }, ...group.autoScaling } }),
  };
}

/** All instances of the cluster, those of fleets or those of groups. */
export function instanceViews(cluster: ClusterRecord): InstanceView[] {
  const state = partState(cluster) === 'PROVISIONING' ? 'AWAITING_FULFILLMENT' : partState(cluster);
  const view = (owner: FleetRecord | GroupRecord, index: number, Market: string, InstanceType: string) => {
    const digest = createHash('sha256').update(`${owner.id}/${Market}/${index}`).digest('hex');
    return {
      Id: `ci-${digest.slice(0, 13).toUpperCase()}`,
      Ec2InstanceId: `i-${digest.slice(0, 17)}`,
      PublicDnsName: 'localhost',
      PrivateDnsName: 'localhost',
      PrivateIpAddress: '127.0.0.1',
      Market,
      InstanceType,
      Status: { ...partStatus(cluster, owner.createdAt), State: state },
    };
  };
  const ofFleets = cluster.fleets.flatMap((fleet) =>
    (['ON_DEMAND', 'SPOT'] as const).flatMap((market) =>
      Array.from({ length: fleetInstances(fleet.config, market) }, (_, index) => ({
        ...view(fleet, index, market, fleet.config.InstanceTypeConfigs?.[0]?.InstanceType ?? 'm5.xlarge'),
        InstanceFleetId: fleet.id,
      })),
    ),
  );
  const ofGroups = cluster.groups.flatMap((group) =>
    Array.from({ length: group.config.InstanceCount ?? 0 }, (_, index) => ({
      ...view(group, index, group.config.Market ?? 'ON_DEMAND', group.config.InstanceType ?? 'm5.xlarge'),
      InstanceGroupId: group.id,
    })),
  );
  return [...ofFleets, ...ofGroups];
}

/** How many instances of the fleet's first type fill its target: EMR rounds up. */
function fleetInstances(fleet: InstanceFleetConfig, market: 'ON_DEMAND' | 'SPOT'): number {
  const target = (market === 'SPOT' ? fleet.TargetSpotCapacity : fleet.TargetOnDemandCapacity) ?? 0;
  return Math.ceil(target / (fleet.InstanceTypeConfigs?.[0]?.WeightedCapacity ?? 1));
}

function partState(cluster: ClusterRecord): string {
  return PART_STATE[cluster.view.Status.State];
}

function partStatus(cluster: ClusterRecord, createdAt: number) {
  const { ReadyDateTime, EndDateTime } = cluster.view.Status.Timeline;
  const ready = ReadyDateTime === undefined ? {} : { ReadyDateTime: Math.max(ReadyDateTime, createdAt) };
  const end = EndDateTime === undefined ? {} : { EndDateTime };
  return {
    State: partState(cluster),
    StateChangeReason: {},
    Timeline: { CreationDateTime: createdAt, ...ready, ...end },
  };
}
