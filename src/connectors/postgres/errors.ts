// What pg and PostgreSQL report, as waybill's codes. Only the primary message passes; DETAIL quotes rows.
import { type ErrorCode, WaybillError } from '../../core/errors.ts';

/** By SQLSTATE, or by its class (first two characters). */
const STATES: Readonly<Record<string, ErrorCode>> = {
  '28': 'AUTHENTICATION_FAILED',
  '3D000': 'AUTHENTICATION_FAILED',
  '08': 'CONNECTION_FAILED',
  '57P01': 'CONNECTION_FAILED',
  '57P02': 'CONNECTION_FAILED',
  '57P03': 'CONNECTION_FAILED',
  // A server that has become a standby: the next connection finds the one that took its place.
  '25006': 'CONNECTION_FAILED',
  // A statement's time was up, or an administrator cancelled it.
  '57014': 'STORE_BUSY',
  '40': 'STORE_BUSY',
  '53': 'STORE_BUSY',
  '55P03': 'STORE_BUSY',
  '42P01': 'OBJECT_MISSING',
  '3F000': 'OBJECT_MISSING',
  '42703': 'OBJECT_MISSING',
  '22': 'SINK_TYPE_OVERFLOW',
  '23': 'CONSTRAINT_VIOLATED',
};

/** From the first quote to the last: a value may hold quotes itself. */
const withoutValues = (message: string): string => message.replace(/(: )?".*"/s, '');

export const postgresError = (error: unknown, doing: string): WaybillError => {
  if (error instanceof WaybillError) return error;
  const raw = error as {
    code?: string;
    message?: string;
    severity?: string;
    where?: string;
    column?: string;
  };
  const state = raw.code ?? '';
  const known = STATES[state] ?? STATES[state.slice(0, 2)];
  const broken =
    /^E[A-Z]+$/.test(state) ||
    /Connection terminated|timeout expired|connection error/i.test(raw.message ?? '');
  const code = broken
    ? 'CONNECTION_FAILED'
    : (known ?? (raw.severity === undefined ? 'INTERNAL' : 'QUERY_FAILED'));
  const message = known === 'SINK_TYPE_OVERFLOW' ? withoutValues(raw.message ?? '') : (raw.message ?? '');
  // COPY's context is "COPY table, line 3, column name: "value"".
  const column = raw.column ?? /^COPY .*?, line \d+, column ([^:\n]+)/.exec(raw.where ?? '')?.[1];
  const at = column === undefined ? '' : ` (column ${column})`;
  return new WaybillError(code, `PostgreSQL, ${doing}: ${state} ${message}${at}`.trim(), {
    store: 'PostgreSQL',
    ...(state === '' ? {} : { state }),
    ...(column === undefined ? {} : { column }),
  });
};
