// The state the EMR Serverless stand-in keeps: applications with their job runs, in the shapes the API answers with.
// Points in time are epoch seconds, as on the wire.
import { randomBytes } from 'node:crypto';

export type ApplicationState =
  | 'CREATING'
  | 'CREATED'
  | 'STARTING'
  | 'STARTED'
  | 'STOPPING'
  | 'STOPPED'
  | 'TERMINATED';

export type RunState =
  | 'SUBMITTED'
  | 'PENDING'
  | 'SCHEDULED'
  | 'RUNNING'
  | 'SUCCESS'
  | 'FAILED'
  | 'CANCELLING'
  | 'CANCELLED';

/** A classification with its properties, as this API writes it. */
export interface Classification {
  classification: string;
  properties?: Record<string, string> | undefined;
  configurations?: Classification[] | undefined;
}

/** An application as GetApplication answers it. */
interface ApplicationView {
  applicationId: string;
  name?: string | undefined;
  arn: string;
  releaseLabel: string;
  type: string;
  architecture: string;
  state: ApplicationState;
  stateDetails?: string;
  createdAt: number;
  updatedAt: number;
  tags: Record<string, string>;
  autoStartConfiguration: { enabled?: boolean | undefined };
  autoStopConfiguration: { enabled?: boolean | undefined; idleTimeoutMinutes?: number | undefined };
  runtimeConfiguration?: Classification[] | undefined;
  /** Members that are only stored and answered: capacities, network, image and the like. */
  [member: string]: unknown;
}

/** A job run as GetJobRun answers it. */
interface RunView {
  applicationId: string;
  jobRunId: string;
  name?: string | undefined;
  arn: string;
  createdBy: string;
  createdAt: number;
  updatedAt: number;
  startedAt?: number;
  endedAt?: number;
  executionRole: string;
  state: RunState;
  stateDetails: string;
  releaseLabel: string;
  configurationOverrides?: {
    applicationConfiguration?: Classification[] | undefined;
    monitoringConfiguration?:
      | { s3MonitoringConfiguration?: { logUri?: string | undefined } | undefined }
      | undefined;
  };
  jobDriver: {
    sparkSubmit: {
      entryPoint: string;
      entryPointArguments?: string[] | undefined;
      sparkSubmitParameters?: string | undefined;
    };
  };
  tags: Record<string, string>;
  executionTimeoutMinutes: number;
  mode: string;
  retryPolicy: { maxAttempts: number };
  attempt: number;
  totalExecutionDurationSeconds?: number;
  totalResourceUtilization?: Utilization;
  billedResourceUtilization?: Utilization;
}

export interface Utilization {
  vCPUHour: number;
  memoryGBHour: number;
  storageGBHour: number;
}

/** The token that something was asked for with, and a hash of what was asked. */
export interface Token {
  token: string;
  request: string;
}

export interface RunRecord {
  view: RunView;
  token: Token;
  /** While it runs: the process group that runs it. */
  processGroup?: number;
}

/** All of one application; the unit that is written to disk. */
export interface ApplicationRecord {
  view: ApplicationView;
  token: Token;
  runs: RunRecord[];
}

/** Now, in epoch seconds, as this API carries timestamps. */
export const nowSeconds = (): number => Date.now() / 1000;

/** True while the run has not reached a final state. */
export const isActive = ({ view }: RunRecord): boolean => !/^(SUCCESS|FAILED|CANCELLED)$/.test(view.state);

/** Ids as the service gives them: sixteen small letters and digits that begin with 00f. */
export const newId = (): string =>
  `00f${[...randomBytes(13)].map((byte) => (byte % 36).toString(36)).join('')}`;

export const applicationArn = (id: string): string =>
  `arn:aws:emr-serverless:us-east-1:000000000000:/applications/${id}`;
