// All operations the stand-in implements, by name.
import { capacityOperations } from './capacity.ts';
import { clusterOperations } from './clusters.ts';
import type { Operation } from './context.ts';
import { policyOperations } from './policies.ts';
import { stepOperations } from './steps.ts';
import { tagOperations } from './tags.ts';

export const operations: ReadonlyMap<string, Operation> = new Map(
  Object.entries({
    ...clusterOperations,
    ...stepOperations,
    ...capacityOperations,
    ...policyOperations,
    ...tagOperations,
  }),
);
