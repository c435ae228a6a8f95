// Checks every expression in a piece of a definition without evaluating it: syntax, functions, and what they refer to.
import { WaybillError } from '../core/errors.ts';
import {
  isKnownFunction,
  isLiteralSecret,
  SCOPES,
  unknownFunction,
  wrongCount,
} from '../core/expression/evaluate.ts';
import { FUNCTIONS } from '../core/expression/functions/index.ts';
import { isDynamic } from '../core/expression/parse.ts';
import { type Reference, referencesOf } from '../core/expression/references.ts';
import type { JsonValue } from '../core/json.ts';
import { nearestName } from '../core/nearest-name.ts';
import { didYouMean, type Problems } from './problem.ts';

/** The names that expressions at one place may use. A list that is absent means: that scope cannot be used there. */
export interface ExpressionScope {
  readonly parameters?: readonly string[];
  readonly globalParameters?: readonly string[];
  readonly variables?: readonly string[];
  readonly activities?: readonly string[];
  readonly dataset?: readonly string[];
  readonly linkedService?: readonly string[];
  readonly item?: boolean;
  readonly trigger?: boolean;
  /** A dataset's: what the activity that uses it may say can be said here too; checked where it is used. */
  readonly caller?: boolean;
}

/** Data Factory evaluates a dataset where the activity stands: Microsoft's incremental copy tutorial has pipeline().RunId in one. */
const CALLERS_OWN = new Set(['pipeline', 'variables', 'activity', 'item', 'trigger', 'triggerbody']);

/** Whether anything inside of `value` speaks of what only the activity that uses it has. */
export const usesCaller = (value: JsonValue): boolean =>
  /\b(pipeline|variables|activity|item|trigger|triggerbody)\s*\(/i.test(JSON.stringify(value));

const scopeNames = new Map<string, string>(SCOPES.map((name) => [name.toLowerCase(), name]));

/** Reports EXPRESSION_INVALID and REFERENCE_MISSING for every string inside `value`. */
export function checkExpressions(
  value: JsonValue | undefined,
  path: readonly PropertyKey[],
  scope: ExpressionScope,
  problems: Problems,
): void {
  if (typeof value === 'string') {
    if (isDynamic(value)) checkText(value, path, scope, problems);
  } else if (Array.isArray(value)) {
    value.forEach((entry, index) => {
      checkExpressions(entry, [...path, index], scope, problems);
    });
  } else if (typeof value === 'object' && value !== null && !isLiteralSecret(value)) {
    for (const [key, entry] of Object.entries(value))
      checkExpressions(entry, [...path, key], scope, problems);
  }
}

/** How much of an expression a message repeats: nothing of a linked service's, which may hold a password. */
function excerpt(text: string, scope: ExpressionScope): string {
  if (scope.linkedService !== undefined) return '';
  return `: ${text.length <= 100 ? text : `${text.slice(0, 97)}...`}`;
}

function checkText(
  text: string,
  path: readonly PropertyKey[],
  scope: ExpressionScope,
  problems: Problems,
): void {
  let references: Reference[];
  try {
    references = referencesOf(text);
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error;
    problems.error(path, 'EXPRESSION_INVALID', `${error.message}${excerpt(text, scope)}`);
    return;
  }
  for (const reference of references) checkReference(reference, text, path, scope, problems);
}

function checkReference(
  reference: Reference,
  text: string,
  path: readonly PropertyKey[],
  scope: ExpressionScope,
  problems: Problems,
): void {
  const key = reference.name.toLowerCase();
  const bad = (reason: string): void =>
    problems.error(
      path,
      'EXPRESSION_INVALID',
      `${reason} (at character ${reference.at + 1})${excerpt(text, scope)}`,
    );
  if (!isKnownFunction(key)) {
    bad(unknownFunction(reference.name));
    return;
  }
  const entry = FUNCTIONS.get(key);
  if (entry !== undefined) {
    const count = reference.args.length;
    if (count < entry.min || count > entry.max) bad(wrongCount(entry.name, entry.min, entry.max, count));
    return;
  }
  const missing = (what: string, name: string, names: readonly string[]): void => {
    if (names.some((other) => other.toLowerCase() === name.toLowerCase())) return;
    problems.error(
      path,
      'REFERENCE_MISSING',
      `There is no ${what} "${name}"${excerpt(text, scope)}`,
      didYouMean(nearestName(name, names)),
    );
  };
  const known = usedNames(scope, key, reference);
  if (known === undefined) bad(`${scopeNames.get(key)}() cannot be used here`);
  else if (known !== 'any' && known.name !== undefined) missing(known.what, known.name, known.names);
}

/** What name a scope call refers to and which exist there; "any" where nothing can be checked. */
function usedNames(
  scope: ExpressionScope,
  key: string,
  { args, path }: Reference,
): { what: string; name: string | undefined; names: readonly string[] } | 'any' | undefined {
  const of = (names: readonly string[] | undefined, what: string, name: string | undefined) =>
    names === undefined ? undefined : { what, name, names };
  if (scope.caller === true && CALLERS_OWN.has(key) && path[0]?.toLowerCase() !== 'globalparameters')
    return 'any';
  switch (key) {
    case 'pipeline': {
      if (scope.parameters === undefined && scope.globalParameters === undefined) return undefined;
      const section = path[0]?.toLowerCase();
      if (section === 'parameters') return of(scope.parameters, 'pipeline parameter', path[1]);
      if (section === 'globalparameters') return of(scope.globalParameters, 'global parameter', path[1]);
      return 'any';
    }
    case 'variables':
      return of(scope.variables, 'variable', args[0]);
    case 'activity':
      return of(scope.activities, 'activity', args[0]);
    case 'dataset':
      return of(scope.dataset, 'dataset parameter', path[0]);
    case 'linkedservice':
      return of(scope.linkedService, 'linked service parameter', path[0]);
    case 'item':
      return scope.item === true ? 'any' : undefined;
    default:
      return scope.trigger === true ? 'any' : undefined;
  }
}
