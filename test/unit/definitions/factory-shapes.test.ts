// Shapes in which factories are found: several in one directory, ARM templates, Fabric items, schemas for editors.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { definitionSchemas } from '../../../src/definitions/json-schema.ts';
import { examineFactory, type Report } from '../../../src/definitions/validate.ts';

function validate(files: Record<string, unknown>): Report {
  const directory = mkdtempSync(join(tmpdir(), 'waybill-shapes-'));
  try {
    for (const [file, content] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, file)), { recursive: true });
      writeFileSync(join(directory, file), typeof content === 'string' ? content : JSON.stringify(content));
    }
    return examineFactory(directory, { linkedService: {}, linkedServiceType: {} }).report;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const verdicts = (report: Report): string[] =>
  report.pipelines.map(({ name, verdict }) => `${name} ${verdict}`);
const wait = { name: 'w', type: 'Wait', typeProperties: { waitTimeInSeconds: 1 } };
const call = (name: string): object => ({
  name: 'c',
  type: 'ExecutePipeline',
  typeProperties: { pipeline: { referenceName: name, type: 'PipelineReference' } },
});
const pipeline = (name: string, ...activities: object[]): object => ({ name, properties: { activities } });

test('two factories in one directory each use their own definitions', () => {
  const report = validate({
    'one/pipeline/main.json': pipeline('main', call('part')),
    'one/pipeline/part.json': pipeline('part', wait),
    'two/pipeline/main.json': pipeline('main', call('part')),
    'two/pipeline/part.json': pipeline('part', { name: 'x', type: 'ExecuteSSISPackage', typeProperties: {} }),
  });
  assert.deepEqual(verdicts(report), [
    'main runnable',
    'part runnable',
    'main unsupported',
    'part unsupported',
  ]);
  assert.equal(report.warnings.length, 2);
});

test('one name twice within a factory is an error', () => {
  const report = validate({ 'pipeline/a.json': pipeline('a', wait), 'pipeline/b.json': pipeline('A', wait) });
  assert.deepEqual(verdicts(report), ['a runnable', 'A invalid']);
});

test('an ARM export loads with its parameters, linked templates and nested resources', () => {
  const template = {
    $schema: 'https://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    parameters: {
      factoryName: { type: 'string' },
      server: { type: 'string', defaultValue: 'localhost,1433' },
    },
    variables: { factoryId: "[concat('Microsoft.DataFactory/factories/', parameters('factoryName'))]" },
    resources: [
      {
        name: "[concat(parameters('factoryName'), '/main')]",
        type: 'Microsoft.DataFactory/factories/pipelines',
        properties: {
          activities: [
            { name: 's', type: 'SetVariable', typeProperties: { variableName: 'v', value: '[[1]' } },
            call('part'),
          ],
          variables: { v: { type: 'String' } },
        },
        dependsOn: ["[concat(variables('factoryId'), '/pipelines/part')]"],
      },
      {
        name: "[concat(parameters('factoryName'), '/ls')]",
        type: 'Microsoft.DataFactory/factories/linkedServices',
        properties: { type: 'SqlServer', typeProperties: { server: "[parameters('server')]" } },
      },
      {
        name: "[parameters('factoryName')]",
        type: 'Microsoft.DataFactory/factories',
        resources: [{ name: 'part', type: 'pipelines', properties: { activities: [wait, call('lost')] } }],
      },
    ],
  };
  const report = validate({
    'arm/ARMTemplateForFactory.json': template,
    'arm/ARMTemplateParametersForFactory.json': { parameters: { factoryName: { value: 'df' } } },
    'arm/linkedTemplates/ArmTemplate_0.json': template,
  });
  assert.deepEqual(verdicts(report), ['main invalid', 'part invalid']);
  assert.equal(report.errors.length, 1);
  assert.match(report.errors[0]?.pointer ?? '', /^\/resources\/2\/resources\/0\/properties\/activities\/1/);
});

test("Fabric's items are named by their folder and their connections are unsupported, not wrong", () => {
  const report = validate({
    'Plain.DataPipeline/pipeline-content.json': { properties: { activities: [wait] } },
    'Main.DataPipeline/pipeline-content.json': { properties: { activities: [call('1111-22')] } },
    'Part.DataPipeline/pipeline-content.json': {
      properties: {
        activities: [
          {
            name: 'look',
            type: 'Lookup',
            typeProperties: {
              source: { type: 'DataWarehouseSource' },
              datasetSettings: { type: 'DataWarehouseTable' },
            },
          },
        ],
      },
    },
    'Part.DataPipeline/.platform': { config: { version: '2.0', logicalId: '1111-22' } },
  });
  assert.deepEqual(verdicts(report), ['Main unsupported', 'Part unsupported', 'Plain runnable']);
  assert.match(report.pipelines[1]?.reasons.join() ?? '', /Lookup "look"/);
});

test('loose files are recognised by their content where there is no layout of folders', () => {
  const report = validate({
    'export/main.json': pipeline('main', wait),
    'export/package.json': { name: 'p', version: '1.0.0' },
    'export/notes.json': [1, 2],
  });
  assert.deepEqual(verdicts(report), ['main runnable']);
  assert.equal(report.errors.length, 0);
});

test('references anywhere in an activity must lead somewhere, also to data flows', () => {
  const report = validate({
    'pipeline/p.json': pipeline('p', {
      name: 'flow',
      type: 'ExecuteDataFlow',
      typeProperties: { dataflow: { referenceName: 'df_lost', type: 'DataFlowReference' } },
    }),
    'pipeline/off.json': pipeline('off', {
      name: 'flow',
      type: 'ExecuteDataFlow',
      state: 'Inactive',
      typeProperties: { dataflow: { referenceName: 'df_lost', type: 'DataFlowReference' } },
    }),
  });
  assert.deepEqual(verdicts(report), ['off runnable', 'p invalid']);
});

test('schemas for editors name every activity type and what runs needs', () => {
  const schema = JSON.stringify(definitionSchemas()['pipeline.schema.json']);
  for (const word of ['"ExecuteDataFlow"', '"waitTimeInSeconds"', '"#/$defs/activity"'])
    assert.ok(schema.includes(word), word);
  assert.ok(!schema.includes('__schema'));
});
