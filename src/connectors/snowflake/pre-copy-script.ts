// A Snowflake preCopyScript as statements that stay within the transaction they are run in.
import { WaybillError } from '../../core/errors.ts';

/** A literal, a quoted name, a comment, a semicolon, or any other character. */
const TOKENS =
  /(?<kept>'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|\$\$.*?\$\$)|(?<comment>--[^\n]*|\/\/[^\n]*|\/\*.*?\*\/)|(?<end>;)|./gs;

const PART = '(?:"(?:[^"]|"")+"|[A-Za-z_][\\w$]*)';
const TRUNCATE = new RegExp(
  `^TRUNCATE\\s+(?:TABLE\\s+)?(?:IF\\s+EXISTS\\s+)?(?<table>${PART}(?:\\s*\\.\\s*${PART}){0,2})$`,
  'i',
);
const WITHIN_A_TRANSACTION = ['DELETE', 'INSERT', 'UPDATE', 'MERGE', 'SELECT'];

const statementsOf = (script: string): string[] => {
  const statements = [''];
  for (const match of script.matchAll(TOKENS)) {
    const groups = match.groups ?? {};
    if (groups['end'] !== undefined) statements.push('');
    else statements[statements.length - 1] += groups['comment'] === undefined ? match[0] : ' ';
  }
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '');
};

/**
 * The script's statements without comments. Emptying a table is turned into DELETE, which is DML and as cheap in
 * Snowflake. Everything that would commit or end the transaction around it (DDL, BEGIN, CALL, ...) is refused with
 * DEFINITION_UNSUPPORTED: the target could be left empty by a copy that then fails.
 */
export const preCopyStatements = (script: string): string[] =>
  statementsOf(script).map((statement) => {
    const table = TRUNCATE.exec(statement)?.groups?.['table'];
    if (table !== undefined) return `DELETE FROM ${table}`;
    const word = /^[A-Za-z]+/.exec(statement)?.[0].toUpperCase() ?? statement.charAt(0);
    if (WITHIN_A_TRANSACTION.includes(word)) return statement;
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `The preCopyScript's ${word} statement would not stay within Snowflake's transaction. ` +
        'TRUNCATE TABLE with one name, DELETE, INSERT, UPDATE, MERGE and SELECT do; run others before the copy.',
      { key: 'preCopyScript', statement: word },
    );
  });
