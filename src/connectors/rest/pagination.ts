// Data Factory's paginationRules: which request follows an answer, and when there is none.
import { type JsonPath, jsonPath } from '../../core/copy/json-path.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';

/** One request of a series. */
export interface PageRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface PageAnswer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly url: string;
  /** The body as JSON; undefined where there is none. */
  body(): JsonValue | undefined;
}

/** Where a value of the next request comes from. */
type Origin =
  | { readonly header: string }
  | { readonly path: JsonPath }
  | { readonly from: number; readonly to: number; readonly step: number }
  | { readonly constant: string };

type Target =
  | { readonly kind: 'url' }
  | { readonly kind: 'query' | 'header'; readonly name: string }
  /** `{name}` in the address, its query or a header. */
  | { readonly kind: 'variable'; readonly name: string };

interface End {
  readonly origin: Origin;
  readonly when: string;
}

const invalid = (key: string, why: string): WaybillError =>
  new WaybillError('DEFINITION_INVALID', `The pagination rule "${key}" ${why}.`, { key });

const NAME = /^(?:\.\{([^}]+)\}|\.(.+)|\[\s*'([^']+)'\s*\]|\[\s*"([^"]+)"\s*\])$/;

const RANGE = /^range\s*:\s*(-?\d+)\s*:\s*(-?\d*)\s*:\s*(-?\d+)\s*$/i;

const originOf = (key: string, text: string): Origin => {
  const range = RANGE.exec(text);
  if (range !== null) {
    const step = Number(range[3]);
    if (step === 0) throw invalid(key, 'never moves: its step is 0');
    const open = step > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    return { from: Number(range[1]), to: range[2] === '' ? open : Number(range[2]), step };
  }
  const header = /^headers(.+)$/i.exec(text);
  if (header !== null) {
    const found = NAME.exec(header[1] ?? '');
    if (found === null) throw invalid(key, `names no header: ${text}`);
    return { header: (found[2] ?? found[3] ?? found[4] ?? found[1] ?? '').toLowerCase() };
  }
  const body = /^body(?=[.[])/i.exec(text);
  if (body !== null) return { path: jsonPath(`$${text.slice(4)}`) };
  if (text.startsWith('$')) return { path: jsonPath(text) };
  return { constant: text };
};

const targetOf = (key: string): Target => {
  const [, area = '', rest = ''] = /^(absoluteurl|queryparameters|headers)(.*)$/i.exec(key) ?? [];
  if (area === '') throw invalid(key, 'is none that Data Factory has');
  if (rest === '' && area.toLowerCase() === 'absoluteurl') return { kind: 'url' };
  const [, variable, plain, single, double] = NAME.exec(rest) ?? [];
  if (variable !== undefined) return { kind: 'variable', name: variable };
  const name = plain ?? single ?? double;
  if (name === undefined || area.toLowerCase() === 'absoluteurl') throw invalid(key, 'names nothing to set');
  return { kind: area.toLowerCase() === 'headers' ? 'header' : 'query', name };
};

const asText = (value: JsonValue | undefined): string | undefined =>
  value === undefined || value === null || value === '' || typeof value === 'object'
    ? undefined
    : String(value);

const valueAt = (value: JsonValue | undefined, { steps }: JsonPath): JsonValue | undefined => {
  let at = value;
  for (const step of steps) {
    if (typeof at !== 'object' || at === null) return undefined;
    if ('index' in step) at = Array.isArray(at) ? at[step.index] : undefined;
    else if ('member' in step)
      at = Array.isArray(at) || !Object.hasOwn(at, step.member) ? undefined : at[step.member];
    else return undefined;
  }
  return at;
};

const lookUp = (origin: Origin, answer: PageAnswer): JsonValue | undefined => {
  if ('header' in origin) return answer.headers[origin.header];
  if ('path' in origin) return valueAt(answer.body(), origin.path);
  return undefined;
};

const isEmpty = (value: JsonValue | undefined): boolean =>
  value === null ||
  value === '' ||
  (Array.isArray(value) ? value.length === 0 : typeof value === 'object' && Object.keys(value).length === 0);

const ends = ({ origin, when }: End, answer: PageAnswer): boolean => {
  const value = lookUp(origin, answer);
  switch (when.toLowerCase()) {
    case 'empty':
      return value !== undefined && isEmpty(value);
    case 'nonempty':
      return value !== undefined && !isEmpty(value);
    case 'nonexist':
      return value === undefined;
    case 'exist':
      return value !== undefined;
    default:
      return value !== undefined && value !== null && String(value) === when.replace(/^const:/i, '');
  }
};

/** Where the answer's Link header (RFC 5988, now 8288) says the next page is. */
const linkedNext = (header: string | undefined): string | undefined => {
  for (const [, url, parameters = ''] of (header ?? '').matchAll(
    /<([^>]*)>((?:\s*;\s*[^,;]+(?:"[^"]*")?)*)/g,
  )) {
    const relation = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;]+))/i.exec(parameters);
    if ((relation?.[1] ?? relation?.[2] ?? '').toLowerCase().split(/\s+/).includes('next')) return url;
  }
  return undefined;
};

