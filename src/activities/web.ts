// The activities that call HTTP endpoints: WebActivity, AzureFunctionActivity and the first half of WebHook.
import { gzipSync } from 'node:zlib';
import { Context } from '@temporalio/activity';
import { rememberSecret } from '../config/redaction.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { LinkedServiceResolver } from '../core/linked-service.ts';
import { opened, sealed } from '../core/pipeline/secure.ts';
import { requiredLinkedService, type TaskActivity, type TaskInput } from '../core/pipeline/task.ts';
import { parseTimeSpan } from '../core/pipeline/time-span.ts';
import { PENDING, type PendingRequest, pendingRequest } from '../core/pipeline/web-request.ts';
import { readFactory } from '../definitions/factory.ts';
import { asTask } from './task.ts';
import { createAddressGuard } from './web/address-guard.ts';
import { type AuthenticationSources, type Proof, proofOf } from './web/authentication.ts';
import { makeCallbackToken } from './web/callback-token.ts';
import { type HttpResponse, placeOf, sendRequest } from './web/http-client.ts';

export interface WebDependencies {
  readonly resolveLinkedService: LinkedServiceResolver;
  readonly secret: AuthenticationSources['secret'];
  readonly factoryDirectory: string;
  /** Hosts and networks that may be called though they are refused by default. */
  readonly allow: readonly string[];
  /** Where callbacks reach the HTTP door, and the key that signs their addresses; absent where there is no door. */
  readonly door: () => { readonly publicUrl: string; readonly signingKey: string } | undefined;
}

export interface WebActivities {
  performWebActivity: TaskActivity;
  /** Asks once how far a request is that was answered with 202. */
  performWebActivityStatus: TaskActivity;
  performAzureFunctionActivity: TaskActivity;
  performAzureFunctionActivityStatus: TaskActivity;
  performWebHook: TaskActivity;
}

/** Milliseconds. Data Factory's own defaults and bounds. */
const DEFAULT_TIMEOUT = 60_000;
const MAX_TIMEOUT = 600_000;
const FUNCTION_TIMEOUT = 230_000;
/** Bytes of an output, compressed: Temporal keeps no payload above 2 MB. */
const MAX_OUTPUT = 1_900_000;
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isTrue = (value: JsonValue | undefined): boolean => String(value).toLowerCase() === 'true';

/** What is sent, before it is known who sends it. */
interface Call {
  readonly input: TaskInput;
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly proof: Proof;
  readonly timeout: number;
  readonly verifyCertificate: boolean;
}

