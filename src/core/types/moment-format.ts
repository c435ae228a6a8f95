// Moments in the text of .NET custom format strings ("dd/MM/yyyy HH:mm:ss.fff zzz"), to and from canonical text.
import { WaybillError } from '../errors.ts';

/** A moment taken apart; every part is text of its canonical width. */
interface Parts {
  year: string;
  month: string;
  day: string;
  hour: string;
  minute: string;
  second: string;
  /** Digits after the point, as many as there are. */
  fraction: string;
  /** "Z", "+02:00" or nothing. */
  zone: string;
}

const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

interface Field {
  readonly pattern: string;
  read?(text: string, parts: Parts, state: { pm?: boolean; twelve?: boolean }): void;
  write(parts: Parts): string;
}

const number = (part: keyof Parts, width: number, digits: string): Field => ({
  pattern: `(${digits})`,
  read: (text, parts) => {
    parts[part] = text.padStart(part === 'year' ? 4 : 2, '0');
  },
  write: (parts) => {
    const value = parts[part];
    return width === 1 ? String(Number(value)) : value.slice(-width).padStart(width, '0');
  },
});

const names = (list: readonly string[], length: number | undefined, part: 'month' | 'day'): Field => ({
  pattern: `(${list.map((name) => name.slice(0, length)).join('|')})`,
  ...(part === 'month'
    ? {
        read: (text: string, parts: Parts) => {
          const at = list.findIndex((name) => name.slice(0, length).toLowerCase() === text.toLowerCase());
          parts.month = String(at + 1).padStart(2, '0');
        },
      }
    : {}),
  write: (parts) => {
    const at =
      part === 'month'
        ? Number(parts.month) - 1
        : new Date(Date.UTC(Number(parts.year), Number(parts.month) - 1, Number(parts.day))).getUTCDay();
    return (list[at] ?? '').slice(0, length);
  },
});

const twelveHours = (width: number): Field => ({
  pattern: width === 1 ? '(\\d{1,2})' : '(\\d{2})',
  read: (text, parts, state) => {
    parts.hour = text.padStart(2, '0');
    state.twelve = true;
  },
  write: (parts) => String(Number(parts.hour) % 12 || 12).padStart(width, '0'),
});

const halfDay = (width: number): Field => ({
  pattern: width === 1 ? '([AaPp])' : '([AaPp][Mm])',
  read: (text, _parts, state) => {
    state.pm = /^p/i.test(text);
  },
  write: (parts) => (Number(parts.hour) < 12 ? 'AM' : 'PM').slice(0, width),
});

const fraction = (width: number, optional: boolean): Field => ({
  pattern: optional ? `(\\d{0,${width}})` : `(\\d{${width}})`,
  read: (text, parts) => {
    parts.fraction = text;
  },
  write: (parts) => {
    const text = parts.fraction.slice(0, width).padEnd(width, '0');
    return optional ? text.replace(/0+$/, '') : text;
  },
});

const zone = (width: number): Field => ({
  pattern: '([Zz]|[+-]\\d{1,2}(?::?\\d{2})?|)',
  read: (text, parts) => {
    const found = /^([+-])(\d{1,2}):?(\d{2})?$/.exec(text);
    parts.zone =
      found === null ? text.toUpperCase() : `${found[1]}${found[2]?.padStart(2, '0')}:${found[3] ?? '00'}`;
  },
  write: ({ zone: text }) => {
    if (width === 0) return text;
    const offset = text === 'Z' || text === '' ? '+00:00' : text;
    if (width >= 3) return offset;
    return width === 2 ? offset.slice(0, 3) : `${offset[0]}${Number(offset.slice(1, 3))}`;
  },
});

