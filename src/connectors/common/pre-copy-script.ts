// A preCopyScript as statements that stay within the transaction they are run in, for stores whose DDL commits.
import { WaybillError } from '../../core/errors.ts';

/** How one store's scripts are read. */
export interface ScriptRule {
  readonly product: string;
  /** Global; groups `kept` (literals and quoted names), `comment` and `end` (a semicolon); else any one character. */
  readonly tokens: RegExp;
  /** Matches a whole statement that empties one table, its name in the group `table`. */
  readonly truncate: RegExp;
  /** First words of statements that do not end the transaction around them. */
  readonly words: readonly string[];
}

/** Statements without comments, in order; semicolons within literals and names end none. */
export const statementsOf = (script: string, tokens: RegExp): string[] => {
  const statements = [''];
  for (const match of script.matchAll(tokens)) {
    const groups = match.groups ?? {};
    if (groups['end'] !== undefined) statements.push('');
    else statements[statements.length - 1] += groups['comment'] === undefined ? match[0] : ' ';
  }
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '');
};

/**
 * The script's statements without comments. Emptying a table is turned into DELETE, which is DML. Everything that
 * would commit or end the transaction around it (DDL, BEGIN, CALL, ...) is refused with DEFINITION_UNSUPPORTED: the
 * target could be left empty by a copy that then fails.
 */
export const transactionalStatements = (script: string, rule: ScriptRule): string[] =>
  statementsOf(script, rule.tokens).map((statement) => {
    const table = rule.truncate.exec(statement)?.groups?.['table'];
    if (table !== undefined) return `DELETE FROM ${table}`;
    const word = /^[A-Za-z]+/.exec(statement)?.[0].toUpperCase() ?? statement.charAt(0);
    if (rule.words.includes(word)) return statement;
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `The preCopyScript's ${word} statement would not stay within ${rule.product}'s transaction. ` +
        `TRUNCATE TABLE with one name, ${rule.words.slice(0, -1).join(', ')} and ${rule.words.at(-1)} do; run others before the copy.`,
      { key: 'preCopyScript', statement: word },
    );
  });