export function createWebActivities(dependencies: WebDependencies): WebActivities {
  const guard = createAddressGuard(dependencies.allow);

  const send = async (call: Call): Promise<{ response: HttpResponse; seconds: number }> => {
    const began = Date.now();
    const response = await sendRequest(
      {
        method: call.method,
        url: call.url,
        headers: { ...call.headers, ...call.proof.headers },
        ...(call.body === undefined ? {} : { body: Buffer.from(call.body) }),
        timeout: call.timeout,
        signal: Context.current().cancellationSignal,
        verifyCertificate: call.verifyCertificate,
        ...(call.proof.clientCertificate === undefined
          ? {}
          : { clientCertificate: call.proof.clientCertificate }),
      },
      guard,
    );
    if (response.status < 200 || response.status > 299) throw refusedBy(call, response);
    return { response, seconds: Math.round((Date.now() - began) / 1000) };
  };
  const sourcesOf = (input: TaskInput): AuthenticationSources => ({
    activity: input.activity,
    secret: dependencies.secret,
    credential: (name) => {
      const found = readFactory(dependencies.factoryDirectory, ['credential']).find('credential', name);
      const properties = found?.properties['typeProperties'];
      return isObject(properties) ? properties : undefined;
    },
  });
  const webCall = async (input: TaskInput): Promise<Call> => {
    const { typeProperties } = input;
    const method = methodOf(input);
    const text = bodyText(method, typeProperties['body']);
    const body =
      text === undefined ? undefined : await withReferences(text, input, dependencies.resolveLinkedService);
    return {
      input,
      method,
      url: textOf(input, 'url'),
      headers: headersOf(input, body !== undefined),
      ...(body === undefined ? {} : { body }),
      proof: await proofOf(typeProperties['authentication'], sourcesOf(input)),
      timeout: timeoutOf(input),
      verifyCertificate: !isTrue(typeProperties['disableCertValidation']),
    };
  };
  const functionCall = async (input: TaskInput): Promise<Call> => {
    const { typeProperties } = input;
    const use = requiredLinkedService(input);
    const { properties } = await dependencies.resolveLinkedService(use.name, use.parameters);
    const base = String(properties['functionAppUrl'] ?? '').replace(/\/+$/, '');
    const key = properties['functionKey'];
    const method = methodOf(input);
    const body = bodyText(method, typeProperties['body']);
    const byIdentity = String(properties['authentication'] ?? '').toUpperCase() === 'MSI';
    const proof = byIdentity
      ? await proofOf({ type: 'MSI', resource: properties['resourceId'] ?? '' }, sourcesOf(input))
      : { headers: typeof key === 'string' && key !== '' ? { 'x-functions-key': key } : {} };
    return {
      input,
      method,
      url: `${base}/api/${textOf(input, 'functionName').replace(/^\/+/, '')}`,
      headers: headersOf(input, body !== undefined),
      ...(body === undefined ? {} : { body }),
      proof,
      timeout: FUNCTION_TIMEOUT,
      verifyCertificate: true,
    };
  };
  /** One look at the address that a 202 named, as who asked first; to other hosts nothing is proven. */
  const statusOf = async (input: TaskInput, first: Call): Promise<{ output: JsonObject }> => {
    const pending = pendingRequest(input.typeProperties);
    if (pending === undefined)
      throw new WaybillError('INTERNAL', 'A status was asked for that nothing waits for.');
    const location = String(opened(pending.location));
    const same = new URL(location).origin === new URL(first.url).origin;
    const { body: _, ...asked } = first;
    const headers = same ? withoutContent(first.headers) : {};
    const call: Call = {
      ...asked,
      method: 'GET',
      url: location,
      headers,
      proof: same ? first.proof : { headers: {} },
    };
    return outputOf(call, await send(call), input);
  };
  return {
    performWebActivity: asTask(async (input) => {
      const call = await webCall(input);
      return outputOf(call, await send(call), input);
    }),
    performWebActivityStatus: asTask(async (input) => statusOf(input, await webCall(input))),
    performAzureFunctionActivity: asTask(async (input) => {
      const call = await functionCall(input);
      return functionOutput(outputOf(call, await send(call), input), call);
    }),
    performAzureFunctionActivityStatus: asTask(async (input) => {
      const call = await functionCall(input);
      return functionOutput(await statusOf(input, call), call);
    }),
    performWebHook: asTask(async (input) => {
      const door = dependencies.door();
      if (door === undefined)
        throw new WaybillError(
          'SETTINGS_INVALID',
          'A WebHook activity needs the HTTP door: "publicUrl" of [server] in waybill.toml, and a signing key in WAYBILL_SIGNING_KEY.',
          { key: 'server.publicUrl' },
        );
      const token = makeCallbackToken(door.signingKey, {
        // Of a long loop's iterations it is a child of the pipeline's run that waits.
        workflowId: Context.current().info.workflowExecution?.workflowId ?? input.pipelineWorkflowId,
        attemptKey: input.attemptKey,
        secure: input.secureOutput === true,
      });
      const call = await webCall({ ...input, typeProperties: { method: 'POST', ...input.typeProperties } });
      const callBackUri = `${door.publicUrl}/callbacks/${token}`;
      rememberSecret(token);
      const { response } = await send({
        ...call,
        body: withProperties(call.body ?? '{}', { callBackUri }, input),
      });
      return { output: { status: response.status } };
    }),
  };
}

function methodOf({ typeProperties, activity }: TaskInput): string {
  const method = String(typeProperties['method'] ?? '').toUpperCase();
  if (METHODS.includes(method)) return method;
  throw new WaybillError('DEFINITION_INVALID', `"${activity}" has no "method" among ${METHODS.join(', ')}.`, {
    activity,
  });
}

function textOf({ typeProperties, activity }: TaskInput, key: string): string {
  const value = typeProperties[key];
  if (typeof value === 'string' && value.trim() !== '') return value.trim();
  throw new WaybillError('DEFINITION_INVALID', `"${key}" of "${activity}" is empty.`, { activity, key });
}

function timeoutOf({ typeProperties }: TaskInput): number {
  const written = typeProperties['httpRequestTimeout'];
  const parsed = typeof written === 'string' ? parseTimeSpan(written) : undefined;
  return parsed === undefined || parsed <= 0 ? DEFAULT_TIMEOUT : Math.min(parsed, MAX_TIMEOUT);
}

/** Names of headers whose values prove who asks. */
const SECRET_HEADER = /^(authorization|cookie|.*(key|token|secret|password).*)$/i;

function headersOf({ typeProperties }: TaskInput, hasBody: boolean): Record<string, string> {
  const written = typeProperties['headers'];
  const headers: Record<string, string> = {};
  if (isObject(written))
    for (const [name, value] of Object.entries(written)) {
      const plain = isObject(value) && 'value' in value ? (value['value'] ?? '') : value;
      if (plain === null) continue;
      const text = typeof plain === 'string' ? plain : JSON.stringify(plain);
      if (SECRET_HEADER.test(name)) rememberSecret(text.replace(/^\w+ /, ''));
      headers[name] = text;
    }
  const hasType = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type');
  return hasBody && !hasType ? { ...headers, 'Content-Type': 'application/json' } : headers;
}

const withoutContent = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !/^content-/i.test(name)));