export class Pagination {
  readonly #rules: { readonly target: Target; readonly origin: Origin }[] = [];
  readonly #ends: End[] = [];
  readonly #most: number;
  readonly #links: boolean;

  /** Throws DEFINITION_INVALID, naming the rule. */
  constructor(rules: JsonObject) {
    let most = Number.POSITIVE_INFINITY;
    let links: boolean | undefined;
    for (const [key, value] of Object.entries(rules)) {
      const text = String(value ?? '').trim();
      if (/^supportrfc5988$/i.test(key)) links = text.toLowerCase() === 'true';
      else if (/^maxrequestnumber$/i.test(key)) {
        if (text === '') continue;
        most = Number(text);
        if (!Number.isInteger(most) || most < 1) throw invalid(key, 'is not a whole number above 0');
      } else if (/^endcondition\s*:/i.test(key)) {
        const origin = originOf(key, key.slice(key.indexOf(':') + 1).trim());
        if (!('header' in origin) && !('path' in origin))
          throw invalid(key, 'names neither a path nor a header');
        this.#ends.push({ origin, when: text });
      } else if (text !== '') this.#rules.push({ target: targetOf(key), origin: originOf(key, text) });
    }
    this.#most = most;
    this.#links = links ?? Object.keys(rules).length === 0;
  }

  /** The first request: ranges begin. */
  first(request: PageRequest): PageRequest {
    return this.#applied(request, request, ({ origin }) =>
      'from' in origin ? String(origin.from) : undefined,
    );
  }

  /**
   * The request after the `count`-th one's answer; undefined after the last. `template` is the request as the definition
   * has it, `last` the one that was answered.
   */
  next(template: PageRequest, last: PageRequest, answer: PageAnswer, count: number): PageRequest | undefined {
    if (count >= this.#most || answer.status === 204) return undefined;
    if (this.#ends.some((end) => ends(end, answer))) return undefined;
    if (this.#rules.length === 0) {
      const link = this.#links ? linkedNext(answer.headers['link']) : undefined;
      return link === undefined ? undefined : { ...last, url: absolute(link, answer.url) };
    }
    let ended = false;
    let moves = false;
    const value = ({ origin }: { readonly origin: Origin }): string | undefined => {
      if ('constant' in origin) return origin.constant;
      moves = true;
      if ('from' in origin) {
        const at = origin.from + count * origin.step;
        if (origin.step > 0 ? at > origin.to : at < origin.to) ended = true;
        return String(at);
      }
      const found = asText(lookUp(origin, answer));
      if (found === undefined) ended = true;
      return found;
    };
    const request = this.#applied(template, last, value, answer.url);
    return ended || !moves ? undefined : request;
  }

  /** `{name}` stands in the template; everything else is set in the request as it was last. */
  #applied(
    template: PageRequest,
    last: PageRequest,
    find: (rule: { readonly origin: Origin }) => string | undefined,
    base = template.url,
  ): PageRequest {
    const values = this.#rules.map((rule) => ({ target: rule.target, value: find(rule) }));
    const variables = values.filter(({ target }) => target.kind === 'variable');
    const named = variables.some(({ target }) => 'name' in target && appearsIn(template, target.name));
    let { url, headers } = named ? template : last;
    for (const { target, value } of values) {
      if (value === undefined) continue;
      if (target.kind === 'variable') {
        const put = (text: string, encode: boolean): string =>
          text
            .replaceAll(`{${target.name}}`, encode ? encodeURIComponent(value) : value)
            .replaceAll(`%7B${target.name}%7D`, encodeURIComponent(value));
        url = put(url, true);
        headers = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, put(text, false)]));
      } else if (target.kind === 'url') url = absolute(value, base);
      else if (target.kind === 'header') headers = withHeader(headers, target.name, value);
      else url = withQuery(url, target.name, value);
    }
    return { url, headers };
  }
}

const appearsIn = ({ url, headers }: PageRequest, name: string): boolean =>
  [url, ...Object.values(headers)].some(
    (text) => text.includes(`{${name}}`) || text.includes(`%7B${name}%7D`),
  );

const absolute = (url: string, base: string): string => {
  if (URL.canParse(url, base)) return new URL(url, base).href;
  throw new WaybillError('WEB_FAILED', 'The address of the next page is none.');
};

const withHeader = (
  headers: Readonly<Record<string, string>>,
  name: string,
  value: string,
): Record<string, string> => ({
  ...Object.fromEntries(
    Object.entries(headers).filter(([other]) => other.toLowerCase() !== name.toLowerCase()),
  ),
  [name]: value,
});

/** Other parameters stay as they are written. */
const withQuery = (url: string, name: string, value: string): string => {
  const [, path = url, query = '', fragment = ''] = /^([^?#]*)(?:\?([^#]*))?(#.*)?$/s.exec(url) ?? [];
  const pair = `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
  const kept = query.split('&').filter((part) => part !== '' && decoded(part.split('=')[0] ?? '') !== name);
  return `${path}?${[...kept, pair].join('&')}${fragment}`;
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
};
