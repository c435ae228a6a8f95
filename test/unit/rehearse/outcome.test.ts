// Which failures are those that the definition asks for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askedFailure, literalValues } from '../../../dev/rehearse/outcome.ts';

const failed = (activityName: string, activityType: string, errorCode: string, message: string) => ({
  ...{ activityName, activityType, status: 'Failed' as const },
  error: { errorCode, message },
});
const isLiteral = literalValues([
  {
    activities: [
      { name: 'Set length', type: 'SetVariable', typeProperties: { variableName: 'Length', value: 'b' } },
      {
        name: 'Set read',
        type: 'SetVariable',
        typeProperties: { value: { value: '@activity("A").output', type: 'Expression' } },
      },
      {
        name: 'If',
        type: 'IfCondition',
        typeProperties: {
          ifTrueActivities: [
            { name: 'Set inner', type: 'SetVariable', typeProperties: { value: '@{pipeline().RunId}' } },
          ],
        },
      },
    ],
  },
]);
const wrongType = 'Variable "Length" is declared Integer, but the value is "b".';

test('a literal that the variable does not take fails whatever the data is; a value that was read may not', () => {
  assert.match(
    askedFailure([failed('Set length', 'SetVariable', 'PARAMETER_INVALID', wrongType)], isLiteral) ?? '',
    /^SetVariable whose literal .* "Set length": Variable "Length"/,
  );
  for (const name of ['Set read', 'Set inner'])
    assert.equal(
      askedFailure([failed(name, 'SetVariable', 'PARAMETER_INVALID', wrongType)], isLiteral),
      undefined,
    );
});

test('what a Lookup or Get Metadata is not asked for is missing in every run', () => {
  const reads = (name: string, available: string, type = 'ForEach') =>
    askedFailure(
      [
        failed(
          'Each',
          type,
          'EXPRESSION_INVALID',
          `There is no property "${name}". Available: ${available} (at character 3): @x`,
        ),
      ],
      isLiteral,
    );
  const runtime = 'effectiveIntegrationRuntime, billingReference, durationInQueue';
  assert.match(reads('value', `firstRow, ${runtime}`) ?? '', /^ForEach of an output .* "Each": There is no/);
  assert.match(reads('firstRow', `count, value, ${runtime}`, 'SetVariable') ?? '', /^SetVariable of/);
  assert.match(reads('childitems', `itemName, ${runtime}`) ?? '', /^ForEach of/);
  // What a row or an answer lacks is of the data.
  assert.equal(reads('value', 'id, name'), undefined);
  assert.equal(reads('size', 'exists, name'), undefined);
  assert.equal(reads('childItems', 'none'), undefined);
});

test('a parameter that the definition leaves out is missing in every run, also of a pipeline that is called', () => {
  const missing = failed(
    'Call',
    'ExecutePipeline',
    'PARAMETER_MISSING',
    'pipeline "Child" needs a value for "x".',
  );
  assert.match(askedFailure([missing], isLiteral) ?? '', /"Call": pipeline "Child" needs a value/);
  const around = failed(
    'If',
    'IfCondition',
    'PARAMETER_MISSING',
    'Activity failed because an inner activity failed',
  );
  assert.match(askedFailure([around, missing], isLiteral) ?? '', /"Call"/);
  // What fails beside it for a reason of its own is a failure.
  const other = failed('Copy', 'Copy', 'OBJECT_MISSING', 'There is no table.');
  assert.equal(askedFailure([missing, other], isLiteral), undefined);
  assert.equal(askedFailure([around], isLiteral), undefined);
});

test('a Lookup of a statement that can give no result fails in every run; one of a procedure or a SELECT may not', () => {
  const lookup = (source: Record<string, string>) => ({
    ...failed('Look', 'Lookup', 'QUERY_FAILED', 'Lookup "Look" takes one result, but its query gave none.'),
    input: { source },
  });
  const asked = (source: Record<string, string>): string | undefined =>
    askedFailure([lookup(source)], isLiteral);
  assert.match(
    asked({ type: 'AzurePostgreSqlSource', query: 'insert into t values (1)' }) ?? '',
    /no result "Look"/,
  );
  assert.equal(asked({ query: 'EXEC dbo.usp_read' }), undefined);
  assert.equal(asked({ sqlReaderStoredProcedureName: 'dbo.usp_read' }), undefined);
  assert.equal(asked({ query: 'insert into t values (1); select 1' }), undefined);
});
