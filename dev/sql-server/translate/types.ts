// Reads a data type as it stands in CAST, CREATE TABLE and DECLARE.
import { SqlError } from '../errors.ts';
import { declareType, type SqlType } from '../sql-types.ts';
import type { Translator } from './translator.ts';

const TWO_WORDS: Readonly<Record<string, readonly string[]>> = {
  double: ['precision'],
  national: ['character', 'char'],
  character: ['varying'],
  char: ['varying'],
  binary: ['varying'],
};

/** `whenBare` is the length of char and binary types given without one. */
export function dataType(t: Translator, whenBare = 1): SqlType {
  const { tokens } = t;
  if (!tokens.isName() && !tokens.isWord('national', 'double')) throw tokens.unexpected();
  let name = tokens.next().text;
  if (tokens.isSymbol('.')) {
    tokens.next();
    if (name.toLowerCase() !== 'sys')
      throw new SqlError(2715, `Cannot find data type ${name}.${tokens.name()}.`);
    name = tokens.name();
  }
  if (name.toLowerCase() === 'timestamp' || name.toLowerCase() === 'rowversion') {
    throw new SqlError(
      2715,
      `Column, parameter, or variable: data type ${name} is not supported by this stand-in.`,
    );
  }
  for (let more = TWO_WORDS[name.toLowerCase()]; more !== undefined && tokens.isWord(...more); ) {
    name = `${name} ${tokens.next().lower}`;
    more = name === 'national character' || name === 'national char' ? ['varying'] : undefined;
  }
  const args: string[] = [];
  if (tokens.acceptSymbol('(')) {
    do args.push(tokens.next().text);
    while (tokens.acceptSymbol(','));
    tokens.expectSymbol(')');
  }
  return declareType(name, args, whenBare);
}
