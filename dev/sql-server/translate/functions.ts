// T-SQL's built-in functions: each by name, with its arguments checked; an unknown one is error 195.
import { notSupported, SqlError, unknownFunction } from '../errors.ts';
import { isAnsi, isCharacter, isInteger, type SqlType } from '../sql-types.ts';
import { AGGREGATES, aggregate, WINDOWS, windowFunction } from './aggregates.ts';
import { commonType, definite, hashedBytes, like, longText, text } from './conversions.ts';
import { DATE_FUNCTIONS, datePartFunction } from './date-functions.ts';
import { quoteText } from './token-stream.ts';
import { type Expression, type Translator, typed } from './translator.ts';

type Emit = (args: readonly Expression[], t: Translator) => Expression;
interface Builtin {
  readonly least: number;
  readonly most: number;
  readonly emit: Emit;
}

const INT: SqlType = { name: 'int' };
const BIGINT: SqlType = { name: 'bigint' };
const DATETIME: SqlType = { name: 'datetime' };
const DATETIME2: SqlType = { name: 'datetime2', scale: 7 };

const arg = (args: readonly Expression[], index: number): Expression => args[index] as Expression;

const define = (least: number, most: number, emit: Emit): Builtin => ({ least, most, emit });
const textFunction = (name: string): Builtin =>
  define(1, 1, ([a]) => typed(`${name}(${text(a as Expression)})`, like(a)));
const numeric = (name: string): Builtin =>
  define(1, 1, ([a]) => typed(`${name}(${(a as Expression).sql})`, (a as Expression).type));
const float = (name: string): Builtin =>
  define(1, 1, ([a]) =>
    typed(`${name}(CAST(${(a as Expression).sql} AS double precision))`, { name: 'float' }),
  );
const constant = (sql: string, type: SqlType): Builtin => define(0, 0, () => ({ sql, type }));

function sameBranches(name: string): Emit {
  return (args) => typed(`${name}(${args.map((a) => a.sql).join(', ')})`, commonType(args));
}

