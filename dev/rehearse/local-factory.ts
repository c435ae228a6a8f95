// Writes the factory as the rehearsal runs it: every linked service leads to the local world, calls to outside go to the
// recording endpoint, long waits are short. Nothing of an original address or credential is left in it.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDynamic } from '../../src/core/expression/parse.ts';
import type { JsonObject, JsonValue } from '../../src/core/json.ts';
import type { CompiledFactory } from '../../src/definitions/compile-factory.ts';
import type { LinkedServiceDefinition } from '../../src/definitions/compile-store.ts';
import { isObject, type Resource } from '../../src/definitions/factory.ts';
import { dataFlowSettings } from '../world/data-flow-settings.ts';
import type { World } from '../world/world.ts';
import { localDatabase, localService } from './linked-services.ts';
import type { StoreKind } from './needs.ts';
import { stubKey } from './simulate/stubs.ts';
import { localWebSource } from './simulate/web-sources.ts';
import { STUB_PARAMETER } from './world/stub-endpoints.ts';

/** Seconds that a Wait lasts at most. */
export const LONGEST_WAIT = 2;

/** The worker's variable that holds a shared access signature: what Snowflake reaches staged files with. */
export const SIGNATURE_ENV = 'WAYBILL_REHEARSAL_SIGNATURE';

/** Where the rehearsal's own parts are. */
export interface LocalPlaces {
  readonly world: World;
  readonly stubPort: number;
  /** Folder below which each FileServer has its own. */
  readonly files: string;
}

/** What was written, and what the report has to say about it. */
export interface LocalFactory {
  readonly directory: string;
  readonly configFile: string;
  /** Sentences by pipeline: a wait that was shortened, a call that is answered by the endpoint. */
  readonly changes: ReadonlyMap<string, readonly string[]>;
}

/** The folder that stands in for a FileServer. */
export const folderOf = (files: string, linkedService: string): string =>
  join(files, linkedService.replaceAll(/[^\w-]+/g, '_'));

/** Writes the local factory and its settings below `directory`. */
export async function writeLocalFactory(
  compiled: CompiledFactory,
  directory: string,
  places: LocalPlaces,
): Promise<LocalFactory> {
  const root = join(directory, 'factory');
  await rm(root, { recursive: true, force: true });
  const changes = new Map<string, string[]>();
  const secrets: Record<string, Record<string, string>> = {};
  const written = new Set<string>();
  for (const resource of compiled.factory.resources) {
    let { properties } = resource;
    if (resource.kind === 'linkedService') {
      const definition = compiled.linkedServices.get(resource);
      if (definition === undefined) continue;
      const local = localProperties(definition, places);
      properties = { ...withoutConnection(properties), typeProperties: local.properties };
      secrets[resource.name] = local.secrets;
    } else if (resource.kind === 'pipeline') {
      const told: string[] = [];
      properties = localPipeline(properties, resource.name, places.stubPort, told);
      changes.set(resource.name.toLowerCase(), told);
    } else if (resource.kind === 'trigger' || resource.kind === 'lakehouse' || resource.kind === 'credential')
      continue;
    // Under its own name, so that what is said of a file can be found in the original.
    const file = join(root, ...localFile(resource, written));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify({ name: resource.name, properties }));
    if (resource.fabricId !== undefined)
      await writeFile(
        join(dirname(file), '.platform'),
        JSON.stringify({ config: { logicalId: resource.fabricId } }),
      );
  }
  const configFile = join(directory, 'waybill.toml');
  await writeFile(configFile, settings(root, directory, secrets, places), { mode: 0o600 });
  return { directory: root, configFile, changes };
}

/** The original's own place where that is one of the Git layout; resources of a template get one each. */
function localFile({ kind, name, file, root, fabricId }: Resource, written: Set<string>): string[] {
  const inLayout = file.toLowerCase().split('/').includes(kind.toLowerCase()) || fabricId !== undefined;
  const own =
    inLayout && !written.has(file)
      ? file
      : `${root}/${kind}/${written.size}_${name.replaceAll(/[^\w-]+/g, '_')}.json`;
  written.add(own);
  return own.split('/').filter((part) => part !== '');
}

const withoutConnection = ({ connectVia: _, ...properties }: JsonObject): JsonObject => properties;

interface LocalProperties {
  readonly properties: JsonObject;
  /** Property to the environment variable that holds it. */
  readonly secrets: Record<string, string>;
}

