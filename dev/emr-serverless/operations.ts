// The operations of EMR Serverless that the stand-in has, by name, and the routes of all that the service has.
import { createHash } from 'node:crypto';
import { notImplemented, ServiceError, validation } from '../emr/errors.ts';
import { parseInput } from '../emr/validation.ts';
import type { ApplicationLife } from './application.ts';
import { createApplication, startJobRun, tags, updateApplication } from './shapes.ts';
import {
  type ApplicationRecord,
  applicationArn,
  isActive,
  newId,
  nowSeconds,
  type RunRecord,
  type Token,
} from './state.ts';
import { missing, type Store } from './store.ts';

export interface Call {
  /** Parts of the path, by the name that the API gives them. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
  readonly store: Store;
  /** The running life of an application in the store; begins that of a new one. */
  readonly life: (record: ApplicationRecord) => ApplicationLife;
}

export type Operation = (call: Call) => object;

const application = '/applications/(?<applicationId>[^/]+)';
const run = `${application}/jobruns/(?<jobRunId>[^/]+)`;
const resource = '/tags/(?<resourceArn>.+)';

/** Method and path of every operation of the service (model 2021-07-13); those that the stand-in lacks are told apart. */
export const ROUTES: readonly (readonly [method: string, path: RegExp, operation: string])[] = (
  [
    ['POST', '/applications', 'CreateApplication'],
    ['GET', '/applications', 'ListApplications'],
    ['GET', application, 'GetApplication'],
    ['PATCH', application, 'UpdateApplication'],
    ['DELETE', application, 'DeleteApplication'],
    ['POST', `${application}/start`, 'StartApplication'],
    ['POST', `${application}/stop`, 'StopApplication'],
    ['POST', `${application}/jobruns`, 'StartJobRun'],
    ['GET', `${application}/jobruns`, 'ListJobRuns'],
    ['GET', run, 'GetJobRun'],
    ['DELETE', run, 'CancelJobRun'],
    ['GET', `${run}/attempts`, 'ListJobRunAttempts'],
    ['GET', `${run}/dashboard`, 'GetDashboardForJobRun'],
    ['GET', `${application}/dashboard`, 'GetResourceDashboard'],
    ['POST', `${application}/sessions`, 'StartSession'],
    ['GET', `${application}/sessions`, 'ListSessions'],
    ['GET', `${application}/sessions/[^/]+`, 'GetSession'],
    ['DELETE', `${application}/sessions/[^/]+`, 'TerminateSession'],
    ['GET', `${application}/sessions/[^/]+/endpoint`, 'GetSessionEndpoint'],
    ['GET', resource, 'ListTagsForResource'],
    ['POST', resource, 'TagResource'],
    ['DELETE', resource, 'UntagResource'],
  ] as const
).map(([method, path, name]) => [method, new RegExp(`^${path}$`), name]);

