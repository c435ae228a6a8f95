// Which activities an expression anywhere in a definition refers to, found without evaluating it.
import type { JsonValue } from '../json.ts';

const REFERENCE = /\bactivity\s*\(\s*(?:'((?:[^']|'')*)'\s*\))?/gi;

/** Lower-case names of the activities referred to; 'all' where a name is made by an expression. */
export function referredActivities(definition: JsonValue): ReadonlySet<string> | 'all' {
  const names = new Set<string>();
  for (const [, name] of JSON.stringify(definition).matchAll(REFERENCE)) {
    if (name === undefined) return 'all';
    names.add((JSON.parse(`"${name}"`) as string).replaceAll("''", "'").toLowerCase());
  }
  return names;
}
