// What EMR Serverless is asked: an application and a job run as the inputs of CreateApplication and StartJobRun, with
// the names, tags and tokens by which they are found again.
import { createHash } from 'node:crypto';
import type {
  Configuration,
  CreateApplicationCommandInput,
  InitialCapacityConfig,
  StartJobRunCommandInput,
} from '@aws-sdk/client-emr-serverless';
import type {
  EmrConfiguration,
  EmrServerlessWorkers,
  OwnClusterRequest,
  SparkJobRequest,
} from '../../core/spark.ts';
import { GENERATION_TAG, OWNER_TAG } from '../emr/cluster-input.ts';

type ApplicationRequest = Extract<OwnClusterRequest, { engine: 'emr-serverless' }>;

/** A value that may stand between blanks in sparkSubmitParameters, whatever splits them there. */
const PLAIN = /^[^\s'"`\\$]+$/;
/** Of a name's 64 characters, those that are left for the engine's name. */
const NAME_LENGTH = 64 - 'waybill//'.length - 16;

const hash = (...parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex');

/** The application's name: the engine's, and what its owner is hashed to. Names are not unique; tags tell whose it is. */
export const applicationName = ({ name, owner }: Pick<OwnClusterRequest, 'name' | 'owner'>): string =>
  `waybill/${name.replace(/[^A-Za-z0-9._-]/g, '-').slice(0, NAME_LENGTH)}/${hash(owner).slice(0, 16)}`;

/** A tag's value, of the characters that EMR Serverless takes. */
export const tagValue = (value: string): string => value.replace(/[^A-Za-z0-9 /_.:=+@-]/g, '_').slice(0, 256);

/** CreateApplication's input. The token is made of what identifies the application: asked again, it is the same one. */
export function createApplicationInput(request: ApplicationRequest): CreateApplicationCommandInput {
  const { profile, owner, generation } = request;
  const { driver, executor } = profile.initialCapacity ?? {};
  const { maximumCapacity: most, subnetIds, securityGroupIds, imageUri } = profile;
  return {
    clientToken: hash('application', request.name, owner, request.run ?? '', generation),
    name: applicationName(request),
    type: 'SPARK',
    releaseLabel: profile.releaseLabel,
    architecture: profile.architecture,
    autoStartConfiguration: { enabled: true },
    autoStopConfiguration: { enabled: true, idleTimeoutMinutes: profile.autoStopMinutes },
    tags: {
      ...profile.tags,
      [OWNER_TAG]: tagValue(owner),
      [GENERATION_TAG]: String(generation),
    },
    ...(driver === undefined && executor === undefined
      ? {}
      : {
          initialCapacity: {
            ...(driver === undefined ? {} : { DRIVER: workers(driver) }),
            ...(executor === undefined ? {} : { EXECUTOR: workers(executor) }),
          },
        }),
    ...(most === undefined
      ? {}
      : {
          maximumCapacity: {
            cpu: `${most.vcpus} vCPU`,
            memory: `${most.memoryGb} GB`,
            ...(most.diskGb === undefined ? {} : { disk: `${most.diskGb} GB` }),
          },
        }),
    ...(subnetIds === undefined && securityGroupIds === undefined
      ? {}
      : {
          networkConfiguration: {
            ...(subnetIds === undefined ? {} : { subnetIds: [...subnetIds] }),
            ...(securityGroupIds === undefined ? {} : { securityGroupIds: [...securityGroupIds] }),
          },
        }),
    ...(imageUri === undefined ? {} : { imageConfiguration: { imageUri } }),
    ...(profile.configurations.length === 0
      ? {}
      : { runtimeConfiguration: profile.configurations.map(configuration) }),
  };
}

/**
 * StartJobRun's input. The token is made of the application and the job's name, which has the run and the attempt in it.
 * EMR Serverless tries it once: whether there is another attempt is waybill's decision. Throws TypeError for a job of another engine.
 */
export function startJobRunInput(applicationId: string, job: SparkJobRequest): StartJobRunCommandInput {
  const { serverless } = job;
  if (serverless === undefined) throw new TypeError(`${job.name} does not say how it runs on EMR Serverless`);
  const { parameters, defaults } = sparkSettings(job);
  return {
    applicationId,
    clientToken: hash('job', applicationId, job.name),
    name: job.name,
    executionRoleArn: serverless.executionRoleArn,
    jobDriver: {
      sparkSubmit: {
        entryPoint: job.main,
        entryPointArguments: [...job.arguments],
        ...(parameters === '' ? {} : { sparkSubmitParameters: parameters }),
      },
    },
    configurationOverrides: {
      ...(Object.keys(defaults).length === 0
        ? {}
        : { applicationConfiguration: [{ classification: 'spark-defaults', properties: defaults }] }),
      monitoringConfiguration: {
        s3MonitoringConfiguration: {
          logUri: serverless.logUri,
          ...(serverless.logEncryptionKmsKeyArn === undefined
            ? {}
            : { encryptionKeyArn: serverless.logEncryptionKmsKeyArn }),
        },
      },
    },
    executionTimeoutMinutes: serverless.executionTimeoutMinutes,
    mode: 'BATCH',
    retryPolicy: { maxAttempts: 1 },
    tags: { ...serverless.tags, [OWNER_TAG]: tagValue(serverless.owner) },
  };
}

/**
 * Spark settings go with the command, one text. What would need quotes there goes as spark-defaults instead: how the
 * service splits that text is nowhere said.
 */
function sparkSettings(job: SparkJobRequest): { parameters: string; defaults: Record<string, string> } {
  const words: string[] = [];
  const defaults: Record<string, string> = {};
  for (const [key, value] of Object.entries(job.configuration)) {
    if (PLAIN.test(key) && PLAIN.test(value)) words.push('--conf', `${key}=${value}`);
    else defaults[key] = value;
  }
  if (job.pyFiles.length > 0) {
    const files = job.pyFiles.join(',');
    if (PLAIN.test(files)) words.push('--py-files', files);
    else defaults['spark.submit.pyFiles'] = files;
  }
  return { parameters: words.join(' '), defaults };
}

const workers = (given: EmrServerlessWorkers): InitialCapacityConfig => ({
  workerCount: given.count,
  workerConfiguration: {
    cpu: `${given.vcpus} vCPU`,
    memory: `${given.memoryGb} GB`,
    ...(given.diskGb === undefined ? {} : { disk: `${given.diskGb} GB` }),
  },
});

const configuration = (given: EmrConfiguration): Configuration => ({
  classification: given.classification,
  properties: { ...given.properties },
  ...(given.configurations === undefined ? {} : { configurations: given.configurations.map(configuration) }),
});
