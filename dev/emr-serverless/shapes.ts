// The API model's input shapes as far as the stand-in acts on them; members it only keeps and answers pass unchecked.
import { z } from 'zod';
import type { Classification } from './state.ts';

const id = z.string().regex(/^[0-9a-z]{1,64}$/, 'Member must satisfy regular expression pattern: [0-9a-z]+');
const token = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, 'Member must satisfy regular expression pattern: [A-Za-z0-9._-]+');
const tagPattern = 'Member must satisfy regular expression pattern: [A-Za-z0-9 /_.:=+@-]+';
export const tags = z.record(
  z.string().regex(/^[A-Za-z0-9 /_.:=+@-]{1,128}$/, tagPattern),
  z.string().regex(/^[A-Za-z0-9 /_.:=+@-]{0,256}$/, tagPattern),
);
const classification: z.ZodType<Classification> = z.lazy(() =>
  z.object({
    classification: z.string().min(1),
    properties: z.record(z.string(), z.string()).optional(),
    configurations: z.array(classification).max(100).optional(),
  }),
);
const cpu = z.string().regex(/^[1-9][0-9]*\s?(vCPU|vcpu|VCPU)?$/, 'Member must be a number of vCPU');
const size = z.string().regex(/^[1-9][0-9]*\s?(GB|gb|gB|Gb)?$/, 'Member must be a number of GB');
const capacity = z.object({ cpu, memory: size, disk: size.optional() });

const changeable = {
  initialCapacity: z
    .record(
      z.string(),
      z.object({
        workerCount: z.int().min(1).max(1_000_000),
        workerConfiguration: capacity.extend({ diskType: z.string().optional() }).optional(),
      }),
    )
    .optional(),
  maximumCapacity: capacity.optional(),
  autoStartConfiguration: z.object({ enabled: z.boolean().optional() }).optional(),
  autoStopConfiguration: z
    .object({ enabled: z.boolean().optional(), idleTimeoutMinutes: z.int().min(1).max(10_080).optional() })
    .optional(),
  networkConfiguration: z
    .object({
      subnetIds: z.array(z.string()).max(16).optional(),
      securityGroupIds: z.array(z.string()).max(5).optional(),
    })
    .optional(),
  architecture: z.enum(['ARM64', 'X86_64']).optional(),
  imageConfiguration: z.object({ imageUri: z.string().optional() }).optional(),
  runtimeConfiguration: z.array(classification).max(100).optional(),
};

export const createApplication = z.object({
  ...changeable,
  clientToken: token,
  name: z
    .string()
    .regex(/^[A-Za-z0-9._/#-]{1,64}$/, 'Member must satisfy regular expression pattern: [A-Za-z0-9._/#-]+')
    .optional(),
  releaseLabel: z.string().regex(/^[A-Za-z0-9._/-]{1,64}$/, 'Member must be a release label'),
  type: z.string().min(1).max(64),
  tags: tags.optional(),
});

export const updateApplication = z.object({
  ...changeable,
  clientToken: token,
  releaseLabel: z.string().optional(),
});

export const startJobRun = z.object({
  applicationId: id,
  clientToken: token,
  executionRoleArn: z
    .string()
    .regex(/^arn:aws[a-zA-Z0-9-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/, 'Member must be the ARN of a role'),
  name: z.string().min(1).max(256).optional(),
  jobDriver: z
    .looseObject({
      sparkSubmit: z
        .object({
          entryPoint: z.string().min(1).max(4096),
          entryPointArguments: z.array(z.string().min(1)).max(1024).optional(),
          sparkSubmitParameters: z.string().min(1).max(102_400).optional(),
        })
        .optional(),
    })
    .optional(),
  configurationOverrides: z
    .looseObject({
      applicationConfiguration: z.array(classification).max(100).optional(),
      monitoringConfiguration: z
        .looseObject({
          s3MonitoringConfiguration: z
            .object({ logUri: z.string().min(1).optional(), encryptionKeyArn: z.string().optional() })
            .optional(),
        })
        .optional(),
    })
    .optional(),
  tags: tags.optional(),
  executionTimeoutMinutes: z.int().min(0).max(1_000_000).optional(),
  mode: z.enum(['BATCH', 'STREAMING']).optional(),
  retryPolicy: z
    .object({ maxAttempts: z.int().min(1).optional(), maxFailedAttemptsPerHour: z.int().min(1).optional() })
    .optional(),
});
