// Dependency conditions and the outcome rule, on the examples of Microsoft's page on pipeline failures.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ending, failedLeaves, findCycle, readiness } from '../../../src/core/pipeline/dag.ts';
import type { Dependency, DependencyCondition } from '../../../src/core/pipeline/snapshot.ts';

interface Node {
  name: string;
  dependsOn: Dependency[];
}

/** "b<a:Failed,Skipped" is an activity b that depends on a. */
function graph(...lines: string[]): Node[] {
  return lines.map((line) => {
    const [name = '', ...dependencies] = line.split('<');
    return {
      name,
      dependsOn: dependencies.map((text) => {
        const [activity = '', conditions = 'Succeeded'] = text.split(':');
        return { activity, conditions: conditions.split(',') as DependencyCondition[] };
      }),
    };
  });
}

/** Plays a graph: activities that are to fail do so when run; the rest succeed. */
function play(nodes: Node[], failing: string[]): { endings: Record<string, Ending>; failed: string[] } {
  const endings = new Map<string, Ending>();
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of nodes) {
      if (endings.has(node.name)) continue;
      const verdict = readiness(node, endings);
      if (verdict === 'wait') continue;
      changed = true;
      endings.set(
        node.name,
        verdict === 'skip' ? 'Skipped' : failing.includes(node.name) ? 'Failed' : 'Succeeded',
      );
    }
  }
  return { endings: Object.fromEntries(endings), failed: failedLeaves(nodes, endings) };
}

const CASES: [string, Node[], string[], Record<string, Ending>, string[]][] = [
  [
    'try-catch: the handler saves the run',
    graph('a', 'h<a:Failed'),
    ['a'],
    { a: 'Failed', h: 'Succeeded' },
    [],
  ],
  ['try-catch: nothing to catch', graph('a', 'h<a:Failed'), [], { a: 'Succeeded', h: 'Skipped' }, []],
  [
    'do-if-else: the skipped branch makes its failed parent count',
    graph('a', 'yes<a', 'no<a:Failed'),
    ['a'],
    { a: 'Failed', yes: 'Skipped', no: 'Succeeded' },
    ['a'],
  ],
  [
    'do-if-skip-else: the skipped branch leads to a leaf that succeeds',
    graph('a', 'yes<a', 'no<yes:Skipped<a:Failed'),
    ['a'],
    { a: 'Failed', yes: 'Skipped', no: 'Succeeded' },
    [],
  ],
  [
    'completed: runs after failure, not after a skip',
    graph('a', 'b<a', 'c<b:Completed', 'd<a:Completed'),
    ['a'],
    { a: 'Failed', b: 'Skipped', c: 'Skipped', d: 'Succeeded' },
    ['a'],
  ],
  [
    'conditions of one dependency are alternatives, dependencies are all needed',
    graph('a', 'b', 'c<a:Failed,Succeeded<b'),
    ['a'],
    { a: 'Failed', b: 'Succeeded', c: 'Succeeded' },
    [],
  ],
  [
    'a handler of the last step does not catch the first step: skips pass upwards',
    graph('a', 'b<a', 'c<b', 'h<c:Failed'),
    ['a'],
    { a: 'Failed', b: 'Skipped', c: 'Skipped', h: 'Skipped' },
    ['a'],
  ],
  [
    'two leaves, one fails',
    graph('a', 'b<a', 'c<a'),
    ['c'],
    { a: 'Succeeded', b: 'Succeeded', c: 'Failed' },
    ['c'],
  ],
];

for (const [name, nodes, failing, endings, failed] of CASES) {
  test(name, () => {
    assert.deepEqual(play(nodes, failing), { endings, failed });
  });
}

test('a cycle is found with its path, also in a long chain', () => {
  assert.deepEqual(findCycle(graph('a<c', 'b<a', 'c<b')), ['a', 'c', 'b', 'a']);
  assert.deepEqual(findCycle(graph('x', 'a<a')), ['a', 'a']);
  assert.equal(findCycle(graph('a', 'b<a', 'c<a<b')), undefined);
  const chain = Array.from({ length: 20_000 }, (_, i) => (i === 0 ? 'n0' : `n${i}<n${i - 1}`));
  assert.equal(findCycle(graph(...chain)), undefined);
  assert.equal(findCycle(graph(...chain.reverse())), undefined);
});
