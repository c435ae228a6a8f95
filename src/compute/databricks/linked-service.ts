// What a linked service AzureDatabricks says: which workspace, as whom, on which cluster.
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';
import { initScript } from './cluster-input.ts';

/** Who asks. Azure's identities are the caller's business: they need Azure's own client. */
export type DatabricksIdentity =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'principal'; readonly clientId: string; readonly clientSecret: string }
  | {
      readonly kind: 'azurePrincipal';
      readonly tenant: string;
      readonly clientId: string;
      readonly clientSecret: string;
    }
  | { readonly kind: 'managedIdentity'; readonly resourceId?: string };

export interface DatabricksService {
  readonly host: string;
  readonly identity: DatabricksIdentity;
  /** `existing_cluster_id` or `new_cluster` of a task; undefined where the linked service names neither. */
  readonly cluster: JsonObject | undefined;
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads it. Throws DEFINITION_INVALID with the key that is missing or wrong. */
export function databricksService(service: ConnectedLinkedService): DatabricksService {
  const keys = new Map(Object.entries(service.properties).map(([key, value]) => [key.toLowerCase(), value]));
  const read = (key: string): JsonValue | undefined => keys.get(key.toLowerCase()) ?? undefined;
  const text = (key: string): string | undefined => {
    const value = read(key);
    return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
  };
  const fault = (key: string, why: string): WaybillError =>
    new WaybillError('DEFINITION_INVALID', `"${key}" of linked service "${service.name}" ${why}.`, {
      linkedService: service.name,
      key,
    });
  if (service.type !== 'AzureDatabricks')
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `Linked service "${service.name}" is a ${service.type}; Databricks activities need AzureDatabricks.`,
      { linkedService: service.name },
    );
  return {
    host: hostOf(text('domain'), fault),
    identity: identityOf(read, text, fault),
    cluster: clusterOf(read, text, fault),
  };
}

type Read = (key: string) => JsonValue | undefined;
type Text = (key: string) => string | undefined;
type Fault = (key: string, why: string) => WaybillError;

/** A token goes with every request: never in clear over a network. */
function hostOf(domain: string | undefined, fault: Fault): string {
  if (domain === undefined) throw fault('domain', 'is missing');
  const written = /^[a-z]+:\/\//i.test(domain) ? domain : `https://${domain}`;
  if (!URL.canParse(written)) throw fault('domain', 'is no address');
  const { protocol, hostname, origin } = new URL(written);
  const local = hostname === '127.0.0.1' || hostname === 'localhost' || hostname === '[::1]';
  if (protocol !== 'https:' && !(protocol === 'http:' && local))
    throw fault('domain', 'must begin with https://');
  return origin;
}

function identityOf(read: Read, text: Text, fault: Fault): DatabricksIdentity {
  const credential = read('credential');
  const of = (key: string): string | undefined => {
    const own = isObject(credential) ? credential[key] : undefined;
    return typeof own === 'string' && own !== '' ? own : text(key);
  };
  const token = text('accessToken');
  if (token !== undefined) return { kind: 'token', token };
  const [clientId, clientSecret] = [text('clientId'), text('clientSecret')];
  if (clientId !== undefined && clientSecret !== undefined)
    return { kind: 'principal', clientId, clientSecret };
  const principal = of('servicePrincipalId');
  if (principal !== undefined) {
    const secret = of('servicePrincipalKey') ?? of('servicePrincipalCredential');
    const tenant = of('tenant');
    if (secret === undefined) throw fault('servicePrincipalKey', 'is missing');
    if (tenant === undefined) throw fault('tenant', 'is missing');
    return { kind: 'azurePrincipal', tenant, clientId: principal, clientSecret: secret };
  }
  const resourceId = isObject(credential) ? credential['resourceId'] : undefined;
  if (typeof resourceId === 'string') return { kind: 'managedIdentity', resourceId };
  if (text('authentication')?.toUpperCase() === 'MSI' || isObject(credential))
    return { kind: 'managedIdentity' };
  throw fault('accessToken', 'is missing, and "authentication" is not MSI');
}

function clusterOf(read: Read, text: Text, fault: Fault): JsonObject | undefined {
  const existing = text('existingClusterId');
  if (existing !== undefined) return { existing_cluster_id: existing };
  const version = text('newClusterVersion');
  if (version === undefined) return undefined;
  const pool = text('instancePoolId');
  const node = text('newClusterNodeType');
  if (pool === undefined && node === undefined) throw fault('newClusterNodeType', 'is missing');
  const named = (key: string, value: JsonValue | undefined): JsonObject =>
    value === undefined ? {} : { [key]: value };
  const logs = text('newClusterLogDestination');
  const scripts = read('newClusterInitScripts');
  return {
    new_cluster: {
      spark_version: version,
      ...(pool === undefined ? named('node_type_id', node) : { instance_pool_id: pool }),
      ...workersOf(read('newClusterNumOfWorker'), fault),
      ...named('driver_node_type_id', text('newClusterDriverNodeType')),
      ...named('spark_conf', textsOf(read('newClusterSparkConf'))),
      ...named('spark_env_vars', textsOf(read('newClusterSparkEnvVars'))),
      ...named('custom_tags', textsOf(read('newClusterCustomTags'))),
      ...named('policy_id', text('policyId')),
      ...named('data_security_mode', text('dataSecurityMode')),
      ...(read('newClusterEnableElasticDisk') === true ? { enable_elastic_disk: true } : {}),
      ...(logs === undefined ? {} : { cluster_log_conf: { dbfs: { destination: logs } } }),
      ...(Array.isArray(scripts) && scripts.length > 0
        ? { init_scripts: scripts.map((one) => (typeof one === 'string' ? initScript(one) : one)) }
        : {}),
    },
  };
}

/** "4", or "2:8" for autoscaling. */
function workersOf(value: JsonValue | undefined, fault: Fault): JsonObject {
  const match = /^(\d+)(?::(\d+))?$/.exec(String(value ?? '1').trim());
  if (match === null) throw fault('newClusterNumOfWorker', 'is neither a number nor "least:most"');
  const [least, most] = [Number(match[1]), match[2] === undefined ? undefined : Number(match[2])];
  return most === undefined
    ? { num_workers: least }
    : { autoscale: { min_workers: least, max_workers: most } };
}

/** Maps whose values are text for Databricks, whatever the definition wrote. */
function textsOf(value: JsonValue | undefined): JsonObject | undefined {
  if (!isObject(value) || Object.keys(value).length === 0) return undefined;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, typeof one === 'string' ? one : JSON.stringify(one)]),
  );
}
