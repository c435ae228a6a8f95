// CAST, CONVERT and the implicit conversions of assignment, with SQL Server's rules and styles.
import { notSupported, SqlError } from '../errors.ts';
import {
  isAnsi,
  isBinary,
  isCharacter,
  isInteger,
  isNational,
  postgresType,
  type SqlType,
} from '../sql-types.ts';
import { quoteText } from './token-stream.ts';
import type { Expression } from './translator.ts';

const TEXT_STYLES = new Set([0, 1, 2, 3, 20, 21, 23, 25, 108, 112, 114, 120, 121, 126, 127]);
const READ_STYLES = new Set([0, 20, 21, 23, 25, 112, 120, 121, 126, 127]);
const MOMENTS = new Set(['date', 'time', 'datetime', 'datetime2', 'datetimeoffset', 'smalldatetime']);
const NUMBERS = new Set(['bit', 'decimal', 'money', 'smallmoney', 'float', 'real']);

const isNumber = (type: SqlType): boolean => isInteger(type) || NUMBERS.has(type.name);

/** The literal as text of a definite type, for places where PostgreSQL would not know what it is. */
export const definite = (value: Expression): string =>
  value.literal || value.variable ? `CAST(${value.sql} AS text)` : value.sql;

/** Digits of the second that a value of this type carries. */
function fractionDigits(type: SqlType | undefined): number {
  if (type === undefined) return 7;
  if (type.name === 'datetime') return 3;
  if (type.name === 'smalldatetime') return 0;
  return type.scale ?? 7;
}

/** A value as text, the way SQL Server shows it in a style. */
export function toText(value: Expression, style?: number): string {
  const type = value.type;
  if (style !== undefined && !TEXT_STYLES.has(style)) {
    throw new SqlError(
      281,
      `${style} is not a valid style number when converting to a character string (in this stand-in).`,
    );
  }
  if (type !== undefined && isCharacter(type))
    return value.literal ? `CAST(${value.sql} AS text)` : value.sql;
  if (type === undefined && value.literal) return value.sql;
  if (type?.name === 'money' || type?.name === 'smallmoney') {
    if (style === 1) throw notSupported('CONVERT(varchar, money, 1)');
    return `round(${value.sql}, ${style === 2 ? 4 : 2})::text`;
  }
  if (type !== undefined && (isInteger(type) || type.name === 'bit' || type.name === 'decimal'))
    return `CAST(${value.sql} AS text)`;
  if (type?.name === 'uniqueidentifier') return `upper(CAST(${value.sql} AS text))`;
  if (type?.name === 'datetime2' || type?.name === 'datetime' || type?.name === 'smalldatetime') {
    const legacy = type.name !== 'datetime2' && (style ?? 0) === 0;
    return legacy
      ? `tsql.to_text(${value.sql}, 0, 0)`
      : momentText(value.sql, style || 121, fractionDigits(type));
  }
  if (type !== undefined && isBinary(type)) {
    if (style === 2) return `upper(encode(${value.sql}, 'hex'))`;
    return `tsql.to_text(${value.sql}, ${style ?? 0}, 0)`;
  }
  if (type?.name === 'date' && [undefined, 0, 20, 21, 23, 120, 121, 126].includes(style))
    return `CAST(${value.sql} AS text)`;
  if (type !== undefined && MOMENTS.has(type.name))
    return `tsql.to_text(${value.sql}, ${style || 121}, ${fractionDigits(type)})`;
  return `tsql.to_text(${value.sql}, ${style ?? -1}, 7)`;
}

/** A moment in a style known now: PostgreSQL's own function, which is much faster than one of ours for each row. */
function momentText(sql: string, style: number, digits: number): string {
  const seconds = style === 126 || style === 127 ? 'YYYY-MM-DD"T"HH24:MI:SS' : 'YYYY-MM-DD HH24:MI:SS';
  if (![21, 25, 121, 126, 127].includes(style)) return `tsql.to_text(${sql}, ${style}, ${digits})`;
  const whole = `to_char(${sql}, '${seconds}')`;
  if (digits === 0) return whole;
  const fraction = digits === 3 ? `to_char(${sql}, '${seconds}.MS')` : `to_char(${sql}, '${seconds}.US')`;
  const exact =
    digits === 7
      ? `(${fraction} || '0')`
      : digits === 3 || digits === 6
        ? fraction
        : `"left"(${fraction}, ${20 + digits})`;
  if (style !== 126 && style !== 127) return exact;
  return `CASE WHEN date_trunc('second', ${sql}) = ${sql} THEN ${whole} ELSE ${exact} END`;
}

