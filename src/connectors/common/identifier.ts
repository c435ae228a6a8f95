// The only place where a name becomes part of a statement. Names are passed as parts, never split at dots.
import { createHash } from 'node:crypto';
import { WaybillError } from '../../core/errors.ts';

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** How one SQL dialect quotes a name and how long a name may be. */
export interface QuoteRule {
  readonly open: string;
  readonly close: string;
  /** Most characters, or bytes where `unit` says so. */
  readonly limit: number;
  readonly unit: 'characters' | 'bytes';
}

/** Quotes `name`, doubling the closing quote. Throws IDENTIFIER_INVALID for NUL, empty, blank and over-long names. */
export const quoteIdentifier = (name: string, rule: QuoteRule): string => {
  const length = rule.unit === 'bytes' ? Buffer.byteLength(name) : name.length;
  if (name.trim() === '') throw new WaybillError('IDENTIFIER_INVALID', 'A name is empty.');
  if (name.includes('\0')) throw new WaybillError('IDENTIFIER_INVALID', 'A name holds a NUL character.');
  if (length > rule.limit) {
    throw new WaybillError(
      'IDENTIFIER_INVALID',
      `The name "${name.slice(0, 40)}..." is longer than ${rule.limit} ${rule.unit}.`,
      { length, limit: rule.limit },
    );
  }
  return rule.open + name.replaceAll(rule.close, rule.close + rule.close) + rule.close;
};

/** 32 hex digits that stand for a copy in keys, file names and table names; the copy id itself may be long. */
export const copyKey = (copyId: string): string =>
  createHash('sha256').update(copyId, 'utf8').digest('hex').slice(0, 32);

/** The staging table of a copy: beside the target, told apart by the copy's key, cut to the store's limit. */
export const stagingName = (target: string, copyId: string, limit: number): string => {
  const suffix = `__wb_${copyKey(copyId).slice(0, 8)}`;
  let stem = target;
  while (Buffer.byteLength(stem + suffix) > limit) stem = stem.slice(0, -1);
  return stem + suffix;
};