/** Data Factory sends no body with GET. */
function bodyText(method: string, body: JsonValue | undefined): string | undefined {
  if (method === 'GET' || method === 'HEAD' || body === undefined || body === null) return undefined;
  return typeof body === 'string' ? body : JSON.stringify(body);
}

/** The body with `datasets` and `linkedServices` in it, where the activity names any: secrets go along, as in Data Factory. */
async function withReferences(
  body: string,
  input: TaskInput,
  resolve: LinkedServiceResolver,
): Promise<string> {
  const services = input.typeProperties['linkedServices'];
  const linkedServices: JsonObject[] = [];
  for (const use of Array.isArray(services) ? services : []) {
    if (!isObject(use) || typeof use['referenceName'] !== 'string') continue;
    const parameters = isObject(use['parameters']) ? use['parameters'] : {};
    const { name, type, properties } = await resolve(use['referenceName'], parameters);
    linkedServices.push({ name, properties: { type, typeProperties: properties } });
  }
  const datasets = Object.entries(input.datasets)
    .filter(([key]) => key.startsWith('datasets/'))
    .map(
      ([, { name, type, typeProperties, linkedService }]): JsonObject => ({
        name,
        properties: {
          type,
          typeProperties,
          linkedServiceName: { referenceName: linkedService.name, type: 'LinkedServiceReference' },
        },
      }),
    );
  if (datasets.length + linkedServices.length === 0) return body;
  return withProperties(body, { datasets, linkedServices }, input);
}

function withProperties(body: string, more: JsonObject, { activity }: TaskInput): string {
  let parsed: JsonValue;
  try {
    parsed = JSON.parse(body) as JsonValue;
  } catch {
    parsed = null;
  }
  if (!isObject(parsed))
    throw new WaybillError(
      'DEFINITION_INVALID',
      `The body of "${activity}" must be a JSON object: ${Object.keys(more).join(' and ')} goes into it.`,
      { activity },
    );
  return JSON.stringify({ ...parsed, ...more });
}

const MAX_EXCERPT = 400;

/** What an endpoint said, as far as that helps: one line of it. */
function refusedBy(call: Call, { status, statusText, body }: HttpResponse): WaybillError {
  const said = body
    .toString('utf8', 0, 4 * MAX_EXCERPT)
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_EXCERPT);
  const place = placeOf(call.url);
  return new WaybillError(
    'WEB_FAILED',
    `${call.method} ${place} answered ${status} ${statusText}${said === '' ? '.' : `: ${said}`}`,
    { activity: call.input.activity, method: call.method, endpoint: place, status },
  );
}

function parsedBody(response: HttpResponse): JsonObject {
  const text = response.body.toString('utf8');
  try {
    const value = JSON.parse(text.replace(/^\ufeff/, '')) as JsonValue;
    if (isObject(value)) return value;
  } catch {
    // Not JSON: the text itself is the answer.
  }
  return { Response: text };
}

/** Data Factory's output of an answer; for one that is still being worked on, where to ask again. */
function outputOf(
  call: Call,
  { response, seconds }: { response: HttpResponse; seconds: number },
  input: TaskInput,
): { output: JsonObject } {
  const { location, 'retry-after': retryAfter } = response.headers;
  if (response.status === 202 && location !== undefined && !isTrue(input.typeProperties['turnOffAsync'])) {
    if (!URL.canParse(location, response.url))
      throw new WaybillError(
        'WEB_FAILED',
        `${placeOf(call.url)} answered 202 with a Location that is no address.`,
      );
    const next = new URL(location, response.url).href;
    const pending: PendingRequest = {
      // Such addresses often carry a key in their query.
      location: new URL(next).search === '' ? next : sealed(next),
      ...(retryAfter === undefined ? {} : { retryAfterSeconds: secondsUntil(retryAfter) }),
    };
    return { output: { [PENDING]: pending as unknown as JsonObject } };
  }
  const { 'set-cookie': _, 'Set-Cookie': __, ...shown } = response.spelledHeaders;
  const output: JsonObject = {
    ...parsedBody(response),
    ADFWebActivityResponseHeaders: shown,
    executionDuration: seconds,
  };
  const text = JSON.stringify(output);
  if (text.length > MAX_OUTPUT && gzipSync(text).length > MAX_OUTPUT)
    throw new WaybillError(
      'WEB_FAILED',
      `${placeOf(call.url)} answered with ${text.length} characters that cannot be made small enough for the history of a run.`,
      { activity: input.activity, characters: text.length },
    );
  return { output };
}

/** Retry-After: seconds or a moment. */
function secondsUntil(text: string): number {
  const seconds = /^\d+$/.test(text.trim()) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(3600, Math.max(1, Math.ceil(seconds))) : 1;
}

/** An Azure Function answers with a JSON object, or Data Factory counts it as failed. */
function functionOutput(result: { output: JsonObject }, call: Call): { output: JsonObject } {
  if (!('Response' in result.output)) return result;
  throw new WaybillError(
    'WEB_FAILED',
    `The function at ${placeOf(call.url)} must answer with a JSON object.`,
    { activity: call.input.activity },
  );
}
