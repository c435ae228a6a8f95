// The command line of one dbt step. Everything in it may be seen by others on the machine: no secret ever goes here.
import { type DbtStepInput, selectorOf } from '../../core/dbt.ts';
import { WaybillError } from '../../core/errors.ts';

export interface DbtPlaces {
  readonly project: string;
  readonly target: string;
  readonly logs: string;
}

/** Arguments of `dbt` for a step. Throws DEFINITION_INVALID where a selector would be taken for an option. */
export function dbtArguments(input: DbtStepInput, places: DbtPlaces): string[] {
  const { step, nodes } = input;
  const { command } = step;
  const args = [
    ...['--log-format', 'json', '--log-level', 'info', '--log-level-file', 'none', '--no-use-colors'],
    ...command.split(' '),
    ...['--project-dir', places.project, '--profiles-dir', places.project, '--target', input.target],
  ];
  if (Object.keys(input.vars).length > 0) args.push('--vars', JSON.stringify(input.vars));
  if (command === 'deps') return args;
  args.push('--target-path', places.target, '--log-path', places.logs);
  if (nodes !== undefined) {
    args.push('--select', ...nodes.map(selectorOf));
    // A test that belongs to a chosen model is chosen only when it is named itself.
    if (command === 'build' || command === 'test') args.push('--indirect-selection', 'empty');
  } else {
    if (step.select?.length) args.push('--select', ...step.select.map(selector));
    if (step.exclude?.length) args.push('--exclude', ...step.exclude.map(selector));
  }
  if (step.fullRefresh === true && (command === 'run' || command === 'build' || command === 'seed'))
    args.push('--full-refresh');
  return args;
}

function selector(text: string): string {
  if (text !== '' && !text.startsWith('-')) return text;
  throw new WaybillError('DEFINITION_INVALID', `"${text}" cannot be a selector of dbt.`, { selector: text });
}
