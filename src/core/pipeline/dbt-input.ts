// What a WaybillDbt activity asks of dbt, from its evaluated properties.
import { DBT_COMMANDS, type DbtCommand, type DbtStep, type RunDbtInput } from '../dbt.ts';
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';

type Asked = Pick<RunDbtInput, 'target' | 'schema' | 'vars' | 'steps'>;

/** Properties of the activity, and of one of its steps; what is not here is refused by name. */
const DBT_PROPERTIES = ['target', 'schema', 'vars', 'steps'] as const;
const STEP_PROPERTIES = ['command', 'select', 'exclude', 'fullRefresh'];

/** Reads evaluated typeProperties. Throws PARAMETER_INVALID naming the property. */
export function dbtActivityInput(properties: JsonObject): Asked {
  refuseOthers(properties, DBT_PROPERTIES, '');
  const { target, schema, vars, steps } = properties;
  if (typeof target !== 'string' || target === '')
    throw invalid('target', 'the name of an output in profiles.yml');
  if (schema !== undefined && schema !== null && typeof schema !== 'string')
    throw invalid('schema', 'a name');
  if (vars !== undefined && vars !== null && !isObject(vars)) throw invalid('vars', 'an object');
  return {
    target,
    ...(schema ? { schema } : {}),
    vars: isObject(vars) ? vars : {},
    steps: stepsOf(steps ?? [{ command: 'build' }]),
  };
}

function stepsOf(steps: JsonValue): DbtStep[] {
  if (!Array.isArray(steps) || steps.length === 0) throw invalid('steps', 'an array with at least one step');
  return steps.map((step, index): DbtStep => {
    const place = `steps[${index}]`;
    if (!isObject(step)) throw invalid(place, 'an object with a "command"');
    refuseOthers(step, STEP_PROPERTIES, `${place}.`);
    const { command, fullRefresh } = step;
    if (!DBT_COMMANDS.includes(command as DbtCommand))
      throw invalid(`${place}.command`, `one of ${DBT_COMMANDS.join(', ')}`);
    if (fullRefresh !== undefined && typeof fullRefresh !== 'boolean')
      throw invalid(`${place}.fullRefresh`, 'true or false');
    const select = selectors(step['select'], `${place}.select`);
    const exclude = selectors(step['exclude'], `${place}.exclude`);
    return {
      command: command as DbtCommand,
      ...(select.length === 0 ? {} : { select }),
      ...(exclude.length === 0 ? {} : { exclude }),
      ...(fullRefresh === true ? { fullRefresh } : {}),
    };
  });
}

/** Selectors as an array, or as dbt takes them on a command line: one text with spaces between them. */
function selectors(value: JsonValue | undefined, place: string): string[] {
  const list = typeof value === 'string' ? value.split(/\s+/).filter(Boolean) : (value ?? []);
  if (!Array.isArray(list) || !list.every((one): one is string => typeof one === 'string' && one !== ''))
    throw invalid(place, 'selectors of dbt, as an array or as one text');
  // It would be taken for an option of dbt's.
  if (list.some((one) => one.startsWith('-'))) throw invalid(place, 'selectors, none beginning with "-"');
  return list;
}

function refuseOthers(given: JsonObject, known: readonly string[], place: string): void {
  const other = Object.keys(given).find((key) => !known.includes(key));
  if (other !== undefined)
    throw new WaybillError(
      'PARAMETER_INVALID',
      `WaybillDbt has no property "${place}${other}": ${known.join(', ')} are there.`,
      { property: `${place}${other}` },
    );
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const invalid = (property: string, what: string): WaybillError =>
  new WaybillError('PARAMETER_INVALID', `"${property}" of WaybillDbt must be ${what}.`, { property });
