// Expressions against the examples on Microsoft's page "Expressions and functions" (typing errors there corrected) and
// against what .NET and JSON.NET do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaybillError } from '../../../src/core/errors.ts';
import type { EvaluationContext } from '../../../src/core/expression/context.ts';
import { evaluateDeep, evaluateText, isKnownFunction } from '../../../src/core/expression/evaluate.ts';
import type { JsonValue } from '../../../src/core/json.ts';

const context: EvaluationContext = {
  roots: {
    pipeline: () => ({ parameters: { number: 42, text: 'x', list: [1, 2] }, RunId: 'run-1' }),
    activity: ([name]) => ({
      output: { firstRow: { Id: 7, name: name ?? null }, value: [{ a: 1 }], rowsCopied: 5 },
    }),
    item: () => ({ table: 'flights', n: 3 }),
    variables: ([name]) => `value of ${String(name)}`,
  },
  now: () => Date.UTC(2018, 2, 1, 0, 0, 0, 123),
  guid: () => 'c2ecc88d-88c8-4096-912c-d6f2e2b138ce',
  random: () => 0.5,
};

const evaluate = (text: string): JsonValue => evaluateText(text, context);

const VECTORS: readonly (readonly [string, JsonValue])[] = [
  // Text, interpolation, escapes
  ['parameters', 'parameters'],
  ['parameters[1]', 'parameters[1]'],
  ['@@', '@'],
  [' @', ' @'],
  ['@pipeline().parameters.number', 42],
  ['@{pipeline().parameters.number}', '42'],
  ['Answer is: @{pipeline().parameters.number}', 'Answer is: 42'],
  ["@concat('Answer is: ', string(pipeline().parameters.number))", 'Answer is: 42'],
  ['Answer is: @@{pipeline().parameters.number}', 'Answer is: @{pipeline().parameters.number}'],
  ['@@{x}', '@{x}'],
  ['a@b.example', 'a@b.example'],
  ['@{true} @{null}|@{createArray(1)}', 'True |[1]'],
  [
    "SELECT * FROM t WHERE d >= '@{formatDateTime('2024-01-02', 'yyyy-MM-dd')}'",
    "SELECT * FROM t WHERE d >= '2024-01-02'",
  ],
  // Access
  ["@activity('x').output.firstRow.id", 7],
  ["@Activity('x').Output.FIRSTROW.Id", 7],
  ["@activity('x')['output']['value'][0]?.a", 1],
  ["@activity('x').output.value[0]['a']", 1],
  ["@activity('x').output?.missing", null],
  ["@coalesce(activity('x').output?.missing?.deeper, 'none')", 'none'],
  ['@item().table', 'flights'],
  // String functions
  ["@concat('Hello', 'World')", 'HelloWorld'],
  ['@concat(createArray(1), createArray(2, 3))', '[1][2,3]'],
  ["@endsWith('hello world', 'World')", true],
  ["@endsWith('hello world', 'universe')", false],
  ["@startsWith('hello world', 'Hello')", true],
  ['@guid()', 'c2ecc88d-88c8-4096-912c-d6f2e2b138ce'],
  ["@guid('P')", '(c2ecc88d-88c8-4096-912c-d6f2e2b138ce)'],
  ["@guid('n')", 'c2ecc88d88c84096912cd6f2e2b138ce'],
  ["@indexOf('hello world', 'world')", 6],
  ["@indexOf('hello', 'z')", -1],
  ["@lastIndexOf('hello world hello world', 'WORLD')", 18],
  ["@replace('the old string', 'old', 'new')", 'the new string'],
  ["@replace('a.b.c', '.', '')", 'abc'],
  ["@split('a_b_c', '_')", ['a', 'b', 'c']],
  ["@substring('hello world', 6, 5)", 'world'],
  ["@substring('hello', 5, 0)", ''],
  ["@toLower('Hello World')", 'hello world'],
  ["@toUpper('Hello World')", 'HELLO WORLD'],
  ["@trim(' Hello World  ')", 'Hello World'],
  ["@concat('it''s', ' ok')", "it's ok"],
  // Collection functions
  ["@contains('hello world', 'world')", true],
  ["@contains('hello world', 'universe')", false],
  ['@contains(createArray(1, 2), 2)', true],
  ["@contains(item(), 'table')", true],
  ["@empty('')", true],
  ["@empty('abc')", false],
  ["@empty(json('[]'))", true],
  ["@first('hello')", 'h'],
  ['@first(createArray(0, 1, 2))', 0],
  ['@intersection(createArray(1, 2, 3), createArray(101, 2, 1, 10), createArray(6, 8, 1, 2))', [1, 2]],
  ["@join(createArray('a', 'b', 'c'), '.')", 'a.b.c'],
  ["@last('abcd')", 'd'],
  ['@last(createArray(0, 1, 2, 3))', 3],
  ["@length('abcd')", 4],
  ['@length(createArray(0, 1, 2, 3))', 4],
  ['@skip(createArray(0, 1, 2, 3), 1)', [1, 2, 3]],
  ["@take('abcde', 3)", 'abc'],
  ['@take(createArray(0, 1, 2, 3, 4), 3)', [0, 1, 2]],
  ['@union(createArray(1, 2, 3), createArray(1, 2, 10, 101))', [1, 2, 3, 10, 101]],
  ['@union(json(\'{"a":1}\'), json(\'{"b":2}\'))', { a: 1, b: 2 }],
  // Logical functions
  ['@and(true, false)', false],
  ['@and(equals(1, 1), equals(2, 2))', true],
  ['@equals(true, 1)', true],
  ["@equals('abc', 'abcd')", false],
  ["@equals('ABC', 'abc')", false],
  ['@greater(10, 5)', true],
  ["@greater('apple', 'banana')", false],
  ['@greaterOrEquals(5, 5)', true],
  ["@greaterOrEquals('apple', 'banana')", false],
  ["@if(equals(1, 1), 'yes', 'no')", 'yes'],
  ["@if(true, 'ok', activity('x').output.missing)", 'ok'],
  ["@less('banana', 'apple')", false],
  ['@less(5, 10)', true],
  ['@lessOrEquals(10, 10)', true],
  ['@not(false)', true],
  ['@or(true, false)', true],
  ['@or(false, false)', false],
  // Conversion functions
  ["@array('hello')", ['hello']],
  ["@base64('hello')", 'aGVsbG8='],
  ["@base64('ü€😀')", 'w7zigqzwn5iA'],
  ["@base64ToString('w7zigqzwn5iA')", 'ü€😀'],
  ["@base64ToString('aGVsbG8=')", 'hello'],
  ["@binary('hello')", '0110100001100101011011000110110001101111'],
  ['@bool(1)', true],
  ['@bool(0)', false],
  ["@bool('true')", true],
  ['@coalesce(null, true, false)', true],
  ["@coalesce(null, 'hello', 'world')", 'hello'],
  ['@coalesce(null, null, null)', null],
  ["@createArray('h', 'e', 'l')", ['h', 'e', 'l']],
  ["@dataUri('hello')", 'data:text/plain;charset=utf-8;base64,aGVsbG8='],
  ["@dataUriToString('data:text/plain;charset=utf-8;base64,aGVsbG8=')", 'hello'],
  ["@decodeBase64('aGVsbG8=')", 'hello'],
  [
    "@decodeDataUri('data:text/plain;charset=utf-8;base64,aGVsbG8=')",
    '011001000110000101110100011000010011101001110100011001010111100001110100001011110111000001101100011000010110100101101110001110110110001101101000011000010111001001110011011001010111010000111101011101010111010001100110001011010011100000111011011000100110000101110011011001010011011000110100001011000110000101000111010101100111001101100010010001110011100000111101',
  ],
  ["@decodeUriComponent('http%3A%2F%2Fcontoso.com')", 'http://contoso.com'],
  ["@encodeUriComponent('https://contoso.com')", 'https%3A%2F%2Fcontoso.com'],
  ["@uriComponent('https://contoso.com')", 'https%3A%2F%2Fcontoso.com'],
  ["@uriComponentToString('https%3A%2F%2Fcontoso.com')", 'https://contoso.com'],
  ["@float('10.333')", 10.333],
  ["@int('10')", 10],
  ["@json('[1, 2, 3]')", [1, 2, 3]],
  [`@json('{"":5}')['']`, 5],
  // Json.NET lets a comma behind the last element pass.
  [`@json('[1, {"a": "x,]", "b": [2 , ],}, ]')`, [1, { a: 'x,]', b: [2] }]],
  ['@json(\'{"fullName": "Sophia Owen"}\').fullName', 'Sophia Owen'],
  ['@string(10)', '10'],
  ['@string(true)', 'True'],
  ['@string(json(\'{"name": "Sophie Owen"}\'))', '{"name":"Sophie Owen"}'],
  // Math functions
  ['@add(1, 1.5)', 2.5],
  ['@div(10, 5)', 2],
  ['@div(11, 5)', 2],
  ['@div(-7, 2)', -3],
  ['@div(11, 5.0)', 2.2],
  ["@div(float('10'), 4)", 2.5],
  ['@max(1, 2, 3)', 3],
  ['@max(createArray(1, 2, 3))', 3],
  ['@min(1, 2, 3)', 1],
  ['@mod(3, 2)', 1],
  ['@mul(1.5, 2)', 3],
  ['@rand(1, 5)', 3],
  ['@range(1, 4)', [1, 2, 3, 4]],
  ['@sub(10.3, 0.3)', 10],
  // Date functions
  ["@addDays('2018-03-15T13:00:00Z', 10)", '2018-03-25T13:00:00.0000000Z'],
  ["@addDays('2018-03-15T00:00:00Z', -5)", '2018-03-10T00:00:00.0000000Z'],
  ["@addHours('2018-03-15T00:00:00Z', 10)", '2018-03-15T10:00:00.0000000Z'],
  ["@addHours('2018-03-15T15:00:00Z', -5)", '2018-03-15T10:00:00.0000000Z'],
  ["@addMinutes('2018-03-15T00:20:00Z', -5)", '2018-03-15T00:15:00.0000000Z'],
  ["@addSeconds('2018-03-15T00:00:00Z', 10)", '2018-03-15T00:00:10.0000000Z'],
  ["@addToTime('2018-01-01T00:00:00Z', 1, 'Day')", '2018-01-02T00:00:00.0000000Z'],
  ["@addToTime('2018-01-01T00:00:00Z', 1, 'Day', 'D')", 'Tuesday, January 2, 2018'],
  ["@addToTime('2024-01-31T00:00:00Z', 1, 'Month', 'yyyy-MM-dd')", '2024-02-29'],
  ["@subtractFromTime('2018-01-02T00:00:00Z', 1, 'Day')", '2018-01-01T00:00:00.0000000Z'],
  ["@subtractFromTime('2018-01-02T00:00:00Z', 1, 'Day', 'D')", 'Monday, January 1, 2018'],
  ["@convertFromUtc('2018-01-01T08:00:00.0000000Z', 'Pacific Standard Time')", '2018-01-01T00:00:00.0000000'],
  [
    "@convertFromUtc('2018-01-01T08:00:00.0000000Z', 'Pacific Standard Time', 'D')",
    'Monday, January 1, 2018',
  ],
  ["@convertFromUtc('2018-07-01T08:00:00Z', 'Pacific Standard Time')", '2018-07-01T01:00:00.0000000'],
  [
    "@convertTimeZone('2018-01-01T08:00:00.0000000Z', 'UTC', 'Pacific Standard Time')",
    '2018-01-01T00:00:00.0000000',
  ],
  ["@convertTimeZone('2018-01-01T08:00:00', 'UTC', 'Pacific Standard Time', 'D')", 'Monday, January 1, 2018'],
  ["@convertToUtc('01/01/2018 00:00:00', 'Pacific Standard Time')", '2018-01-01T08:00:00.0000000Z'],
  ["@convertToUtc('01/01/2018 00:00:00', 'Pacific Standard Time', 'D')", 'Monday, January 1, 2018'],
  ["@convertToUtc('2024-11-03T01:30:00', 'Pacific Standard Time')", '2024-11-03T09:30:00.0000000Z'],
  ["@convertFromUtc('2024-06-01T00:00:00Z', 'India Standard Time', 'yyyy-MM-dd HH:mm')", '2024-06-01 05:30'],
  ["@dayOfMonth('2018-03-15T13:27:36Z')", 15],
  ["@dayOfWeek('2018-03-15T13:27:36Z')", 4],
  ["@dayOfYear('2018-03-15T13:27:36Z')", 74],
  ["@formatDateTime('03/15/2018 12:00:00', 'yyyy-MM-ddTHH:mm:ss')", '2018-03-15T12:00:00'],
  ["@formatDateTime('2024-02-03T04:05:06.7891234Z', 'yyyy/M/d h:m:s.fff tt')", '2024/2/3 4:5:6.789 AM'],
  ["@formatDateTime('2024-02-03T14:05:06Z', 'dddd dd MMM yy')", 'Saturday 03 Feb 24'],
  ["@formatDateTime('2024-02-03T14:05:06Z', '''day'' %d')", 'day 3'],
  ["@formatDateTime('2024-02-03T14:05:06Z', 'u')", '2024-02-03 14:05:06Z'],
  ["@formatDateTime('2024-02-03T14:05:06Z', 'r')", 'Sat, 03 Feb 2024 14:05:06 GMT'],
  ["@formatDateTime('2024-02-03T14:05:06.5Z', 's.FFF')", '6.5'],
  ["@formatDateTime('2024-02-03T14:05:06+02:00')", '2024-02-03T12:05:06.0000000+00:00'],
  ["@formatDateTime('2024-02-03')", '2024-02-03T00:00:00.0000000'],
  ["@getFutureTime(5, 'Day')", '2018-03-06T00:00:00.1230000Z'],
  ["@getPastTime(5, 'Day', 'D')", 'Saturday, February 24, 2018'],
  ["@startOfDay('2018-03-15T13:30:30Z')", '2018-03-15T00:00:00.0000000Z'],
  ["@startOfHour('2018-03-15T13:30:30Z')", '2018-03-15T13:00:00.0000000Z'],
  ["@startOfMonth('2018-03-15T13:30:30Z')", '2018-03-01T00:00:00.0000000Z'],
  ["@ticks('2020-01-01T00:00:00Z')", 637134336000000000],
  ['@utcNow()', '2018-03-01T00:00:00.1230000Z'],
  ["@utcnow('D')", 'Thursday, March 1, 2018'],
  ["@UTCNOW('yyyyMMddHHmmss')", '20180301000000'],
];

