// waybill.toml and the environment -> one typed, frozen Settings. Temporal's own connection is not here: it comes from
// Temporal's environment configuration (@temporalio/envconfig).
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { WaybillError } from '../core/errors.ts';
import type { JsonValue } from '../core/json.ts';
import { nearestName } from '../core/nearest-name.ts';
import type { S3Encryption } from '../core/s3-encryption.ts';
import { DEFAULT_TASK_QUEUE } from '../core/search-attributes.ts';

/** typeProperties that replace those of the definition. `{ env: "NAME" }` stands for a secret in that variable. */
export type LinkedServiceOverrides = Readonly<Record<string, JsonValue>>;

export interface Settings {
  /** The file the settings came from; absent when there is none. */
  readonly file?: string;
  /** Absolute path of the folder with linkedService/, dataset/, pipeline/ ... */
  readonly factoryDirectory: string;
  /** Absolute path for files in passing: staged parts, spools. */
  readonly workDirectory: string;
  readonly taskQueue: string;
  /** Absolute path of the PySpark package's folder (`main.py`, `waybill_jobs/`); waybill's own unless set. */
  readonly jobsDirectory: string;
  /** The program `dbt`, which waybill does not bring: a path, or a name on the PATH. */
  readonly dbtExecutable: string;
  /** Absolute path of the dbt project (`dbt_project.yml`, `profiles.yml`); waybill's own unless set. */
  readonly dbtDirectory: string;
  /** Seconds between two looks at a cluster: 20 on AWS, whose calls are rationed; less against a stand-in. */
  readonly sparkPollSeconds: number;
  /** By linked service name, in the case in which it was written. */
  readonly linkedService: Readonly<Record<string, LinkedServiceOverrides>>;
  /** By ADF's type, for every linked service of that type: what stands under its name goes before. */
  readonly linkedServiceType?: Readonly<Record<string, LinkedServiceOverrides>>;
  /**
   * Environment variables with the keys that encrypt what secureInput and secureOutput hide; the first one encrypts. None
   * where nothing of the kind is run.
   */
  readonly payloadKeys: readonly string[];
  /** By trigger name: stores that are looked into where no events come from. */
  readonly trigger: Readonly<Record<string, TriggerSettings>>;
  readonly web: WebSettings;
  readonly server: ServerSettings;
  /** By name: where alerts are told. */
  readonly alerts: Readonly<Record<string, AlertChannel>>;
  /** Absolute path of the price table; waybill's own estimates unless set. */
  readonly pricesFile?: string;
  /** Encryption of what workers write to the lake themselves: job code and the cost ledger. */
  readonly lakeEncryption?: S3Encryption;
  /** `host:port` at which the worker offers Temporal's own metrics to Prometheus; not offered unless set. */
  readonly metricsAddress?: string;
  /** Where data flows run; absent where none are run. */
  readonly dataFlows?: DataFlowSettings;
}

/** The Spark that runs mapping data flows, and the folder through which rows go there and back. */
export interface DataFlowSettings {
  /** `s3://bucket/prefix`. */
  readonly staging: string;
  /** A lakehouse definition of the factory, whose engine and storage are used. */
  readonly lakehouse?: string;
  /** Absolute path of a file in the form of a lakehouse definition, in place of `lakehouse`. */
  readonly definition?: string;
  readonly parameters: Readonly<Record<string, JsonValue>>;
  /** The AmazonS3 linked service that reaches the staging folder; without one, the environment's AWS credentials do. */
  readonly linkedService?: string;
}

/** Where an alert is told. Keys are in the environment; the file names the variable. */
export type AlertChannel =
  | {
      readonly type: 'webhook';
      /** The whole address, or the variable that holds it where it is a secret itself. */
      readonly url: string | { readonly env: string };
      /** Signs each request as the HTTP door wants to have it. */
      readonly signingKey?: { readonly env: string };
    }
  | { readonly type: 'sns'; readonly topicArn: string };

/** An event trigger that looks for new files by itself. */
export interface TriggerSettings {
  readonly linkedService: string;
  readonly pollSeconds: number;
}