function localProperties(
  definition: LinkedServiceDefinition,
  { world, stubPort, files }: LocalPlaces,
): LocalProperties {
  const local = localService(definition);
  const database = localDatabase(local.kind as StoreKind, local.database);
  const stub = `http://127.0.0.1:${stubPort}/stub`;
  switch (local.kind) {
    case 'sql-server': {
      const { server, port, user, passwordEnv, caFile } = world.sqlServer;
      return {
        properties: {
          server: `${server},${port}`,
          database,
          encrypt: 'mandatory',
          authenticationType: 'SQL',
          userName: user,
          caFile,
        },
        secrets: { password: passwordEnv },
      };
    }
    case 'postgres': {
      const { host, port, user } = world.postgres;
      return {
        properties: {
          server: host,
          port,
          username: user,
          database,
          sslMode: 'disable',
          authenticationType: 'Basic',
        },
        secrets: {},
      };
    }
    case 'mysql': {
      const { server, port, user, passwordEnv, caFile } = world.mysql;
      return {
        properties: { server, port, username: user, database, caFile },
        secrets: { password: passwordEnv },
      };
    }
    case 'snowflake': {
      const { url, account, user, passwordEnv } = world.snowflake;
      return {
        properties: {
          host: url,
          accountIdentifier: account,
          user,
          database,
          schema: local.schema,
          warehouse: 'LOCAL',
          authenticationType: 'Basic',
        },
        secrets: { password: passwordEnv },
      };
    }
    case 's3':
      return { properties: { serviceUrl: world.s3.endpoint, region: world.s3.region }, secrets: {} };
    case 'azure-blob': {
      const address = definition.type.toLowerCase() === 'azureblobfs' ? 'url' : 'serviceEndpoint';
      return {
        properties: { [address]: world.azureBlob.endpoint },
        secrets: { accountKey: world.azureBlob.accountKeyEnv, sasToken: SIGNATURE_ENV },
      };
    }
    case 'folder':
      return { properties: { host: folderOf(files, definition.name) }, secrets: {} };
    case 'function':
      return {
        properties: { functionAppUrl: stub, functionKey: { type: 'SecureString', value: 'rehearsal' } },
        secrets: {},
      };
    case 'databricks':
      return {
        properties: {
          domain: `http://127.0.0.1:${stubPort}`,
          accessToken: { type: 'SecureString', value: 'rehearsal' },
          existingClusterId: 'rehearsal',
        },
        secrets: {},
      };
    case 'vault':
      return { properties: { baseUrl: `${stub}/vault` }, secrets: {} };
    case 'web':
      return { properties: { url: stub, authenticationType: 'Anonymous' }, secrets: {} };
    default:
      return { properties: {}, secrets: {} };
  }
}

function localPipeline(properties: JsonObject, name: string, stubPort: number, told: string[]): JsonObject {
  const activities = properties['activities'];
  if (!Array.isArray(activities)) return properties;
  // Runs of a rehearsal follow each other; a queue would only hold them up.
  const { concurrency: _, ...rest } = properties;
  return { ...rest, activities: activities.map((each) => localActivity(each, name, stubPort, told)) };
}