const fieldFor = (letter: string, length: number): Field | undefined => {
  const two = (part: keyof Parts): Field => number(part, length, length === 1 ? '\\d{1,2}' : '\\d{2}');
  switch (letter) {
    case 'y':
      return length <= 2
        ? undefined // A year of two digits names no century.
        : number('year', 4, '\\d{4}');
    case 'M':
      return length >= 3 ? names(MONTHS, length === 3 ? 3 : undefined, 'month') : two('month');
    case 'd':
      return length >= 3 ? names(DAYS, length === 3 ? 3 : undefined, 'day') : two('day');
    case 'H':
      return two('hour');
    case 'h':
      return twelveHours(length);
    case 'm':
      return two('minute');
    case 's':
      return two('second');
    case 'f':
      return fraction(length, false);
    case 'F':
      return fraction(length, true);
    case 't':
      return halfDay(Math.min(length, 2));
    case 'z':
      return zone(Math.min(length, 3));
    case 'K':
      return zone(0);
    default:
      return undefined;
  }
};

const literalField = (text: string): Field => ({
  pattern: text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&'),
  write: () => text,
});

const LETTERS = 'yMdHhmsfFtzK';

const fieldsOf = (format: string): Field[] => {
  const fields: Field[] = [];
  for (let at = 0; at < format.length; ) {
    const letter = format[at] ?? '';
    if (letter === "'" || letter === '"') {
      const end = format.indexOf(letter, at + 1);
      if (end < 0) throw badFormat(format, 'it has an open quote');
      fields.push(literalField(format.slice(at + 1, end)));
      at = end + 1;
    } else if (letter === '\\') {
      fields.push(literalField(format[at + 1] ?? ''));
      at += 2;
    } else if (letter === '%') {
      at++;
    } else {
      let length = 1;
      while (format[at + length] === letter) length++;
      const field = fieldFor(letter, length);
      if (field === undefined && LETTERS.includes(letter)) {
        throw badFormat(format, `"${letter.repeat(length)}" is not supported`);
      }
      fields.push(field ?? literalField(letter.repeat(length)));
      at += length;
    }
  }
  return fields;
};

const badFormat = (format: string, why: string): WaybillError =>
  new WaybillError(
    'DEFINITION_INVALID',
    `The date format "${format}" of the translator cannot be used: ${why}.`,
    { format },
  );

export interface MomentFormat {
  /** The text as ISO 8601 ("2024-02-29T13:14:15.5+02:00", no zone where the format has none); undefined if it does not fit. */
  toIso(text: string): string | undefined;
  /** Canonical text of a Date, DateTime, DateTimeOffset or TimeSpan in this format. */
  fromCanonical(text: string): string;
}

/** Reads a .NET custom date or time-span format. Throws DEFINITION_INVALID for one with parts it does not know. */
export const momentFormat = (format: string): MomentFormat => {
  const fields = fieldsOf(format);
  const pattern = new RegExp(`^${fields.map((field) => field.pattern).join('')}$`, 'i');
  const readers = fields.flatMap((field) => (/^\(/.test(field.pattern) ? [field] : []));
  return {
    toIso(text) {
      const found = pattern.exec(text.trim());
      if (found === null) return undefined;
      const parts: Parts = {
        year: '1970',
        month: '01',
        day: '01',
        hour: '00',
        minute: '00',
        second: '00',
        fraction: '',
        zone: '',
      };
      const state: { pm?: boolean; twelve?: boolean } = {};
      readers.forEach((field, i) => {
        field.read?.(found[i + 1] ?? '', parts, state);
      });
      if (state.twelve === true && state.pm !== undefined) {
        parts.hour = String((Number(parts.hour) % 12) + (state.pm ? 12 : 0)).padStart(2, '0');
      }
      const clock = `${parts.hour}:${parts.minute}:${parts.second}`;
      return `${parts.year}-${parts.month}-${parts.day}T${clock}${parts.fraction === '' ? '' : `.${parts.fraction}`}${parts.zone}`;
    },
    fromCanonical(text) {
      const found = /^(?:(\d{4})-(\d\d)-(\d\d))?T?(?:(\d\d):(\d\d):(\d\d)(?:\.(\d+))?)?(Z?)$/.exec(text);
      if (found === null) return text;
      const [
        ,
        year = '1970',
        month = '01',
        day = '01',
        hour = '00',
        minute = '00',
        second = '00',
        digits = '',
        utc = '',
      ] = found;
      const parts: Parts = { year, month, day, hour, minute, second, fraction: digits, zone: utc };
      return fields.map((field) => field.write(parts)).join('');
    },
  };
};
