// The two EMR clients: one that may repeat itself, for reading, and one that never does, for creating.
import { EMRClient, type EMRClientConfig } from '@aws-sdk/client-emr';

export interface EmrClients {
  /** Describe, list, cancel and terminate: repeating them changes nothing. */
  readonly repeating: EMRClient;
  /**
   * RunJobFlow and AddJobFlowSteps. They have no idempotency token, and the client's own retry after a lost reply
   * makes a second cluster or step: so one attempt, and retries belong to Temporal.
   */
  readonly once: EMRClient;
}

/** Clients for region, endpoint and credentials of the environment (AWS_REGION, AWS_ENDPOINT_URL_EMR, ...). */
export function createEmrClients(options: { region?: string; endpoint?: string } = {}): EmrClients {
  const config: EMRClientConfig = {
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 30_000 },
  };
  return {
    repeating: new EMRClient({ ...config, maxAttempts: 2 }),
    once: new EMRClient({ ...config, maxAttempts: 1 }),
  };
}
