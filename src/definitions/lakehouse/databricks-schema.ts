// The shape of a Databricks cluster profile.
import { z } from 'zod';
import { integer, text } from './values.ts';

const settings = z.record(z.string(), text);

/** Names follow clusters/create, in camel case. */
export const databricksClusterSchema = z
  .strictObject({
    sparkVersion: text.describe('Databricks Runtime: "17.3.x-scala2.13".'),
    nodeTypeId: text.optional(),
    driverNodeTypeId: text.optional(),
    instancePoolId: text.optional(),
    driverInstancePoolId: text.optional(),
    workers: integer(0, 100_000).optional().describe('A fixed number; 0 is a cluster of the driver alone.'),
    autoscale: z
      .strictObject({ minimum: integer(0, 100_000), maximum: integer(1, 100_000) })
      .optional()
      .describe('As many workers as the work asks for, between two bounds.'),
    autoterminationMinutes: integer(10, 10_000)
      .default(10)
      .describe('Databricks ends the cluster after so long without work, should waybill be unable to.'),
    runtimeEngine: z.enum(['STANDARD', 'PHOTON']).default('STANDARD'),
    policyId: text.optional(),
    dataSecurityMode: text
      .default('SINGLE_USER')
      .describe('Unity Catalog: SINGLE_USER, USER_ISOLATION, DATA_SECURITY_MODE_AUTO, ...'),
    singleUserName: text.optional(),
    awsAttributes: z
      .strictObject({
        availability: z.enum(['SPOT', 'ON_DEMAND', 'SPOT_WITH_FALLBACK']).default('SPOT_WITH_FALLBACK'),
        firstOnDemand: integer(0, 100_000)
          .default(1)
          .describe('So many machines, the driver first, are not spot.'),
        zoneId: text.default('auto'),
        spotBidPricePercent: integer(1, 10_000).optional(),
        instanceProfileArn: text.optional(),
      })
      .optional(),
    azureAttributes: z
      .strictObject({
        availability: z
          .enum(['SPOT_AZURE', 'ON_DEMAND_AZURE', 'SPOT_WITH_FALLBACK_AZURE'])
          .default('SPOT_WITH_FALLBACK_AZURE'),
        firstOnDemand: integer(0, 100_000).default(1),
        spotBidMaxPrice: z.number().optional(),
      })
      .optional(),
    sparkConf: settings.default({}),
    sparkEnvVars: settings.default({}),
    tags: settings.default({}),
    initScripts: z.array(text).default([]).describe('Addresses: /Workspace/..., /Volumes/..., s3://...'),
    logUri: text.optional().describe('Where the logs of driver and executors go: s3://..., dbfs:/...'),
  })
  .superRefine((profile, context) => {
    const report = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const { workers, autoscale } = profile;
    if ((profile.nodeTypeId === undefined) === (profile.instancePoolId === undefined))
      report([], 'needs nodeTypeId or instancePoolId, and not both');
    if ((workers === undefined) === (autoscale === undefined))
      report([], 'needs workers or autoscale, and not both');
    if (
      typeof autoscale?.minimum === 'number' &&
      typeof autoscale.maximum === 'number' &&
      autoscale.minimum >= autoscale.maximum
    )
      report(['autoscale', 'maximum'], 'must be above the minimum');
    if (profile.awsAttributes !== undefined && profile.azureAttributes !== undefined)
      report(['azureAttributes'], 'cannot stand beside awsAttributes: a workspace is on one cloud');
    for (const tag of Object.keys(profile.tags))
      if (tag.startsWith('waybill:'))
        report(['tags', tag], 'is reserved: waybill sets the tags that begin with "waybill:"');
  });
