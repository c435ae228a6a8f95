// What happens to a value between two column types: nothing, a change of text that keeps the value, a check that
// fails loudly, or a refusal before the first row. Never a silent loss.
import { WaybillError } from '../errors.ts';
import type { Column, InterimType } from './column.ts';

/** exact: same type; widened: every value fits; checked: a value that does not fit fails the copy, naming the column. */
export type Fidelity = 'exact' | 'widened' | 'checked';

export interface Conversion {
  readonly fidelity: Fidelity;
  /** Canonical text of the source's type to that of the sink's; absent where they are the same. */
  readonly convert?: (text: string) => string;
}

const EXACT: Conversion = { fidelity: 'exact' };
const WIDENED: Conversion = { fidelity: 'widened' };

/** Whole digits that an integer type surely holds, and its bounds. */
const INTEGERS: Partial<Record<InterimType, { rank: number; digits: number; min: bigint; max: bigint }>> = {
  Int16: { rank: 1, digits: 5, min: -32768n, max: 32767n },
  Int32: { rank: 2, digits: 10, min: -2147483648n, max: 2147483647n },
  Int64: { rank: 3, digits: 19, min: -9223372036854775808n, max: 9223372036854775807n },
};

const doesNotFit = (sink: Column, why: string): WaybillError =>
  new WaybillError(
    'SINK_TYPE_OVERFLOW',
    `A value does not fit the sink's column ${sink.name} (${sink.native}): ${why}.`,
    { column: sink.name, type: sink.native },
  );

const checkedInteger = (sink: Column): ((text: string) => string) => {
  const bounds = INTEGERS[sink.type];
  return (text) => {
    if (!/^[+-]?\d+$/.test(text)) throw doesNotFit(sink, 'it is not a whole number');
    const value = BigInt(text);
    if (bounds !== undefined && (value < bounds.min || value > bounds.max)) {
      throw doesNotFit(sink, `it is outside ${bounds.min} to ${bounds.max}`);
    }
    return value.toString();
  };
};

/** Rewrites a plain decimal text to exactly `scale` digits after the point; digits that would be cut must be zeros. */
const decimalText = (sink: Column): ((text: string) => string) => {
  const scale = sink.scale ?? 0;
  const wholeDigits = (sink.precision ?? 38) - scale;
  return (text) => {
    const match = /^([+-]?)0*(\d*)(?:\.(\d*))?$/.exec(text);
    if (match === null || (match[2] === '' && match[3] === undefined && !/\d/.test(text))) {
      throw doesNotFit(sink, 'it is not a decimal number');
    }
    const whole = match[2] ?? '';
    const fraction = match[3] ?? '';
    if (whole.length > wholeDigits) throw doesNotFit(sink, `it has more than ${wholeDigits} whole digits`);
    if (/[1-9]/.test(fraction.slice(scale))) {
      throw doesNotFit(sink, `it has more than ${scale} digits after the point`);
    }
    const kept = fraction.slice(0, scale).padEnd(scale, '0');
    const digits = (whole === '' ? '0' : whole) + (scale > 0 ? `.${kept}` : '');
    return match[1] === '-' && /[1-9]/.test(digits) ? `-${digits}` : digits;
  };
};

/** Date-times keep six fractional digits; what a store prints beyond them must be zeros. */
const instantText = (sink: Column): ((text: string) => string) => {
  const kept = Math.min(sink.scale ?? 6, 6);
  return (text) => {
    const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)?$/.exec(text);
    if (match === null) throw doesNotFit(sink, 'it is not an ISO 8601 date and time');
    const fraction = match[3] ?? '';
    if (/[1-9]/.test(fraction.slice(kept))) {
      throw doesNotFit(sink, `it has more than ${kept} fractional digits of a second`);
    }
    const clock = match[2]?.length === 5 ? `${match[2]}:00` : match[2];
    const local = `${match[1]}T${clock}.${fraction.slice(0, 6).padEnd(6, '0')}`;
    const zone = match[4];
    if (sink.type === 'DateTime') {
      // A column without a zone is taken to be in UTC, here as everywhere; another offset would be lost.
      if (zone !== undefined && zone !== 'Z')
        throw doesNotFit(sink, 'it carries an offset, which the column cannot keep');
      return local;
    }
    if (zone === undefined) throw doesNotFit(sink, 'it carries no time zone');
    if (zone === 'Z') return `${local}Z`;
    const sign = zone.startsWith('-') ? 1 : -1;
    const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
    const shifted = new Date(Date.parse(`${local.slice(0, 19)}Z`) + sign * minutes * 60_000);
    return `${shifted.toISOString().slice(0, 19)}${local.slice(19)}Z`;
  };
};

const checked = (convert: (text: string) => string): Conversion => ({ fidelity: 'checked', convert });
const widened = (convert: (text: string) => string): Conversion => ({ fidelity: 'widened', convert });

