// LIKE's patterns with [sets] as regular expressions of PostgreSQL.

const SPECIAL = /[\\^$.|?*+()[\]{}]/g;
const plain = (text: string): string => text.replace(SPECIAL, '\\$&');

/** A set that is never closed matches nothing, as in SQL Server. */
const NOTHING = '(?!)';

/** The expression that matches a whole text as the pattern does. `escapes` makes the character after it plain. */
export function likeExpression(pattern: string, escapes: string | undefined): string {
  const characters = [...pattern];
  let expression = '';
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === escapes && at + 1 < characters.length) expression += plain(characters[++at] ?? '');
    else if (character === '%') expression += '.*';
    else if (character === '_') expression += '.';
    else if (character === '[') {
      const set = readSet(characters, at + 1, escapes);
      if (set === undefined) return NOTHING;
      expression += set.expression;
      at = set.end;
    } else expression += plain(character);
  }
  return `^${expression}$`;
}

/** The set that begins after its bracket; `end` is where the closing one stands. */
function readSet(
  characters: readonly string[],
  start: number,
  escapes: string | undefined,
): { expression: string; end: number } | undefined {
  const negated = characters[start] === '^';
  let content = '';
  for (let at = negated ? start + 1 : start; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === ']') {
      // An empty set holds nothing; an empty negated one leaves nothing out.
      if (content === '') return { expression: negated ? '.' : NOTHING, end: at };
      return { expression: `[${negated ? '^' : ''}${content}]`, end: at };
    }
    const isEscape = character === escapes && at + 1 < characters.length;
    const member = isEscape ? (characters[++at] ?? '') : character;
    const isRange = member === '-' && !isEscape && content !== '' && characters[at + 1] !== ']';
    content += isRange ? '-' : member === '-' ? '\\-' : plain(member);
  }
  return undefined;
}
