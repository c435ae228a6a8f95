// What requests of the REST and HTTP connectors have in common: addresses, headers, time limits, answers that say no.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../../core/json.ts';
import { textSetting } from '../settings.ts';

/** "https://host/base" and "folder/file?x=1", with one slash between them; a query alone gets none. */
export const joinedUrl = (base: string, relative: string): string => {
  const rest = relative.trim();
  if (rest === '') return base;
  return rest.startsWith('?') ? base + rest : `${base}/${rest.replace(/^\/+/, '')}`;
};

/** additionalHeaders: an object, or lines of "Name: value". */
export const headersOf = (value: JsonValue | undefined): Record<string, string> => {
  const headers: Record<string, string> = {};
  if (typeof value === 'string') {
    for (const line of value.split(/\r\n|\n|\r|\\n/)) {
      const colon = line.indexOf(':');
      if (colon > 0) headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
    }
  } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [name, entry] of Object.entries(value))
      if (entry !== null && typeof entry !== 'object') headers[name] = String(entry);
  }
  return headers;
};

const SPAN = /^\s*(?:(\d+)\.)?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7}))?)?\s*$/;

/** Milliseconds of a .NET time span. Throws DEFINITION_INVALID for a text that is none. */
export const spanSetting = (settings: JsonObject, name: string, otherwise: number): number => {
  const text = textSetting(settings, name);
  if (text === undefined) return otherwise;
  const [, days = '0', hours = '0', minutes = '0', seconds = '0', fraction = ''] = SPAN.exec(text) ?? [];
  if (!SPAN.test(text))
    throw new WaybillError('DEFINITION_INVALID', `${name} is not a time span such as 00:01:40: ${text}.`, {
      key: name,
    });
  const whole = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
  return whole * 1000 + Number(`0.${fraction || '0'}`) * 1000;
};

/** Host and path: queries carry keys. */
export const placeOf = (url: string): string => {
  if (!URL.canParse(url)) return 'an address that is none';
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
};

/** Answers that may be another one soon. */
const LATER = [408, 429, 500, 502, 503, 504];

/** An answer that is no success, as an error. What the endpoint said may hold data: it is left out. */
export const refusedAnswer = (
  method: string,
  url: string,
  { status, statusText }: { readonly status: number; readonly statusText: string },
): WaybillError => {
  const place = placeOf(url);
  const details = { method, endpoint: place, status };
  const message = `${method} ${place} answered ${status} ${statusText}`.trim();
  if (status === 401 || status === 403)
    return new WaybillError('AUTHENTICATION_FAILED', `${message}.`, details);
  if (status === 404 || status === 410) return new WaybillError('OBJECT_MISSING', `${message}.`, details);
  return new WaybillError('WEB_FAILED', `${message}.`, details, { retryable: LATER.includes(status) });
};