export const operations: Readonly<Record<string, Operation>> = {
  CreateApplication({ body, store, life }) {
    const input = parseInput(createApplication, body);
    if (input.type.toUpperCase() !== 'SPARK') throw notImplemented(`CreateApplication of type ${input.type}`);
    const token = tokenOf(input);
    const made = sameToken(store.all(), token, 'CreateApplication');
    if (made !== undefined) return applicationMade(made);
    const {
      clientToken: _,
      type,
      architecture,
      autoStartConfiguration,
      autoStopConfiguration,
      ...kept
    } = input;
    const applicationId = newId();
    const record: ApplicationRecord = {
      view: {
        ...kept,
        applicationId,
        arn: applicationArn(applicationId),
        type: type.toUpperCase() === 'SPARK' ? 'Spark' : type,
        architecture: architecture ?? 'X86_64',
        state: 'CREATING',
        createdAt: nowSeconds(),
        updatedAt: nowSeconds(),
        tags: input.tags ?? {},
        autoStartConfiguration: { enabled: true, ...autoStartConfiguration },
        autoStopConfiguration: { enabled: true, idleTimeoutMinutes: 15, ...autoStopConfiguration },
      },
      token,
      runs: [],
    };
    store.save(record);
    store.logRequest({
      operation: 'CreateApplication',
      applicationId,
      id: applicationId,
      name: input.name ?? '',
    });
    life(record).resume();
    return applicationMade(record);
  },

  GetApplication: ({ path, store }) => ({ application: store.application(path['applicationId'] ?? '').view }),

  ListApplications({ query, store }) {
    const states = query.getAll('states');
    const all = store
      .all()
      .filter(({ view }) => states.length === 0 || states.includes(view.state))
      .map(({ view }) => ({
        id: view.applicationId,
        name: view.name,
        arn: view.arn,
        releaseLabel: view.releaseLabel,
        type: view.type,
        state: view.state,
        stateDetails: view.stateDetails,
        createdAt: view.createdAt,
        updatedAt: view.updatedAt,
        architecture: view.architecture,
      }));
    const { items, next } = page(all, query);
    return { applications: items, ...next };
  },

  UpdateApplication({ path, body, store, life }) {
    const { clientToken: _, ...changes } = parseInput(updateApplication, body);
    const record = store.application(path['applicationId'] ?? '');
    inState(record, ['CREATED', 'STOPPED'], 'updated');
    Object.assign(record.view, changes);
    life(record).settingsChanged();
    return { application: record.view };
  },

  StartApplication({ path, store, life }) {
    const record = store.application(path['applicationId'] ?? '');
    if (/^(STARTING|STARTED)$/.test(record.view.state)) return {};
    inState(record, ['CREATED', 'STOPPED'], 'started');
    life(record).start();
    return {};
  },

  StopApplication({ path, store, life }) {
    const record = store.application(path['applicationId'] ?? '');
    if (/^(STOPPING|STOPPED)$/.test(record.view.state)) return {};
    inState(record, ['STARTED'], 'stopped');
    const active = record.runs.filter(isActive).length;
    if (active > 0)
      throw validation(
        `Application cannot be stopped: ${active} job runs have not been completed or cancelled.`,
      );
    log(store, 'StopApplication', record);
    life(record).stop('Stopped by user.');
    return {};
  },

  DeleteApplication({ path, store, life }) {
    const record = store.application(path['applicationId'] ?? '');
    inState(record, ['CREATED', 'STOPPED'], 'deleted');
    log(store, 'DeleteApplication', record);
    life(record).delete();
    return {};
  },

  StartJobRun({ path, body, store, life }) {
    const input = parseInput(startJobRun, { ...body, applicationId: path['applicationId'] });
    const record = store.application(input.applicationId);
    const token = tokenOf(input);
    const made = sameToken(record.runs, token, 'StartJobRun');
    if (made !== undefined) return runMade(made);
    const { sparkSubmit } = input.jobDriver ?? {};
    if (sparkSubmit === undefined)
      throw notImplemented(
        `StartJobRun with the driver ${Object.keys(input.jobDriver ?? {})[0] ?? '(none)'}`,
      );
    if (input.mode === 'STREAMING') throw notImplemented('StartJobRun in mode STREAMING');
    if ((input.retryPolicy?.maxAttempts ?? 1) > 1)
      throw notImplemented('StartJobRun with more than one attempt');
    const { state, autoStartConfiguration, releaseLabel } = record.view;
    const takes = ['CREATED', 'STARTING', 'STARTED', 'STOPPED'];
    inState(record, autoStartConfiguration.enabled === false ? ['STARTED'] : takes, 'given a job run');
    const jobRunId = newId();
    const made2: RunRecord = {
      view: {
        applicationId: input.applicationId,
        jobRunId,
        name: input.name,
        arn: `${record.view.arn}/jobruns/${jobRunId}`,
        createdBy: 'arn:aws:iam::000000000000:user/local',
        createdAt: nowSeconds(),
        updatedAt: nowSeconds(),
        executionRole: input.executionRoleArn,
        state: 'SUBMITTED',
        stateDetails: `The job run was submitted; the application is ${state}.`,
        releaseLabel,
        ...(input.configurationOverrides && { configurationOverrides: input.configurationOverrides }),
        jobDriver: { sparkSubmit },
        tags: input.tags ?? {},
        executionTimeoutMinutes: input.executionTimeoutMinutes ?? 720,
        mode: 'BATCH',
        retryPolicy: { maxAttempts: 1 },
        attempt: 1,
      },
      token,
    };
    life(record).addRun(made2);
    log(store, 'StartJobRun', record, made2);
    return runMade(made2);
  },

  GetJobRun({ path, query, store }) {
    const attempt = query.get('attempt');
    if (attempt !== null && attempt !== '1') throw missing(`Attempt ${attempt} does not exist`);
    return { jobRun: store.run(path['applicationId'] ?? '', path['jobRunId'] ?? '').view };
  },

  ListJobRuns({ path, query, store }) {
    const states = query.getAll('states');
    const [after, before] = [seconds(query.get('createdAtAfter')), seconds(query.get('createdAtBefore'))];
    const all = store
      .application(path['applicationId'] ?? '')
      .runs.map(({ view }) => view)
      .filter(({ state }) => states.length === 0 || states.includes(state))
      .filter(({ mode }) => mode === (query.get('mode') ?? mode))
      .filter(({ createdAt }) => createdAt > (after ?? 0) && createdAt < (before ?? Number.POSITIVE_INFINITY))
      .map((view) => ({
        applicationId: view.applicationId,
        id: view.jobRunId,
        name: view.name,
        mode: view.mode,
        arn: view.arn,
        createdBy: view.createdBy,
        createdAt: view.createdAt,
        updatedAt: view.updatedAt,
        executionRole: view.executionRole,
        state: view.state,
        stateDetails: view.stateDetails,
        releaseLabel: view.releaseLabel,
        type: 'SPARK',
        attempt: view.attempt,
      }))
      .reverse();
    const { items, next } = page(all, query);
    return { jobRuns: items, ...next };
  },

  CancelJobRun({ path, store, life }) {
    const { applicationId = '', jobRunId = '' } = path;
    const found = store.run(applicationId, jobRunId);
    if (!isActive(found))
      throw validation(`JobRun ${jobRunId} is ${found.view.state} and can no longer be cancelled.`);
    const record = store.application(applicationId);
    log(store, 'CancelJobRun', record, found);
    life(record).cancelRun(found);
    return { applicationId, jobRunId };
  },

  ListTagsForResource: ({ path, store }) => ({ tags: tagged(path, store).view.tags }),

  TagResource({ path, body, store }) {
    const { view, record } = tagged(path, store);
    Object.assign(view.tags, parseInput(tags, body['tags']));
    store.save(record);
    return {};
  },

  UntagResource({ path, query, store }) {
    const { view, record } = tagged(path, store);
    for (const key of query.getAll('tagKeys')) delete view.tags[key];
    store.save(record);
    return {};
  },
};

