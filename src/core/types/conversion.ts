// What happens to a value between two columns: nothing, a change of text that keeps the value, a check that fails
// loudly, a loss that the definition allows, or a refusal before the first row. Never a silent loss. The matrix says
// which; here are the columns' own digits and lengths, and the functions that do it.
import { WaybillError } from '../errors.ts';
import { type Column, fractionDigits, type InterimType } from './column.ts';
import { declaredFidelity, type Fidelity } from './matrix.ts';
import { momentFormat } from './moment-format.ts';
import { DEFAULT_TYPE_SETTINGS, type TypeSettings } from './type-settings.ts';

type Convert = (text: string) => string;

export interface Conversion {
  readonly fidelity: Exclude<Fidelity, 'refused'>;
  /** Canonical text of the source's type to that of the sink's; absent where they are the same. */
  readonly convert?: Convert;
}

/** A pair of columns as `waybill plan` shows it. */
export interface Assessment {
  readonly fidelity: Fidelity;
  readonly convert?: Convert;
  /** What a reader should know of the pair, in a few words: "digits beyond 2 fail the row". */
  readonly note?: string;
}

const INTEGERS: Partial<Record<InterimType, { digits: number; min: bigint; max: bigint }>> = {
  Int16: { digits: 5, min: -32768n, max: 32767n },
  Int32: { digits: 10, min: -2147483648n, max: 2147483647n },
  Int64: { digits: 19, min: -9223372036854775808n, max: 9223372036854775807n },
};

/** Doubles hold every decimal of so many digits. */
const DOUBLE_DIGITS = 15;

const doesNotFit = (sink: Column, why: string): WaybillError =>
  new WaybillError(
    'SINK_TYPE_OVERFLOW',
    `A value does not fit the sink's column ${sink.name} (${sink.native}): ${why}.`,
    { column: sink.name, type: sink.native, reason: why },
  );

const checkedInteger = (sink: Column, cut: boolean): Convert => {
  const bounds = INTEGERS[sink.type];
  return (text) => {
    const match = /^([+-]?\d+)(?:\.(\d*))?$/.exec(text);
    if (match?.[1] === undefined || (!cut && /[1-9]/.test(match[2] ?? ''))) {
      throw doesNotFit(sink, 'it is not a whole number');
    }
    const value = BigInt(match[1].replace('+', ''));
    if (bounds !== undefined && (value < bounds.min || value > bounds.max)) {
      throw doesNotFit(sink, `it is outside ${bounds.min} to ${bounds.max}`);
    }
    return value.toString();
  };
};

/** Rewrites a plain decimal text to exactly `scale` digits after the point; digits that are cut must be zeros, or may be cut. */
const decimalText = (sink: Column, cut: boolean, round = false): Convert => {
  const scale = sink.scale ?? 0;
  const wholeDigits = (sink.precision ?? 38) - scale;
  return (text) => {
    const match = /^([+-]?)0*(\d*)(?:\.(\d*))?$/.exec(text);
    if (match === null || (match[2] === '' && match[3] === undefined && !/\d/.test(text))) {
      throw doesNotFit(sink, 'it is not a decimal number');
    }
    const fraction = match[3] ?? '';
    const up = cut && round && (fraction[scale] ?? '0') >= '5';
    const [whole, kept] = nearest(match[2] ?? '', fraction.slice(0, scale).padEnd(scale, '0'), up);
    if (whole.length > wholeDigits) throw doesNotFit(sink, `it has more than ${wholeDigits} whole digits`);
    if (!cut && /[1-9]/.test(fraction.slice(scale))) {
      throw doesNotFit(sink, `it has more than ${scale} digits after the point`);
    }
    const digits = (whole === '' ? '0' : whole) + (scale > 0 ? `.${kept}` : '');
    return match[1] === '-' && /[1-9]/.test(digits) ? `-${digits}` : digits;
  };
};

/** Whole digits and the kept ones behind the point, one unit of the last more when it rounds up. */
const nearest = (whole: string, kept: string, up: boolean): [string, string] => {
  if (!up) return [whole, kept];
  const digits = String(BigInt(`0${whole}${kept}`) + 1n).padStart(kept.length + 1, '0');
  const point = digits.length - kept.length;
  return [digits.slice(0, point).replace(/^0+/, ''), digits.slice(point)];
};

