// The shape of a migration's definition, strict: what it does not know, it refuses.
import { z } from 'zod';
import { WINDOW_PATTERN } from '../../core/lakehouse/window.ts';
import { databricksClusterSchema } from '../lakehouse/databricks-schema.ts';
import { text } from '../lakehouse/values.ts';

const json = z.record(z.string(), z.json());
const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/,
    'must be 1 to 80 letters, digits, "_" or "-", beginning with a letter or digit',
  );
const location = z
  .string()
  .regex(
    /^s3:\/\/[a-z0-9][a-z0-9.-]+(\/[^/@]+)+$/,
    'must be an address such as s3://bucket/prefix, without "/" at the end',
  );
const column = text.max(255);
const positive = z.number().min(0);
const count = z.int().min(0).max(1e12);

const dataset = z.strictObject({
  name: name.describe('What it is called in the report and by those who approve it.'),
  emr: z.strictObject({
    format: z.enum(['parquet', 'delta']),
    location: location.describe('The table or folder that EMR writes.'),
  }),
  databricks: z.strictObject({
    location: location.describe('The Delta table on the other side.'),
    table: z
      .string()
      .regex(/^\w+(\.\w+){1,2}$/, 'must be schema.table or catalog.schema.table')
      .optional()
      .describe('Its name in Unity Catalog, told to consumers with the location.'),
  }),
  keys: z.array(column).min(1).describe('Columns that tell a row from all others.'),
  ignore: z.array(column).default([]).describe('Columns that are not compared.'),
  columns: z
    .record(
      z.string(),
      z
        .strictObject({ absolute: positive.optional(), relative: positive.optional() })
        .refine((value) => value.absolute !== undefined || value.relative !== undefined, {
          error: 'needs absolute or relative',
        }),
    )
    .default({})
    .describe('How far numbers may lie apart, by column.'),
  types: z
    .enum(['same', 'any'])
    .default('same')
    .describe('any: types may differ as long as the values are equal.'),
  windowColumn: column
    .optional()
    .describe('Compare only rows whose value of this column is the window: "_run", a partition.'),
  allow: z
    .strictObject({ missing: count.default(0), extra: count.default(0), differing: count.default(0) })
    .default({ missing: 0, extra: 0, differing: 0 })
    .describe('Rows that may be missing, extra or different before it counts.'),
  partitionBy: z.array(column).default([]).describe('Of the replicated Delta table.'),
  replicate: z
    .enum(['once', 'always', 'never'])
    .optional()
    .describe(
      'once: what there was before the first window, then the jobs on Databricks write it. always: all that EMR adds. never: the jobs write it anew. By default always for parquet, once for delta.',
    ),
});

/** A migration's definition, as `waybill migrate` takes it. */
export const migrationSchema = z.strictObject({
  $schema: z.string().optional(),
  name,
  description: z.string().optional(),
  lakehouse: name.describe('The lakehouse pipeline of the factory that is to move.'),
  parameters: json.default({}).describe("The lakehouse's parameters, on both sides."),
  databricks: z.strictObject({
    engine: z.strictObject({
      type: z.literal('databricks').default('databricks'),
      name: name.describe("The cluster's logical name."),
      profile: text.optional(),
      configuration: z.record(z.string(), text).default({}),
      cluster: databricksClusterSchema,
    }),
    parameters: json.default({}).describe('On Databricks alone, in place of those above.'),
    locations: z
      .array(z.strictObject({ emr: location, databricks: location }))
      .min(1)
      .describe('Prefixes in the lakehouse, and what takes their place on Databricks.'),
    stages: z
      .array(z.enum(['ingest', 'process', 'load', 'serve', 'optimize']))
      .min(1)
      .default(['process', 'optimize'])
      .describe('What runs on Databricks, too. What EMR has landed is there for both.'),
  }),
  storage: z.strictObject({
    state: location.describe('For reports, specifications and what was replicated.'),
    pointers: location.optional().describe('For what consumers read; default: <state>/pointers.'),
  }),
  datasets: z.array(dataset).min(1).max(200),
  windows: z
    .array(z.string().regex(WINDOW_PATTERN, 'is no window'))
    .min(1)
    .max(200)
    .describe('Run on both sides and compared before the decision.'),
  approval: z.enum(['manual', 'withinTolerances']).default('manual'),
  afterCutOver: z
    .strictObject({ windows: z.int().min(0).max(200) })
    .default({ windows: 3 })
    .describe('Windows in parity after the cut-over, until a dataset is confirmed.'),
});

export type MigrationDefinition = z.infer<typeof migrationSchema>;

/** The definition's JSON Schema, for editors. */
export const migrationJsonSchema = (): object =>
  z.toJSONSchema(migrationSchema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'ref',
    target: 'draft-2020-12',
  });
