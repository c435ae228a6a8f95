// Validation of whole factories: what loads, what is odd, what is wrong, and the verdict on each pipeline.
import assert from 'node:assert/strict';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/core/json.ts';
import { printReport } from '../../../src/definitions/print-report.ts';
import { WARNINGS } from '../../../src/definitions/problem.ts';
import { type Report, validateFactory } from '../../../src/definitions/validate.ts';
import { copyOf, pipelineOf, STORES, writeFactory } from '../../support/factory-files.ts';
import { SEED } from './seed-definitions.ts';

function validate(
  files: Readonly<Record<string, unknown>>,
  linkedService: Record<string, JsonObject> = {},
): Report {
  const factory = writeFactory(files);
  try {
    return validateFactory(factory.directory, { linkedService });
  } finally {
    factory.remove();
  }
}

const errorsOf = (report: Report): string[] =>
  report.errors.map(({ file, pointer, code }) => `${file} ${pointer} ${code}`);
const warningsOf = (report: Report): string[] =>
  report.warnings.map(({ file, pointer, code }) => `${file} ${pointer} ${code}`);
const one = (activities: object[], more: object = {}): Report =>
  validate({ ...STORES, 'pipeline/p.json': { name: 'p', ...pipelineOf(activities, more) } });

test("the seed document's JSON loads letter for letter, its oddities as warnings", () => {
  const report = validate(SEED, { ls_snowflake: { password: { env: 'X' } } });
  assert.deepEqual(errorsOf(report), []);
  assert.deepEqual(
    report.pipelines.map(({ name, verdict }) => `${name} ${verdict}`),
    [
      'CopyPipeline_Snowflake_to_AzureSQL runnable',
      'pl_azuresql_to_snowflake runnable',
      'pl_snowflake_to_azuresql runnable',
    ],
  );
  assert.deepEqual(warningsOf(report), [
    'linkedService/ls_azuresql.json  SHAPE_TOLERATED',
    'linkedService/ls_snowflake.json  SHAPE_TOLERATED',
    'linkedService/SnowflakeLinkedService.json /properties/typeProperties/encryptedCredential SECRET_OPAQUE',
    'pipeline/pl_azuresql_to_snowflake.json /properties/activities/0/typeProperties/preCopyScript SHAPE_TOLERATED',
    'trigger/trigger_blob_created.json /properties SHAPE_TOLERATED',
    'trigger/trigger_blob_created.json /properties/pipelines/0/pipelineReference SHAPE_TOLERATED',
    'trigger/trigger_hourly.json /properties/typeProperties SHAPE_TOLERATED',
    'trigger/TumblingWindowTrigger.json /properties/typeProperties SHAPE_TOLERATED',
  ]);
});

test('a vault that is not there is an error unless settings give the secret', () => {
  assert.deepEqual(errorsOf(validate(SEED)), [
    'linkedService/ls_snowflake.json /typeProperties/password/store/referenceName REFERENCE_MISSING',
  ]);
});

