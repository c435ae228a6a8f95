// The shape of a lakehouse pipeline's definition, strict: what it does not know, it refuses.
import { z } from 'zod';
import { DBT_COMMANDS } from '../../core/dbt.ts';
import { parseTimespan } from '../../core/lakehouse/duration.ts';
import { SPARK_PROFILES } from '../../core/lakehouse/spark-profiles.ts';
import { databricksClusterSchema } from './databricks-schema.ts';
import { emrClusterSchema } from './emr-schema.ts';
import { emrServerlessApplicationSchema, emrServerlessJobRunsSchema } from './emr-serverless-schema.ts';
import { budgetSchema, monitoringSchema } from './monitoring-schema.ts';
import { flag, integer, text, uri } from './values.ts';

const json = z.record(z.string(), z.json());
/** A name that may become part of ids and paths. */
export const resourceName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/,
    'must be 1 to 80 letters, digits, "_" or "-", beginning with a letter or digit',
  );
const name = resourceName;
const timespan = text.refine((value) => value.startsWith('@') || (parseTimespan(value) ?? 0) > 0, {
  error: 'must be a duration above zero such as "0.02:00:00" (days.hours:minutes:seconds)',
});
const settings = z.record(z.string(), text);

export { parameter as lakehouseParameter, profile as jobProfile, settings as jobSettings };

const profile = text
  .optional()
  .describe(`Spark settings by name: ${SPARK_PROFILES.join(', ')}. "configuration" goes before them.`);

const endpoint = z.strictObject({
  linkedService: text.describe('Name of the linked service.'),
  linkedServiceParameters: json.optional(),
  dataset: z
    .strictObject({ type: text, typeProperties: json })
    .describe('What a Data Factory dataset says: type and typeProperties.'),
  settings: z
    .looseObject({ type: text })
    .catchall(z.json())
    .describe("A Copy activity's source or sink: { type: SqlServerSource, ... }."),
});

const copy = z.strictObject({
  name,
  source: endpoint,
  sink: endpoint,
  options: json
    .default({})
    .describe("A Copy activity's other typeProperties: enableStaging, parallelCopies, ..."),
});

const job = z.strictObject({
  name: name.describe('Unique within the pipeline.'),
  job: text.describe('First argument of main.py: bronze, silver, ...'),
  arguments: settings.default({}).describe('Passed as --key value.'),
  profile,
  configuration: settings.default({}).describe('Spark settings of this job alone.'),
  resultTables: z.array(text).default([]).describe('Tables that the result must report.'),
});

const check = z.strictObject({
  name: text,
  sum: z.array(text).min(1).describe('Counts to add: "<copy>:read|copied|sink", "<job>:<table>.<field>".'),
  equals: z.array(text).min(1),
});

const policy = {
  timeout: timespan.default('0.12:00:00'),
  retries: integer(0, 20).default(0).describe('How often each failed copy or job is tried again.'),
  retryIntervalInSeconds: integer(1, 86_400).default(30),
  pivot: flag
    .default(false)
    .describe('Once this stage is done, it and the stages before it are kept even if a later stage fails.'),
  checks: z.array(check).default([]),
};

const keep = z.strictObject({ kind: z.literal('keep') });
const kept = keep.default({ kind: 'keep' });

const ingest = z.strictObject({
  ...policy,
  copies: z.array(copy).default([]),
  inputs: z
    .array(z.strictObject({ name, prefix: uri, minimumFiles: integer(1, 1e9).default(1) }))
    .default([])
    .describe('What others land: each prefix must hold files.'),
  compensation: z
    .discriminatedUnion('kind', [keep, z.strictObject({ kind: z.literal('deleteLanded') })])
    .default({ kind: 'keep' }),
});

const processing = z.strictObject({
  ...policy,
  jobs: z.array(job).min(1),
  compensation: z
    .discriminatedUnion('kind', [
      keep,
      z.strictObject({
        kind: z.literal('restoreTables'),
        job: text,
        arguments: settings.default({}),
        tables: z.array(z.strictObject({ table: text, location: uri })).min(1),
      }),
    ])
    .default({ kind: 'keep' }),
});

const load = z.strictObject({ ...policy, copies: z.array(copy).min(1), compensation: kept });

const selectors = z.array(text.refine((value) => !value.startsWith('-'), 'must not begin with "-"'));

const dbt = z.strictObject({
  name,
  linkedService: text.optional().describe('The warehouse; none for a Spark session.'),
  target: text.describe('Output in profiles.yml: snowflake, databricks, redshift, postgres, spark.'),
  schema: text.optional().describe("Schema of the marts, in place of the profile's."),
  vars: json.default({}).describe("dbt's --vars. No secrets: they lie in the history."),
  steps: z
    .array(
      z.strictObject({
        command: z.enum(DBT_COMMANDS),
        select: selectors.optional(),
        exclude: selectors.optional(),
        fullRefresh: flag.default(false),
      }),
    )
    .min(1)
    .default([{ command: 'build', fullRefresh: false }]),
});

