// How .NET prints dates in cultures other than en-US: the patterns behind the standard formats, and the names.
import { expressionError } from './expression-error.ts';

/** The patterns a culture chooses; every standard format that depends on the culture is made of these. */
interface DatePatterns {
  readonly shortDate: string;
  readonly longDate: string;
  readonly shortTime: string;
  readonly longTime: string;
  readonly monthDay: string;
  readonly yearMonth: string;
  /** What "/" prints in a custom format. */
  readonly separator: string;
}

const patterns = (
  shortDate: string,
  longDate: string,
  monthDay: string,
  yearMonth = 'MMMM yyyy',
  hour = 'HH',
): DatePatterns => ({
  shortDate,
  longDate,
  shortTime: `${hour}:mm`,
  longTime: `${hour}:mm:ss`,
  monthDay,
  yearMonth,
  separator: /[./-]/.exec(shortDate)?.[0] ?? '/',
});

const ENGLISH: DatePatterns = {
  shortDate: 'M/d/yyyy',
  longDate: 'dddd, MMMM d, yyyy',
  shortTime: 'h:mm tt',
  longTime: 'h:mm:ss tt',
  monthDay: 'MMMM d',
  yearMonth: 'MMMM yyyy',
  separator: '/',
};

/** By culture, then by its language; what is not here prints in the order of en-US with its own names. */
const PATTERNS: Readonly<Record<string, DatePatterns>> = {
  'en-gb': patterns('dd/MM/yyyy', 'dd MMMM yyyy', 'd MMMM'),
  de: patterns('dd.MM.yyyy', 'dddd, d. MMMM yyyy', 'd. MMMM'),
  fr: patterns('dd/MM/yyyy', 'dddd d MMMM yyyy', 'd MMMM'),
  es: patterns('dd/MM/yyyy', "dddd, d 'de' MMMM 'de' yyyy", "d 'de' MMMM", "MMMM 'de' yyyy", 'H'),
  it: patterns('dd/MM/yyyy', 'dddd d MMMM yyyy', 'd MMMM'),
  nl: patterns('d-M-yyyy', 'dddd d MMMM yyyy', 'd MMMM'),
  pt: patterns('dd/MM/yyyy', "dddd, d 'de' MMMM 'de' yyyy", "d 'de' MMMM", "MMMM 'de' yyyy"),
  sv: patterns('yyyy-MM-dd', "'den 'd MMMM yyyy", "'den 'd MMMM"),
  da: patterns('dd-MM-yyyy', 'd. MMMM yyyy', 'd. MMMM'),
  pl: patterns('dd.MM.yyyy', 'd MMMM yyyy', 'd MMMM'),
  ja: patterns('yyyy/MM/dd', "yyyy'年'M'月'd'日'", "M'月'd'日'", "yyyy'年'M'月'", 'H'),
};

/** Whether the culture's names are those of en-US. */
export const isEnglish = (culture: string): boolean => /^(en(-|$)|$)/i.test(culture);

export function datePatterns(culture: string): DatePatterns {
  const key = culture.toLowerCase();
  return PATTERNS[key] ?? PATTERNS[key.split('-')[0] ?? ''] ?? ENGLISH;
}

/** The names of days and months in other languages come from the platform's Intl. */
export function nameIn(culture: string, date: Date, part: 'weekday' | 'month', length: number): string {
  const style = length === 3 ? 'short' : 'long';
  try {
    // Beside a day, as in a date: German has "Juni" there, and "Jun" where the month stands alone.
    const beside = part === 'month' && style === 'short' ? ({ day: 'numeric' } as const) : {};
    const format = new Intl.DateTimeFormat(culture, { ...beside, [part]: style, timeZone: 'UTC' });
    const found = format.formatToParts(date).find(({ type }) => type === part);
    return found?.value ?? '';
  } catch {
    throw expressionError(`"${culture.slice(0, 40)}" is not the name of a culture`);
  }
}
