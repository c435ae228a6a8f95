// Change sets of a ChangeTrigger: what is remembered between two looks, and which of two versions is the later one.
import { stableHash } from '../pipeline/stable-id.ts';

/** Rows after `from` up to and including `to`. */
export interface ChangeSet {
  /** Null: everything up to `to`. */
  readonly from: string | null;
  readonly to: string;
}

/** What the workflow of a ChangeTrigger remembers. */
export interface ChangeState {
  /** Counts from 1; one more each time the trigger began anew, so that its keys are new too. */
  readonly generation: number;
  /** All changes up to it are handed over; null where there were none yet, absent before the first look. */
  readonly since?: string | null;
  /** Handed over, and not yet done with. */
  readonly pending?: ChangeSet;
  /** Why the pending one stays: it runs again once the trigger is started. */
  readonly failed?: string;
  /** Why the trigger has stopped by itself: started again it begins anew. */
  readonly fault?: string;
}

/** Longest version that a key quotes. */
const MAX_QUOTED = 60;

const quoted = (version: string | null): string => {
  if (version === null) return 'start';
  const plain = version.replace(/\s+/g, '_');
  return plain.length <= MAX_QUOTED ? plain : stableHash(version).slice(0, 32);
};

/** Tells this change set's runs from those of the trigger's other ones. */
export const changeSetKey = ({ from, to }: ChangeSet, generation: number): string =>
  `${generation === 1 ? '' : `again${generation}-`}${quoted(from)}-${quoted(to)}`;

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?$/;

/** Below 0 where `a` is earlier than `b`: numbers by value however long, times and other texts by their characters. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [NUMBER.exec(a), NUMBER.exec(b)];
  if (left === null || right === null) return a < b ? -1 : a > b ? 1 : 0;
  const digits = Math.max(left[3]?.length ?? 0, right[3]?.length ?? 0);
  const scaled = ([, sign, whole, fraction = '']: RegExpExecArray): bigint =>
    BigInt(`${sign}${whole}${fraction.padEnd(digits, '0')}`);
  const difference = scaled(left) - scaled(right);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
