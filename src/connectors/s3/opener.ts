// Opens buckets of Amazon S3 and of what speaks its protocol.
import type { FileOpener } from '../common/files/file-opener.ts';
import { s3Config } from './config.ts';
import { S3Store } from './store.ts';

export const s3Opener: FileOpener = {
  store: 'S3',
  containerKeys: ['bucketName'],
  open: async (service, bucket, signal, options) => new S3Store(s3Config(service), bucket, signal, options),
};