/** CAST(value AS type) or CONVERT(type, value, style). */
export function convert(value: Expression, type: SqlType, style?: number): Expression {
  if (isCharacter(type)) return { sql: toCharacter(value, type, style), type };
  if (isBinary(type)) return { sql: toBinary(value, type, style), type };
  const from = value.type;
  if (
    from !== undefined &&
    isCharacter(from) &&
    MOMENTS.has(type.name) &&
    style !== undefined &&
    !READ_STYLES.has(style)
  ) {
    throw new SqlError(
      9809,
      `The style ${style} is not supported for conversions from varchar to ${type.name} here.`,
    );
  }
  const source = from !== undefined && isCharacter(from) ? definite(value) : value.sql;
  if (type.name === 'bigint' && value.hex)
    return { sql: `CAST(CAST('x' || ${value.hex} AS bit(64)) AS bigint)`, type };
  switch (type.name) {
    case 'bit':
    case 'tinyint':
    case 'smallint':
    case 'int':
    case 'bigint':
      return { sql: `tsql.to_${type.name}(${source})`, type };
    case 'decimal':
    case 'money':
    case 'smallmoney':
      return { sql: `CAST(tsql.to_numeric(${source}) AS ${postgresType(type)})`, type };
    case 'uniqueidentifier':
      return { sql: `CAST(${source} AS uuid)`, type };
    default:
      return { sql: `CAST(${source} AS ${postgresType(type)})`, type };
  }
}

function toCharacter(value: Expression, type: SqlType, style?: number): string {
  const text = toText(value, style);
  const length = type.length ?? -1;
  if (length < 0) return text;
  // Cutting digits off a number would change it: SQL Server refuses or shows '*'.
  const cut =
    value.type === undefined || !isNumber(value.type)
      ? `"left"(${text}, ${length})`
      : fitted(text, length, value.type);
  return type.name === 'char' || type.name === 'nchar' ? `rpad(${cut}, ${length})` : cut;
}

/** Longest text of a number, with sign and point; a decimal's is that of 38 digits, as sums outgrow their column. */
const LONGEST: Readonly<Record<string, number>> = {
  bit: 1,
  tinyint: 3,
  smallint: 6,
  int: 11,
  bigint: 20,
  decimal: 41,
};

/** Only texts that may be too long are measured: a function of ours for each row costs more than all the rest. */
function fitted(text: string, length: number, type: SqlType): string {
  const longest = LONGEST[type.name];
  return longest !== undefined && longest <= length ? text : `tsql.fit(${text}, ${length})`;
}

function toBinary(value: Expression, type: SqlType, style?: number): string {
  const from = value.type;
  const length = type.length ?? -1;
  let sql: string;
  if (from !== undefined && isCharacter(from)) {
    if (style === 1 || style === 2) sql = `tsql.from_hex(${definite(value)}, ${style})`;
    else if (isNational(from)) sql = `tsql.utf16(${definite(value)})`;
    else sql = `convert_to(${definite(value)}, 'UTF8')`;
  } else if (from === undefined && value.literal !== true) {
    sql = `tsql.to_binary(${value.sql})`;
  } else if (from !== undefined && isBinary(from)) sql = value.sql;
  else sql = `tsql.to_binary(${value.sql})`;
  if (length < 0) return sql;
  const numeric = from !== undefined && isNumber(from);
  return `tsql.fit_binary(${sql}, ${length}, ${type.name === 'binary'}, ${numeric})`;
}

type Family = 'character' | 'number' | 'moment' | 'binary' | 'guid';

function family(type: SqlType): Family {
  if (isCharacter(type)) return 'character';
  if (isBinary(type)) return 'binary';
  if (isNumber(type)) return 'number';
  return type.name === 'uniqueidentifier' ? 'guid' : 'moment';
}