/** What Web activities may call. */
export interface WebSettings {
  /** Hosts (`host`, `host:port`) and networks (`127.0.0.0/8`) that may be called though they are refused by default. */
  readonly allow: readonly string[];
}

/** The HTTP door. Its keys are in the environment; these are the variables' names, the first of each kind in use. */
export interface ServerSettings {
  readonly host: string;
  readonly port: number;
  /** How others reach the door, without a slash at the end: callBackUri begins with it. */
  readonly publicUrl?: string;
  /** Requests that start runs, and callBackUris, are signed with one of these. */
  readonly signingKeys: readonly string[];
  /** Senders of events know one of these. */
  readonly eventKeys: readonly string[];
  /** Readers of runs know one of these. */
  readonly apiKeys: readonly string[];
  /** Hosts besides AWS's own at which subscriptions to SNS topics may be confirmed. */
  readonly snsHosts: readonly string[];
}

/** Values of keys never stand in the file. */
const keyVariables = z.array(z.strictObject({ env: z.string().min(1) })).optional();

const triggerSchema = z.strictObject({
  linkedService: z.string().min(1),
  pollSeconds: z.number().int().positive().default(60),
});

const webSchema = z.strictObject({ allow: z.array(z.string().min(1)).optional() });

const serverSchema = z.strictObject({
  host: z.string().min(1).optional(),
  port: z.number().int().min(0).max(65_535).optional(),
  publicUrl: z.url({ protocol: /^https?$/ }).optional(),
  signingKeys: keyVariables,
  eventKeys: keyVariables,
  apiKeys: keyVariables,
  snsHosts: z.array(z.string().min(1)).optional(),
});

const alertSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('webhook'),
    url: z.union([z.url({ protocol: /^https?$/ }), z.strictObject({ env: z.string().min(1) })]),
    signingKey: z.strictObject({ env: z.string().min(1) }).optional(),
  }),
  z.strictObject({
    type: z.literal('sns'),
    topicArn: z.string().regex(/^arn:[^:]+:sns:[^:]+:\d*:[\w.-]+$/, 'must be the ARN of an SNS topic'),
  }),
]);

const lakeSchema = z
  .strictObject({
    serverSideEncryption: z.enum(['SSE-S3', 'SSE-KMS']).optional(),
    kmsKeyId: z.string().min(1).optional(),
  })
  .refine((lake) => lake.kmsKeyId === undefined || lake.serverSideEncryption === 'SSE-KMS', {
    error: 'has a kmsKeyId, and its serverSideEncryption is not SSE-KMS',
  });

const costSchema = z.strictObject({ prices: z.string().min(1).optional() });
const dataFlowsSchema = z
  .strictObject({
    staging: z.string().regex(/^s3:\/\/[^/]+\/.*[^/]$/, 'must be an address such as s3://bucket/prefix'),
    lakehouse: z.string().min(1).optional(),
    definition: z.string().min(1).optional(),
    parameters: z.record(z.string(), z.json()).default({}),
    linkedService: z.string().min(1).optional(),
  })
  .refine(({ lakehouse, definition }) => (lakehouse === undefined) !== (definition === undefined), {
    message: 'needs either "lakehouse" or "definition"',
  });

const schema = z.strictObject({
  factoryDirectory: z.string().min(1).optional(),
  workDirectory: z.string().min(1).optional(),
  taskQueue: z.string().min(1).optional(),
  jobsDirectory: z.string().min(1).optional(),
  dbtExecutable: z.string().min(1).optional(),
  dbtDirectory: z.string().min(1).optional(),
  sparkPollSeconds: z.number().positive().optional(),
  linkedService: z.record(z.string(), z.record(z.string(), z.json())).optional(),
  linkedServiceType: z.record(z.string(), z.record(z.string(), z.json())).optional(),
  payloadKeys: keyVariables,
  trigger: z.record(z.string(), triggerSchema).optional(),
  web: webSchema.optional(),
  server: serverSchema.optional(),
  alerts: z.record(z.string().regex(/^[\w-]+$/), alertSchema).optional(),
  cost: costSchema.optional(),
  lake: lakeSchema.optional(),
  metricsAddress: z
    .string()
    .regex(/^[^\s:]+:\d{1,5}$/, 'must be host:port')
    .optional(),
  dataFlows: dataFlowsSchema.optional(),
});

