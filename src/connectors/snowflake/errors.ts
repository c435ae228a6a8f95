// What snowflake-sdk and Snowflake report, as waybill's codes.
import { type ErrorCode, WaybillError } from '../../core/errors.ts';

const CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  // Sign-in: password, key pair, role, and what is wrong with an OAuth token (390303: invalid, 390304, 390317: user and role).
  ...[
    ...['390100', '390144', '390101', '390102', '394304', '390189', '390201', '390186'],
    ...['390303', '390304', '390305', '390306', '390307', '390308', '390309', '390317'],
  ].map((code) => [code, 'AUTHENTICATION_FAILED'] as const),
  // The session or the OAuth token (390318) has expired; a new attempt reads the secrets again and makes a new session.
  ...['390112', '390111', '390114', '390195', '390318', '407002', '407001'].map(
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
  ['100035', 'SINK_TYPE_OVERFLOW'],
  ['100090', 'CONSTRAINT_VIOLATED'],
  ['100069', 'SINK_TYPE_OVERFLOW'],
  // A file that COPY or GET wants is not on the stage (any more).
  ['091016', 'STAGING_FAILED'],
  ['253006', 'STAGING_FAILED'],
]);

/** Snowflake quotes the value it could not convert; the value goes, the rest (line, column) stays. */
const withoutValues = (message: string): string =>
  message
    .replace(/(Numeric value|Boolean value|Date|Timestamp|Time|String|value)\s+'(?:[^'\\]|\\.)*'/g, '$1')
    .split('\n')
    .slice(0, 3)
    .join(' ')
    .slice(0, 400);

const concealed = (message: string, secrets: readonly string[]): string =>
  secrets.reduce((text, secret) => (secret === '' ? text : text.replaceAll(secret, '***')), message);

/** waybill's error; `secrets` are taken out of the message wherever Snowflake repeats a piece of the statement. */
export const snowflakeError = (
  error: unknown,
  doing: string,
  secrets: readonly string[] = [],
): WaybillError => {
  if (error instanceof WaybillError) return error;
  const raw = error as { code?: string | number; sqlState?: string; message?: string; name?: string };
  const number = raw.code === undefined ? '' : String(raw.code).padStart(6, '0');
  const network = /ECONN|ETIMEDOUT|EPIPE|socket hang up|Network error|getaddrinfo/i.test(
    `${raw.code} ${raw.message}`,
  );
  const code =
    CODES.get(number) ??
    (network ? 'CONNECTION_FAILED' : raw.sqlState === undefined ? 'STAGING_FAILED' : 'QUERY_FAILED');
  return new WaybillError(
    code,
    `Snowflake, ${doing}: ${number} ${withoutValues(concealed(raw.message ?? '', secrets))}`.trim(),
    {
      store: 'Snowflake',
      ...(number === '' ? {} : { number }),
    },
  );
};
