// T-SQL data types: their declarations, and the PostgreSQL type that holds each.
import { SqlError } from './errors.ts';

/** A declared T-SQL type. `length` is in characters or bytes as declared, -1 for max. */
export interface SqlType {
  readonly name: string;
  readonly length?: number;
  readonly precision?: number;
  readonly scale?: number;
}

export const Oid = {
  boolean: 16,
  bytea: 17,
  name: 19,
  bigint: 20,
  smallint: 21,
  integer: 23,
  text: 25,
  oid: 26,
  real: 700,
  double: 701,
  unknown: 705,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
  uuid: 2950,
} as const;

const SYNONYMS: Readonly<Record<string, string>> = {
  integer: 'int',
  dec: 'decimal',
  numeric: 'decimal',
  character: 'char',
  'character varying': 'varchar',
  'national character varying': 'nvarchar',
  'national char varying': 'nvarchar',
  'national character': 'nchar',
  'double precision': 'float',
  sysname: 'nvarchar',
  'binary varying': 'varbinary',
};

const WITH_LENGTH = new Set(['char', 'varchar', 'nchar', 'nvarchar', 'binary', 'varbinary']);
const LONGEST: Readonly<Record<string, number>> = {
  char: 8000,
  varchar: 8000,
  nchar: 4000,
  nvarchar: 4000,
  binary: 8000,
  varbinary: 8000,
};
const WITH_SCALE = new Set(['datetime2', 'datetimeoffset', 'time']);
const BARE = new Set([
  'bit',
  'tinyint',
  'smallint',
  'int',
  'bigint',
  'real',
  'money',
  'smallmoney',
  'date',
  'datetime',
  'smalldatetime',
  'uniqueidentifier',
  'text',
  'ntext',
  'image',
]);

/**
 * Makes a SqlType of a type name and its arguments, filling in SQL Server's defaults.
 * `whenBare` is the length of char and binary types without one: 1 in a declaration, 30 in CAST.
 */
export function declareType(typeName: string, args: readonly string[], whenBare = 1): SqlType {
  const lower = typeName.toLowerCase();
  const name = SYNONYMS[lower] ?? lower;
  if (lower === 'sysname') return { name, length: 128 };
  if (WITH_LENGTH.has(name)) return { name, length: lengthOf(name, args[0], whenBare) };
  if (name === 'decimal') return decimalType(args);
  if (WITH_SCALE.has(name)) {
    const scale = args[0] === undefined ? 7 : Number(args[0]);
    if (!(scale >= 0 && scale <= 7))
      throw new SqlError(1002, `Line 1: Specified scale ${args[0]} is invalid.`);
    return { name, scale };
  }
  if (name === 'float') return Number(args[0] ?? 53) <= 24 ? { name: 'real' } : { name: 'float' };
  if (BARE.has(name) && args.length === 0) return { name };
  throw new SqlError(2715, `Column, parameter, or variable #1: Cannot find data type ${typeName}.`);
}

function lengthOf(name: string, argument: string | undefined, whenBare: number): number {
  if (argument === undefined) return whenBare;
  if (argument.toLowerCase() === 'max') return -1;
  const length = Number(argument);
  const longest = LONGEST[name] as number;
  if (!(length >= 1))
    throw new SqlError(1001, `Line 1: Length or precision specification ${argument} is invalid.`);
  if (length > longest) {
    throw new SqlError(
      131,
      `The size (${argument}) given to the type '${name}' exceeds the maximum allowed (${longest}).`,
    );
  }
  return length;
}

function decimalType(args: readonly string[]): SqlType {
  const precision = Number(args[0] ?? 18);
  const scale = Number(args[1] ?? 0);
  if (!(precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision)) {
    throw new SqlError(
      2750,
      `Column or parameter #1: Specified column precision ${precision} is greater than the maximum precision of 38, or the scale is larger.`,
    );
  }
  return { name: 'decimal', precision, scale };
}

