// Where a file dataset lies, as one URI.
import type { JsonObject } from '../json.ts';

/** `s3://bucket/folder` of a dataset's typeProperties with a `location` (AmazonS3Location); '' when it has none. */
export function locationUri(dataset: JsonObject): string {
  const location = dataset['location'];
  if (typeof location !== 'object' || location === null || Array.isArray(location)) return '';
  const { bucketName, folderPath } = location;
  if (typeof bucketName !== 'string' || typeof folderPath !== 'string') return '';
  return `s3://${bucketName}/${folderPath.replace(/^\/+|\/+$/g, '')}`;
}