for (const [text, expected] of VECTORS) {
  test(text, () => {
    assert.deepEqual(evaluate(text), expected);
  });
}

const FAULTS: readonly (readonly [string, RegExp])[] = [
  ['@', /Expected a function.*at character 2/],
  ['@concat(', /found the end \(at character 9\)/],
  ["@concat('a'", /Expected "," or "\)"/],
  ["@concat('a)", /not closed by a single quote \(at character 9\)/],
  ["@nope('a')", /no function "nope". Did you mean "not"/],
  ["@fromatDateTime('x')", /Did you mean "formatDateTime"/],
  ['@substring()', /substring\(\) takes 2 to 3 arguments, not 0/],
  ['@toUpper(1)', /toUpper\(\) wants a string, not a number/],
  ['@div(1, 0)', /div\(\) by zero/],
  ["@activity('x').output.nothing", /no property "nothing". Available: firstRow, value, rowsCopied/],
  ["@activity('x').output.value[3]", /Index 3 is outside the array of 1/],
  ['@dataset().x', /dataset\(\) cannot be used here/],
  ["@addDays('someday', 1)", /cannot read "someday" as a timestamp/],
  ["@addDays('2023-02-29', 1)", /cannot read "2023-02-29"/],
  ["@convertFromUtc('2018-01-01', 'Mars Standard Time')", /no time zone "Mars Standard Time"/],
  ['text @{concat(1,}', /Expected a function/],
  ['@pipeline() x', /Expected the end of the expression/],
  ["@substring('abc', 2, 5)", /outside the string of 3/],
  ['@range(1, 1000000)', /makes 0 to 100000/],
];

