// The shape of an EMR cluster profile.
import { z } from 'zod';
import { EMR_CLUSTER_PROFILES, expandEmrCluster } from '../../core/lakehouse/emr-cluster-profiles.ts';
import { integer, text } from './values.ts';

const role = z.enum(['MASTER', 'CORE', 'TASK']);

const fleet = z.strictObject({
  name: text,
  type: role,
  onDemandCapacity: integer(0, 4_000).default(0),
  spotCapacity: integer(0, 4_000).default(0),
  instanceTypes: z
    .array(
      z.strictObject({
        type: text,
        weight: integer(1, 999).default(1),
        bidPercentage: integer(1, 1_000).optional(),
        volumeGb: integer(10, 16_384).optional(),
      }),
    )
    .min(1)
    .max(30),
  spot: z
    .strictObject({
      timeoutMinutes: integer(5, 1_440).describe('How long to wait for spot capacity.'),
      timeoutAction: z.enum(['SWITCH_TO_ON_DEMAND', 'TERMINATE_CLUSTER']),
      allocationStrategy: z
        .enum([
          'capacity-optimized',
          'price-capacity-optimized',
          'lowest-price',
          'diversified',
          'capacity-optimized-prioritized',
        ])
        .default('price-capacity-optimized'),
    })
    .optional(),
});

const autoScaling = z
  .strictObject({
    minimum: integer(0, 4_000),
    maximum: integer(1, 4_000),
    rules: z
      .array(
        z.strictObject({
          name: text,
          metric: text.describe('Of the namespace AWS/ElasticMapReduce: YARNMemoryAvailablePercentage.'),
          comparison: z.enum(['GREATER_THAN_OR_EQUAL', 'GREATER_THAN', 'LESS_THAN', 'LESS_THAN_OR_EQUAL']),
          threshold: z.number().min(0),
          periods: integer(1, 100).default(1).describe('Periods of five minutes in a row.'),
          adjustment: z.int().describe('Nodes to add; negative: to take away.'),
          cooldownSeconds: integer(0, 86_400).default(300),
        }),
      )
      .min(1)
      .default([
        {
          name: 'memory is short',
          metric: 'YARNMemoryAvailablePercentage',
          comparison: 'LESS_THAN',
          threshold: 15,
          periods: 1,
          adjustment: 5,
          cooldownSeconds: 300,
        },
        {
          name: 'memory is idle',
          metric: 'YARNMemoryAvailablePercentage',
          comparison: 'GREATER_THAN',
          threshold: 75,
          periods: 2,
          adjustment: -5,
          cooldownSeconds: 300,
        },
      ]),
  })
  .refine(
    ({ minimum, maximum }) =>
      typeof minimum !== 'number' || typeof maximum !== 'number' || minimum <= maximum,
    {
      error: 'has a minimum above its maximum',
    },
  )
  .describe('Automatic scaling by a CloudWatch metric; managedScaling needs no rules and is quicker.');

const group = z.strictObject({
  name: text,
  role,
  type: text,
  count: integer(1, 4_000),
  market: z.enum(['ON_DEMAND', 'SPOT']).default('ON_DEMAND'),
  bidPercentage: integer(1, 1_000).optional().describe('Of the on-demand price; with SPOT.'),
  volumeGb: integer(10, 16_384).optional(),
  autoScaling: autoScaling.optional(),
});

const innerConfiguration = z.strictObject({
  classification: text,
  properties: z.record(z.string(), z.string()),
});

