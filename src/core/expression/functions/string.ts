// String functions. Which ones ignore case follows Microsoft's page on expressions and functions.
import { expressionError } from '../expression-error.ts';
import { toText } from '../values.ts';
import { type FunctionEntry, integer, MANY, plain, raw, text } from './define.ts';
import { lower, upper } from './letter-case.ts';

/** .NET's Guid formats: D with hyphens, N without, B in braces, P in parentheses. */
function formatGuid(guid: string, format: string): string {
  switch (format.toUpperCase()) {
    case '':
    case 'D':
      return guid;
    case 'N':
      return guid.replaceAll('-', '');
    case 'B':
      return `{${guid}}`;
    case 'P':
      return `(${guid})`;
    case 'X': {
      const [a = '', b = '', c = '', d = '', e = ''] = guid.split('-');
      const bytes = `${d}${e}`.match(/../g) ?? [];
      return `{0x${a},0x${b},0x${c},{${bytes.map((byte) => `0x${byte}`).join(',')}}}`;
    }
    default:
      throw expressionError(`guid() knows the formats D, N, B, P and X, not "${format}"`);
  }
}

function substring(value: string, start: number, length: number): string {
  if (start < 0 || length < 0 || start + length > value.length) {
    throw expressionError(
      `substring() from ${start} for ${length} is outside the string of ${value.length} characters`,
    );
  }
  return value.slice(start, start + length);
}

/** Microsoft's page: an empty text sought in a text is "found" at that text's last character. */
function lastIndexOf(value: string, sought: string): number {
  if (sought === '') return value === '' ? 0 : value.length - 1;
  return lower(value).lastIndexOf(lower(sought));
}

export const STRING: FunctionEntry[] = [
  raw('concat', 1, MANY, (args) => args.map((arg) => toText(arg)).join('')),
  plain('endsWith', 2, 2, ([a, b]) => lower(text('endsWith', a)).endsWith(lower(text('endsWith', b)))),
  plain('startsWith', 2, 2, ([a, b]) =>
    lower(text('startsWith', a)).startsWith(lower(text('startsWith', b))),
  ),
  plain('guid', 0, 1, ([format], context) =>
    formatGuid(context.guid(), format === undefined ? 'D' : text('guid', format)),
  ),
  plain('indexOf', 2, 2, ([a, b]) => lower(text('indexOf', a)).indexOf(lower(text('indexOf', b)))),
  plain('lastIndexOf', 2, 2, ([a, b]) => lastIndexOf(text('lastIndexOf', a), text('lastIndexOf', b))),
  plain('replace', 3, 3, ([a, b, c]) => {
    const sought = text('replace', b);
    if (sought === '') throw expressionError('replace() cannot look for an empty string');
    return text('replace', a).split(sought).join(text('replace', c));
  }),
  plain('split', 2, 2, ([a, b]) => {
    const separator = text('split', b);
    return separator === '' ? [text('split', a)] : text('split', a).split(separator);
  }),
  plain('substring', 2, 3, ([a, start, length]) => {
    const value = text('substring', a);
    const from = integer('substring', start);
    return substring(value, from, length === undefined ? value.length - from : integer('substring', length));
  }),
  plain('toLower', 1, 1, ([a]) => lower(text('toLower', a))),
  plain('toUpper', 1, 1, ([a]) => upper(text('toUpper', a))),
  plain('trim', 1, 1, ([a]) => text('trim', a).trim()),
];