const BUILTINS: Readonly<Record<string, Builtin>> = {
  len: define(1, 1, ([a]) => typed(`tsql.len(${text(a as Expression)})`, INT)),
  datalength: define(1, 1, (args) => dataLength(arg(args, 0))),
  left: define(2, 2, ([a, n]) => typed(`"left"(${text(a as Expression)}, ${n?.sql})`, like(a))),
  right: define(2, 2, ([a, n]) => typed(`"right"(${text(a as Expression)}, ${n?.sql})`, like(a))),
  substring: define(3, 3, (args) => substring(args)),
  replace: define(3, 3, ([a, b, c]) =>
    typed(
      `replace(${text(a as Expression)}, ${text(b as Expression)}, ${text(c as Expression)})`,
      longText(a),
    ),
  ),
  upper: textFunction('upper'),
  lower: textFunction('lower'),
  ltrim: textFunction('ltrim'),
  rtrim: textFunction('rtrim'),
  trim: textFunction('btrim'),
  reverse: textFunction('reverse'),
  replicate: define(2, 2, ([a, n]) => typed(`repeat(${text(a as Expression)}, ${n?.sql})`, longText(a))),
  stuff: define(4, 4, ([a, from, count, b]) =>
    typed(
      `overlay(${text(a as Expression)} placing ${text(b as Expression)} from ${from?.sql} for ${count?.sql})`,
      longText(a),
    ),
  ),
  switchoffset: define(2, 2, (args) => switchOffset(args)),
  space: define(1, 1, ([n]) => typed(`repeat(' ', ${n?.sql})`, { name: 'varchar', length: -1 })),
  charindex: define(2, 3, (args) =>
    typed(`tsql.charindex(${text(arg(args, 0))}, ${text(arg(args, 1))}, ${args[2]?.sql ?? '1'})`, INT),
  ),
  char: define(1, 1, ([n]) => typed(`chr(${n?.sql})`, { name: 'varchar', length: 1 })),
  nchar: define(1, 1, ([n]) => typed(`chr(${n?.sql})`, { name: 'nvarchar', length: 1 })),
  ascii: define(1, 1, ([a]) => typed(`ascii(${text(a as Expression)})`, INT)),
  unicode: define(1, 1, ([a]) => typed(`ascii(${text(a as Expression)})`, INT)),
  quotename: define(1, 1, ([a]) =>
    typed(`('[' || replace(${text(a as Expression)}, ']', ']]') || ']')`, { name: 'nvarchar', length: 258 }),
  ),
  concat: define(2, 254, (args) => concatenation('concat', args)),
  concat_ws: define(3, 254, (args) => concatenation('concat_ws', args)),
  hashbytes: define(2, 2, (args) => hashBytes(args)),
  isnull: define(2, 2, ([a, b]) => typed(`coalesce(${a?.sql}, ${b?.sql})`, a?.type ?? b?.type)),
  coalesce: define(2, 254, sameBranches('coalesce')),
  nullif: define(2, 2, ([a, b]) => typed(`nullif(${a?.sql}, ${b?.sql})`, a?.type)),
  abs: numeric('abs'),
  ceiling: define(1, 1, ([a]) =>
    typed(`ceil(${a?.sql})`, a?.type && isInteger(a.type) ? undefined : undefined),
  ),
  floor: define(1, 1, ([a]) => typed(`floor(${a?.sql})`, undefined)),
  sign: define(1, 1, ([a]) => typed(`sign(${a?.sql})`, undefined)),
  round: define(2, 3, (args) => rounding(args)),
  power: define(2, 2, ([a, b]) => typed(`power(${a?.sql}, ${b?.sql})`, undefined)),
  sqrt: float('sqrt'),
  exp: float('exp'),
  log: float('ln'),
  log10: float('log'),
  getdate: constant('CAST(tsql.now() AS timestamp(3))', DATETIME),
  getutcdate: constant('CAST(tsql.now() AS timestamp(3))', DATETIME),
  sysdatetime: constant('tsql.now()', DATETIME2),
  sysutcdatetime: constant('tsql.now()', DATETIME2),
  sysdatetimeoffset: constant('clock_timestamp()', { name: 'datetimeoffset', scale: 7 }),
  year: define(1, 1, ([a]) => typed(`tsql.datepart('year', CAST(${a?.sql} AS timestamp))`, INT)),
  month: define(1, 1, ([a]) => typed(`tsql.datepart('month', CAST(${a?.sql} AS timestamp))`, INT)),
  day: define(1, 1, ([a]) => typed(`tsql.datepart('day', CAST(${a?.sql} AS timestamp))`, INT)),
  eomonth: define(1, 1, ([a]) =>
    typed(`CAST(date_trunc('month', CAST(${a?.sql} AS timestamp)) + interval '1 month - 1 day' AS date)`, {
      name: 'date',
    }),
  ),
  datefromparts: define(3, 3, (args) =>
    typed(`make_date(${args.map((a) => a.sql).join(', ')})`, { name: 'date' }),
  ),
  datetimefromparts: define(7, 7, ([y, mo, d, h, mi, s, ms]) =>
    typed(
      `CAST(make_timestamp(${y?.sql}, ${mo?.sql}, ${d?.sql}, ${h?.sql}, ${mi?.sql}, ${s?.sql} + ${ms?.sql} / 1000.0) AS timestamp(3))`,
      DATETIME,
    ),
  ),
  newid: constant('gen_random_uuid()', { name: 'uniqueidentifier' }),
  rand: constant('random()', { name: 'float' }),
  db_name: define(0, 0, (_, t) =>
    typed(`CAST(${quoteText(t.context.database)} AS text)`, { name: 'nvarchar', length: 128 }),
  ),
  db_id: define(0, 1, (args, t) =>
    typed(`tsql.db_id(${args[0] ? text(args[0]) : quoteText(t.context.database)})`, { name: 'smallint' }),
  ),
  schema_name: define(0, 0, () => typed("'dbo'::text", { name: 'nvarchar', length: 128 })),
  schema_id: define(0, 1, (args) => typed(`tsql.schema_id(${args[0] ? text(args[0]) : "'dbo'"})`, INT)),
  object_id: define(1, 2, (args) =>
    typed(`tsql.object_id(${text(arg(args, 0))}, ${args[1] ? text(args[1]) : 'NULL'})`, INT),
  ),
  object_name: define(1, 1, ([a]) => typed(`tsql.object_name(${a?.sql})`, { name: 'nvarchar', length: 128 })),
  object_schema_name: define(1, 1, ([a]) =>
    typed(`tsql.object_schema_name(${a?.sql})`, { name: 'nvarchar', length: 128 }),
  ),
  col_length: define(2, 2, ([a, b]) =>
    typed(`tsql.col_length(${text(a as Expression)}, ${text(b as Expression)})`, { name: 'smallint' }),
  ),
  type_name: define(1, 1, ([a]) => typed(`tsql.type_name(${a?.sql})`, { name: 'nvarchar', length: 128 })),
  scope_identity: constant('tsql.scope_identity()', { name: 'decimal', precision: 38, scale: 0 }),
  xact_state: define(0, 0, (_, t) => t.variable('@@xact_state')),
  error_number: define(0, 0, (_, t) => t.variable('@@error_number')),
  error_message: define(0, 0, (_, t) => t.variable('@@error_message')),
  suser_sname: define(0, 0, (_, t) => t.variable('@@login')),
  original_login: define(0, 0, (_, t) => t.variable('@@login')),
  user_name: constant("'dbo'::text", { name: 'nvarchar', length: 128 }),
  serverproperty: define(1, 1, ([a]) =>
    typed(`tsql.server_property(${text(a as Expression)})`, { name: 'nvarchar', length: 128 }),
  ),
  min_active_rowversion: constant('tsql.min_active_rowversion()', { name: 'binary', length: 8 }),
  change_tracking_current_version: constant('tsql_tracking.current_version()', BIGINT),
  change_tracking_min_valid_version: define(1, 1, ([a]) =>
    typed(`tsql_tracking.min_valid_version(${a?.sql})`, BIGINT),
  ),
};

