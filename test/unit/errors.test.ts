// docs/errors.md and the code's table list the same codes, with the same words.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERRORS } from '../../src/core/errors.ts';

const documented = new Map(
  [
    ...readFileSync('docs/errors.md', 'utf8').matchAll(/^\| `([A-Z_]+)` \| (.*?) \| (.*?) \| (yes|no) \|$/gm),
  ].map((match) => [match[1] ?? '', { meaning: match[2], next: match[3], retryable: match[4] === 'yes' }]),
);

test('every code is documented as it is', () => {
  for (const [code, entry] of Object.entries(ERRORS))
    assert.deepEqual(documented.get(code), { ...entry }, code);
});

test('nothing is documented that is no code', () => {
  assert.deepEqual([...documented.keys()].sort(), Object.keys(ERRORS).sort());
});
