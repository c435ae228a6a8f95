// A Snowflake query as one statement without comments, fit to stand in parentheses.
import { WaybillError } from '../../core/errors.ts';
import { statementsOf } from '../common/pre-copy-script.ts';

/** A literal, a quoted name, a comment, a semicolon, or any other character. */
export const TOKENS =
  /(?<kept>'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|\$\$.*?\$\$)|(?<comment>--[^\n]*|\/\/[^\n]*|\/\*.*?\*\/)|(?<end>;)|./gs;

/** Throws DEFINITION_INVALID for text that is not one query. */
export const singleQuery = (text: string): string => {
  const [query, more] = statementsOf(text, TOKENS);
  if (query === undefined || more !== undefined || !/^[\s(]*(SELECT|WITH)\b/i.test(query)) {
    throw new WaybillError(
      'DEFINITION_INVALID',
      'The source query must be one SELECT (or WITH ... SELECT) statement.',
      { key: 'query' },
    );
  }
  return query;
};