function localActivity(value: JsonValue, pipeline: string, stubPort: number, told: string[]): JsonValue {
  if (!isObject(value)) return value;
  const name = String(value['name'] ?? '');
  const type = String(value['type'] ?? '').toLowerCase();
  const own = isObject(value['typeProperties']) ? value['typeProperties'] : {};
  let typeProperties: JsonObject = { ...own };
  for (const block of ['activities', 'ifTrueActivities', 'ifFalseActivities', 'defaultActivities']) {
    const list = own[block];
    if (Array.isArray(list))
      typeProperties[block] = list.map((each) => localActivity(each, pipeline, stubPort, told));
  }
  if (Array.isArray(own['cases']))
    typeProperties['cases'] = own['cases'].map((branch) => {
      const list = isObject(branch) ? branch['activities'] : undefined;
      return isObject(branch) && Array.isArray(list)
        ? { ...branch, activities: list.map((each) => localActivity(each, pipeline, stubPort, told)) }
        : branch;
    });
  if (type === 'copy' || type === 'lookup')
    typeProperties = localWebSource(typeProperties, pipeline, name, told);
  if (type === 'wait') typeProperties = shortWait(typeProperties, name, told);
  if (type === 'webactivity' || type === 'webhook') {
    const { authentication: _, linkedServices: __, datasets: ___, ...kept } = typeProperties;
    const url = stubUrl(own['url'], stubKey(pipeline, name), stubPort);
    typeProperties = { ...kept, url, ...(type === 'webhook' ? { timeout: '00:01:00' } : {}) };
    told.push(`"${name}" called a recording endpoint instead of its own address`);
  }
  if (type === 'azurefunctionactivity') {
    const headers = isObject(own['headers']) ? own['headers'] : {};
    typeProperties['headers'] = { ...headers, 'x-waybill-rehearsal': stubKey(pipeline, name) };
    told.push(`"${name}" called a recording endpoint instead of its function`);
  }
  if (type.startsWith('databricks')) {
    const written = own['baseParameters'];
    const parameters = isObject(written) ? written : {};
    if (type === 'databricksnotebook')
      typeProperties['baseParameters'] = {
        ...parameters,
        [STUB_PARAMETER]: encodeURIComponent(stubKey(pipeline, name)),
      };
    told.push(`"${name}" ran nothing on Databricks: a recording endpoint answered for it`);
  }
  return { ...value, typeProperties, ...shortPolicy(value['policy']) };
}

/** Retries come at once: what fails here fails again. */
function shortPolicy(policy: JsonValue | undefined): JsonObject {
  if (!isObject(policy)) return {};
  // The data is made up: nothing of it has to be hidden from who reads why a pipeline failed.
  const { secureInput: _, secureOutput: __, ...rest } = policy;
  return { policy: { ...rest, retry: 0, retryIntervalInSeconds: 1 } };
}

function shortWait(properties: JsonObject, name: string, told: string[]): JsonObject {
  const written = properties['waitTimeInSeconds'];
  const value = isObject(written) && written['type'] === 'Expression' ? written['value'] : written;
  if (
    typeof value === 'string' &&
    value.startsWith('@') &&
    !value.startsWith('@{') &&
    !value.startsWith('@@')
  ) {
    told.push(`"${name}" waited ${LONGEST_WAIT} s at most`);
    return { ...properties, waitTimeInSeconds: `@min(${LONGEST_WAIT}, int(${value.slice(1)}))` };
  }
  if (!(Number(value) > LONGEST_WAIT)) return properties;
  told.push(`"${name}" waited ${LONGEST_WAIT} s instead of ${String(value)} s`);
  return { ...properties, waitTimeInSeconds: LONGEST_WAIT };
}

/** The endpoint's address with the original one, evaluated, behind it: what cannot be evaluated still fails. */
function stubUrl(written: JsonValue | undefined, key: string, stubPort: number): string {
  const base = `http://127.0.0.1:${stubPort}/stub/${encodeURIComponent(key)}?url=`;
  const value = isObject(written) && written['type'] === 'Expression' ? written['value'] : written;
  if (typeof value !== 'string') return base;
  if (!isDynamic(value)) return `${base}${encodeURIComponent(value)}`;
  const inner =
    value.startsWith('@') && !value.startsWith('@{') && !value.startsWith('@@') ? value.slice(1) : undefined;
  // Inside of interpolated text the evaluated address is not encoded: the endpoint takes all that follows.
  return inner === undefined
    ? `${base}${value.replaceAll(' ', '%20')}`
    : `@concat('${base.replaceAll("'", "''")}', uriComponent(string(${inner})))`;
}

function settings(
  root: string,
  directory: string,
  secrets: Record<string, Record<string, string>>,
  { stubPort }: LocalPlaces,
): string {
  const text = (value: string): string => JSON.stringify(value);
  const lines = [
    `factoryDirectory = ${text(root)}`,
    `workDirectory = ${text(join(directory, 'work'))}`,
    'sparkPollSeconds = 1',
    '',
    '[web]',
    `allow = [${text(`127.0.0.1:${stubPort}`)}]`,
    '',
    ...dataFlowSettings(),
  ];
  for (const [service, keys] of Object.entries(secrets)) {
    if (Object.keys(keys).length === 0) continue;
    lines.push('', `[linkedService.${text(service)}]`);
    for (const [key, variable] of Object.entries(keys)) lines.push(`${key} = { env = ${text(variable)} }`);
  }
  return `${lines.join('\n')}\n`;
}