/** A number's shortest text without an exponent: 1e+21 as 1000000000000000000000, 1e-7 as 0.0000001. */
export const plainDigits = (text: string): string => {
  const match = /^([+-]?)(\d+)(?:\.(\d*))?[eE]([+-]?\d+)$/.exec(text);
  if (match === null) return text;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits + '0'.repeat(point - digits.length);
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
};

/** Digits of a second beyond what the column keeps must be zeros, or may be cut; the text gets the column's digits. */
const keptFraction = (sink: Column, fraction: string, cut: boolean): string => {
  const kept = Math.min(sink.scale ?? 6, 9);
  if (!cut && /[1-9]/.test(fraction.slice(kept))) {
    throw doesNotFit(sink, `it has more than ${kept} fractional digits of a second`);
  }
  return fraction.slice(0, kept).padEnd(fractionDigits(sink), '0');
};

const instantText = (sink: Column, cut: boolean): Convert => {
  return (text) => {
    const match =
      /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?$/.exec(text);
    if (match === null) throw doesNotFit(sink, 'it is not an ISO 8601 date and time');
    const clock = match[2] === undefined ? '00:00:00' : match[2].length === 5 ? `${match[2]}:00` : match[2];
    const local = `${match[1]}T${clock}.${keptFraction(sink, match[3] ?? '', cut)}`;
    const zone = match[4];
    if (sink.type === 'DateTime') {
      // A column without a zone is taken to be in UTC, here as everywhere; another offset would be lost.
      if (zone !== undefined && zone !== 'Z' && !cut)
        throw doesNotFit(sink, 'it carries an offset, which the column cannot keep');
      return zone === undefined || zone === 'Z' ? local : shifted(local, zone);
    }
    if (zone === undefined) throw doesNotFit(sink, 'it carries no time zone');
    return zone === 'Z' ? `${local}Z` : `${shifted(local, zone)}Z`;
  };
};

/** The local time of an offset as UTC. */
const shifted = (local: string, zone: string): string => {
  const sign = zone.startsWith('-') ? 1 : -1;
  const minutes = Number(zone.slice(1, 3)) * 60 + (zone.length > 3 ? Number(zone.slice(-2)) : 0);
  const moved = new Date(Date.parse(`${local.slice(0, 19)}Z`) + sign * minutes * 60_000);
  return `${moved.toISOString().slice(0, 19)}${local.slice(19)}`;
};

const clockText =
  (sink: Column, cut: boolean): Convert =>
  (text) => {
    const match = /^(\d\d:\d\d:\d\d)(?:\.(\d+))?$/.exec(text);
    if (match === null) throw doesNotFit(sink, 'it is not a time such as 13:14:15');
    return `${match[1]}.${keptFraction(sink, match[2] ?? '', cut)}`;
  };

const dateText =
  (sink: Column, cut: boolean): Convert =>
  (text) => {
    const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?Z?)?$/.exec(text);
    if (match?.[1] === undefined) throw doesNotFit(sink, 'it is not a date such as 2024-02-29');
    if (!cut && /[1-9]/.test(`${match[2] ?? ''}${match[3] ?? ''}`))
      throw doesNotFit(sink, 'it has a time of day');
    return match[1];
  };

const booleanText =
  (sink: Column): Convert =>
  (text) => {
    const lower = text.toLowerCase();
    if (lower === 'true' || /^0*1(\.0*)?$/.test(lower)) return '1';
    if (lower === 'false' || /^0+(\.0*)?$/.test(lower)) return '0';
    throw doesNotFit(sink, 'it is not true or false');
  };

/** NaN and the infinities pass: a store that has none refuses them itself. */
const floatText =
  (sink: Column): Convert =>
  (text) => {
    const value = Number(/^[+-]?inf$/i.test(text) ? text.replace(/inf/i, 'Infinity') : text);
    if (text.trim() === '' || (Number.isNaN(value) && text.toLowerCase() !== 'nan')) {
      throw doesNotFit(sink, 'it is not a number');
    }
    return String(value);
  };

/** The shortest text that reads back to the same Single. */
const shortestSingle = (single: number): string => {
  for (let digits = 6; digits < 9; digits++) {
    const text = single.toPrecision(digits);
    if (Math.fround(Number(text)) === single) return String(Number(text));
  }
  return String(Number(single.toPrecision(9)));
};

