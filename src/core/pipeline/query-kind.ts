// Whether a text can be nothing but one query: such a query may be made twice, and may be left before its end.
import type { JsonObject, JsonValue } from '../json.ts';

/** Words of statements that change something, or of queries that do. */
const CHANGING =
  /\b(insert|update|delete|merge|into|exec|execute|call|create|alter|drop|truncate|grant|revoke|declare|set|begin|commit|rollback|copy|put|remove|rm|replace(?!\s*\()|lock|nextval|openrowset|waitfor|print|raiserror|use|do|perform|vacuum|refresh|analyze|load|unload|backup|restore|kill|shutdown|reconfigure|deny|import|export)\b/i;

const QUOTED =
  /'(?:[^'\\]|''|\\[\s\S])*'|"(?:[^"]|"")*"|\[(?:[^\]]|\]\])*\]|`(?:[^`]|``)*`|--[^\n]*|\/\*[\s\S]*?\*\//g;

/**
 * True for one SELECT (or WITH ... SELECT, VALUES, SHOW) without any word that could change something. Says false when in
 * doubt: a function with an effect of its own is the one thing it cannot see.
 */
export function isPureQuery(text: string): boolean {
  const bare = text.replace(QUOTED, ' ').trim().replace(/;\s*$/, '');
  return (
    /^[\s(]*(select|with|values|show|table)\b/i.test(bare) && !bare.includes(';') && !CHANGING.test(bare)
  );
}

/** Whether a Lookup, its properties evaluated, only reads: a table, files, or one pure query. */
export function lookupOnlyReads(typeProperties: JsonObject): boolean {
  const source = typeProperties['source'];
  if (typeof source !== 'object' || source === null || Array.isArray(source)) return true;
  if (hasText(source['sqlReaderStoredProcedureName'])) return false;
  return [source['sqlReaderQuery'], source['query']].every((query) => !hasText(query) || isPureQuery(query));
}

const hasText = (value: JsonValue | undefined): value is string =>
  typeof value === 'string' && value.trim() !== '';
