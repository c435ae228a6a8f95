// What mssql and SQL Server report, as waybill's codes. Messages name numbers and objects, never values.
import { type ErrorCode, WaybillError } from '../../core/errors.ts';

/** Error numbers; those that ask to come back later are Microsoft's transient list and the lock errors. */
const NUMBERS: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  ...[
    601, 1205, 1222, 1204, 3960, 10928, 10929, 40501, 40613, 40197, 49918, 49919, 49920, 10936, 701, 8645,
    8651,
  ].map((number) => [number, 'STORE_BUSY'] as const),
  ...[64, 233, 4221, 615, 926, 40143, 40540, 10053, 10054, 10060].map(
    (number) => [number, 'CONNECTION_FAILED'] as const,
  ),
  [18456, 'AUTHENTICATION_FAILED'],
  [4060, 'AUTHENTICATION_FAILED'],
  [208, 'OBJECT_MISSING'],
  [207, 'OBJECT_MISSING'],
  [3701, 'OBJECT_MISSING'],
  [2627, 'CONSTRAINT_VIOLATED'],
  [2601, 'CONSTRAINT_VIOLATED'],
  [547, 'CONSTRAINT_VIOLATED'],
  [515, 'CONSTRAINT_VIOLATED'],
  [8152, 'SINK_TYPE_OVERFLOW'],
  [2628, 'SINK_TYPE_OVERFLOW'],
  [8115, 'SINK_TYPE_OVERFLOW'],
  [220, 'SINK_TYPE_OVERFLOW'],
  [245, 'SINK_TYPE_OVERFLOW'],
  [241, 'SINK_TYPE_OVERFLOW'],
  [4815, 'SINK_TYPE_OVERFLOW'],
]);

const CODES: Readonly<Record<string, ErrorCode>> = {
  ELOGIN: 'AUTHENTICATION_FAILED',
  ESOCKET: 'CONNECTION_FAILED',
  ECONNCLOSED: 'CONNECTION_FAILED',
  ENOTOPEN: 'CONNECTION_FAILED',
  ETIMEOUT: 'CONNECTION_FAILED',
  EINSTLOOKUP: 'CONNECTION_FAILED',
  EINVALIDSTATE: 'CONNECTION_FAILED',
  ECONNREFUSED: 'CONNECTION_FAILED',
  ECONNRESET: 'CONNECTION_FAILED',
  EPARAM: 'PARAMETER_INVALID',
};

/** Messages quote values after a colon or in quotes ("duplicate key value is (..)", "value 'x'"); those go. */
const withoutValues = (message: string): string =>
  message
    .replace(/The duplicate key value is \(.*\)\.?/s, '')
    .replace(/(value|Truncated value:?)\s+'[^']*'/gi, '$1')
    .trim();

/** What tedious says when @azure/identity got it no token: an AggregateError whose second part is the reason. */
const noToken = (error: unknown, doing: string): WaybillError | undefined => {
  const { originalError } = error as { originalError?: { errors?: readonly { code?: string }[] } };
  const [first, reason] = originalError?.errors ?? [];
  if (first?.code !== 'EFEDAUTH') return undefined;
  const said =
    reason instanceof Error ? `${reason.name}: ${reason.message.split('\n')[0]}` : 'no token was given';
  const unreachable = /network|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|timed? ?out/i.test(said);
  return new WaybillError(
    unreachable ? 'CONNECTION_FAILED' : 'AUTHENTICATION_FAILED',
    `SQL Server, ${doing}: no access token could be had: ${said}`,
    { store: 'SQL Server', driverCode: 'EFEDAUTH' },
  );
};

export const sqlServerError = (error: unknown, doing: string): WaybillError => {
  if (error instanceof WaybillError) return error;
  const withoutToken = noToken(error, doing);
  if (withoutToken !== undefined) return withoutToken;
  const given = error as {
    code?: string;
    number?: unknown;
    message?: string;
    isTransient?: boolean;
    originalError?: { isTransient?: boolean };
  };
  // A socket's error arrives with its code in place of the number.
  const raw = {
    ...given,
    message: given.message,
    number: typeof given.number === 'number' ? given.number : undefined,
  };
  const broken =
    typeof given.number === 'string' ||
    /^ERR_(SSL|TLS|SOCKET)/.test(given.code ?? '') ||
    /Failed to acquire a connection/i.test(given.message ?? '');
  // tedious says so of a sign-in that failed because the server is on the move, with the code of a refused one.
  const transient = given.isTransient === true || given.originalError?.isTransient === true;
  const code =
    (transient ? 'CONNECTION_FAILED' : undefined) ??
    (raw.number === undefined ? undefined : NUMBERS.get(raw.number)) ??
    // The driver refused a value before it was sent.
    (given.number === 'EPARAM' ? CODES['EPARAM'] : CODES[raw.code ?? '']) ??
    (broken ? 'CONNECTION_FAILED' : raw.number === undefined ? 'INTERNAL' : 'QUERY_FAILED');
  const where = raw.number === undefined ? (raw.code ?? 'error') : `error ${raw.number}`;
  return new WaybillError(code, `SQL Server, ${doing}: ${where}: ${withoutValues(raw.message ?? '')}`, {
    store: 'SQL Server',
    ...(raw.number === undefined ? {} : { number: raw.number }),
    ...(raw.code === undefined ? {} : { driverCode: raw.code }),
  });
};