const applicationMade = ({ view }: ApplicationRecord): object => ({
  applicationId: view.applicationId,
  name: view.name,
  arn: view.arn,
});

const runMade = ({ view }: RunRecord): object => ({
  applicationId: view.applicationId,
  jobRunId: view.jobRunId,
  arn: view.arn,
});

/** The token of a request, with a hash of the rest of it: members in any order are the same request. */
function tokenOf({ clientToken, ...request }: { clientToken: string }): Token {
  const sorted = (value: unknown): unknown =>
    typeof value !== 'object' || value === null
      ? value
      : Array.isArray(value)
        ? value.map(sorted)
        : Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, one]) => [key, sorted(one)]);
  const text = JSON.stringify(sorted(request));
  return { token: clientToken, request: createHash('sha256').update(text).digest('hex') };
}

/** What this token has made before. Throws ConflictException when it was another request that had it. */
function sameToken<T extends { token: Token }>(
  made: readonly T[],
  token: Token,
  operation: string,
): T | undefined {
  const found = made.find((one) => one.token.token === token.token);
  if (found === undefined || found.token.request === token.request) return found;
  throw new ServiceError(
    'ConflictException',
    `${operation} was called with this client token and different parameters before.`,
    409,
  );
}

function inState({ view }: ApplicationRecord, states: readonly string[], what: string): void {
  if (states.includes(view.state)) return;
  throw validation(
    `Application ${view.applicationId} is ${view.state}: it can be ${what} only when it is ${states.join(' or ')}.`,
  );
}

/** The application or job run that an ARN names. */
function tagged(path: Call['path'], store: Store) {
  const arn = decodeURIComponent(path['resourceArn'] ?? '');
  const record = store.all().find(({ view }) => arn === view.arn || arn.startsWith(`${view.arn}/`));
  const view =
    record?.view.arn === arn ? record.view : record?.runs.find((one) => one.view.arn === arn)?.view;
  if (record === undefined || view === undefined) throw missing(`Resource ${arn} does not exist`);
  return { record, view };
}

function log(store: Store, operation: string, { view }: ApplicationRecord, of?: RunRecord): void {
  const { applicationId, name = '' } = view;
  const it = of?.view;
  store.logRequest({ operation, applicationId, id: it?.jobRunId ?? applicationId, name: it?.name ?? name });
}

/** One page of a list. The token is opaque to callers. */
function page<T>(items: readonly T[], query: URLSearchParams): { items: T[]; next: { nextToken?: string } } {
  const most = Math.min(Number(query.get('maxResults') ?? 50), 50);
  if (!Number.isInteger(most) || most < 1) throw validation('maxResults must be from 1 to 50.');
  const from = Number(Buffer.from(query.get('nextToken') ?? '', 'base64url').toString() || 0);
  if (!Number.isInteger(from) || from < 0) throw validation('nextToken is not one of ours.');
  const end = from + most;
  const next = end < items.length ? { nextToken: Buffer.from(String(end)).toString('base64url') } : {};
  return { items: items.slice(from, end), next };
}

function seconds(text: string | null): number | undefined {
  if (text === null) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw validation(`'${text}' is not a timestamp.`);
  return ms / 1000;
}
