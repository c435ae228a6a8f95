// The workflow bundle is the sandbox's truth: small, and made of our workflows, core and Temporal's own packages.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const bundle = fileURLToPath(new URL('../../workflow-bundle.js', import.meta.url));

test('the workflow bundle stays under 2 MB', () => {
  const size = statSync(bundle).size;
  assert.ok(size > 500_000, `${size} bytes: this is no bundle`);
  assert.ok(size < 2_000_000, `${size} bytes: something heavy got in`);
});

test('the bundle holds no module but ours and those Temporal needs', () => {
  const text = readFileSync(bundle, 'utf8');
  const modules = [...text.matchAll(/\.\/node_modules\/((?:@[\w.-]+\/)?[\w.-]+)\//g)].map((match) => match[1] ?? '');
  const packages = new Set(modules);
  const allowed = new Set(['@temporalio/workflow', '@temporalio/common', '@temporalio/proto', '@temporalio/worker', 'long', 'ms', 'nexus-rpc', 'protobufjs', '@protobufjs/aspromise', '@protobufjs/base64', '@protobufjs/eventemitter', '@protobufjs/float', '@protobufjs/inquire', '@protobufjs/pool', '@protobufjs/utf8', 'heap-js', 'proto3-json-serializer', 'assert', 'util']);
  assert.deepEqual([...packages].filter((name) => !allowed.has(name)), []);
  assert.ok(packages.has('@temporalio/workflow'));
});