/** Names follow RunJobFlow, in camel case. */
export const emrClusterSchema = z
  .strictObject({
    profile: z
      .enum(EMR_CLUSTER_PROFILES)
      .optional()
      .describe(
        'Machines by name; instanceFleets, instanceGroups or managedScaling given here replace its own.',
      ),
    releaseLabel: text,
    applications: z.array(text).min(1).default(['Spark']),
    serviceRole: text.default('EMR_DefaultRole_V2'),
    instanceProfile: text.default('EMR_EC2_DefaultRole'),
    logUri: z.string().regex(/^(s3:\/\/.+|@.*)$/s, 'must be an address such as s3://bucket/logs/'),
    subnetIds: z.array(text).optional(),
    securityConfiguration: text
      .optional()
      .describe('By name: encryption at rest and in transit, Kerberos, Lake Formation.'),
    logEncryptionKmsKeyId: text.optional().describe('KMS key that the logs in S3 are encrypted with.'),
    autoScalingRole: text
      .optional()
      .describe('Default EMR_AutoScaling_DefaultRole where a group has autoScaling.'),
    customAmiId: text.optional(),
    ec2KeyName: text.optional(),
    instanceFleets: z.array(fleet).min(1).max(3).optional(),
    instanceGroups: z.array(group).min(1).max(50).optional(),
    managedScaling: z
      .strictObject({
        unit: z.enum(['Instances', 'InstanceFleetUnits', 'VCPU']),
        minimum: integer(1, 100_000),
        maximum: integer(1, 100_000),
        maximumOnDemand: integer(0, 100_000).optional(),
        maximumCore: integer(1, 100_000).optional(),
      })
      .optional(),
    stepConcurrency: integer(1, 256).default(1),
    idleTerminationSeconds: integer(60, 604_800)
      .default(1_800)
      .describe('EMR ends the cluster after so long without work, should waybill be unable to.'),
    tags: z.record(z.string(), text).default({}),
    configurations: z
      .array(innerConfiguration.extend({ configurations: z.array(innerConfiguration).optional() }))
      .default([]),
    bootstrapActions: z
      .array(z.strictObject({ name: text, path: text, arguments: z.array(text).default([]) }))
      .default([]),
  })
  .superRefine((given, context) => {
    const profile = expandEmrCluster(given);
    const report = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const { instanceFleets: fleets, instanceGroups: groups, managedScaling: scaling } = profile;
    if ((fleets === undefined) === (groups === undefined)) {
      report([], 'needs instanceFleets or instanceGroups, and not both; or a profile that has them');
    }
    const masters = [...(fleets ?? []).map((one) => one.type), ...(groups ?? []).map((one) => one.role)];
    if (masters.filter((one) => one === 'MASTER').length !== 1) report([], 'needs exactly one MASTER');
    groups?.forEach((one, index) => {
      const at = ['instanceGroups', index];
      if (one.role === 'MASTER' && typeof one.count === 'number' && one.count !== 1 && one.count !== 3)
        report([...at, 'count'], 'must be 1, or 3 for high availability');
      if (one.role === 'MASTER' && one.autoScaling) report([...at, 'autoScaling'], 'is for CORE and TASK');
      if (one.autoScaling && scaling) report([...at, 'autoScaling'], 'cannot stand beside managedScaling');
    });
    fleets?.forEach((one, index) => {
      if (one.onDemandCapacity === 0 && one.spotCapacity === 0) {
        report(['instanceFleets', index], 'asks for no capacity: set onDemandCapacity or spotCapacity');
      }
      if (one.spotCapacity !== 0 && one.spot === undefined) {
        report(
          ['instanceFleets', index, 'spot'],
          'is missing: say what happens when there is no spot capacity',
        );
      }
    });
    if (
      typeof scaling?.minimum === 'number' &&
      typeof scaling.maximum === 'number' &&
      scaling.minimum > scaling.maximum
    ) {
      report(['managedScaling', 'maximum'], 'is below the minimum');
    }
    if (scaling && (scaling.unit === 'InstanceFleetUnits') !== (fleets !== undefined)) {
      report(['managedScaling', 'unit'], 'must be InstanceFleetUnits with instanceFleets, and only then');
    }
    for (const tag of Object.keys(profile.tags)) {
      if (tag.startsWith('waybill:'))
        report(['tags', tag], 'is reserved: waybill sets the tags that begin with "waybill:"');
    }
  });