/** jobs/ of this installation, seen from build/src/config/. */
const OWN_JOBS_DIRECTORY = fileURLToPath(new URL('../../../jobs', import.meta.url));

/** dbt/ of this installation. */
const OWN_DBT_DIRECTORY = fileURLToPath(new URL('../../../dbt', import.meta.url));

const TOP_LEVEL = Object.keys(schema.shape);

/** `WAYBILL_LINKED_SERVICE__<name>__<key>=value` overrides one property of one linked service. */
const LINKED_SERVICE_VARIABLE = /^WAYBILL_LINKED_SERVICE__(.+?)__(.+)$/;

/**
 * Reads `waybill.toml` in `cwd`, or the file that WAYBILL_CONFIG names, then the environment. Relative paths in the
 * file are relative to the file, those in the environment to `cwd`. Throws SETTINGS_INVALID naming file and key.
 */
export function loadSettings(from: {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
}): Settings {
  const { env, cwd } = from;
  const named = env['WAYBILL_CONFIG'];
  const file = named === undefined || named === '' ? resolve(cwd, 'waybill.toml') : resolve(cwd, named);
  const exists = existsSync(file);
  if (!exists && named)
    throw invalid(`WAYBILL_CONFIG names ${file}, which does not exist.`, 'WAYBILL_CONFIG');
  const parsed = exists ? readSettingsFile(file) : {};
  const base = exists ? dirname(file) : cwd;
  /** A path from the environment, else from the file, else a default; each relative to where it was written. */
  const path = (variable: string, written: string | undefined, otherwise: string): string =>
    env[variable] ? resolve(cwd, env[variable]) : resolve(base, written ?? otherwise);
  const metricsAddress = env['WAYBILL_METRICS_ADDRESS'] || parsed.metricsAddress;
  return deepFreeze({
    ...(exists ? { file } : {}),
    factoryDirectory: path('WAYBILL_FACTORY_DIRECTORY', parsed.factoryDirectory, 'factory'),
    workDirectory: path('WAYBILL_WORK_DIRECTORY', parsed.workDirectory, join(tmpdir(), 'waybill')),
    jobsDirectory: path('WAYBILL_JOBS_DIRECTORY', parsed.jobsDirectory, OWN_JOBS_DIRECTORY),
    dbtExecutable: env['WAYBILL_DBT'] || (parsed.dbtExecutable ?? 'dbt'),
    dbtDirectory: path('WAYBILL_DBT_DIRECTORY', parsed.dbtDirectory, OWN_DBT_DIRECTORY),
    taskQueue: env['WAYBILL_TASK_QUEUE'] || (parsed.taskQueue ?? DEFAULT_TASK_QUEUE),
    sparkPollSeconds: parsed.sparkPollSeconds ?? 20,
    linkedService: withEnvironment(parsed.linkedService ?? {}, env),
    ...(parsed.linkedServiceType === undefined ? {} : { linkedServiceType: parsed.linkedServiceType }),
    payloadKeys: keysIn(parsed.payloadKeys, 'WAYBILL_PAYLOAD_KEY', env),
    trigger: parsed.trigger ?? {},
    web: { allow: parsed.web?.allow ?? [] },
    server: serverSettings(parsed.server ?? {}, env),
    alerts: (parsed.alerts ?? {}) as Settings['alerts'],
    ...(env['WAYBILL_PRICES'] || parsed.cost?.prices
      ? { pricesFile: path('WAYBILL_PRICES', parsed.cost?.prices, '') }
      : {}),
    ...(metricsAddress === undefined ? {} : { metricsAddress }),
    ...lakeEncryption(parsed.lake),
    ...(parsed.dataFlows === undefined ? {} : { dataFlows: dataFlowSettings(parsed.dataFlows, base) }),
  });
}

