// The workflow bundle is the sandbox's truth: small, and made of our workflows, core and Temporal's own packages.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const bundle = readFileSync(fileURLToPath(new URL('../../workflow-bundle.js', import.meta.url)), 'utf8');
/** The source map follows the code and costs the sandbox nothing. */
const code = bundle.slice(0, bundle.lastIndexOf('//# sourceMappingURL'));

const ALLOWED_PACKAGES = ['@temporalio/common', '@temporalio/workflow', 'long', 'ms', 'nexus-rpc'];

test('the workflow bundle stays under 1.25 MB of code', () => {
  assert.ok(code.length > 300_000, `${code.length} characters: this is no bundle`);
  assert.ok(code.length < 1_250_000, `${code.length} characters: something heavy got in`);
});

test('the bundle holds no package but those a workflow needs', () => {
  const packages = new Set(
    [...code.matchAll(/node_modules\/((?:@[\w.-]+\/)?[\w.-]+)\//g)].map((match) => match[1]),
  );
  assert.deepEqual([...packages].sort(), ALLOWED_PACKAGES);
});

test('of our own code it holds core and workflows only', () => {
  const own = [...code.matchAll(/"\.\/build\/src\/(\w+)\//g)].map((match) => match[1]);
  assert.deepEqual([...new Set(own)].sort(), ['core', 'workflows']);
});
