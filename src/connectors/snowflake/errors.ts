// What snowflake-sdk and Snowflake report, as waybill's codes.
import { type ErrorCode, WaybillError } from '../../core/errors.ts';

const CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  // Sign-in.
  ...['390100', '390144', '390101', '394304', '390189', '390201', '390186'].map(
    (code) => [code, 'AUTHENTICATION_FAILED'] as const,
  ),
  // The session is gone; a new attempt makes a new one.
  ...['390112', '390111', '390114', '390195', '407002', '407001'].map(
    (code) => [code, 'CONNECTION_FAILED'] as const,
  ),
  // The driver's network and request errors.
  ...['401001', '401002', '402001', '405501', '405503', '390420'].map(
    (code) => [code, 'CONNECTION_FAILED'] as const,
  ),
  ['002003', 'OBJECT_MISSING'],
  ['002043', 'OBJECT_MISSING'],
  ['003001', 'QUERY_FAILED'],
  ['001003', 'QUERY_FAILED'],
  ['000904', 'OBJECT_MISSING'],
  ['000625', 'STORE_BUSY'],
  ['000629', 'STORE_BUSY'],
  ['000630', 'STORE_BUSY'],
  ['200001', 'CONSTRAINT_VIOLATED'],
  ['100072', 'CONSTRAINT_VIOLATED'],
  ['100038', 'SINK_TYPE_OVERFLOW'],
  ['100039', 'SINK_TYPE_OVERFLOW'],
  ['100078', 'SINK_TYPE_OVERFLOW'],
  ['100132', 'SINK_TYPE_OVERFLOW'],
  ['100071', 'SINK_TYPE_OVERFLOW'],
  ['100040', 'SINK_TYPE_OVERFLOW'],
]);

/** Snowflake quotes the value it could not convert; the value goes, the rest (line, column) stays. */
const withoutValues = (message: string): string =>
  message
    .replace(/(Numeric value|Boolean value|Date|Timestamp|Time|String|value)\s+'(?:[^'\\]|\\.)*'/g, '$1')
    .split('\n')
    .slice(0, 3)
    .join(' ')
    .slice(0, 400);

export const snowflakeError = (error: unknown, doing: string): WaybillError => {
  if (error instanceof WaybillError) return error;
  const raw = error as { code?: string | number; sqlState?: string; message?: string; name?: string };
  const number = raw.code === undefined ? '' : String(raw.code).padStart(6, '0');
  const network = /ECONN|ETIMEDOUT|EPIPE|socket hang up|Network error|getaddrinfo/i.test(
    `${raw.code} ${raw.message}`,
  );
  const code =
    CODES.get(number) ??
    (network ? 'CONNECTION_FAILED' : raw.sqlState === undefined ? 'STAGING_FAILED' : 'QUERY_FAILED');
  return new WaybillError(code, `Snowflake, ${doing}: ${number} ${withoutValues(raw.message ?? '')}`.trim(), {
    store: 'Snowflake',
    ...(number === '' ? {} : { number }),
  });
};