const serve = z.strictObject({
  ...policy,
  dbt: z.array(dbt).min(1).describe('One after the other.'),
  compensation: kept,
});

const rule = z
  .strictObject({
    id: name,
    prefix: z.string().default(''),
    transition: z
      .strictObject({
        days: integer(0, 36_500),
        storageClass: z.enum([
          'STANDARD_IA',
          'ONEZONE_IA',
          'INTELLIGENT_TIERING',
          'GLACIER_IR',
          'GLACIER',
          'DEEP_ARCHIVE',
        ]),
      })
      .optional(),
    expireAfterDays: integer(1, 36_500).optional(),
    abortIncompleteUploadsAfterDays: integer(1, 36_500).optional(),
  })
  .refine((value) => value.transition || value.expireAfterDays || value.abortIncompleteUploadsAfterDays, {
    error: 'does nothing: give it a transition, expireAfterDays or abortIncompleteUploadsAfterDays',
  });

const optimize = z.strictObject({
  ...policy,
  jobs: z.array(job).default([]),
  lifecycle: z.strictObject({ bucket: text, rules: z.array(rule).min(1) }).optional(),
  compensation: kept,
});

const parameter = z.strictObject({
  type: z.enum(['string', 'int', 'float', 'bool', 'array', 'object']),
  defaultValue: z.json().optional(),
  description: z.string().optional(),
});

/** Ids of clusters: "j-1K48XXXXXXHCB" on EMR, "0923-164208-meows279" on Databricks. */
const attach = text
  .optional()
  .describe('Instead of cluster: the id of one that runs already. It is left running.');

const oneOfThem =
  (own: 'cluster' | 'application') =>
  (
    engine: { cluster?: unknown; application?: unknown; attach?: unknown },
    context: z.RefinementCtx,
  ): void => {
    if ((engine[own] === undefined) === (engine.attach === undefined))
      context.addIssue({
        code: 'custom',
        path: [],
        message: `needs ${own} (one of its own) or attach (one that runs), and not both`,
      });
  };

const engine = {
  name: name.describe("The cluster's logical name."),
  profile,
  configuration: settings.default({}).describe('Spark settings of every job.'),
};

/** One file of `factory/lakehouse/`. Any text may be an expression; numbers and booleans may be one, too. */
export const lakehouseSchema = z.strictObject({
  $schema: z.string().optional(),
  name,
  description: z.string().optional(),
  parameters: z
    .record(z.string(), parameter)
    .default({})
    .describe('`window` is always there: the logical window of the run.'),
  storage: z.strictObject({
    code: uri.describe('Prefix under which job code goes, by content.'),
    results: uri.describe('Prefix under which jobs leave their results.'),
  }),
  engine: z.discriminatedUnion('type', [
    z
      .strictObject({ type: z.literal('emr'), ...engine, attach, cluster: emrClusterSchema.optional() })
      .superRefine(oneOfThem('cluster')),
    z
      .strictObject({
        type: z.literal('emr-serverless'),
        ...engine,
        attach: text
          .regex(/^([0-9a-z]{1,64}|@.*)$/s, 'must be the id of an application such as 00f1r3r2mpq45k09')
          .optional()
          .describe('Instead of application: the id of one that is there already. It is left.'),
        application: emrServerlessApplicationSchema.optional(),
        jobRuns: emrServerlessJobRunsSchema,
      })
      .superRefine(oneOfThem('application')),
    z
      .strictObject({
        type: z.literal('databricks'),
        ...engine,
        attach,
        cluster: databricksClusterSchema.optional(),
      })
      .superRefine(oneOfThem('cluster')),
  ]),
  stages: z
    .strictObject({
      ingest: ingest.optional(),
      process: processing.optional(),
      load: load.optional(),
      serve: serve.optional(),
      optimize: optimize.optional(),
    })
    .refine((stages) => Object.values(stages).some((stage) => stage !== undefined), {
      error: 'needs at least one of ingest, process, load, serve and optimize',
    }),
  budget: budgetSchema.optional(),
  monitoring: monitoringSchema.optional(),
});

export type LakehouseDefinition = z.infer<typeof lakehouseSchema>;

/** The definition's JSON Schema, for editors: `"$schema": "…/lakehouse.schema.json"`. */
export const lakehouseJsonSchema = (): object =>
  z.toJSONSchema(lakehouseSchema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'ref',
    target: 'draft-2020-12',
  });
