// Reads secrets from AWS Secrets Manager, signed in as the AWS SDK's default chain finds.
import { WaybillError } from '../../core/errors.ts';

interface AwsSecret {
  readonly secret: string;
  readonly key: string | undefined;
  readonly region: string | undefined;
}

/** Throws SECRET_MISSING, AUTHENTICATION_FAILED or CONNECTION_FAILED. */
export async function readAwsSecret({ secret, key, region }: AwsSecret): Promise<string> {
  const { SecretsManagerClient, GetSecretValueCommand } = await import('@aws-sdk/client-secrets-manager');
  // An ARN says its region: arn:aws:secretsmanager:eu-west-1:...
  const where = region ?? /^arn:[^:]+:secretsmanager:([^:]+):/.exec(secret)?.[1];
  const client = new SecretsManagerClient(where === undefined ? {} : { region: where });
  let text: string | undefined;
  try {
    const answer = await client.send(new GetSecretValueCommand({ SecretId: secret }));
    text = answer.SecretString ?? Buffer.from(answer.SecretBinary ?? []).toString('utf8');
  } catch (error) {
    throw awsError(error, secret);
  } finally {
    client.destroy();
  }
  if (key === undefined) return text;
  const value = fieldOf(text, key);
  if (value !== undefined) return value;
  throw missing(secret, `it is no JSON object with a text or number "${key}"`);
}

function fieldOf(text: string, key: string): string | undefined {
  try {
    const value = (JSON.parse(text) as Record<string, unknown> | null)?.[key];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
  } catch {
    // What is no JSON has no fields; the text itself must not reach a message.
    return undefined;
  }
}

const missing = (secret: string, why: string): WaybillError =>
  new WaybillError('SECRET_MISSING', `The secret "${secret}" in AWS Secrets Manager cannot be had: ${why}.`, {
    secret,
  });

function awsError(error: unknown, secret: string): WaybillError {
  const { name = '', $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  if (name === 'ResourceNotFoundException') return missing(secret, 'there is none of that name');
  if (
    /AccessDenied|UnrecognizedClient|InvalidSignature|ExpiredToken|CredentialsProvider|InvalidClientToken/.test(
      name,
    )
  ) {
    return new WaybillError(
      'AUTHENTICATION_FAILED',
      `AWS Secrets Manager refuses this worker's credentials, or there are none (${name}).`,
      { secret, reason: name },
    );
  }
  return new WaybillError(
    'CONNECTION_FAILED',
    `AWS Secrets Manager did not answer for "${secret}" (${name}).`,
    {
      secret,
      reason: name,
      ...($metadata?.httpStatusCode === undefined ? {} : { status: $metadata.httpStatusCode }),
    },
  );
}
