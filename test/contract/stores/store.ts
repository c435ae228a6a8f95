// What the contract suite needs of a store: one implementation per connector, beside this file.
import type { EngineName } from '../../../dev/world/state.ts';
import type { World } from '../../../dev/world/world.ts';
import type { CopyEndpoint } from '../../../src/core/copy.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { ConnectedLinkedService } from '../../../src/core/linked-service.ts';

/** One store under test: a connector, and for stores of files a format. */
export interface Store {
  /** Unique, and fit for names: "PostgreSqlV2", "AmazonS3_Parquet". */
  readonly id: string;
  /** Linked-service type, as in the registry. */
  readonly type: string;
  readonly kind: 'table' | 'files';
  /** Engines of the local world it needs; none where environment variables name a real endpoint. */
  readonly engines: readonly EngineName[];
  /** Tests that do not hold for this store, by the test's name, each with its reason. */
  readonly waivers: Readonly<Record<string, string>>;
  /** Makes the database, bucket or folder called `name`, with whatever the local world or the environment offers. */
  start(world: World, name: string): Promise<void>;
  stop(): Promise<void>;
  /** The linked service, resolved; through a port of this machine instead of the store's own where one is given. */
  service(port?: number): ConnectedLinkedService;
  /** Where the store answers, for a proxy before it; undefined where nothing can stand between. */
  readonly address: { readonly host: string; readonly port: number } | undefined;
  /** The same linked service with credentials the store refuses; undefined where it has none. */
  refusedService(secret: string): ConnectedLinkedService | undefined;
  /** A table (or folder) called `place` as one end of a copy. */
  endpoint(place: string, settings?: JsonObject): CopyEndpoint;
  /** Runs a statement in the store's own SQL. Stores of files leave it out. */
  sql?(statement: string): Promise<Record<string, unknown>[]>;
  /** Rows of a table, by the store's own count. Stores of files leave it out. */
  count?(place: string): Promise<number>;
  /** Whatever unpublished copies left: staging tables, staged files, open uploads. */
  leftovers(): Promise<string[]>;
}

/**
 * Properties of a real endpoint's linked service, as JSON in WAYBILL_CONTRACT_<TYPE>: with them the suite leaves the
 * local stand-in alone. The database, schema or container named there must exist; the suite makes and drops its own
 * tables in it.
 */
export const realEndpoint = (type: string): JsonObject | undefined => {
  const text = process.env[`WAYBILL_CONTRACT_${type.toUpperCase()}`];
  return text === undefined || text === '' ? undefined : (JSON.parse(text) as JsonObject);
};

export const never = new AbortController().signal;
