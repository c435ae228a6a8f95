// DATEADD, DATEDIFF, DATEPART: functions whose first argument is a bare word.
import { SqlError } from '../errors.ts';
import { isCharacter, type SqlType } from '../sql-types.ts';
import { type Expression, type Translator, typed } from './translator.ts';

const INT: SqlType = { name: 'int' };
const BIGINT: SqlType = { name: 'bigint' };
const DATETIME: SqlType = { name: 'datetime' };

export const DATE_FUNCTIONS: ReadonlySet<string> = new Set([
  'dateadd',
  'datediff',
  'datediff_big',
  'datepart',
]);

const DATE_PARTS: Readonly<Record<string, string>> = {
  year: 'year',
  yy: 'year',
  yyyy: 'year',
  quarter: 'quarter',
  qq: 'quarter',
  q: 'quarter',
  month: 'month',
  mm: 'month',
  m: 'month',
  dayofyear: 'doy',
  dy: 'doy',
  y: 'doy',
  day: 'day',
  dd: 'day',
  d: 'day',
  week: 'week',
  wk: 'week',
  ww: 'week',
  iso_week: 'isoweek',
  isowk: 'isoweek',
  isoww: 'isoweek',
  weekday: 'weekday',
  dw: 'weekday',
  hour: 'hour',
  hh: 'hour',
  minute: 'minute',
  mi: 'minute',
  n: 'minute',
  second: 'second',
  ss: 'second',
  s: 'second',
  millisecond: 'millisecond',
  ms: 'millisecond',
  microsecond: 'microsecond',
  mcs: 'microsecond',
};

/** DATEADD, DATEDIFF, DATEPART: their first argument is a bare word. */
export function datePartFunction(t: Translator, name: string): Expression {
  const { tokens } = t;
  const word = tokens.next().lower;
  const part = DATE_PARTS[word];
  if (part === undefined) throw new SqlError(155, `'${word}' is not a recognized ${name} option.`, 15);
  const args: Expression[] = [];
  while (tokens.acceptSymbol(',')) args.push(t.expression());
  tokens.expectSymbol(')');
  const moment = (value: Expression | undefined): string => `CAST(${value?.sql} AS timestamp)`;
  const [a, b] = args;
  if (name === 'dateadd' && args.length === 2) return dateAdd(part, a as Expression, b as Expression);
  if (name === 'datediff' && args.length === 2)
    return typed(`tsql.datediff('${part}', ${moment(a)}, ${moment(b)})`, INT);
  if (name === 'datediff_big' && args.length === 2) {
    return typed(`tsql.datediff_big('${part}', ${moment(a)}, ${moment(b)})`, BIGINT);
  }
  if (name === 'datepart' && args.length === 1) return typed(`tsql.datepart('${part}', ${moment(a)})`, INT);
  throw new SqlError(174, `The ${name} function requires another number of arguments.`, 15);
}

function dateAdd(part: string, count: Expression, start: Expression): Expression {
  const type = start.type && !isCharacter(start.type) ? start.type : start.type ? DATETIME : undefined;
  // Of a kind that only PostgreSQL knows, as in a query that refers to itself: a date stays one.
  if (type === undefined) return typed(`tsql.dateadd('${part}', ${count.sql}, ${start.sql})`, type);
  const added = `tsql.dateadd('${part}', ${count.sql}, CAST(${start.sql} AS timestamp))`;
  if (type?.name === 'date') return typed(`CAST(${added} AS date)`, type);
  return typed(added, type);
}
