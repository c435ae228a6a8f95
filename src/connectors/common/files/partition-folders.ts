// Columns that come from the folders a file lies in: "year=2024/month=1/part-0.csv" has year and month.
import type { Column } from '../../../core/types/column.ts';

const PARTITION = 'partition folder';
/** How Hive, and all after it, write NULL in a folder's name. */
const NULL_FOLDER = '__HIVE_DEFAULT_PARTITION__';

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

const partitionsOf = (path: string): Map<string, string | null> => {
  const found = new Map<string, string | null>();
  for (const part of path.split('/').slice(0, -1)) {
    const at = part.indexOf('=');
    if (at <= 0) continue;
    const value = part.slice(at + 1);
    found.set(decode(part.slice(0, at)), value === NULL_FOLDER ? null : decode(value));
  }
  return found;
};

/** Columns of the partition folders on the way to a file. */
export const partitionColumns = (path: string): Column[] =>
  [...partitionsOf(path).keys()].map((name) => ({ name, type: 'String', nullable: true, native: PARTITION }));

export const isPartitionColumn = ({ native }: Column): boolean => native === PARTITION;

/** The value of a partition column for all rows of a file. */
export const partitionValue = (column: Column, path: string): string | null =>
  partitionsOf(path).get(column.name) ?? null;
