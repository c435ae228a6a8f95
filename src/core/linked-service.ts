// A linked service as an activity sees it at the moment of use.
import type { JsonObject, JsonValue } from './json.ts';

/**
 * A linked service with its expressions evaluated, the environment's overrides applied and its secrets in clear.
 * Lives inside one activity attempt: never a workflow input, an activity result, a log line or an error text.
 */
export interface ConnectedLinkedService {
  readonly name: string;
  /** ADF's type: SnowflakeV2, SqlServer, AzurePostgreSql, AmazonS3, ... */
  readonly type: string;
  /** typeProperties; keys as ADF spells them, plus waybill's own (caFile, ...) from waybill.toml. */
  readonly properties: JsonObject;
}

/** Looks a linked service up by name. Throws REFERENCE_MISSING, SETTINGS_INVALID or SECRET_MISSING. */
export type LinkedServiceResolver = (
  name: string,
  parameters?: Record<string, JsonValue>,
) => Promise<ConnectedLinkedService>;