function dataFlowSettings(written: z.infer<typeof dataFlowsSchema>, base: string): DataFlowSettings {
  const { lakehouse, definition, linkedService, ...rest } = written;
  return {
    ...rest,
    ...(lakehouse === undefined ? {} : { lakehouse }),
    ...(definition === undefined ? {} : { definition: resolve(base, definition) }),
    ...(linkedService === undefined ? {} : { linkedService }),
  };
}

function lakeEncryption(lake: z.infer<typeof lakeSchema> | undefined): { lakeEncryption?: S3Encryption } {
  const { serverSideEncryption: kind, kmsKeyId } = lake ?? {};
  if (kind === undefined) return {};
  return { lakeEncryption: { kind, ...(kmsKeyId === undefined ? {} : { kmsKeyId }) } };
}

/** The variables that hold keys: those that are named, else the usual one where it is set. */
const keysIn = (
  keys: { env: string }[] | undefined,
  otherwise: string,
  env: Readonly<Record<string, string | undefined>>,
): string[] => keys?.map((key) => key.env) ?? (env[otherwise] ? [otherwise] : []);

function serverSettings(
  written: z.infer<typeof serverSchema>,
  env: Readonly<Record<string, string | undefined>>,
): ServerSettings {
  const port = env['WAYBILL_SERVER_PORT'];
  if (port && !/^\d{1,5}$/.test(port))
    throw invalid(`WAYBILL_SERVER_PORT is "${port}", which is no port.`, 'WAYBILL_SERVER_PORT');
  const publicUrl = env['WAYBILL_PUBLIC_URL'] || written.publicUrl;
  return {
    host: env['WAYBILL_SERVER_HOST'] || (written.host ?? '127.0.0.1'),
    port: port ? Number(port) : (written.port ?? 8080),
    ...(publicUrl === undefined ? {} : { publicUrl: publicUrl.replace(/\/+$/, '') }),
    signingKeys: keysIn(written.signingKeys, 'WAYBILL_SIGNING_KEY', env),
    eventKeys: keysIn(written.eventKeys, 'WAYBILL_EVENT_KEY', env),
    apiKeys: keysIn(written.apiKeys, 'WAYBILL_API_KEY', env),
    snsHosts: written.snsHosts ?? [],
  };
}

function readSettingsFile(file: string): z.infer<typeof schema> {
  let content: unknown;
  try {
    content = parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof TomlError)
      throw invalid(`${file}, line ${error.line}: ${error.message.split('\n')[0]}`, 'line');
    throw invalid(`${file} cannot be read: ${(error as Error).message}`, 'file');
  }
  const result = schema.safeParse(content);
  if (result.success) return result.data;
  throw invalid(`${file}: ${result.error.issues.map(explain).join(' ')}`, keyOf(result.error.issues[0]));
}

function explain(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .map((key) => {
        const near = nearestName(key, TOP_LEVEL);
        return `There is no setting "${key}".${near === undefined ? '' : ` Did you mean "${near}"?`}`;
      })
      .join(' ');
  }
  return `"${issue.path.join('.')}": ${issue.message}.`;
}

const keyOf = (issue: z.core.$ZodIssue | undefined): string =>
  issue?.code === 'unrecognized_keys' ? (issue.keys[0] ?? '') : (issue?.path.join('.') ?? '');

const invalid = (message: string, key: string): WaybillError =>
  new WaybillError('SETTINGS_INVALID', message, { key });

function withEnvironment(
  fromFile: Record<string, Record<string, JsonValue>>,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, Record<string, JsonValue>> {
  const merged = new Map(Object.entries(fromFile).map(([name, keys]) => [name, { ...keys }]));
  for (const variable of Object.keys(env).sort()) {
    const found = LINKED_SERVICE_VARIABLE.exec(variable);
    if (found === null) continue;
    const [name, key] = [found[1] as string, found[2] as string];
    const existing = [...merged.keys()].find((other) => other.toLowerCase() === name.toLowerCase()) ?? name;
    // The variable itself is the reference: its value stays in the environment until it is used.
    merged.set(existing, { ...merged.get(existing), [key]: { env: variable } });
  }
  return Object.fromEntries(merged);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const entry of Object.values(value)) deepFreeze(entry);
  }
  return value;
}
