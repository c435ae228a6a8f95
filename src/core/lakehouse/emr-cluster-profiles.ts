// EMR clusters by name: the machines of a cluster, for a definition to take as they are or to change in parts.
import type { EmrClusterProfile } from '../spark.ts';

type Machines = Pick<EmrClusterProfile, 'instanceFleets' | 'instanceGroups' | 'managedScaling'>;

/** 10 core nodes that stay, and task nodes from 30 to 100. */
const scaling = { minimum: 40, maximum: 110, maximumCore: 10 };

const PROFILES: Readonly<Record<string, Machines>> = {
  'r5-10tb': {
    instanceGroups: [
      { name: 'master', role: 'MASTER', type: 'r5.8xlarge', count: 1, market: 'ON_DEMAND' },
      { name: 'core', role: 'CORE', type: 'r5.24xlarge', count: 10, market: 'ON_DEMAND' },
      { name: 'task', role: 'TASK', type: 'r5.24xlarge', count: 50, market: 'ON_DEMAND' },
    ],
    managedScaling: { unit: 'Instances', ...scaling },
  },
  // The same machines with task nodes by spot. Groups know no way back to on-demand, fleets do.
  'r5-10tb-spot': {
    instanceFleets: [
      {
        name: 'master',
        type: 'MASTER',
        onDemandCapacity: 1,
        spotCapacity: 0,
        instanceTypes: [{ type: 'r5.8xlarge', weight: 1 }],
      },
      {
        name: 'core',
        type: 'CORE',
        onDemandCapacity: 10,
        spotCapacity: 0,
        instanceTypes: [{ type: 'r5.24xlarge', weight: 1 }],
      },
      {
        name: 'task',
        type: 'TASK',
        onDemandCapacity: 0,
        spotCapacity: 50,
        instanceTypes: ['r5.24xlarge', 'r5a.24xlarge', 'r5d.24xlarge'].map((type) => ({ type, weight: 1 })),
        spot: {
          timeoutMinutes: 10,
          timeoutAction: 'SWITCH_TO_ON_DEMAND',
          allocationStrategy: 'price-capacity-optimized',
        },
      },
    ],
    managedScaling: { unit: 'InstanceFleetUnits', ...scaling },
  },
};

export const EMR_CLUSTER_PROFILES: readonly string[] = Object.keys(PROFILES);

/**
 * A cluster with its profile's machines filled in. What the cluster says itself goes first: machines of its own replace all of the
 * profile's, a `managedScaling` of its own the profile's. A name that is no profile, an expression for one, adds nothing.
 */
export function expandEmrCluster<T extends { readonly profile?: string | undefined }>(
  cluster: T,
): Omit<T, 'profile'> & Machines {
  const { profile, ...own } = cluster;
  const machines: Machines =
    profile !== undefined && Object.hasOwn(PROFILES, profile) ? (PROFILES[profile] ?? {}) : {};
  const given = own as Machines;
  const hasMachines = given.instanceFleets !== undefined || given.instanceGroups !== undefined;
  return hasMachines ? own : { ...machines, ...own };
}
