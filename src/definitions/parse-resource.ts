// Parses a resource's properties with a schema and turns what does not fit into problems with JSON pointers.
import type { z } from 'zod';
import type { JsonObject } from '../core/json.ts';
import type { Problems } from './problem.ts';

/** The parsed object, or undefined after reporting DEFINITION_INVALID for every misfit. */
export function parseWith<T>(
  schema: z.ZodType<T>,
  value: JsonObject,
  path: readonly PropertyKey[],
  problems: Problems,
): T | undefined {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const what = issue.path.length === 0 ? '' : `"${String(issue.path.at(-1))}": `;
    problems.error([...path, ...issue.path], 'DEFINITION_INVALID', `${what}${issue.message}.`);
  }
  return undefined;
}