/**
 * A value as it is stored into a column: converted when the families differ, never cut to the column's length
 * (PostgreSQL then raises what becomes error 2628).
 */
export function assign(value: Expression, target: SqlType | undefined): string {
  if (target === undefined || value.type === undefined) return value.sql;
  if (family(value.type) === family(target)) {
    // tinyint and bit take numbers of any kind by assignment only through our own casts.
    if (target.name === 'bit' && value.type.name !== 'bit') return `tsql.to_bit(${value.sql})`;
    if (isInteger(target) && !isInteger(value.type)) return convert(value, target).sql;
    return value.sql;
  }
  if (value.literal && !isBinary(target) && target.name !== 'bit') return value.sql;
  if (isCharacter(target)) return toText(value);
  if (isBinary(target)) {
    throw new SqlError(
      257,
      `Implicit conversion from data type ${value.type.name} to ${target.name} is not allowed. Use the CONVERT function to run this query.`,
    );
  }
  return convert(value, target).sql;
}

/** TRY_CAST and TRY_CONVERT: NULL where the conversion fails, which PostgreSQL finds out for each value. */
export function tryConvert(value: Expression, type: SqlType, style?: number): Expression {
  const from = value.type;
  const isText = from === undefined || isCharacter(from);
  const given: Expression = isText
    ? { sql: '$1', type: { name: 'nvarchar', length: -1 } }
    : { sql: `CAST($1 AS ${postgresType(from)})`, type: from };
  const attempt = `tsql.attempt(${quoteText(convert(given, type, style).sql)}, CAST(${value.sql} AS text))`;
  return { sql: isCharacter(type) ? attempt : `CAST(${attempt} AS ${postgresType(type)})`, type };
}

/** In a comparison text takes the type of what it is compared with, as in SQL Server; PostgreSQL does so with literals. */
export function compareAs(value: Expression, other: Expression): string {
  const [own, wanted] = [value.type, other.type];
  if (own === undefined || wanted === undefined || value.literal === true) return value.sql;
  if (!isCharacter(own) || isCharacter(wanted) || isBinary(wanted)) return value.sql;
  return convert(value, wanted).sql;
}

/** Text of which HASHBYTES takes the bytes: only where it is certain which bytes SQL Server would take. */
export function hashedBytes(value: Expression, utf8Collation: boolean): string {
  const type = value.type;
  if (type !== undefined && isBinary(type)) return value.sql;
  if (utf8Collation || (type !== undefined && isAnsi(type))) return `convert_to(${definite(value)}, 'UTF8')`;
  if (type !== undefined && isNational(type)) return `tsql.utf16(${definite(value)})`;
  throw new SqlError(
    8116,
    'Argument data type is invalid for argument 2 of hashbytes function: CONVERT it to varchar or varbinary first.',
  );
}

/** The type that all branches share; lengths give way to max, unequal precisions to none. */
export function commonType(values: readonly Expression[]): SqlType | undefined {
  const typed = values.filter((value) => value.sql !== 'NULL');
  const first = typed[0]?.type;
  if (first === undefined) return undefined;
  if (typed.every((value) => value.type !== undefined && isCharacter(value.type))) {
    const national = typed.some((value) => value.type?.name.startsWith('n'));
    const lengths = typed.map((value) => value.type?.length ?? -1);
    return {
      name: national ? 'nvarchar' : 'varchar',
      length: lengths.includes(-1) ? -1 : Math.max(...lengths),
    };
  }
  const same = typed.every((value) => JSON.stringify(value.type) === JSON.stringify(first));
  return same ? first : undefined;
}

/** A value as text, for functions of text. */
export const text = (value: Expression): string =>
  value.type && isCharacter(value.type) ? definite(value) : toText(value);
/** Functions of text keep the kind of text but not its length. */
export const like = (value: Expression | undefined): SqlType => ({
  name: value?.type && isAnsi(value.type) ? 'varchar' : 'nvarchar',
  length: value?.type && isCharacter(value.type) ? (value.type.length ?? -1) : -1,
});
export const longText = (value: Expression | undefined): SqlType => ({ ...like(value), length: -1 });
