// How a Snowflake preCopyScript is read: every DDL statement there commits, so none may be in it.
import { type ScriptRule, transactionalStatements } from '../common/pre-copy-script.ts';
import { TOKENS } from './statements.ts';

const PART = '(?:"(?:[^"]|"")+"|[A-Za-z_][\\w$]*)';

const RULE: ScriptRule = {
  product: 'Snowflake',
  tokens: TOKENS,
  truncate: new RegExp(
    `^TRUNCATE\\s+(?:TABLE\\s+)?(?:IF\\s+EXISTS\\s+)?(?<table>${PART}(?:\\s*\\.\\s*${PART}){0,2})$`,
    'i',
  ),
  words: ['DELETE', 'INSERT', 'UPDATE', 'MERGE', 'SELECT'],
};

/** The script's statements; emptying a table becomes DELETE, which is as cheap in Snowflake. */
export const preCopyStatements = (script: string): string[] => transactionalStatements(script, RULE);