const singleText =
  (sink: Column, cut: boolean): Convert =>
  (text) => {
    const value = Number(text);
    const single = Math.fround(value);
    if (!Number.isFinite(single)) {
      if (Number.isFinite(value)) throw doesNotFit(sink, 'it is beyond the range of a Single');
      return String(single);
    }
    const shortest = shortestSingle(single);
    // 0.1 is a Single's own text, although a double's 0.1 is another number.
    if (!cut && single !== value && Number(shortest) !== value) {
      throw doesNotFit(sink, 'a Single does not hold all its digits');
    }
    return shortest;
  };

const guidText =
  (sink: Column): Convert =>
  (text) => {
    const lower = text.toLowerCase().replace(/^\{(.*)\}$/, '$1');
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(lower))
      throw doesNotFit(sink, 'it is not a GUID');
    return lower;
  };

const bytesText =
  (sink: Column): Convert =>
  (text) => {
    if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw doesNotFit(sink, 'it is not hexadecimal');
    return text.toUpperCase();
  };

const PARSERS: Record<InterimType, (sink: Column, cut: boolean) => Convert> = {
  Int16: checkedInteger,
  Int32: checkedInteger,
  Int64: checkedInteger,
  Decimal: decimalText,
  Single: floatText,
  Double: floatText,
  Boolean: booleanText,
  String: () => (text) => text,
  Date: dateText,
  DateTime: instantText,
  DateTimeOffset: instantText,
  TimeSpan: clockText,
  Guid: guidText,
  'Byte[]': bytesText,
};

const isNumber = (type: InterimType): boolean =>
  INTEGERS[type] !== undefined || type === 'Decimal' || type === 'Single' || type === 'Double';

const formatFor = (type: InterimType, settings: TypeSettings): string | undefined => {
  if (type === 'DateTimeOffset') return settings.dateTimeOffsetFormat;
  if (type === 'TimeSpan') return settings.timeSpanFormat;
  return type === 'DateTime' || type === 'Date' ? settings.dateTimeFormat : undefined;
};

/** Text of a file or text column into a typed one. */
const fromText = (sink: Column, settings: TypeSettings): Convert => {
  const parse = PARSERS[sink.type](sink, settings.allowDataTruncation);
  const format = formatFor(sink.type, settings);
  if (format !== undefined) {
    const moments = momentFormat(format);
    return (text) => {
      const iso = moments.toIso(text);
      if (iso === undefined) throw doesNotFit(sink, `it is not of the format ${format}`);
      if (sink.type === 'TimeSpan') return parse(iso.slice(11));
      if (sink.type === 'Date') return iso.slice(0, 10);
      return parse(sink.type === 'DateTimeOffset' && !/(Z|[+-]\d\d:\d\d)$/.test(iso) ? `${iso}Z` : iso);
    };
  }
  const { decimalPoint, groupSeparator } = settings;
  if (!isNumber(sink.type) || decimalPoint === '.') return parse;
  return (text) => parse(text.replaceAll(groupSeparator, '').replace(decimalPoint, '.'));
};

/** A typed value as text. */
const toText = (source: Column, settings: TypeSettings): Convert | undefined => {
  if (source.type === 'Boolean') {
    return settings.treatBooleanAsNumber ? undefined : (text) => (text === '1' ? 'True' : 'False');
  }
  const format = formatFor(source.type, settings);
  if (format !== undefined) {
    const moments = momentFormat(format);
    return (text) => moments.fromCanonical(text);
  }
  if (settings.decimalPoint !== '.' && isNumber(source.type) && INTEGERS[source.type] === undefined) {
    return (text) => text.replace('.', settings.decimalPoint);
  }
  return undefined;
};

/** Longest text a value of the column can have; undefined where there is no limit. */
const longestText = (column: Column): number | undefined => {
  switch (column.type) {
    case 'Int16':
      return 6;
    case 'Int32':
      return 11;
    case 'Int64':
      return 20;
    case 'Decimal':
      return (column.precision ?? 38) + 3;
    case 'Single':
    case 'Double':
      return 25;
    case 'Boolean':
      return 5;
    case 'Date':
      return 10;
    case 'DateTime':
      return 20 + fractionDigits(column);
    case 'DateTimeOffset':
      return 21 + fractionDigits(column);
    case 'TimeSpan':
      return 9 + fractionDigits(column);
    case 'Guid':
      return 36;
    case 'Byte[]':
      return column.length === undefined ? undefined : 2 * column.length;
    case 'String':
      return column.length;
  }
};

/** Stores that count UTF-16 units; the others count characters. */
const COUNTS_UNITS = /^n(var)?char$/i;

