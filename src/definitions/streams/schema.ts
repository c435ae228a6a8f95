// The shape of a stream's definition, strict: what it does not know, it refuses.
import { z } from 'zod';
import { parseTimespan } from '../../core/lakehouse/duration.ts';
import { databricksClusterSchema } from '../lakehouse/databricks-schema.ts';
import { emrClusterSchema } from '../lakehouse/emr-schema.ts';
import { jobProfile, jobSettings, lakehouseParameter, resourceName } from '../lakehouse/schema.ts';
import { integer, text, uri } from '../lakehouse/values.ts';

/** Jobs of the package that follow the control folder; others must do as jobs/README.md says. */
export const STREAM_JOBS = ['ingest_kafka', 'ingest_kinesis', 'ingest_files'];
/** Arguments that the supervisor gives. */
const OWN_ARGUMENTS = [
  'run',
  'result',
  'interval',
  'for-seconds',
  'progress',
  'control',
  'generation',
  'lease-seconds',
];

const timespan = (fallback: string) =>
  text
    .refine((value) => value.startsWith('@') || (parseTimespan(value) ?? 0) > 0, {
      error: 'must be a duration above zero such as "0.00:10:00" (days.hours:minutes:seconds)',
    })
    .default(fallback);

const engine = <T extends z.ZodType>(cluster: T) => ({
  name: resourceName.describe("The cluster's logical name."),
  profile: jobProfile,
  configuration: jobSettings.default({}),
  cluster: cluster.optional().describe('A cluster of the stream’s own.'),
  attach: text.optional().describe('In place of "cluster": the id of one that somebody else keeps.'),
});

/** One file of `factory/streams/`. Any text may be an expression; numbers may be one, too. */
export const streamSchema = z
  .strictObject({
    $schema: z.string().optional(),
    name: resourceName,
    description: z.string().optional(),
    parameters: z.record(z.string(), lakehouseParameter).default({}),
    storage: z.strictObject({
      code: uri.describe('Prefix under which job code goes, by content.'),
      results: uri.describe('Prefix for results, progress and control files.'),
    }),
    engine: z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('emr'), ...engine(emrClusterSchema) }),
      z.strictObject({ type: z.literal('databricks'), ...engine(databricksClusterSchema) }),
    ]),
    job: z.strictObject({
      job: text.describe(`First argument of main.py: ${STREAM_JOBS.join(', ')}.`),
      arguments: jobSettings.default({}).describe('Passed as --key value.'),
      interval: text.default('10 seconds').describe('Between two batches: "10 seconds", "5 minutes".'),
      profile: jobProfile,
      configuration: jobSettings.default({}).describe('Spark settings of this job alone.'),
    }),
    restart: z
      .strictObject({
        maximum: integer(0, 1_000).default(5).describe('Failures within the window that are started anew.'),
        window: timespan('0.01:00:00'),
        intervalInSeconds: integer(1, 3_600)
          .default(10)
          .describe('Doubled with every failure in the window.'),
        maximumIntervalInSeconds: integer(1, 86_400).default(600),
      })
      .default({ maximum: 5, window: '0.01:00:00', intervalInSeconds: 10, maximumIntervalInSeconds: 600 }),
    lag: z
      .strictObject({
        offsets: integer(0, Number.MAX_SAFE_INTEGER).optional().describe('Messages that may wait.'),
        seconds: integer(1, 31_536_000)
          .default(900)
          .describe('Age of the newest message taken while others wait.'),
        batchSeconds: integer(1, 86_400).optional(),
        silentSeconds: integer(30, 86_400).default(300).describe('Without a word from the job.'),
      })
      .default({ seconds: 900, silentSeconds: 300 }),
    drainTimeout: timespan('0.00:10:00').describe('Then the batch is cut off; it is done again.'),
    leaseInMinutes: integer(1, 1_440)
      .default(30)
      .describe('A job that nobody watches ends by itself after so long.'),
    alerts: z
      .array(text)
      .default([])
      .describe('Names of [alerts.<name>] in waybill.toml: told of lag, silence and the end.'),
  })
  .superRefine(({ engine: given, job }, context) => {
    const report = (path: string[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    if ((given.cluster === undefined) === (given.attach === undefined))
      report(['engine'], 'needs "cluster" or "attach", and not both');
    for (const name of OWN_ARGUMENTS.filter((own) => own in job.arguments))
      report(['job', 'arguments', name], 'is set by the supervisor');
    const onCluster = Object.keys(job.configuration).length > 0 || job.profile !== undefined;
    if (given.type === 'databricks' && onCluster)
      report(['job'], 'Databricks takes no Spark settings with a job on a cluster: put them into the engine');
    if (
      given.type === 'databricks' &&
      given.attach !== undefined &&
      Object.keys(given.configuration).length > 0
    )
      report(
        ['engine', 'configuration'],
        'Databricks takes Spark settings with a cluster of the stream’s own alone',
      );
  });

export type StreamDefinition = z.infer<typeof streamSchema>;

/** The definition's JSON Schema, for editors: `"$schema": "…/stream.schema.json"`. */
export const streamJsonSchema = (): object =>
  z.toJSONSchema(streamSchema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'ref',
    target: 'draft-2020-12',
  });
