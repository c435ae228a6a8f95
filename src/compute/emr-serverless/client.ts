// The two clients of EMR Serverless: one that may repeat itself, and one that never does, for creating.
import { EMRServerlessClient, type EMRServerlessClientConfig } from '@aws-sdk/client-emr-serverless';

export interface EmrServerlessClients {
  /** Get, list, cancel, stop and delete: repeating them changes nothing. */
  readonly repeating: EMRServerlessClient;
  /** CreateApplication and StartJobRun: their tokens make a repetition safe for a time, and retries belong to Temporal. */
  readonly once: EMRServerlessClient;
}

/** Clients for region, endpoint and credentials of the environment (AWS_ENDPOINT_URL_EMR_SERVERLESS, ...). */
export function createEmrServerlessClients(
  options: { region?: string; endpoint?: string } = {},
): EmrServerlessClients {
  const config: EMRServerlessClientConfig = {
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 30_000 },
  };
  return {
    repeating: new EMRServerlessClient({ ...config, maxAttempts: 2 }),
    once: new EMRServerlessClient({ ...config, maxAttempts: 1 }),
  };
}
