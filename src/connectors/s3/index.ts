// Amazon S3, and what speaks its protocol: files in buckets, uploaded in parts.
import { fileConnector } from '../common/files/file-connector.ts';
import type { Connector } from '../connector.ts';
import { s3Opener } from './opener.ts';

export const s3: Connector = fileConnector(s3Opener);