test('every problem is reported at once, each with file, pointer, code and advice', () => {
  const report = validate({
    ...STORES,
    'dataset/ds_lost.json': {
      name: 'ds_lost',
      properties: {
        type: 'SqlServerTabel',
        linkedServiceName: { referenceName: 'ls_sqll' },
        typeProperties: {},
      },
    },
    'pipeline/a.json': {
      name: 'a',
      ...pipelineOf(
        [
          { ...copyOf('one', 'x'), dependsOn: [{ activity: 'tow', dependencyConditions: ['Succeded'] }] },
          copyOf('two', "@concat('a'"),
          {
            name: 'three',
            type: 'SetVariable',
            typeProperties: { variableName: 'v', value: '@variable(1)' },
          },
          {
            name: 'four',
            type: 'SetVariable',
            typeProperties: { variableName: 'w', value: "@activity('fuor').x" },
          },
          { name: 'five', type: 'ExecutePipeline', typeProperties: { pipeline: { referenceName: 'aa' } } },
          { name: 'six', type: 'Copyy', typeProperties: {} },
          { name: 'seven', type: 'ForEach', typeProperties: { items: '@item()' } },
        ],
        { variables: { v: { type: 'String' } } },
      ),
    },
    'pipeline/b.json': '{"name": "b", "properties": {',
  });
  assert.deepEqual(errorsOf(report), [
    'dataset/ds_lost.json /properties/linkedServiceName/referenceName REFERENCE_MISSING',
    'dataset/ds_lost.json /properties/type STORE_UNKNOWN',
    'pipeline/a.json /properties/activities/0/dependsOn/0/activity REFERENCE_MISSING',
    'pipeline/a.json /properties/activities/0/dependsOn/0/dependencyConditions/0 DEFINITION_INVALID',
    'pipeline/a.json /properties/activities/1/inputs/0/parameters/table EXPRESSION_INVALID',
    'pipeline/a.json /properties/activities/1/outputs/0/parameters/table EXPRESSION_INVALID',
    'pipeline/a.json /properties/activities/1/typeProperties/sink/preCopyScript EXPRESSION_INVALID',
    'pipeline/a.json /properties/activities/2/typeProperties/value EXPRESSION_INVALID',
    'pipeline/a.json /properties/activities/3/typeProperties/value REFERENCE_MISSING',
    'pipeline/a.json /properties/activities/3/typeProperties/variableName REFERENCE_MISSING',
    'pipeline/a.json /properties/activities/4/typeProperties/pipeline/referenceName REFERENCE_MISSING',
    'pipeline/a.json /properties/activities/5/type ACTIVITY_UNKNOWN',
    'pipeline/a.json /properties/activities/6/typeProperties DEFINITION_INVALID',
    'pipeline/a.json /properties/activities/6/typeProperties/items EXPRESSION_INVALID',
    'pipeline/b.json /properties DEFINITION_INVALID',
  ]);
  const advice = report.errors.map((problem) => problem.advice ?? '').join('\n');
  for (const name of ['ls_sql', 'SqlServerTable', 'two', 'Succeeded', 'four', 'a', 'Copy'])
    assert.match(advice, new RegExp(`Did you mean "${name}"`));
  assert.deepEqual(
    report.pipelines.map(({ name, verdict }) => [name, verdict]),
    [
      ['a', 'invalid'],
      ['b', 'invalid'],
    ],
  );
});

test('what waybill cannot run yet is unsupported, not invalid, also through what a pipeline uses', () => {
  const report = validate({
    ...STORES,
    'linkedService/ls_oracle.json': { name: 'ls_oracle', properties: { type: 'Oracle', typeProperties: {} } },
    'dataset/ds_oracle.json': {
      name: 'ds_oracle',
      properties: {
        type: 'OracleTable',
        linkedServiceName: { referenceName: 'ls_oracle' },
        typeProperties: {},
      },
    },
    'pipeline/flow.json': { name: 'flow', ...pipelineOf([{ name: 'f', type: 'ExecuteWranglingDataflow' }]) },
    'pipeline/oracle.json': {
      name: 'oracle',
      ...pipelineOf([
        {
          ...copyOf('c', 'x'),
          typeProperties: { source: { type: 'OracleSource' }, sink: { type: 'SnowflakeSink' } },
          inputs: [{ referenceName: 'ds_oracle', type: 'DatasetReference' }],
        },
      ]),
    },
    'pipeline/caller.json': {
      name: 'caller',
      ...pipelineOf([
        { name: 'x', type: 'ExecutePipeline', typeProperties: { pipeline: { referenceName: 'flow' } } },
      ]),
    },
    'pipeline/fine.json': { name: 'fine', ...pipelineOf([copyOf('c', 'x')]) },
  });
  assert.deepEqual(
    report.pipelines.map(({ name, verdict, reasons }) => [name, verdict, reasons.length]),
    [
      ['caller', 'unsupported', 1],
      ['fine', 'runnable', 0],
      ['flow', 'unsupported', 1],
      ['oracle', 'unsupported', 3],
    ],
  );
});

test('what is switched off is not held against a pipeline', () => {
  const report = one([{ name: 'w', type: 'WebActivity', state: 'Inactive' }, copyOf('c', 'x')]);
  assert.equal(report.pipelines[0]?.verdict, 'runnable');
});