for (const [text, pattern] of FAULTS) {
  test(`${text} is refused with a reason`, () => {
    assert.throws(
      () => evaluate(text),
      (error: unknown) => {
        assert.ok(error instanceof WaybillError);
        assert.equal(error.code, 'EXPRESSION_INVALID');
        assert.match(error.message, pattern);
        return true;
      },
    );
  });
}

test('expressions are evaluated wherever they stand, and expression objects are unwrapped', () => {
  const value = {
    plain: 'x',
    wrapped: { value: '@item().n', type: 'Expression' },
    list: ['@{item().n}', { deep: "@concat('a', 'b')" }],
    mail: 'someone@example.com',
    number: 1,
  };
  assert.deepEqual(evaluateDeep(value, context), {
    plain: 'x',
    wrapped: 3,
    list: ['3', { deep: 'ab' }],
    mail: 'someone@example.com',
    number: 1,
  });
});

test('hostile expressions are refused at once, not followed', () => {
  const start = performance.now();
  const hostile = [
    `@${'('.repeat(50_000)}`,
    `@${'concat('.repeat(20_000)}`,
    `@createArray(1)${'[0]'.repeat(20_000)}`,
    `@concat('${'a'.repeat(50_000)}`,
    `${'@{'.repeat(20_000)}`,
    `@${'a'.repeat(50_000)}`,
  ];
  for (const text of hostile) assert.throws(() => evaluate(text), WaybillError);
  assert.equal(evaluate('@@{'.repeat(20_000)), '@{'.repeat(20_000));
  assert.ok(performance.now() - start < 1000);
});

