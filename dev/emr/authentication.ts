// Checks that a request is signed (AWS Signature Version 4) for the service. Where a key is known, only that one is.
// The signature itself is not recomputed: the stand-in listens on loopback and guards nothing.
import { ServiceError } from './errors.ts';

const SIGNED =
  /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/\d{8}\/[\w-]+\/([\w-]+)\/aws4_request,\s*SignedHeaders=[^,]+,\s*Signature=[0-9a-f]{64}$/;

/** @throws ServiceError as AWS answers unsigned, malformed and unknown credentials */
export function checkSignature(
  authorization: string | undefined,
  knownKey: string | undefined,
  service: 'elasticmapreduce' | 'emr-serverless' = 'elasticmapreduce',
): void {
  if (!authorization) {
    throw new ServiceError('MissingAuthenticationTokenException', 'Missing Authentication Token');
  }
  const [, key, signedFor] = SIGNED.exec(authorization) ?? [];
  if (!key || signedFor !== service) {
    throw new ServiceError(
      'IncompleteSignatureException',
      `Authorization header must be 'AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/${service}/aws4_request, ` +
        "SignedHeaders=…, Signature=…'.",
    );
  }
  if (knownKey && key !== knownKey) {
    throw new ServiceError(
      'UnrecognizedClientException',
      'The security token included in the request is invalid.',
    );
  }
}
