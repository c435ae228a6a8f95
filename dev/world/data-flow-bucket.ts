// The bucket through which the local world's data flows pass.
import { BucketAlreadyOwnedByYou, CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { DATA_FLOW_BUCKET } from './data-flow-settings.ts';
import type { World } from './world.ts';

/** Makes the bucket, if it is not there. */
export async function makeDataFlowBucket({ s3, env }: Pick<World, 's3' | 'env'>): Promise<void> {
  const client = new S3Client({
    endpoint: s3.endpoint,
    region: s3.region,
    forcePathStyle: true,
    credentials: {
      accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
  });
  try {
    await client.send(new CreateBucketCommand({ Bucket: DATA_FLOW_BUCKET })).catch((error: unknown) => {
      if (!(error instanceof BucketAlreadyOwnedByYou)) throw error;
    });
  } finally {
    client.destroy();
  }
}