/** Moments with an offset are held in UTC, so UTC is the one offset they can be shown in. */
function switchOffset(args: readonly Expression[]): Expression {
  const [moment, offset] = args as [Expression, Expression];
  if (!["'+00:00'", "'-00:00'", '0'].includes(offset.sql))
    throw notSupported("SWITCHOFFSET to other than '+00:00'");
  return typed(`CAST(${moment.sql} AS timestamptz)`, {
    name: 'datetimeoffset',
    scale: moment.type?.scale ?? 7,
  });
}

function dataLength(value: Expression): Expression {
  const type = value.type;
  if (type && isAnsi(type)) return typed(`octet_length(${definite(value)})`, INT);
  if (type && isCharacter(type)) return typed(`octet_length(tsql.utf16(${definite(value)}))`, INT);
  const fixed: Readonly<Record<string, number>> = {
    bit: 1,
    tinyint: 1,
    smallint: 2,
    int: 4,
    bigint: 8,
    real: 4,
    float: 8,
    money: 8,
    smallmoney: 4,
    date: 3,
    datetime: 8,
    smalldatetime: 4,
    uniqueidentifier: 16,
  };
  const bytes = type ? fixed[type.name] : undefined;
  if (bytes !== undefined) return typed(`(CASE WHEN ${value.sql} IS NULL THEN NULL ELSE ${bytes} END)`, INT);
  return typed(`tsql.datalength(${value.sql})`, INT);
}

