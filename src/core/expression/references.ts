// What an expression refers to, without evaluating it: for checks before anything runs.
import { parseTemplate } from './parse.ts';
import type { Expression } from './syntax.ts';

/** A call of a function or scope, with the properties read from it: `pipeline().parameters.day` has that path. */
export interface Reference {
  readonly name: string;
  /** The arguments that are texts; undefined for any other argument. */
  readonly args: (string | undefined)[];
  /** Properties read from the result by name, as far as they are constant. */
  readonly path: string[];
  readonly at: number;
}

/** Every call in a string of a definition. Throws EXPRESSION_INVALID where the string cannot be parsed. */
export function referencesOf(text: string): Reference[] {
  const template = parseTemplate(text);
  const found: Reference[] = [];
  if (template.kind === 'expression') collect(template.expression, [], found);
  if (template.kind === 'interpolation') {
    for (const part of template.parts) if (typeof part !== 'string') collect(part, [], found);
  }
  return found;
}

function collect(expression: Expression, path: string[], found: Reference[]): void {
  switch (expression.kind) {
    case 'literal':
      return;
    case 'member':
      collect(expression.target, [expression.name, ...path], found);
      return;
    case 'index': {
      const { index } = expression;
      const name = index.kind === 'literal' && typeof index.value === 'string' ? index.value : undefined;
      // A computed index ends what is known of the path.
      collect(expression.target, name === undefined ? [] : [name, ...path], found);
      collect(index, [], found);
      return;
    }
    case 'call':
      found.push({
        name: expression.name,
        args: expression.args.map((arg) =>
          arg.kind === 'literal' && typeof arg.value === 'string' ? arg.value : undefined,
        ),
        path,
        at: expression.at,
      });
      for (const arg of expression.args) collect(arg, [], found);
  }
}
