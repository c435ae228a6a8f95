// The JSON reader: what it puts up with, what it refuses, and how fast it refuses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_JSON_LENGTH, readJson } from '../../../src/definitions/json-reader.ts';

test('plain JSON is read as JSON.parse reads it', () => {
  const text = '{"a":[1,-2.5e3,true,false,null,"\\u00fc\\n\\"",{}],"":"x","b":{"c":[]}}';
  const { value, problems } = readJson(text, 'f.json');
  assert.deepEqual(value, JSON.parse(text));
  assert.deepEqual(problems, []);
});

test('a byte order mark is nothing; comments and trailing commas are warnings', () => {
  const text = '\uFEFF{ // note\n "a": [1, 2,], /* more */ "url": "http://x//y", }';
  const { value, problems } = readJson(text, 'f.json');
  assert.deepEqual(value, { a: [1, 2], url: 'http://x//y' });
  assert.deepEqual(
    problems.map(({ severity, pointer, code }) => [severity, pointer, code]),
    [
      ['warning', '', 'SHAPE_TOLERATED'],
      ['warning', '/a', 'SHAPE_TOLERATED'],
      ['warning', '', 'SHAPE_TOLERATED'],
    ],
  );
});

const REFUSED: [string, string, string, RegExp][] = [
  ['a duplicate key', '{"a":{"b":1,\n"b":2}}', '/a/b', /"b" occurs twice \(line 2, column 4\)/],
  ['__proto__', '{"a":{"__proto__":{"polluted":true}}}', '/a/__proto__', /may not be named "__proto__"/],
  ['an escaped __proto__', '{"\\u005f_proto__":1}', '/__proto__', /may not be named/],
  ['a missing comma', '{"a":1\n"b":2}', '', /Expected "," or "}", found "\\"" at line 2, column 1/],
  ['a cut file', '{"a":{"b":[1,', '/a/b/1', /Expected a value, found the end of the file/],
  ['a value missing', '{"a":,}', '/a', /Expected a value, found ","/],
  ['an open text', '{"a":"b}', '/a', /not closed, opened at line 1, column 6/],
  ['a raw line break in a text', '{"a":"b\nc"}', '/a', /control character/],
  ['a broken escape', '{"a":"\\x"}', '/a', /broken escape/],
  ['single quotes', "{'a':1}", '', /property name in double quotes/],
  ['two values', '{} {}', '', /Expected the end of the file/],
  ['nothing', '', '', /Expected a value, found the end/],
  ['a number with a leading zero', '{"a":012}', '/a', /Expected/],
  ['an open comment', '{ /* "a": 1 }', '', /comment is not closed/],
];
for (const [name, text, pointer, reason] of REFUSED) {
  test(`${name} is refused with its place`, () => {
    const errors = readJson(text, 'f.json').problems.filter(({ severity }) => severity === 'error');
    assert.equal(errors.length, 1);
    assert.equal(errors[0]?.code, 'DEFINITION_INVALID');
    assert.match(errors[0]?.reason ?? '', reason);
    if (name !== 'a number with a leading zero') assert.equal(errors[0]?.pointer, pointer);
  });
}

test('no key of a file reaches an object prototype', () => {
  readJson('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}', 'f.json');
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  const { value } = readJson('{"a":{"__proto__":[1]}}', 'f.json');
  assert.equal(Object.getPrototypeOf((value as { a: object }).a), Object.prototype);
});

/** CPU milliseconds of this process: a loaded machine gives them out slowly, and they stay as many. */
const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

test('hostile files are refused without work that grows faster than they do', () => {
  const hostile = [
    '['.repeat(100_000),
    '{"a":'.repeat(100_000),
    `{"a":"${'x'.repeat(10 * 1024 * 1024)}"}`,
    `[${'"'.repeat(3_000_001)}`,
    `{${'"k":1,'.repeat(600_000)}"k":1}`,
    `${'/*'.repeat(1_000_000)}`,
    `[${'//\n'.repeat(1_000_000)}`,
    `${'1'.repeat(4_000_000)}x`,
    `"${'\\'.repeat(3_000_000)}`,
  ];
  for (const text of hostile) {
    const start = cpu();
    const { problems } = readJson(text, 'f.json');
    const took = cpu() - start;
    assert.ok(
      problems.some(({ severity }) => severity === 'error'),
      text.slice(0, 20),
    );
    assert.ok(problems.length <= 51);
    assert.ok(took < 5000, `${text.slice(0, 10)}... took ${took} ms`);
  }
});

test('a large honest file is read in linear time', () => {
  const entry = '{"name":"x","value":[1,2,3],"text":"some text that is a bit longer"},';
  const text = `[${entry.repeat(Math.floor((MAX_JSON_LENGTH - 100) / entry.length))}{}]`;
  const start = cpu();
  const { value, problems } = readJson(text, 'f.json');
  assert.deepEqual(problems, []);
  assert.deepEqual(value, JSON.parse(text));
  // Quadratic, it would take hours.
  assert.ok(cpu() - start < 20_000);
});
