// Which task of a run may begin, and what the ends of the tasks make of the run.
import { type Json, objectsIn, textIn } from './json.ts';
import { type Result, type RunRecord, type RunState, runEnded, type TaskRecord } from './state.ts';

export type Verdict = 'wait' | 'run' | { readonly result: Result; readonly message: string };

const dependenciesOf = (spec: Json): string[] =>
  objectsIn(spec, 'depends_on').map((one) => textIn(one, 'task_key') ?? '');

/** Whether a task that has not begun may begin, must wait, or never will. */
export function verdictOn(task: TaskRecord, run: RunRecord): Verdict {
  const on = run.tasks.filter(({ key }) => dependenciesOf(task.spec).includes(key));
  if (on.length === 0) return 'run';
  if (!on.every(({ state }) => runEnded(state))) return 'wait';
  const succeeded = on.filter(({ state }) => state.result === 'SUCCESS').length;
  const excluded = on.filter(({ state }) => state.result === 'EXCLUDED').length;
  const failed = on.length - succeeded - excluded;
  const runIf = textIn(task.spec, 'run_if') ?? 'ALL_SUCCESS';
  const met = {
    ALL_SUCCESS: succeeded === on.length,
    AT_LEAST_ONE_SUCCESS: succeeded > 0,
    NONE_FAILED: failed === 0 && succeeded > 0,
    ALL_DONE: true,
    AT_LEAST_ONE_FAILED: failed > 0,
    ALL_FAILED: failed === on.length,
  }[runIf];
  if (met) return 'run';
  if (runIf.endsWith('FAILED') && runIf !== 'NONE_FAILED')
    return { result: 'EXCLUDED', message: `The condition ${runIf} is not met.` };
  return failed === 0
    ? { result: 'EXCLUDED', message: 'Upstream tasks were excluded.' }
    : { result: 'UPSTREAM_FAILED', message: 'An upstream task failed.' };
}

/** The run's state once each of its tasks has ended: its leaves decide. */
export function outcomeOf(run: RunRecord): RunState {
  const { tasks } = run;
  if (run.timedOut)
    return { life: 'TERMINATED', result: 'TIMEDOUT', message: 'Run timed out.', code: 'RUN_EXECUTION_ERROR' };
  if (run.cancelled)
    return { life: 'TERMINATED', result: 'CANCELED', message: 'Run cancelled.', code: 'USER_CANCELED' };
  const inner = new Set(tasks.flatMap(({ spec }) => dependenciesOf(spec)));
  const bad = ({ state }: TaskRecord): boolean => state.result !== 'SUCCESS' && state.result !== 'EXCLUDED';
  const failed = tasks.filter(bad);
  const leaf = failed.find(({ key }) => !inner.has(key));
  const first = failed.find(({ state }) => state.result !== 'UPSTREAM_FAILED') ?? leaf;
  if (failed.length === 0 || first === undefined)
    return { life: 'TERMINATED', result: 'SUCCESS', message: '', code: 'SUCCESS' };
  if (leaf === undefined)
    return {
      life: 'TERMINATED',
      result: 'SUCCESS_WITH_FAILURES',
      message: '',
      code: 'SUCCESS_WITH_FAILURES',
    };
  const { state, key } = first;
  return {
    life: state.life === 'INTERNAL_ERROR' ? 'INTERNAL_ERROR' : 'TERMINATED',
    result: state.result === 'TIMEDOUT' && tasks.length === 1 ? 'TIMEDOUT' : 'FAILED',
    message: `Task ${key} failed with message: ${state.message}${inner.has(key) ? ' This caused all downstream tasks to get skipped.' : ''}`,
    code: state.code ?? 'RUN_EXECUTION_ERROR',
  };
}
