import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jobsOwnError } from '../../src/core/lakehouse/job-error.ts';

test("a job's own error comes before whatever the log ends with", () => {
  const line = (error: object): string =>
    JSON.stringify({ waybill: 'error', job: 'dataflow', run: 'r', ...error }).replace('":', '": ');
  const tail = [
    '[stdout]',
    line({ code: 'JOB_FAILED', message: 'the first' }),
    line({ code: 'DATAFLOW_INVALID', message: 'There is no column X.', next: 'Correct the script.' }),
    '[stderr]',
    '26/11/23 14:41:16 WARN SparkStringUtils: Truncated the string representation of a plan',
  ].join('\n');
  assert.equal(jobsOwnError(tail), 'DATAFLOW_INVALID There is no column X. Correct the script.');
  assert.equal(jobsOwnError('Exception in thread "main"'), undefined);
  const cut = tail.split('\n').map((each) => (each.includes('DATAFLOW') ? each.slice(0, 60) : each));
  assert.equal(jobsOwnError(cut.join('\n')), undefined, 'a line that was cut off tells nothing');
});