test('types are known in any case, in a nested root, with spaces in names', () => {
  const files = Object.fromEntries(
    Object.entries(STORES).map(([path, content]) => [`repo/adf/${path}`, content]),
  );
  const copy = JSON.parse(
    JSON.stringify(copyOf('my copy', 'x')).replace('SqlServerSource', 'sqlserversource'),
  );
  const report = validate({
    ...files,
    'repo/adf/pipeline/my pipeline.json': `\uFEFF${JSON.stringify({ name: 'my pipeline', ...pipelineOf([{ ...copy, type: 'copy' }]) })}`,
  });
  assert.deepEqual(errorsOf(report), []);
  assert.deepEqual(
    report.pipelines.map(({ name, verdict }) => [name, verdict]),
    [['my pipeline', 'runnable']],
  );
});

test("files in folders of their own, in UTF-16, behind links, and other tools' files", () => {
  const pipeline = { name: 'deep', ...pipelineOf([copyOf('c', 'x')]) };
  const factory = writeFactory({
    ...Object.fromEntries(Object.entries(STORES).map(([path, content]) => [`adf/factory/${path}`, content])),
    'adf/factory/publish_config.json': { publishBranch: 'adf_publish' },
    'adf/factory/pipeline/area/deep.json': pipeline,
    'elsewhere/linked.txt': { name: 'linked', ...pipelineOf([copyOf('c', 'x')]) },
  });
  const folder = join(factory.directory, 'adf/factory/pipeline');
  const wide = JSON.stringify({ name: 'wide', ...pipelineOf([copyOf('c', 'x')]) });
  writeFileSync(join(folder, 'wide.json'), Buffer.from(`\uFEFF${wide}`, 'utf16le'));
  symlinkSync(join(factory.directory, 'elsewhere/linked.txt'), join(folder, 'linked.json'));
  symlinkSync(factory.directory, join(factory.directory, 'adf/circle'));
  const report = validateFactory(join(factory.directory, 'adf/factory'), { linkedService: {} });
  const all = validateFactory(factory.directory, { linkedService: {} });
  factory.remove();
  assert.deepEqual(errorsOf(report), []);
  assert.deepEqual(
    report.pipelines.map(({ name, verdict }) => `${name} ${verdict}`),
    ['deep runnable', 'linked runnable', 'wide runnable'],
  );
  assert.deepEqual(errorsOf(all), []);
  assert.deepEqual(all.pipelines, report.pipelines);
});

test('loops: dependencies in a circle, a pipeline that calls itself, two activities of one name', () => {
  const needs = (name: string, on: string): object => ({
    ...copyOf(name, 'x'),
    dependsOn: [{ activity: on, dependencyConditions: ['Succeeded'] }],
  });
  const circle = one([needs('a', 'b'), needs('b', 'a')]);
  assert.match(circle.errors[0]?.reason ?? '', /a → b → a/);
  const self = one([
    { name: 'x', type: 'ExecutePipeline', typeProperties: { pipeline: { referenceName: 'P' } } },
  ]);
  assert.match(self.errors[0]?.reason ?? '', /calling itself/);
  const twice = one([copyOf('a', 'x'), copyOf('A', 'x')]);
  assert.match(twice.errors[0]?.reason ?? '', /Two activities are named/);
  const around = (name: string, inner: string): object => ({
    name,
    type: 'ForEach',
    typeProperties: {
      items: { type: 'Expression', value: "@json('[1]')" },
      activities: [copyOf(inner, 'x')],
    },
  });
  const exact = one([around('to dbo', 'to dbo')]);
  assert.match(exact.errors[0]?.reason ?? '', /Two activities are named/);
  const byCase = one([around('TO DBO', 'to dbo')]);
  assert.deepEqual(errorsOf(byCase), []);
  assert.match(byCase.warnings[0]?.reason ?? '', /"TO DBO" and "to dbo", which differ by case only/);
});

test('parameters: one without a value is an error, one too many has no effect', () => {
  const copy = { ...copyOf('c', 'x'), inputs: [{ referenceName: 'ds_sql', parameters: { tabel: 'x' } }] };
  const report = one([copy]);
  assert.deepEqual(errorsOf(report), [
    'pipeline/p.json /properties/activities/0/inputs/0/parameters PARAMETER_MISSING',
  ]);
  assert.deepEqual(warningsOf(report), [
    'pipeline/p.json /properties/activities/0/inputs/0/parameters/tabel PROPERTY_IGNORED',
  ]);
});

