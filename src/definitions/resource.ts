// A resource of a factory: one pipeline, dataset, linked service and so on, with the place that it was read from.
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { Problems } from './problem.ts';

/** The folder names of Data Factory's Git layout, and waybill's own `lakehouse`, `streams` and `migration`. */
export const KINDS = [
  'linkedService',
  'dataset',
  'pipeline',
  'trigger',
  'dataflow',
  'integrationRuntime',
  'factory',
  'credential',
  'managedVirtualNetwork',
  'managedPrivateEndpoint',
  'lakehouse',
  'streams',
  'migration',
] as const;
export type ResourceKind = (typeof KINDS)[number];

export interface Resource {
  readonly kind: ResourceKind;
  readonly name: string;
  /** Relative to the factory directory, with forward slashes. */
  readonly file: string;
  /** The folder of its factory, relative to the directory: definitions refer to those of their own factory first. */
  readonly root: string;
  /** The content of `properties`, or the whole object where the file has none. */
  readonly properties: JsonObject;
  /** Path of `properties` within the file: pointers start with it. */
  readonly path: readonly PropertyKey[];
  readonly problems: Problems;
  /** A Fabric item's logical id, by which other items refer to it; "" where its files do not say. */
  readonly fabricId?: string;
}

export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