/** Fails what is longer than the column. Bytes of a code page only the store can count. */
const withinLength = (sink: Column): Convert => {
  const limit = sink.length ?? Number.MAX_SAFE_INTEGER;
  const units = COUNTS_UNITS.test(sink.native);
  return (text) => {
    if (text.length <= limit) return text;
    const length = units ? text.length : [...text].length;
    if (length > limit) throw doesNotFit(sink, `it has ${length} characters, the column takes ${limit}`);
    return text;
  };
};

const bytesWithin =
  (sink: Column): Convert =>
  (text) => {
    const limit = sink.length ?? Number.MAX_SAFE_INTEGER;
    if (text.length > 2 * limit)
      throw doesNotFit(sink, `it has ${text.length / 2} bytes, the column takes ${limit}`);
    return text;
  };

const compose = (first: Convert | undefined, second: Convert): Convert =>
  first === undefined ? second : (text) => second(first(text));

const intoText = (source: Column, sink: Column, settings: TypeSettings): Assessment => {
  const convert = source.type === 'String' ? undefined : toText(source, settings);
  const fidelity = source.type === 'String' ? 'exact' : 'widened';
  const longest = longestText(source);
  if (sink.length !== undefined && (longest === undefined || longest > sink.length)) {
    return {
      fidelity: 'checked',
      convert: compose(convert, withinLength(sink)),
      note: `longer than ${sink.length} characters fails the row`,
    };
  }
  return convert === undefined ? { fidelity } : { fidelity, convert };
};

const intoDecimal = (source: Column, sink: Column, cut: boolean, round = false): Assessment => {
  const scale = sink.scale ?? 0;
  const room = (sink.precision ?? 38) - scale;
  const integer = INTEGERS[source.type];
  const given = integer === undefined ? (source.scale ?? 0) : 0;
  const whole = integer?.digits ?? (source.type === 'Boolean' ? 1 : (source.precision ?? 38) - given);
  const convert = decimalText(sink, cut, round);
  if (whole <= room && given <= scale) {
    if (given !== scale) return { fidelity: 'widened', convert };
    return { fidelity: integer === undefined && whole === room ? 'exact' : 'widened' };
  }
  const note = whole > room ? `more than ${room} whole digits fail the row` : undefined;
  if (given > scale && cut) {
    return {
      fidelity: 'lossy',
      convert,
      note: `digits beyond ${scale} after the point are ${round ? 'rounded' : 'cut'}${note === undefined ? '' : `; ${note}`}`,
    };
  }
  return {
    fidelity: 'checked',
    convert,
    note: note ?? `digits beyond ${scale} after the point fail the row`,
  };
};

const momentIntoMoment = (source: Column, sink: Column, cut: boolean): Assessment => {
  const kept = sink.scale ?? 6;
  const given = source.scale ?? 6;
  const sameType = source.type === sink.type;
  const parse = PARSERS[sink.type](sink, cut);
  const zoned: Convert =
    source.type === 'DateTime' && sink.type === 'DateTimeOffset' ? (text) => parse(`${text}Z`) : parse;
  const note = sameType || source.type === 'Date' ? undefined : 'taken to be in UTC';
  if (given > kept) {
    const beyond = `digits of a second beyond ${kept} ${cut ? 'are cut' : 'fail the row'}`;
    return {
      fidelity: cut ? 'lossy' : 'checked',
      convert: zoned,
      note: note === undefined ? beyond : `${note}; ${beyond}`,
    };
  }
  if (sameType) {
    if (fractionDigits(source) === fractionDigits(sink)) return { fidelity: 'exact' };
    return { fidelity: 'exact', convert: zoned };
  }
  return { fidelity: 'widened', convert: zoned, ...(note === undefined ? {} : { note }) };
};

const intoFloat = (source: Column, sink: Column, cut: boolean): Assessment => {
  if (source.type === 'Single' || INTEGERS[source.type] !== undefined || source.type === 'Boolean') {
    const fidelity = declaredFidelity(source.type, sink.type);
    if (fidelity !== 'lossy') return { fidelity };
  }
  if (source.type === 'Double') {
    return cut
      ? { fidelity: 'lossy', convert: singleText(sink, true), note: 'rounded to the digits of a Single' }
      : {
          fidelity: 'checked',
          convert: singleText(sink, false),
          note: 'more digits than a Single has fail the row',
        };
  }
  const wholeOnly = source.type === 'Decimal' && (source.scale ?? 0) === 0;
  if (sink.type === 'Double' && wholeOnly && (source.precision ?? 38) <= DOUBLE_DIGITS)
    return { fidelity: 'widened' };
  const round: Convert = sink.type === 'Single' ? singleText(sink, true) : (text) => String(Number(text));
  return { fidelity: cut ? 'lossy' : 'refused', convert: round, note: 'rounded to a floating-point number' };
};

