// A parameter's value as the scalar a driver binds, for stores that take a value's type from the value.
import { WaybillError } from '../../core/errors.ts';
import type { SqlParameter } from '../sql-commands.ts';

/**
 * The value as its declared type: numbers and truth from text, objects as their JSON. Throws PARAMETER_INVALID where it is
 * none of that type, and DEFINITION_UNSUPPORTED for an output, which these stores do not have; never with a value.
 */
export function scalarParameter(
  { name, value, type, direction }: SqlParameter,
  product: string,
): string | number | boolean | null {
  if (direction !== 'Input') {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `Parameter "${name}" is ${direction}, but statements on ${product} return results only: select the value instead.`,
      { parameter: name },
    );
  }
  if (value === null) return null;
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const fitting = <T>(converted: T | undefined): T => {
    if (converted !== undefined) return converted;
    throw new WaybillError('PARAMETER_INVALID', `The value of parameter "${name}" is not a ${type}.`, {
      parameter: name,
      type: type ?? '',
    });
  };
  switch ((type ?? '').toLowerCase()) {
    case 'boolean':
    case 'bool':
    case 'bit':
      if (/^\s*(true|1)\s*$/i.test(text)) return true;
      return fitting(/^\s*(false|0)\s*$/i.test(text) ? false : undefined);
    case 'int16':
    case 'int32':
    case 'int64':
    case 'int':
    case 'integer':
    case 'bigint':
    case 'smallint':
    case 'tinyint':
      // Digits that a double would lose go as text, which the store converts.
      return fitting(/^\s*[+-]?\d{1,19}\s*$/.test(text) ? exact(text.trim()) : undefined);
    case 'single':
    case 'double':
    case 'float':
    case 'real':
      return fitting(text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined);
    case 'decimal':
    case 'numeric':
    case 'number':
      return fitting(text.trim() !== '' && Number.isFinite(Number(text)) ? text.trim() : undefined);
    default:
      return type === undefined && (typeof value === 'number' || typeof value === 'boolean') ? value : text;
  }
}

const exact = (text: string): string | number => {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
};