const PARSERS: Record<InterimType, (sink: Column) => (text: string) => string> = {
  Int16: checkedInteger,
  Int32: checkedInteger,
  Int64: checkedInteger,
  Decimal: decimalText,
  Single: (sink) => (text) => numberText(sink, text),
  Double: (sink) => (text) => numberText(sink, text),
  Boolean: (sink) => (text) => {
    const lower = text.toLowerCase();
    if (lower === 'true' || lower === '1') return '1';
    if (lower === 'false' || lower === '0') return '0';
    throw doesNotFit(sink, 'it is not true or false');
  },
  String: () => (text) => text,
  Date: (sink) => (text) => {
    const match = /^(\d{4}-\d\d-\d\d)(?:[T ]00:00:00(?:\.0+)?)?$/.exec(text);
    if (match?.[1] === undefined) throw doesNotFit(sink, 'it is not a date such as 2024-02-29');
    return match[1];
  },
  DateTime: instantText,
  DateTimeOffset: instantText,
  TimeSpan: (sink) => (text) => {
    const match = /^(\d\d:\d\d:\d\d)(?:\.(\d{1,6})0*)?$/.exec(text);
    if (match === null) throw doesNotFit(sink, 'it is not a time such as 13:14:15');
    return `${match[1]}.${(match[2] ?? '').padEnd(6, '0')}`;
  },
  Guid: (sink) => (text) => {
    const lower = text.toLowerCase();
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(lower))
      throw doesNotFit(sink, 'it is not a GUID');
    return lower;
  },
  'Byte[]': (sink) => (text) => {
    if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw doesNotFit(sink, 'it is not hexadecimal');
    return text.toUpperCase();
  },
};

const numberText = (sink: Column, text: string): string => {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw doesNotFit(sink, 'it is not a number');
  return String(value);
};

/**
 * How values of `source` reach `sink`, or undefined where some values could only be carried with loss
 * (a Decimal into a Double, an offset into a column without one). The check happens while planning, before any row.
 */
export const conversionBetween = (source: Column, sink: Column): Conversion | undefined => {
  const from = source.type;
  const to = sink.type;
  if (to === 'String') return from === 'String' ? EXACT : WIDENED;
  if (from === 'String') return checked(PARSERS[to](sink));
  const fromInteger = INTEGERS[from];
  const toInteger = INTEGERS[to];
  if (fromInteger !== undefined) {
    if (toInteger !== undefined) {
      if (toInteger.rank === fromInteger.rank) return EXACT;
      return toInteger.rank > fromInteger.rank ? WIDENED : checked(checkedInteger(sink));
    }
    if (to === 'Decimal') {
      const room = (sink.precision ?? 38) - (sink.scale ?? 0);
      return room >= fromInteger.digits
        ? (sink.scale ?? 0) === 0
          ? WIDENED
          : widened(decimalText(sink))
        : checked(decimalText(sink));
    }
    if (to === 'Boolean') return checked(PARSERS.Boolean(sink));
    if (to === 'Double') return from === 'Int64' ? undefined : WIDENED;
    return undefined;
  }
  if (from === 'Decimal') {
    if (to === 'Decimal') {
      const sameScale = (source.scale ?? 0) === (sink.scale ?? 0);
      const room =
        (sink.precision ?? 38) - (sink.scale ?? 0) - ((source.precision ?? 38) - (source.scale ?? 0));
      if (sameScale && room >= 0) return room === 0 ? EXACT : WIDENED;
      return room >= 0 && (sink.scale ?? 0) > (source.scale ?? 0)
        ? widened(decimalText(sink))
        : checked(decimalText(sink));
    }
    if (toInteger !== undefined) {
      const whole = decimalText({ ...sink, precision: 38, scale: 0 });
      const integer = checkedInteger(sink);
      return checked((text) => integer(whole(text)));
    }
    if (to === 'Boolean' && (source.scale ?? 0) === 0) return checked(PARSERS.Boolean(sink));
    return undefined;
  }
  if (from === 'Boolean') return to === 'Boolean' ? EXACT : numericFromBoolean(to, sink);
  if (from === 'Date' && to === 'DateTime') return widened((text) => `${text}T00:00:00.000000`);
  // A date-time without a zone is taken to be in UTC; the instant stays.
  if (from === 'DateTimeOffset' && to === 'DateTime') {
    const utc = instantText(sink);
    return widened((text) => utc(text));
  }
  if (from === 'DateTime' && to === 'DateTimeOffset') {
    const utc = instantText(sink);
    return widened((text) => utc(`${text}Z`));
  }
  if (from === 'DateTime' && to === 'Date') return checked(PARSERS.Date(sink));
  if (from === to && (to === 'DateTime' || to === 'DateTimeOffset' || to === 'TimeSpan')) {
    return Math.min(sink.scale ?? 6, 6) >= Math.min(source.scale ?? 6, 6) && (source.scale ?? 6) <= 6
      ? EXACT
      : checked(PARSERS[to](sink));
  }
  if (from === 'Single' && to === 'Double') return WIDENED;
  return from === to ? EXACT : undefined;
};

const numericFromBoolean = (to: InterimType, sink: Column): Conversion | undefined => {
  if (INTEGERS[to] !== undefined) return WIDENED;
  return to === 'Decimal' ? widened(decimalText(sink)) : undefined;
};