test('a trigger starts pipelines that exist', () => {
  const trigger = (referenceName: string, value: string): object => ({
    name: 't',
    properties: {
      type: 'ScheduleTrigger',
      typeProperties: { recurrence: { frequency: 'Hour', interval: 1 } },
      pipelines: [
        { pipelineReference: { referenceName, type: 'PipelineReference' }, parameters: { day: value } },
      ],
    },
  });
  const files = {
    ...STORES,
    'pipeline/pl_orders.json': { name: 'pl_orders', ...pipelineOf([copyOf('c', 'x')]) },
  };
  const right = trigger('pl_orders', '@trigger().scheduledTime');
  assert.deepEqual(errorsOf(validate({ ...files, 'trigger/t.json': right })), []);
  const wrong = validate({ ...files, 'trigger/t.json': trigger('pl_ordres', '@item()') });
  assert.deepEqual(errorsOf(wrong), [
    'trigger/t.json /properties/pipelines/0/parameters/day EXPRESSION_INVALID',
    'trigger/t.json /properties/pipelines/0/pipelineReference/referenceName REFERENCE_MISSING',
  ]);
  assert.match(wrong.errors[1]?.advice ?? '', /nearest name is "pl_orders"/);
});

test('a type that is nothing like a known one is newer than waybill, not wrong', () => {
  const report = one([{ name: 'n', type: 'QuantumTeleport', typeProperties: {} }], {});
  assert.equal(report.pipelines[0]?.verdict, 'unsupported');
  assert.match(report.pipelines[0]?.reasons[0] ?? '', /QuantumTeleport.*"n"/);
});

test('global parameters are known by the factory file', () => {
  const use = (name: string): object => copyOf('c', `@pipeline().globalParameters.${name}`, {});
  const files = (name: string): Record<string, unknown> => {
    const copy = use(name) as { typeProperties: { sink: object } };
    copy.typeProperties.sink = { type: 'SnowflakeSink' };
    return {
      ...STORES,
      'factory/df.json': {
        name: 'df',
        properties: { globalParameters: { env: { type: 'string', value: 'dev' } } },
      },
      'pipeline/p.json': { name: 'p', ...pipelineOf([copy]) },
    };
  };
  assert.deepEqual(errorsOf(validate(files('env'))), []);
  assert.match(validate(files('evn')).errors[0]?.advice ?? '', /Did you mean "env"/);
});

test('hostile files are refused with the path of the fault while the rest loads', () => {
  const report = validate({
    ...STORES,
    'pipeline/deep.json': '{"a":'.repeat(100_000),
    'pipeline/big.json': ' '.repeat(10 * 1024 * 1024),
    'pipeline/proto.json': '{"name":"proto","properties":{"activities":[],"__proto__":{"x":1}}}',
    'pipeline/twice.json': '{"name":"twice","properties":{"activities":[],"activities":[]}}',
    'pipeline/list.json': '[]',
    'pipeline/odd.json': '{"name":"odd","properties":{"activities":{"0":1},"parameters":[],"variables":5}}',
    'pipeline/null.json': '{"name":"null","properties":{"activities":[null,1,{"name":1}]}}',
    'pipeline/fine.json': { name: 'fine', ...pipelineOf([copyOf('c', 'x')]) },
  });
  assert.deepEqual(
    report.pipelines.filter(({ verdict }) => verdict === 'runnable').map(({ name }) => name),
    ['fine'],
  );
  assert.equal(report.pipelines.length, 8);
  for (const { pointer, reason } of report.errors)
    assert.ok(reason.length > 10 && !pointer.includes('undefined'));
});

test('a thousand files load without work that grows faster than they do', () => {
  const files: Record<string, unknown> = { ...STORES };
  for (let i = 0; i < 1000; i++)
    files[`pipeline/p${i}.json`] = { name: `p${i}`, ...pipelineOf([copyOf('a', 'x'), copyOf('b', 'y')]) };
  const factory = writeFactory(files);
  // CPU time: a loaded machine gives it out slowly, and it stays as much.
  const before = process.cpuUsage();
  const report = validateFactory(factory.directory, { linkedService: {} });
  const { user, system } = process.cpuUsage(before);
  const took = (user + system) / 1000;
  factory.remove();
  assert.equal(report.pipelines.filter(({ verdict }) => verdict === 'runnable').length, 1000);
  assert.ok(took < 20_000, `${took} ms`);
});

