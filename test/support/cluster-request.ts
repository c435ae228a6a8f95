// A small cluster, as tests ask for one.
import type { EmrClusterProfile, OwnClusterRequest, SparkJobRequest } from '../../src/core/spark.ts';

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

export const clusterRequest = (owner: string, generation = 1): OwnClusterRequest => ({
  engine: 'emr',
  name: 'demo',
  owner,
  generation,
  profile: clusterProfile,
});

export const applicationRequest = (owner: string, generation = 1): OwnClusterRequest => ({
  engine: 'emr-serverless',
  name: 'demo',
  owner,
  generation,
  run: '0a1b2c3d',
  profile: {
    releaseLabel: 'emr-7.10.0',
    architecture: 'ARM64',
    maximumCapacity: { vcpus: 400, memoryGb: 3000 },
    autoStopMinutes: 15,
    configurations: [{ classification: 'spark-defaults', properties: { 'spark.sql.ansi.enabled': 'true' } }],
    tags: { team: 'lake' },
  },
});

/** A job whose code is not there. */
export const serverlessJob = (name: string): SparkJobRequest => ({
  name,
  main: 's3://lake/code/absent.py',
  pyFiles: ['s3://lake/code/waybill_jobs.zip'],
  arguments: ['silver', '--note', '$(touch /tmp/never); `x` "y"'],
  configuration: {
    'spark.sql.shuffle.partitions': '4',
    'spark.driver.extraJavaOptions': '-Da=b -Dc=d',
  },
  serverless: {
    executionRoleArn: 'arn:aws:iam::000000000000:role/lake-jobs',
    logUri: 's3://lake/logs/',
    executionTimeoutMinutes: 90,
    tags: {},
    owner: 'lakehouse/job/1',
    since: Date.now(),
  },
});
