// Parameters of statements and procedures as mssql takes them: ADF's types, or SQL Server's own names of types.
import type mssql from 'mssql';
import { WaybillError } from '../../core/errors.ts';
import { parseDateTime } from '../../core/expression/date-time.ts';
import type { JsonValue } from '../../core/json.ts';
import type { SqlParameter } from '../sql-commands.ts';
import type { Driver } from './connection.ts';

const NAME = /^[\p{L}_#][\p{L}\p{N}_@#$]*$/u;

/** A double carries so many digits of a decimal exactly. */
const EXACT_DIGITS = 15;

/** What tedious reads of a Date beyond its milliseconds: seconds, below one millisecond. */
interface PreciseDate extends Date {
  nanosecondDelta?: number;
}

/** Gives the request its parameters. Throws IDENTIFIER_INVALID and PARAMETER_INVALID, never with a value. */
export function addParameters(
  driver: Driver,
  request: mssql.Request,
  parameters: readonly SqlParameter[],
): void {
  for (const parameter of parameters) {
    const name = parameter.name.replace(/^@/, '');
    if (!NAME.test(name)) {
      throw new WaybillError('IDENTIFIER_INVALID', `"${parameter.name}" cannot be the name of a parameter.`);
    }
    const { type, value } = typedValue(driver, { ...parameter, name });
    if (parameter.direction === 'Input') request.input(name, type, value);
    else request.output(name, type, parameter.direction === 'Output' ? null : value);
  }
}

interface Typed {
  readonly type: mssql.ISqlType;
  readonly value: unknown;
}

function typedValue(driver: Driver, parameter: SqlParameter): Typed {
  const { value } = parameter;
  const given = (type: unknown, converted: unknown): Typed => ({
    type: type as mssql.ISqlType,
    value: value === null ? null : converted,
  });
  const fitting = <T>(convert: (text: string) => T | undefined): T | undefined => {
    if (value === null) return undefined;
    const converted = convert(plainText(value));
    if (converted !== undefined) return converted;
    throw new WaybillError(
      'PARAMETER_INVALID',
      `The value of parameter "${parameter.name}" is not a ${parameter.type}.`,
      { parameter: parameter.name, type: parameter.type ?? '' },
    );
  };
  switch (typeName(parameter)) {
    case 'int16':
    case 'int32':
    case 'int':
    case 'smallint':
    case 'tinyint':
    case 'byte':
    case 'sbyte':
    case 'uint16':
      return given(driver.Int, fitting(wholeNumber(-(2 ** 31), 2 ** 31 - 1)));
    case 'int64':
    case 'bigint':
    case 'long':
    case 'uint32':
    case 'uint64':
      return given(
        driver.BigInt,
        fitting((text) => (/^\s*[+-]?\d{1,19}\s*$/.test(text) ? text.trim() : undefined)),
      );
    case 'boolean':
    case 'bool':
    case 'bit':
      return given(driver.Bit, fitting(truth));
    case 'single':
    case 'real':
    case 'double':
    case 'float':
      return given(
        driver.Float,
        fitting((text) => finite(text)),
      );
    case 'decimal':
    case 'numeric':
    case 'money':
    case 'smallmoney':
      return decimal(
        driver,
        fitting((text) => (finite(text) === undefined ? undefined : text.trim())) ?? null,
      );
    case 'datetime':
    case 'datetime2':
    case 'smalldatetime':
      return given(driver.DateTime2(7), fitting(moment));
    case 'date':
      return given(driver.Date, fitting(moment));
    case 'datetimeoffset':
      return given(driver.DateTimeOffset(7), fitting(moment));
    case 'guid':
    case 'uniqueidentifier':
      return given(driver.UniqueIdentifier, fitting(guid));
    case 'byte[]':
    case 'bytearray':
    case 'binary':
    case 'varbinary':
      return given(
        driver.VarBinary(length(parameter, driver)),
        fitting((text) => Buffer.from(text, 'base64')),
      );
    default:
      // Times too: SQL Server reads more forms of them than a Date can carry.
      return given(
        driver.NVarChar(length(parameter, driver)),
        fitting((text) => text),
      );
  }
}

/** As .NET reads one: with or without hyphens, in braces or parentheses. */
function guid(text: string): string | undefined {
  const digits = /^(?:\{(.*)\}|\((.*)\)|(.*))$/s.exec(text.trim());
  const bare = digits?.[1] ?? digits?.[2] ?? digits?.[3] ?? '';
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(bare)) return bare;
  const parts = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/i.exec(bare);
  return parts?.slice(1).join('-');
}

/** The type as written; without one, what the JSON value is. */
function typeName({ type, value }: SqlParameter): string {
  if (type !== undefined && type.trim() !== '') {
    return type
      .trim()
      .toLowerCase()
      .replace(/^system\./, '')
      .replace(/\s*\(.*\)$/, '');
  }
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'int64' : 'double';
  return 'string';
}

/** Texts and bytes may be of any length, unless an output names one. */
const length = ({ direction, size }: SqlParameter, driver: Driver): number =>
  direction === 'Input' || size === undefined || size <= 0 || size > 4_000 ? driver.MAX : size;

/** Texts as they are; objects and arrays as their JSON. */
const plainText = (value: JsonValue): string =>
  typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value);

const finite = (text: string): number | undefined => {
  const number = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(number) ? number : undefined;
};

const wholeNumber =
  (least: number, most: number) =>
  (text: string): number | undefined => {
    const number = finite(text);
    return number !== undefined && Number.isInteger(number) && number >= least && number <= most
      ? number
      : undefined;
  };

const truth = (text: string): boolean | undefined => {
  if (/^\s*(true|1)\s*$/i.test(text)) return true;
  return /^\s*(false|0)\s*$/i.test(text) ? false : undefined;
};

const moment = (text: string): Date | undefined => {
  try {
    const { milliseconds, ticks } = parseDateTime('parameter', text);
    const date: PreciseDate = new Date(milliseconds);
    date.nanosecondDelta = ticks / 10_000_000;
    return date;
  } catch {
    return undefined;
  }
};

/** As a decimal of its own scale where a double carries all its digits, else as text, which SQL Server converts. */
function decimal(driver: Driver, text: string | null): Typed {
  if (text === null) return { type: driver.Decimal(38, 10) as unknown as mssql.ISqlType, value: null };
  const [, whole = '', fraction = ''] = /^[+-]?0*(\d*)\.?(\d*)$/.exec(text) ?? [];
  const plain = /^[+-]?[\d.]+$/.test(text);
  if (plain && whole.length + fraction.length <= EXACT_DIGITS) {
    return {
      type: driver.Decimal(38, fraction.length) as unknown as mssql.ISqlType,
      value: Number(text),
    };
  }
  return { type: driver.NVarChar(100) as unknown as mssql.ISqlType, value: text };
}