function substring(args: readonly Expression[]): Expression {
  const [a, from, count] = args as [Expression, Expression, Expression];
  if (a.type && isCharacter(a.type)) {
    return typed(`substring(${definite(a)}, ${from.sql}, ${count.sql})`, like(a));
  }
  const piece = typed(`substring(${a.sql}, ${from.sql}, ${count.sql})`, a.type);
  return a.hex && from.sql === '1' && count.sql === '8' ? { ...piece, hex: `"left"(${a.hex}, 16)` } : piece;
}

/** PostgreSQL takes at most 100 arguments of a function, SQL Server 254 of these. */
const MAX_ARGUMENTS = 100;

function concatenation(name: string, args: readonly Expression[]): Expression {
  const national = args.some((a) => a.type?.name.startsWith('n') && isCharacter(a.type));
  const texts = args.map(text);
  // One array in the place of all of them, where they are too many: both leave out what is NULL.
  const [first = "''", ...rest] = name === 'concat_ws' ? texts : ["''", ...texts];
  const sql =
    texts.length > MAX_ARGUMENTS
      ? `array_to_string(ARRAY[${rest.join(', ')}]::text[], ${first})`
      : `${name}(${texts.join(', ')})`;
  return typed(sql, {
    name: national ? 'nvarchar' : 'varchar',
    length: -1,
  });
}

function hashBytes(args: readonly Expression[]): Expression {
  const [algorithm, value] = args as [Expression, Expression];
  const collated = / COLLATE "C"\)*$/.test(value.sql);
  const bytes = hashedBytes(value, collated);
  const type: SqlType = { name: 'varbinary', length: 8000 };
  if (algorithm.sql.toUpperCase() !== "'MD5'")
    return typed(`tsql.hashbytes(${algorithm.sql}, ${bytes})`, type);
  const hex = `md5(${bytes})`;
  return { sql: `decode(${hex}, 'hex')`, type, hex };
}

function rounding(args: readonly Expression[]): Expression {
  const [a, digits, truncate] = args as [Expression, Expression, Expression | undefined];
  if (a.type?.name === 'float' || a.type?.name === 'real') {
    return typed(`CAST(round(CAST(${a.sql} AS numeric), ${digits.sql}) AS double precision)`, {
      name: 'float',
    });
  }
  return typed(
    `${truncate ? 'trunc' : 'round'}(CAST(${a.sql} AS numeric), ${digits.sql})`,
    a.type?.name === 'decimal' ? a.type : undefined,
  );
}

/** A function call whose name is the next token. */
export function functionCall(t: Translator): Expression {
  const { tokens } = t;
  const name = tokens.next().text;
  const lower = name.toLowerCase();
  tokens.expectSymbol('(');
  if (AGGREGATES.has(lower)) return aggregate(t, lower);
  if (lower in WINDOWS) return windowFunction(t, lower, argumentList(t));
  if (DATE_FUNCTIONS.has(lower)) {
    return datePartFunction(t, lower);
  }
  if (lower === 'iif') return iif(t);
  const builtin = Object.hasOwn(BUILTINS, lower) ? BUILTINS[lower] : undefined;
  if (builtin === undefined) throw unknownFunction(name);
  const args = argumentList(t);
  if (args.length < builtin.least || args.length > builtin.most) {
    throw new SqlError(174, `The ${lower} function requires ${builtin.least} argument(s).`, 15);
  }
  return builtin.emit(args, t);
}

function argumentList(t: Translator): Expression[] {
  const { tokens } = t;
  const args: Expression[] = [];
  if (tokens.acceptSymbol(')')) return args;
  do args.push(t.expression());
  while (tokens.acceptSymbol(','));
  tokens.expectSymbol(')');
  return args;
}

function iif(t: Translator): Expression {
  const { tokens } = t;
  const test = t.condition();
  tokens.expectSymbol(',');
  const yes = t.expression();
  tokens.expectSymbol(',');
  const no = t.expression();
  tokens.expectSymbol(')');
  return typed(`CASE WHEN ${test} THEN ${yes.sql} ELSE ${no.sql} END`, commonType([yes, no]));
}
