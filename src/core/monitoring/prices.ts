// A small price table for those who give none: list prices of us-east-1 as they were known when this was written. Bills
// differ (region, discounts, spot by the hour): give your own by `[cost] prices` in waybill.toml.
import type { InstancePrice, PriceTable } from './cost.ts';

/** EMR on EC2 charges a quarter of the on-demand price, at most 0.27 an hour a machine. */
const EMR_PART = 0.25;
const EMR_MOST = 0.27;

/** On-demand price and DBUs per hour of the `xlarge`; larger ones are multiples of it. */
const FAMILIES: Readonly<Record<string, readonly [ec2: number, dbu: number]>> = {
  m5: [0.192, 0.69],
  m6g: [0.154, 0.63],
  m6i: [0.192, 0.69],
  m7g: [0.1632, 0.69],
  c5: [0.17, 0.61],
  r5: [0.252, 0.9],
  r5a: [0.226, 0.78],
  r5d: [0.288, 0.9],
  r6g: [0.2016, 0.82],
  r6gd: [0.2304, 0.86],
  r6i: [0.252, 0.9],
  r6id: [0.3024, 0.94],
  r7g: [0.2142, 0.86],
  i3: [0.312, 1],
};

const SIZES: Readonly<Record<string, number>> = {
  xlarge: 1,
  '2xlarge': 2,
  '4xlarge': 4,
  '8xlarge': 8,
  '12xlarge': 12,
  '16xlarge': 16,
  '24xlarge': 24,
};

function instances(): Record<string, InstancePrice> {
  const prices: Record<string, InstancePrice> = {};
  for (const [family, [ec2, dbu]] of Object.entries(FAMILIES)) {
    for (const [size, times] of Object.entries(SIZES)) {
      const price = Math.round(ec2 * times * 1e4) / 1e4;
      prices[`${family}.${size}`] = {
        ec2: price,
        emr: Math.min(Math.round(price * EMR_PART * 1e4) / 1e4, EMR_MOST),
        dbu: Math.round(dbu * times * 100) / 100,
      };
    }
  }
  return prices;
}

/** An estimate, and marked as one in everything reckoned from it. */
export const DEFAULT_PRICES: PriceTable = {
  source: 'waybill (estimate)',
  asOf: '2026-01-01',
  currency: 'USD',
  estimate: true,
  spotFactor: 0.35,
  dbuPrice: 0.15,
  photonFactor: 2,
  instances: instances(),
  serverless: {
    X86_64: { vcpu: 0.052624, memoryGb: 0.0057785, storageGb: 0.000111 },
    ARM64: { vcpu: 0.042094, memoryGb: 0.004628, storageGb: 0.000111 },
  },
};
