// A cluster profile as the input of RunJobFlow, with the tags and the name by which the cluster is found again.
import type {
  AutoScalingPolicy,
  Configuration,
  InstanceFleetConfig,
  InstanceGroupConfig,
  RunJobFlowInput,
} from '@aws-sdk/client-emr';
import type {
  EmrAutoScaling,
  EmrClusterProfile,
  EmrConfiguration,
  EmrInstanceFleet,
  EmrInstanceGroup,
  OwnClusterRequest,
} from '../../core/spark.ts';

/** Tags that say whose cluster it is; the sweeper and the look before a create read them. */
export const OWNER_TAG = 'waybill:owner';
export const GENERATION_TAG = 'waybill:generation';

/** The cluster's name: `waybill-<name>-<owner>`, within EMR's 256 characters. */
export const emrClusterName = (request: OwnClusterRequest): string =>
  `waybill ${request.name} ${request.owner}`.slice(0, 256);

/** RunJobFlow's input. The cluster stays up without steps, and EMR ends it when idle for the profile's time. */
export function runJobFlowInput(request: Extract<OwnClusterRequest, { engine: 'emr' }>): RunJobFlowInput {
  const { profile } = request;
  const { managedScaling: scaling } = profile;
  return {
    Name: emrClusterName(request),
    ReleaseLabel: profile.releaseLabel,
    Applications: profile.applications.map((Name) => ({ Name })),
    ServiceRole: profile.serviceRole,
    JobFlowRole: profile.instanceProfile,
    LogUri: profile.logUri,
    StepConcurrencyLevel: profile.stepConcurrency,
    AutoTerminationPolicy: { IdleTimeout: profile.idleTerminationSeconds },
    VisibleToAllUsers: true,
    ...(profile.securityConfiguration === undefined
      ? {}
      : { SecurityConfiguration: profile.securityConfiguration }),
    ...(profile.logEncryptionKmsKeyId === undefined
      ? {}
      : { LogEncryptionKmsKeyId: profile.logEncryptionKmsKeyId }),
    ...(profile.customAmiId === undefined ? {} : { CustomAmiId: profile.customAmiId }),
    ...(profile.instanceGroups?.some((group) => group.autoScaling) === true
      ? { AutoScalingRole: profile.autoScalingRole ?? 'EMR_AutoScaling_DefaultRole' }
      : {}),
    Tags: [
      ...Object.entries(profile.tags).map(([Key, Value]) => ({ Key, Value })),
      { Key: OWNER_TAG, Value: request.owner },
      { Key: GENERATION_TAG, Value: String(request.generation) },
    ],
    Configurations: profile.configurations.map(configuration),
    BootstrapActions: profile.bootstrapActions.map((action) => ({
      Name: action.name,
      ScriptBootstrapAction: { Path: action.path, Args: [...action.arguments] },
    })),
    Instances: instances(profile),
    ...(scaling === undefined
      ? {}
      : {
          ManagedScalingPolicy: {
            ComputeLimits: {
              UnitType: scaling.unit,
              MinimumCapacityUnits: scaling.minimum,
              MaximumCapacityUnits: scaling.maximum,
              ...(scaling.maximumOnDemand === undefined
                ? {}
                : { MaximumOnDemandCapacityUnits: scaling.maximumOnDemand }),
              ...(scaling.maximumCore === undefined ? {} : { MaximumCoreCapacityUnits: scaling.maximumCore }),
            },
          },
        }),
  };
}

function instances(profile: EmrClusterProfile): NonNullable<RunJobFlowInput['Instances']> {
  const subnets = profile.subnetIds ?? [];
  const common = {
    KeepJobFlowAliveWhenNoSteps: true,
    TerminationProtected: false,
    ...(profile.ec2KeyName === undefined ? {} : { Ec2KeyName: profile.ec2KeyName }),
  };
  if (profile.instanceFleets) {
    return {
      ...common,
      ...(subnets.length ? { Ec2SubnetIds: [...subnets] } : {}),
      InstanceFleets: profile.instanceFleets.map(instanceFleet),
    };
  }
  return {
    ...common,
    // Only fleets choose among subnets.
    ...(subnets[0] === undefined ? {} : { Ec2SubnetId: subnets[0] }),
    InstanceGroups: (profile.instanceGroups ?? []).map(instanceGroup),
  };
}

function instanceFleet(fleet: EmrInstanceFleet): InstanceFleetConfig {
  return {
    Name: fleet.name,
    InstanceFleetType: fleet.type,
    TargetOnDemandCapacity: fleet.onDemandCapacity,
    TargetSpotCapacity: fleet.spotCapacity,
    InstanceTypeConfigs: fleet.instanceTypes.map((instance) => ({
      InstanceType: instance.type,
      WeightedCapacity: instance.weight,
      ...(instance.bidPercentage === undefined
        ? {}
        : { BidPriceAsPercentageOfOnDemandPrice: instance.bidPercentage }),
      ...volume(instance.volumeGb),
    })),
    ...(fleet.spot === undefined
      ? {}
      : {
          LaunchSpecifications: {
            SpotSpecification: {
              TimeoutDurationMinutes: fleet.spot.timeoutMinutes,
              TimeoutAction: fleet.spot.timeoutAction,
              AllocationStrategy: fleet.spot.allocationStrategy,
            },
          },
        }),
  };
}

const instanceGroup = (group: EmrInstanceGroup): InstanceGroupConfig => ({
  Name: group.name,
  InstanceRole: group.role,
  InstanceType: group.type,
  InstanceCount: group.count,
  Market: group.market,
  ...(group.bidPercentage === undefined ? {} : { BidPriceAsPercentageOfOnDemandPrice: group.bidPercentage }),
  ...volume(group.volumeGb),
  ...(group.autoScaling === undefined ? {} : { AutoScalingPolicy: autoScalingPolicy(group.autoScaling) }),
});

const autoScalingPolicy = ({ minimum, maximum, rules }: EmrAutoScaling): AutoScalingPolicy => ({
  Constraints: { MinCapacity: minimum, MaxCapacity: maximum },
  Rules: rules.map((rule) => ({
    Name: rule.name,
    Action: {
      SimpleScalingPolicyConfiguration: {
        AdjustmentType: 'CHANGE_IN_CAPACITY',
        ScalingAdjustment: rule.adjustment,
        CoolDown: rule.cooldownSeconds,
      },
    },
    Trigger: {
      CloudWatchAlarmDefinition: {
        ComparisonOperator: rule.comparison,
        EvaluationPeriods: rule.periods,
        MetricName: rule.metric,
        Namespace: 'AWS/ElasticMapReduce',
        Period: 300,
        Statistic: 'AVERAGE',
        Threshold: rule.threshold,
        Unit: 'PERCENT',
        // EMR fills in the cluster's id.
        // biome-ignore lint/suspicious/noTemplateCurlyInString: EMR's own placeholder
        Dimensions: [{ Key: 'JobFlowId', Value: '${emr.clusterId}' }],
      },
    },
  })),
});

const volume = (sizeInGb: number | undefined) =>
  sizeInGb === undefined
    ? {}
    : {
        EbsConfiguration: {
          EbsBlockDeviceConfigs: [{ VolumeSpecification: { VolumeType: 'gp3', SizeInGB: sizeInGb } }],
        },
      };

const configuration = (given: EmrConfiguration): Configuration => ({
  Classification: given.classification,
  Properties: { ...given.properties },
  ...(given.configurations === undefined ? {} : { Configurations: given.configurations.map(configuration) }),
});
