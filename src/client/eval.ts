// The `eval` command: the value of one expression, as JSON.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { WaybillError } from '../core/errors.ts';
import type { EvaluationContext } from '../core/expression/context.ts';
import { evaluateTextRaw, SCOPES } from '../core/expression/evaluate.ts';
import { Float } from '../core/expression/syntax.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { nearestName } from '../core/nearest-name.ts';
import { readJson } from '../definitions/json-reader.ts';

/**
 * Evaluates `expression` as a definition would have it: `@...`, or a text with `@{...}`. `context` names a JSON file with the
 * scopes: `{ "pipeline": { "parameters": {} }, "variables": {}, "activity": { "name": { "output": {} } }, "item": ... }`.
 */
export function evalCommand(expression: string, options: { context?: string }): void {
  const scopes = options.context === undefined ? {} : readScopes(options.context);
  try {
    const value = evaluateTextRaw(expression, contextOf(scopes));
    // JSON has room for every digit of a 64-bit number, JavaScript's numbers have not.
    console.log(
      typeof value === 'bigint'
        ? value.toString()
        : JSON.stringify(value instanceof Float ? value.value : value),
    );
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error;
    const position = error.details['position'];
    console.error(`✖ ${error.code} ${error.message}`);
    if (typeof position === 'number' && !expression.includes('\n') && position <= 200)
      console.error(`  ${expression.slice(0, 200)}\n  ${' '.repeat(position - 1)}^`);
    process.exitCode = 1;
  }
}

function readScopes(path: string): JsonObject {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new WaybillError('OBJECT_MISSING', `There is no file ${path}.`, { file: path });
  }
  const { value, problems } = readJson(text, path);
  const fault = problems.find(({ severity }) => severity === 'error');
  if (fault !== undefined || typeof value !== 'object' || value === null || Array.isArray(value))
    throw new WaybillError(
      'DEFINITION_INVALID',
      `${path}: ${fault?.reason ?? 'The file holds no JSON object.'}`,
      {
        file: path,
      },
    );
  return value;
}

function contextOf(scopes: JsonObject): EvaluationContext {
  const given = new Map(Object.entries(scopes).map(([name, value]) => [name.toLowerCase(), value]));
  const roots: Record<string, (args: JsonValue[]) => JsonValue> = {};
  for (const scope of SCOPES) {
    const value = given.get(scope.toLowerCase());
    if (value === undefined) continue;
    const named = scope === 'variables' || scope === 'activity';
    roots[scope.toLowerCase()] = named ? ([name]) => member(scope, value, name ?? null) : () => value;
  }
  return { roots, now: Date.now, guid: randomUUID, random: Math.random };
}

/** A variable or an activity by its name, in any case. */
function member(scope: string, value: JsonValue, name: JsonValue): JsonValue {
  const entries =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
  const wanted = String(name);
  const found =
    entries.find(([key]) => key === wanted) ??
    entries.find(([key]) => key.toLowerCase() === wanted.toLowerCase());
  if (found !== undefined) return found[1];
  const near = nearestName(
    wanted,
    entries.map(([key]) => key),
  );
  throw new WaybillError(
    'EXPRESSION_INVALID',
    `The context has no ${scope === 'variables' ? 'variable' : 'activity'} "${wanted}".${
      near === undefined ? '' : ` Did you mean "${near}"?`
    }`,
  );
}
