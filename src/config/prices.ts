// The price table: the file that the settings name, or waybill's own estimates.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { WaybillError } from '../core/errors.ts';
import type { PriceTable } from '../core/monitoring/cost.ts';
import { DEFAULT_PRICES } from '../core/monitoring/prices.ts';

const price = z.number().nonnegative();

const workers = z.strictObject({ vcpu: price, memoryGb: price, storageGb: price });

const schema = z.strictObject({
  asOf: z.iso.date(),
  currency: z.string().regex(/^[A-Z]{3}$/, 'must be a currency such as USD'),
  estimate: z.boolean().default(false),
  spotFactor: z.number().min(0).max(1).default(DEFAULT_PRICES.spotFactor),
  dbuPrice: price.default(DEFAULT_PRICES.dbuPrice),
  photonFactor: z.number().min(1).default(DEFAULT_PRICES.photonFactor),
  instances: z.record(
    z.string(),
    z.strictObject({
      ec2: price,
      emr: price.optional(),
      spot: price.optional(),
      dbu: price.optional(),
    }),
  ),
  serverless: z.strictObject({ X86_64: workers.optional(), ARM64: workers.optional() }).optional(),
});

/** The table in a JSON file, alone: a type it lacks has no price. Throws SETTINGS_INVALID naming file and key. */
export function readPrices(file: string | undefined): PriceTable {
  if (file === undefined) return DEFAULT_PRICES;
  const invalid = (why: string): WaybillError =>
    new WaybillError('SETTINGS_INVALID', `The price table ${file}: ${why}`, { key: 'cost.prices' });
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw invalid(`cannot be read: ${(error as Error).message}`);
  }
  const result = schema.safeParse(content);
  if (result.success) return { source: file, ...result.data } as PriceTable;
  const [issue] = result.error.issues;
  throw invalid(`"${issue?.path.join('.') ?? ''}": ${issue?.message ?? 'invalid'}.`);
}