test('__proto__ and the like are property names like any other', () => {
  assert.throws(() => evaluate('@item().constructor'), /no property "constructor"/);
  assert.throws(() => evaluate('@item().__proto__'), /no property "__proto__"/);
  assert.equal(evaluate("@contains(item(), 'toString')"), false);
});

test("every function on Microsoft's page is there", () => {
  const names =
    `concat endsWith guid indexOf lastIndexOf replace split startsWith substring toLower toUpper trim
    contains empty first intersection join last length skip take union
    and equals greater greaterOrEquals if less lessOrEquals not or
    array base64 base64ToBinary base64ToString binary bool coalesce createArray dataUri dataUriToBinary
    dataUriToString decodeBase64 decodeDataUri decodeUriComponent encodeUriComponent float int json string
    uriComponent uriComponentToBinary uriComponentToString
    add div max min mod mul rand range sub
    addDays addHours addMinutes addSeconds addToTime convertFromUtc convertTimeZone convertToUtc dayOfMonth
    dayOfWeek dayOfYear formatDateTime getFutureTime getPastTime startOfDay startOfHour startOfMonth
    subtractFromTime ticks utcNow`.split(/\s+/);
  assert.deepEqual(
    names.filter((name) => !isKnownFunction(name)),
    [],
  );
  assert.equal(names.length, 82);
});
