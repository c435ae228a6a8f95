// Amazon S3, and what speaks its protocol: delimited-text files, uploaded in parts.

import { requireInsert } from '../common/settings.ts';
import type { Connector } from '../connector.ts';
import { ObjectBucket } from './bucket.ts';
import { fileLocation, s3Config } from './config.ts';
import { S3Source } from './reader.ts';
import { S3Sink } from './writer.ts';

export const s3: Connector = {
  readingLeavesFiles: false,
  async openSource(context) {
    const location = fileLocation(context);
    return new S3Source(
      new ObjectBucket(s3Config(context.linkedService), location.bucket, context.signal),
      location,
    );
  },
  async openSink(context) {
    requireInsert(context.endpoint.settings);
    const location = fileLocation(context);
    return new S3Sink(
      new ObjectBucket(s3Config(context.linkedService), location.bucket, context.signal),
      location,
      context,
    );
  },
};
