// The API model's input shapes as far as the stand-in acts on them. Members it only keeps and answers pass unchecked.
import type {
  AutoScalingPolicy,
  Configuration,
  InstanceFleetConfig,
  InstanceGroupConfig,
  ManagedScalingPolicy,
  StepConfig,
  Tag,
} from '@aws-sdk/client-emr';
import { z } from 'zod';

const name = z.string().max(256);
const list = (member: z.ZodType) => z.array(member).optional();

export const clusterId = z.string();
export const marker = z.string().optional();

export const stepConfig = z.looseObject({
  Name: name,
  ActionOnFailure: z
    .enum(['TERMINATE_JOB_FLOW', 'TERMINATE_CLUSTER', 'CANCEL_AND_WAIT', 'CONTINUE'])
    .optional(),
  HadoopJarStep: z.looseObject({
    Jar: z.string(),
    MainClass: z.string().optional(),
    Args: list(z.string()),
    Properties: list(z.looseObject({ Key: z.string().optional(), Value: z.string().optional() })),
  }),
}) as unknown as z.ZodType<StepConfig>;

export const tag = z.looseObject({
  Key: z.string(),
  Value: z.string().optional(),
}) as unknown as z.ZodType<Tag>;

const configuration: z.ZodType<Configuration> = z.lazy(() =>
  z.looseObject({
    Classification: z.string().optional(),
    Properties: z.record(z.string(), z.string()).optional(),
    Configurations: z.array(configuration).optional(),
  }),
) as unknown as z.ZodType<Configuration>;

export const instanceFleet = z.looseObject({
  Name: name.optional(),
  InstanceFleetType: z.enum(['MASTER', 'CORE', 'TASK']),
  TargetOnDemandCapacity: z.number().int().min(0).optional(),
  TargetSpotCapacity: z.number().int().min(0).optional(),
  InstanceTypeConfigs: list(
    z.looseObject({ InstanceType: z.string(), WeightedCapacity: z.number().optional() }),
  ),
}) as unknown as z.ZodType<InstanceFleetConfig>;

export const autoScaling = z.looseObject({
  Constraints: z.looseObject({ MinCapacity: z.number().int(), MaxCapacity: z.number().int() }),
  Rules: z.array(z.looseObject({ Name: z.string() })),
}) as unknown as z.ZodType<AutoScalingPolicy>;

export const instanceGroup = z.looseObject({
  Name: name.optional(),
  InstanceRole: z.enum(['MASTER', 'CORE', 'TASK']),
  InstanceType: z.string(),
  InstanceCount: z.number().int(),
  Market: z.enum(['ON_DEMAND', 'SPOT']).optional(),
  AutoScalingPolicy: autoScaling.optional(),
}) as unknown as z.ZodType<InstanceGroupConfig>;

export const managedScaling = z.looseObject({
  ComputeLimits: z
    .looseObject({
      UnitType: z.enum(['InstanceFleetUnits', 'Instances', 'VCPU']),
      MinimumCapacityUnits: z.number().int(),
      MaximumCapacityUnits: z.number().int(),
    })
    .optional(),
}) as unknown as z.ZodType<ManagedScalingPolicy>;

export const autoTermination = z.looseObject({ IdleTimeout: z.number().int().optional() });

export const runJobFlow = z.looseObject({
  Name: name,
  LogUri: z.string().optional(),
  ReleaseLabel: z.string().optional(),
  ServiceRole: z.string().optional(),
  JobFlowRole: z.string().optional(),
  StepConcurrencyLevel: z.number().optional(),
  StepExecutionRoleArn: z.string().optional(),
  Instances: z.looseObject({
    InstanceFleets: z.array(instanceFleet).optional(),
    InstanceGroups: z.array(instanceGroup).optional(),
    MasterInstanceType: z.string().optional(),
    SlaveInstanceType: z.string().optional(),
    InstanceCount: z.number().int().optional(),
    KeepJobFlowAliveWhenNoSteps: z.boolean().optional(),
    TerminationProtected: z.boolean().optional(),
    Ec2SubnetId: z.string().optional(),
    Ec2SubnetIds: z.array(z.string()).optional(),
    Ec2KeyName: z.string().optional(),
  }),
  Steps: z.array(stepConfig).optional(),
  BootstrapActions: z
    .array(
      z.looseObject({
        Name: name,
        ScriptBootstrapAction: z.looseObject({ Path: z.string(), Args: z.array(z.string()).optional() }),
      }),
    )
    .optional(),
  Configurations: z.array(configuration).optional(),
  Tags: z.array(tag).optional(),
  ManagedScalingPolicy: managedScaling.optional(),
  AutoTerminationPolicy: autoTermination.optional(),
});
