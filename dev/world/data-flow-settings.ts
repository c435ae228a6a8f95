// Where the local world runs data flows, as settings: a bucket of its own, and the Spark that works on it.
import { projectPath } from '../cache.ts';

export const DATA_FLOW_BUCKET = 'waybill-data-flows';

/** The settings' table [dataFlows], as lines of TOML. */
export const dataFlowSettings = (): string[] => [
  '[dataFlows]',
  `staging = "s3://${DATA_FLOW_BUCKET}/staging"`,
  `definition = ${JSON.stringify(projectPath('dev', 'world', 'data-flows.json'))}`,
];
