// The parameters of a data flow for one run: values, and expressions that Spark evaluates.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { constantOf, walkNodes } from './options.ts';
import { parseExpression } from './parse-script.ts';
import type { Node, Program } from './syntax.ts';

export interface BoundParameters {
  /** Those whose value is known. */
  readonly values: JsonObject;
  /** The program with the expressions of the others as their defaults. */
  readonly program: Program;
}

/**
 * Binds what an activity gives to what the data flow declares. A text that is given is a data flow expression, as in Data
 * Factory: `'abc'` is abc; one that is none, or names columns, is taken as the text it is. Throws PARAMETER_MISSING.
 */
export function bindParameters(program: Program, given: JsonObject): BoundParameters {
  const byName = new Map(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]));
  const values: JsonObject = {};
  const parameters = program.parameters.map((parameter) => {
    const value = byName.get(parameter.name.toLowerCase());
    const bind = (node: Node): typeof parameter => {
      const constant = constantOf(node, values);
      if (constant === undefined) return { ...parameter, default: node };
      values[parameter.name] = typed(constant, parameter.type);
      return parameter;
    };
    if (value === undefined || value === null) {
      if (parameter.default !== null) return bind(parameter.default);
      throw new WaybillError(
        'PARAMETER_MISSING',
        `The data flow needs a value for its parameter "${parameter.name}".`,
        { parameter: parameter.name },
      );
    }
    const expression = typeof value === 'string' ? expressionIn(value) : undefined;
    if (expression !== undefined) return bind(expression);
    values[parameter.name] = typed(value, parameter.type);
    return parameter;
  });
  return { values, program: { ...program, parameters } };
}

/** The expression that a text is; undefined for one that is not, or that refers to columns, which no parameter can. */
function expressionIn(text: string): Node | undefined {
  let node: Node;
  try {
    node = parseExpression(text);
  } catch (error) {
    if (error instanceof WaybillError) return undefined;
    throw error;
  }
  let columns = false;
  walkNodes(node, (inner) => {
    if (inner.type === 'column') columns = true;
  });
  return columns ? undefined : node;
}

/** A text where text is declared: pipelines give numbers as they come. */
function typed(value: JsonValue, type: string): JsonValue {
  if (type === 'string' && value !== null && typeof value !== 'string') return String(value);
  if (type === 'string[]' && typeof value === 'string') return [value];
  return value;
}
