// Ids of the form EMR gives: a prefix and 13 capital letters or digits.
import { randomBytes } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

export type IdPrefix = 'j-' | 's-' | 'if-' | 'ig-';

export function newId(prefix: IdPrefix): string {
  return prefix + [...randomBytes(13)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
}

export function clusterArn(id: string): string {
  return `arn:aws:elasticmapreduce:us-east-1:000000000000:cluster/${id}`;
}
