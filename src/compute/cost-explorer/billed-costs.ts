// What AWS bills, by service or by a tag: Cost Explorer.
import {
  CostExplorerClient,
  GetCostAndUsageCommand,
  type GetCostAndUsageCommandInput,
} from '@aws-sdk/client-cost-explorer';
import { awsError } from '../aws-errors.ts';

export interface BillQuery {
  /** ISO dates; `to` is not part of it. */
  readonly from: string;
  readonly to: string;
  readonly granularity: 'DAILY' | 'MONTHLY';
  readonly by: { readonly kind: 'service' } | { readonly kind: 'tag'; readonly tag: string };
  /** Only these services; all where empty. */
  readonly services: readonly string[];
}

export interface BilledCost {
  readonly from: string;
  readonly to: string;
  /** Service, or the tag's value; empty where a resource does not have the tag. */
  readonly of: string;
  readonly amount: number;
  readonly currency: string;
  /** AWS may still change it. */
  readonly estimated: boolean;
}

export interface Bill {
  costs(query: BillQuery): Promise<BilledCost[]>;
}

const METRIC = 'UnblendedCost';

/** Cost Explorer of the environment's account. It is asked in us-east-1, whatever the region, and charges for each request. */
export function createBill(options: { endpoint?: string } = {}): Bill {
  const client = new CostExplorerClient({
    region: 'us-east-1',
    ...options,
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 30_000 },
  });
  return {
    /** Every page of it. Throws COMPUTE_BUSY, COMPUTE_REFUSED or AUTHENTICATION_FAILED. */
    async costs(query) {
      const found: BilledCost[] = [];
      let token: string | undefined;
      try {
        do {
          const page = await client.send(
            new GetCostAndUsageCommand({
              ...inputOf(query),
              ...(token === undefined ? {} : { NextPageToken: token }),
            }),
          );
          for (const {
            TimePeriod: period,
            Groups: groups = [],
            Estimated: estimated,
          } of page.ResultsByTime ?? [])
            for (const { Keys: keys = [], Metrics: metrics } of groups) {
              const { Amount: amount, Unit: currency } = metrics?.[METRIC] ?? {};
              found.push({
                from: period?.Start ?? '',
                to: period?.End ?? '',
                of: nameOf(keys[0] ?? '', query),
                amount: Number(amount ?? 0),
                currency: currency ?? '',
                estimated: estimated === true,
              });
            }
          token = page.NextPageToken;
        } while (token);
      } catch (error) {
        throw awsError(error, 'Cost Explorer', 'GetCostAndUsage');
      }
      return found;
    },
  };
}

const inputOf = ({ from, to, granularity, by, services }: BillQuery): GetCostAndUsageCommandInput => ({
  TimePeriod: { Start: from, End: to },
  Granularity: granularity,
  Metrics: [METRIC],
  GroupBy: [by.kind === 'service' ? { Type: 'DIMENSION', Key: 'SERVICE' } : { Type: 'TAG', Key: by.tag }],
  ...(services.length === 0 ? {} : { Filter: { Dimensions: { Key: 'SERVICE', Values: [...services] } } }),
});

/** A tag's group is named "<tag>$<value>". */
const nameOf = (key: string, { by }: BillQuery): string =>
  by.kind === 'tag' && key.startsWith(`${by.tag}$`) ? key.slice(by.tag.length + 1) : key;
