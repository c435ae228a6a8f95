// The process's one logger: JSON lines by pino, secrets redacted, also for Temporal's own core.
import type { Logger, LogLevel, LogMetadata } from '@temporalio/worker';
import pino from 'pino';
import { redact } from '../config/redaction.ts';

const LEVELS: Record<LogLevel, 'trace' | 'debug' | 'info' | 'warn' | 'error'> = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

/** A logger for `Runtime.install`, writing to stderr. `level` is pino's (WAYBILL_LOG_LEVEL). */
export function createLogger(level: string): Logger {
  const destination = pino.destination({ dest: 2, sync: true });
  const target = pino(
    { level, base: { pid: process.pid } },
    {
      write: (line: string) => destination.write(redact(line)),
    },
  );
  const at = (logLevel: LogLevel) => (message: string, meta?: LogMetadata) =>
    target[LEVELS[logLevel]](serialisable(meta), message);
  return {
    log: (logLevel, message, meta) => at(logLevel)(message, meta),
    trace: at('TRACE'),
    debug: at('DEBUG'),
    info: at('INFO'),
    warn: at('WARN'),
    error: at('ERROR'),
  };
}

/** Temporal's core adds bigint timestamps, which JSON cannot carry. */
function serialisable(meta: LogMetadata | undefined): Record<string, unknown> {
  if (meta === undefined) return {};
  return Object.fromEntries(
    Object.entries(meta).map(([key, value]) => [key, typeof value === 'bigint' ? value.toString() : value]),
  );
}
