// The shape of an EMR Serverless application, and of what each of its job runs is told.
import { z } from 'zod';
import { integer, text } from './values.ts';

/** GB of memory that a worker may have by its vCPUs: from, to, in steps of. */
const WORKER_MEMORY: Readonly<Record<number, readonly [from: number, to: number, step: number]>> = {
  1: [2, 8, 1],
  2: [4, 16, 1],
  4: [8, 30, 1],
  8: [16, 60, 4],
  16: [32, 120, 8],
};

/** Text of a form, or an expression for one. */
const formed = (form: RegExp, what: string) =>
  z.string().refine((value) => /^@|@\{/.test(value) || form.test(value), { error: what });

const tags = z
  .record(
    z.string().regex(/^[\w /.:=+@-]{1,128}$/, 'must be of 1 to 128 letters, digits and " _.:/=+@-"'),
    formed(/^[\w /.:=+@-]{0,256}$/, 'must be of at most 256 letters, digits and " _.:/=+@-"'),
  )
  .default({})
  .superRefine((given, context) => {
    for (const tag of Object.keys(given)) {
      if (tag.startsWith('waybill:'))
        context.addIssue({
          code: 'custom',
          path: [tag],
          message: 'is reserved: waybill sets the tags that begin with "waybill:"',
        });
    }
  });

const workers = z
  .strictObject({
    count: integer(1, 1_000_000),
    vcpus: integer(1, 16),
    memoryGb: integer(2, 120),
    diskGb: integer(20, 200).optional(),
  })
  .superRefine(({ vcpus, memoryGb }, context) => {
    if (typeof vcpus !== 'number') return;
    const allowed = WORKER_MEMORY[vcpus];
    const report = (path: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (allowed === undefined) return report('vcpus', 'must be 1, 2, 4, 8 or 16');
    if (typeof memoryGb !== 'number') return;
    const [from, to, step] = allowed;
    if (memoryGb < from || memoryGb > to || (memoryGb - from) % step !== 0)
      report('memoryGb', `must be from ${from} to ${to} in steps of ${step} with ${vcpus} vCPU`);
  });

const configuration = z.strictObject({
  classification: text,
  properties: z.record(z.string(), z.string()),
});

/** Names follow CreateApplication. */
export const emrServerlessApplicationSchema = z
  .strictObject({
    releaseLabel: formed(/^[A-Za-z0-9._/-]{1,64}$/, 'must be a release such as emr-7.10.0'),
    architecture: z.enum(['X86_64', 'ARM64']).default('X86_64'),
    initialCapacity: z
      .strictObject({ driver: workers.optional(), executor: workers.optional() })
      .optional()
      .describe('Workers kept ready while the application is started: they cost without a job.'),
    maximumCapacity: z
      .strictObject({
        vcpus: integer(1, 1_000_000),
        memoryGb: integer(1, 10_000_000),
        diskGb: integer(1, 100_000_000).optional(),
      })
      .optional()
      .describe('What all its workers may have together.'),
    autoStopMinutes: integer(1, 10_080)
      .default(15)
      .describe(
        'EMR Serverless stops the application after so long without a job, should waybill be unable to.',
      ),
    subnetIds: z.array(text).min(1).max(16).optional(),
    securityGroupIds: z.array(text).min(1).max(5).optional(),
    imageUri: text.optional(),
    configurations: z
      .array(configuration.extend({ configurations: z.array(configuration).optional() }))
      .default([])
      .describe('Of every job: spark-defaults and the like.'),
    tags,
  })
  .superRefine(({ initialCapacity, maximumCapacity, securityGroupIds, subnetIds }, context) => {
    const report = (path: string[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    if (securityGroupIds !== undefined && subnetIds === undefined)
      report(['securityGroupIds'], 'are of a network: name its subnetIds, too');
    if (initialCapacity === undefined) return;
    const kept = Object.values(initialCapacity).filter((one) => one !== undefined);
    if (kept.length === 0) report(['initialCapacity'], 'names no worker: driver or executor');
    for (const size of ['vcpus', 'memoryGb'] as const) {
      const sum = kept.reduce((total, one) => total + Number(one.count) * Number(one[size]), 0);
      if (sum > Number(maximumCapacity?.[size] ?? Number.POSITIVE_INFINITY))
        report(['maximumCapacity', size], `is below the ${sum} of initialCapacity`);
    }
  });

/** What StartJobRun is told beside the job. */
export const emrServerlessJobRunsSchema = z.strictObject({
  executionRoleArn: formed(
    /^arn:aws[a-zA-Z0-9-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/,
    'must be the ARN of a role such as arn:aws:iam::123456789012:role/lake-jobs',
  ).describe("The role that jobs have: the lake's buckets, the key, the catalog."),
  logUri: z.string().regex(/^(s3:\/\/.+|@.*)$/s, 'must be an address such as s3://bucket/logs/'),
  logEncryptionKmsKeyArn: formed(
    /^arn:aws[a-zA-Z0-9-]*:kms:[a-zA-Z0-9-]*:\d{12}:key\/[a-zA-Z0-9-]+$/,
    'must be the ARN of a KMS key',
  )
    .optional()
    .describe('KMS key that the logs in S3 are encrypted with.'),
  executionTimeoutMinutes: integer(1, 1_000_000)
    .default(720)
    .describe('EMR Serverless ends a job run after so long, should waybill be unable to.'),
  tags,
});
