// A small cluster, as tests ask for one.
import type { ClusterRequest, EmrClusterProfile } from '../../src/core/spark.ts';

export const clusterProfile: EmrClusterProfile = {
  releaseLabel: 'emr-7.10.0',
  applications: ['Spark'],
  serviceRole: 'EMR_DefaultRole_V2',
  instanceProfile: 'EMR_EC2_DefaultRole',
  logUri: 's3://lake/logs/',
  instanceFleets: [
    {
      name: 'master',
      type: 'MASTER',
      onDemandCapacity: 1,
      spotCapacity: 0,
      instanceTypes: [{ type: 'm6g.xlarge', weight: 1 }],
    },
    {
      name: 'core',
      type: 'CORE',
      onDemandCapacity: 0,
      spotCapacity: 4,
      instanceTypes: [{ type: 'r6g.2xlarge', weight: 2, volumeGb: 64 }],
      spot: {
        timeoutMinutes: 10,
        timeoutAction: 'SWITCH_TO_ON_DEMAND',
        allocationStrategy: 'price-capacity-optimized',
      },
    },
  ],
  managedScaling: { unit: 'InstanceFleetUnits', minimum: 2, maximum: 8, maximumOnDemand: 2 },
  stepConcurrency: 1,
  idleTerminationSeconds: 1_800,
  tags: { team: 'lake' },
  configurations: [{ classification: 'delta-defaults', properties: { 'delta.enabled': 'true' } }],
  bootstrapActions: [],
};

export const clusterRequest = (owner: string, generation = 1): ClusterRequest => ({
  engine: 'emr',
  name: 'demo',
  owner,
  generation,
  profile: clusterProfile,
});
