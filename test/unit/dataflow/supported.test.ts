// What validation calls supported, the Spark side runs: the two lists name the same things.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { projectPath } from '../../../dev/cache.ts';
import { FUNCTIONS, TRANSFORMATIONS } from '../../../src/core/dataflow/supported.ts';

test('every transformation and function that validation lets pass is run by the job', () => {
  const path = projectPath('jobs', 'waybill_jobs', 'dataflow', 'supported.json');
  const job = JSON.parse(readFileSync(path, 'utf8')) as { transformations: string[]; functions: string[] };
  const lower = (names: readonly string[]): Set<string> => new Set(names.map((name) => name.toLowerCase()));
  const [functions, transformations] = [lower(job.functions), lower(job.transformations)];
  assert.deepEqual(
    FUNCTIONS.filter((name) => !functions.has(name.toLowerCase())),
    [],
  );
  assert.deepEqual(
    TRANSFORMATIONS.filter((name) => !transformations.has(name.toLowerCase())),
    [],
  );
});
