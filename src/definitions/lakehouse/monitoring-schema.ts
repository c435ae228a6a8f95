// The shape of "budget" and "monitoring" in a lakehouse definition, and what they are once their expressions are evaluated.
import { z } from 'zod';
import type { Budget } from '../../core/monitoring/cost.ts';
import {
  DEFAULT_THRESHOLDS,
  type Monitoring,
  THRESHOLD_ACTIONS,
  THRESHOLD_NAMES,
  type ThresholdName,
} from '../../core/monitoring/thresholds.ts';
import { flag, integer, text } from './values.ts';

const expression = z.string().regex(/^@/, 'must be a number or an expression that begins with "@"');

/** A number between two bounds, or an expression for one. */
const number = (least: number, most: number, what: string) =>
  z.union([z.number().min(least, { error: what }).max(most, { error: what }), expression], { error: what });

export const budgetSchema = z
  .strictObject({
    amount: number(0.01, 1e9, 'must be an amount above zero').describe('What one run may cost.'),
    currency: z
      .string()
      .regex(/^([A-Z]{3}|@.+)$/, 'must be a currency such as USD')
      .default('USD'),
    warnAt: number(0.01, 1, 'must be a part of the amount, from 0.01 to 1')
      .default(0.8)
      .describe('Part of the amount at which a warning is given.'),
    onExceeded: z
      .enum(['alert', 'pause', 'stop'])
      .default('alert')
      .describe(
        'pause: no further job begins until `waybill budget resume`; stop: the run is stopped and undone.',
      ),
  })
  .describe('What a run may cost by the price table (docs/cost.md).');

const PARTS: readonly ThresholdName[] = ['executorMemory', 'hdfs'];

const threshold = (name: ThresholdName) =>
  z
    .strictObject({
      above: PARTS.includes(name)
        ? number(0, 1, 'must be a part of one, such as 0.9').optional()
        : number(0, 1e6, 'must be a number from 0 on').optional(),
      action: z.enum(THRESHOLD_ACTIONS[name] as readonly [string, ...string[]]).optional(),
    })
    .optional();

const thresholds = Object.fromEntries(THRESHOLD_NAMES.map((name) => [name, threshold(name)])) as Record<
  ThresholdName,
  ReturnType<typeof threshold>
>;

export const monitoringSchema = z
  .strictObject({
    alerts: z.array(text).default([]).describe('Names of [alerts.<name>] in waybill.toml.'),
    ingestDelay: thresholds.ingestDelay.describe('Minutes: 15.'),
    executorMemory: thresholds.executorMemory.describe("Part of the executors' memory: 0.9."),
    spill: thresholds.spill.describe('Bytes spilled to disk as a part of the input: 0.5.'),
    idle: thresholds.idle.describe('Minutes that a cluster has no work: 30.'),
    failedStages: thresholds.failedStages.describe('Failed stages of one job: 0.'),
    hdfs: thresholds.hdfs.describe('Part of HDFS in use, by CloudWatch: 0.8.'),
    resize: z
      .strictObject({ step: integer(1, 10_000), maximum: integer(1, 100_000) })
      .optional()
      .describe('By how many machines "resize" enlarges a cluster, and up to how many.'),
    cloudWatch: flag.default(false).describe('Look for HDFSUtilization of EMR clusters in CloudWatch.'),
    alarms: z
      .strictObject({
        buckets: z
          .array(
            z.strictObject({
              bucket: text,
              bytes: integer(1, Number.MAX_SAFE_INTEGER).optional(),
              objects: integer(1, Number.MAX_SAFE_INTEGER).optional(),
            }),
          )
          .default([]),
        streams: z
          .array(
            z.strictObject({
              stream: text,
              iteratorAgeMinutes: number(0.1, 1e5, 'must be minutes').default(15),
            }),
          )
          .default([]),
      })
      .optional()
      .describe('What `waybill monitoring apply` puts into CloudWatch.'),
  })
  .superRefine((given, context) => {
    const resizes = THRESHOLD_NAMES.filter((name) => given[name]?.action === 'resize');
    for (const name of given.resize === undefined ? resizes : [])
      context.addIssue({
        code: 'custom',
        path: [name, 'action'],
        message: 'needs "resize" with step and maximum beside it',
      });
  })
  .describe('What is watched, and who is told (docs/monitoring.md).');

export const budgetOf = (budget: z.infer<typeof budgetSchema>): Budget => ({
  amount: Number(budget.amount),
  currency: budget.currency,
  warnAt: Number(budget.warnAt),
  onExceeded: budget.onExceeded,
});

export function monitoringOf(given: z.infer<typeof monitoringSchema>): Monitoring {
  const { alerts, resize, cloudWatch, alarms } = given;
  const of = (name: ThresholdName) => {
    const { above, action } = given[name] ?? {};
    return {
      above: above === undefined ? DEFAULT_THRESHOLDS[name].above : Number(above),
      action: (action ??
        DEFAULT_THRESHOLDS[name].action) as Monitoring['thresholds'][ThresholdName]['action'],
    };
  };
  return {
    alerts,
    thresholds: Object.fromEntries(
      THRESHOLD_NAMES.map((name) => [name, of(name)]),
    ) as unknown as Monitoring['thresholds'],
    ...(resize === undefined
      ? {}
      : { resize: { step: Number(resize.step), maximum: Number(resize.maximum) } }),
    cloudWatch: cloudWatch === true,
    alarms: {
      buckets: (alarms?.buckets ?? []).map(({ bucket, bytes, objects }) => ({
        bucket,
        ...(bytes === undefined ? {} : { bytes: Number(bytes) }),
        ...(objects === undefined ? {} : { objects: Number(objects) }),
      })),
      streams: (alarms?.streams ?? []).map(({ stream, iteratorAgeMinutes }) => ({
        stream,
        iteratorAgeMinutes: Number(iteratorAgeMinutes),
      })),
    },
  };
}
