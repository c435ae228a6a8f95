// ADF's session log of a copy: where its files are and what a line says.
import type { Row } from '../types/column.ts';

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;

/** The line above all others. */
export const SESSION_LOG_HEADER = 'Timestamp,Level,OperationName,OperationItem,Message\n';

/** One skipped row. The row's fields are quoted each, NULL is bare, and the whole is one field of the log. */
export const sessionLogLine = (at: Date, row: Row, message: string): string => {
  const item = row.map((value) => (value === null ? 'NULL' : quoted(value))).join(',');
  return `${timestamp(at)},Warning,TabularRowSkip,${quoted(item)},${quoted(message)}\n`;
};

/** One skipped file. */
export const sessionLogFileLine = (at: Date, path: string, message: string): string =>
  `${timestamp(at)},Warning,FileSkip,${quoted(path)},${quoted(message)}\n`;

/** .NET prints seven digits of a second. */
const timestamp = (at: Date): string => at.toISOString().replace('T', ' ').replace('Z', '0000');

/** Folder of a copy's log files: `[path]/copyactivity-logs/[activity]/[activityRunId]`. */
export const sessionLogFolder = (path: string, activity: string, runId: string): string =>
  [path.replace(/^\/+|\/+$/g, ''), 'copyactivity-logs', activity.replaceAll('/', '_'), runId]
    .filter((part) => part !== '')
    .join('/');