/** The PostgreSQL type as written in CREATE TABLE and CAST. */
export function postgresType(type: SqlType): string {
  const bounded = type.length !== undefined && type.length > 0;
  switch (type.name) {
    case 'bit':
      return 'tsql.bit';
    case 'tinyint':
      return 'tsql.tinyint';
    case 'int':
      return 'integer';
    case 'float':
      return 'double precision';
    case 'decimal':
      return `numeric(${type.precision},${type.scale})`;
    case 'money':
      return 'numeric(19,4)';
    case 'smallmoney':
      return 'numeric(10,4)';
    case 'datetime':
      return 'timestamp(3)';
    case 'smalldatetime':
      return 'timestamp(0)';
    case 'datetime2':
      return `timestamp(${Math.min(6, type.scale ?? 7)})`;
    case 'datetimeoffset':
      return `timestamptz(${Math.min(6, type.scale ?? 7)})`;
    case 'time':
      return `time(${Math.min(6, type.scale ?? 7)})`;
    case 'uniqueidentifier':
      return 'uuid';
    case 'binary':
    case 'varbinary':
    case 'image':
    case 'timestamp':
      return 'bytea';
    case 'char':
    case 'nchar':
      return `char(${type.length})`;
    case 'varchar':
    case 'nvarchar':
      return bounded ? `varchar(${type.length})` : 'text';
    case 'text':
    case 'ntext':
      return 'text';
    default:
      return type.name;
  }
}

const OIDS: Readonly<Record<string, readonly number[]>> = {
  bit: [Oid.smallint, Oid.boolean],
  tinyint: [Oid.smallint],
  smallint: [Oid.smallint],
  int: [Oid.integer],
  bigint: [Oid.bigint],
  real: [Oid.real],
  float: [Oid.double],
  decimal: [Oid.numeric],
  money: [Oid.numeric],
  smallmoney: [Oid.numeric],
  date: [Oid.date],
  datetime: [Oid.timestamp],
  smalldatetime: [Oid.timestamp],
  datetime2: [Oid.timestamp],
  datetimeoffset: [Oid.timestamptz],
  time: [Oid.time],
  uniqueidentifier: [Oid.uuid],
  binary: [Oid.bytea],
  varbinary: [Oid.bytea],
  image: [Oid.bytea],
  timestamp: [Oid.bytea],
};
const TEXT_OIDS: readonly number[] = [Oid.text, Oid.varchar, Oid.bpchar, Oid.name, Oid.unknown];

/** Whether values of PostgreSQL type `oid` are what this T-SQL type is held as. */
export function isHeldAs(type: SqlType, oid: number): boolean {
  return (OIDS[type.name] ?? TEXT_OIDS).includes(oid);
}

/** The T-SQL type to show for a PostgreSQL type that nothing was declared about. */
export function defaultType(oid: number, modifier: number): SqlType {
  switch (oid) {
    case Oid.boolean:
      return { name: 'bit' };
    case Oid.smallint:
      return { name: 'smallint' };
    case Oid.integer:
    case Oid.oid:
      return { name: 'int' };
    case Oid.bigint:
      return { name: 'bigint' };
    case Oid.real:
      return { name: 'real' };
    case Oid.double:
      return { name: 'float' };
    case Oid.numeric:
      return modifier < 4
        ? { name: 'decimal', precision: 38 }
        : { name: 'decimal', precision: ((modifier - 4) >> 16) & 0xffff, scale: (modifier - 4) & 0x7ff };
    case Oid.date:
      return { name: 'date' };
    case Oid.time:
      return { name: 'time', scale: modifier >= 0 ? modifier : 7 };
    case Oid.timestamp:
      return { name: 'datetime2', scale: modifier >= 0 && modifier < 6 ? modifier : 7 };
    case Oid.timestamptz:
      return { name: 'datetimeoffset', scale: modifier >= 0 && modifier < 6 ? modifier : 7 };
    case Oid.uuid:
      return { name: 'uniqueidentifier' };
    case Oid.bytea:
      return { name: 'varbinary', length: -1 };
    default:
      return { name: 'nvarchar', length: modifier > 4 && modifier - 4 <= 4000 ? modifier - 4 : -1 };
  }
}

export const isNational = (type: SqlType): boolean => ['nvarchar', 'nchar', 'ntext'].includes(type.name);
export const isAnsi = (type: SqlType): boolean => ['varchar', 'char', 'text'].includes(type.name);
export const isCharacter = (type: SqlType): boolean => isNational(type) || isAnsi(type);
export const isBinary = (type: SqlType): boolean => ['varbinary', 'binary', 'image'].includes(type.name);
export const isInteger = (type: SqlType): boolean =>
  ['tinyint', 'smallint', 'int', 'bigint'].includes(type.name);
