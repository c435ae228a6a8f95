// A linked service as an activity sees it at the moment of use.
import type { JsonObject, JsonValue } from './json.ts';
import type { OutboundHttp } from './outbound-http.ts';

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
  /** How services that are HTTP endpoints are called. */
  readonly http?: OutboundHttp;
}

/** Looks a linked service up by name. Throws REFERENCE_MISSING, SETTINGS_INVALID or SECRET_MISSING. */
export type LinkedServiceResolver = (
  name: string,
  parameters?: Record<string, JsonValue>,
) => Promise<ConnectedLinkedService>;

/** typeProperties that settings give in place of a definition's. */
export type Overrides = Readonly<Record<string, JsonValue>>;

/** Overrides by name, and by ADF's type for every linked service of that type. Names and types are compared without case. */
export interface OverrideSettings {
  readonly linkedService: Readonly<Record<string, Overrides>>;
  readonly linkedServiceType?: Readonly<Record<string, Overrides>>;
}

/**
 * What settings say about one linked service: those for its type, and over them those under its name. `defaults` are
 * values for what neither the definition nor its connection string says.
 */
export function overridesFor(
  settings: OverrideSettings,
  service: { readonly name: string; readonly type: string },
): { readonly overrides: Overrides; readonly defaults: Overrides } {
  const under = (table: Readonly<Record<string, Overrides>> | undefined, key: string): Overrides =>
    Object.entries(table ?? {}).find(([other]) => other.toLowerCase() === key.toLowerCase())?.[1] ?? {};
  const { defaults, ...ofType } = under(settings.linkedServiceType, service.type);
  const own = under(settings.linkedService, service.name);
  const given = new Set(Object.keys(own).map((key) => key.toLowerCase()));
  const inherited = Object.entries(ofType).filter(([key]) => !given.has(key.toLowerCase()));
  return {
    overrides: { ...Object.fromEntries(inherited), ...own },
    defaults: typeof defaults === 'object' && defaults !== null && !Array.isArray(defaults) ? defaults : {},
  };
}