test('the printed report names the place once and sums up in its last line', () => {
  const report = one([
    { ...copyOf('c', 'x'), dependsOn: [{ activity: 'd', dependencyConditions: ['Succeeded'] }] },
  ]);
  const lines = printReport(report).trimEnd().split('\n');
  assert.equal(lines[0], 'pipeline/p.json  /properties/activities/0/dependsOn/0/activity');
  assert.match(lines[1] ?? '', /^ {2}error {3}REFERENCE_MISSING "c" depends on "d"/);
  assert.equal(lines.at(-1), '5 resources · 1 pipeline: 0 runnable, 1 invalid · 1 error, 0 warnings');
});

test('every warning code has a meaning', () => {
  for (const meaning of Object.values(WARNINGS)) assert.ok(meaning.endsWith('.'));
});

test('Lookup, Script and stored procedures are runnable with what they need, and only then', () => {
  const dataset = { referenceName: 'ds_sql', type: 'DatasetReference', parameters: { table: 't' } };
  const linkedServiceName = { referenceName: 'ls_sql', type: 'LinkedServiceReference' };
  const lookup = (typeProperties: object): object => ({ name: 'a', type: 'Lookup', typeProperties });
  const script = (typeProperties: object): object => ({
    name: 'a',
    type: 'Script',
    linkedServiceName,
    typeProperties,
  });
  const source = { type: 'SqlServerSource' };
  const cases: [object, string, string[]][] = [
    [lookup({ source, dataset }), 'runnable', []],
    [lookup({ source }), 'invalid', ['DEFINITION_INVALID']],
    [lookup({ source: { type: 'DeltaSource' }, dataset }), 'unsupported', ['DEFINITION_UNSUPPORTED']],
    [script({ scripts: [{ type: 'Query', text: 'SELECT 1' }] }), 'runnable', []],
    [script({ scripts: [] }), 'invalid', ['DEFINITION_INVALID']],
    [
      script({
        scripts: [{ text: 'SELECT 1' }],
        logSettings: {
          logDestination: 'ExternalStore',
          logLocationSettings: {
            linkedServiceName: { referenceName: 'ls_nowhere', type: 'LinkedServiceReference' },
            path: 'logs',
          },
        },
      }),
      'invalid',
      ['REFERENCE_MISSING'],
    ],
    [
      {
        name: 'a',
        type: 'SqlServerStoredProcedure',
        linkedServiceName,
        typeProperties: { storedProcedureName: 'p' },
      },
      'runnable',
      [],
    ],
  ];
  for (const [activity, verdict, codes] of cases) {
    const report = one([activity]);
    assert.deepEqual(
      [report.pipelines[0]?.verdict, report.errors.map(({ code }) => code)],
      [verdict, codes],
      JSON.stringify(activity),
    );
  }
});

test('a dataset may speak of what the activity that uses it has: item(), pipeline(), activity()', () => {
  const dataset = (fileName: string): Record<string, unknown> => ({
    ...STORES,
    'linkedService/files.json': {
      name: 'files',
      properties: { type: 'AzureBlobStorage', typeProperties: {} },
    },
    'dataset/ds_file.json': {
      name: 'ds_file',
      properties: {
        type: 'Binary',
        linkedServiceName: { referenceName: 'files', type: 'LinkedServiceReference' },
        typeProperties: { location: { type: 'AzureBlobStorageLocation', container: 'c', fileName } },
      },
    },
  });
  const wipe = {
    name: 'wipe',
    type: 'Delete',
    typeProperties: { dataset: { referenceName: 'ds_file', type: 'DatasetReference' }, enableLogging: false },
  };
  const loop = {
    name: 'each',
    type: 'ForEach',
    typeProperties: { items: { value: "@createArray('a')", type: 'Expression' }, activities: [wipe] },
  };
  const verdict = (fileName: string, activity: object): string | undefined => {
    const report = validate({
      ...dataset(fileName),
      'pipeline/p.json': { name: 'p', ...pipelineOf([activity]) },
    });
    return report.pipelines[0]?.verdict;
  };
  assert.equal(verdict('@concat(item(), pipeline().RunId)', loop), 'runnable');
  assert.equal(verdict('@{pipeline().Pipeline}.txt', wipe), 'runnable');
  // Outside of a loop there is no item, and names must be there.
  assert.equal(verdict('@item()', wipe), 'invalid');
  assert.equal(verdict('@pipeline().parameters.missing', wipe), 'invalid');
  assert.equal(verdict("@activity('nobody').output.x", loop), 'invalid');
});