/**
 * How values of `source` reach `sink`, with what a reader should know. The check happens while planning, before any row;
 * "refused" comes with advice in its note.
 */
export const assessPair = (
  source: Column,
  sink: Column,
  settings: TypeSettings = DEFAULT_TYPE_SETTINGS,
): Assessment => {
  const from = source.type;
  const to = sink.type;
  const cut = settings.allowDataTruncation;
  const round = settings.roundDecimals === true;
  const declared = declaredFidelity(from, to);
  if (declared === 'refused')
    return { fidelity: 'refused', note: 'cast it in the source query, or leave it out of the mapping' };
  if (to === 'String') return intoText(source, sink, settings);
  if (from === 'String') {
    return {
      fidelity: 'checked',
      convert: fromText(sink, settings),
      note: `text that is no ${to} fails the row`,
    };
  }
  if (to === 'Decimal' && (from === 'Single' || from === 'Double')) {
    const parse = decimalText(sink, cut, round);
    return {
      fidelity: cut ? 'lossy' : 'refused',
      convert: (text) => parse(plainDigits(text)),
      note: cut
        ? `digits beyond ${sink.scale ?? 0} after the point are ${round ? 'rounded' : 'cut'}`
        : LOSS_ADVICE,
    };
  }
  if (to === 'Decimal') return intoDecimal(source, sink, cut, round);
  if (to === 'Single' || to === 'Double') {
    if (from === to) return { fidelity: 'exact' };
    const found = intoFloat(source, sink, cut);
    return found.fidelity === 'refused' ? { fidelity: 'refused', note: LOSS_ADVICE } : found;
  }
  if (INTEGERS[to] !== undefined) {
    if (declared !== 'checked') return { fidelity: declared };
    const parse = checkedInteger(sink, cut);
    const isWhole = INTEGERS[from] !== undefined || (from === 'Decimal' && (source.scale ?? 0) === 0);
    return {
      fidelity: cut && !isWhole ? 'lossy' : 'checked',
      convert: isWhole ? parse : (text) => parse(plainDigits(text)),
      note: cut && !isWhole ? 'digits after the point are cut' : `what is no ${to} fails the row`,
    };
  }
  if (to === 'Boolean') {
    return from === 'Boolean'
      ? { fidelity: 'exact' }
      : { fidelity: 'checked', convert: booleanText(sink), note: 'other than 0 and 1 fails the row' };
  }
  if (to === 'Date') {
    if (from === 'Date') return { fidelity: 'exact' };
    return cut
      ? { fidelity: 'lossy', convert: dateText(sink, true), note: 'the time of day is cut' }
      : { fidelity: 'checked', convert: dateText(sink, false), note: 'a time of day fails the row' };
  }
  if (from === 'Date') {
    const tail = `T00:00:00.${'0'.repeat(fractionDigits(sink))}${to === 'DateTimeOffset' ? 'Z' : ''}`;
    return { fidelity: 'widened', convert: (text) => `${text}${tail}` };
  }
  if (to === 'DateTime' || to === 'DateTimeOffset' || to === 'TimeSpan')
    return momentIntoMoment(source, sink, cut);
  if (
    to === 'Byte[]' &&
    sink.length !== undefined &&
    (source.length === undefined || source.length > sink.length)
  ) {
    return {
      fidelity: 'checked',
      convert: bytesWithin(sink),
      note: `more than ${sink.length} bytes fail the row`,
    };
  }
  return { fidelity: declared };
};

const LOSS_ADVICE =
  'it would lose digits: set "allowDataTruncation": true in the translator\'s typeConversionSettings, or cast it in the source query';

/** How values of `source` reach `sink`, or undefined where the pair is refused. */
export const conversionBetween = (
  source: Column,
  sink: Column,
  settings: TypeSettings = DEFAULT_TYPE_SETTINGS,
): Conversion | undefined => {
  const { fidelity, convert } = assessPair(source, sink, settings);
  if (fidelity === 'refused') return undefined;
  return { fidelity, ...(convert === undefined ? {} : { convert }) };
};
