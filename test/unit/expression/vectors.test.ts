// Every vector of vectors.json and of examiner-vectors.json, which was written without sight of the first: an expression
// with its value, or the error it ends in, and the source that says so.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { WaybillError } from '../../../src/core/errors.ts';
import type { EvaluationContext } from '../../../src/core/expression/context.ts';
import { evaluateText } from '../../../src/core/expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../../../src/core/json.ts';

interface Vectors {
  readonly context: {
    readonly now: string;
    readonly guid: string;
    readonly random: number;
    readonly scopes: JsonObject;
  };
  readonly vectors: readonly {
    readonly expression: string;
    readonly expected?: JsonValue;
    readonly error?: string;
    readonly source: string;
  }[];
}

const read = (file: string): Vectors =>
  JSON.parse(readFileSync(`test/unit/expression/${file}`, 'utf8')) as Vectors;

/** A variable or activity by its name in any case; anything else as it stands. */
function scope(value: JsonValue, named: boolean): (args: JsonValue[]) => JsonValue {
  return ([name]) => {
    if (!named) return value;
    const found = Object.entries(value as JsonObject).find(
      ([key]) => key.toLowerCase() === String(name).toLowerCase(),
    );
    if (found === undefined) throw new WaybillError('EXPRESSION_INVALID', `There is no "${String(name)}".`);
    return found[1];
  };
}

const evaluationOf = ({ context }: Vectors): EvaluationContext => ({
  roots: Object.fromEntries(
    Object.entries(context.scopes).map(([name, value]) => [
      name.toLowerCase(),
      scope(value, name === 'variables' || name === 'activity'),
    ]),
  ),
  now: () => Date.parse(context.now),
  guid: () => context.guid,
  random: () => context.random,
});

for (const file of ['vectors.json', 'examiner-vectors.json']) {
  const vectors = read(file);
  const evaluation = evaluationOf(vectors);
  for (const { expression, expected, error, source } of vectors.vectors) {
    test(`${source}: ${expression.slice(0, 160)}`, () => {
      if (error === undefined) {
        assert.deepEqual(evaluateText(expression, evaluation), expected);
        return;
      }
      assert.throws(
        () => evaluateText(expression, evaluation),
        (thrown) => thrown instanceof WaybillError && thrown.code === error,
      );
    });
  }
}

test('there are at least 400 vectors', () => {
  const { vectors } = read('vectors.json');
  assert.ok(vectors.length >= 400, String(vectors.length));
});
