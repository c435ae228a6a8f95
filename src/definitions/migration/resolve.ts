// A migration's definition resolved: checked, and the lakehouse it moves resolved for both sides.
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { LakehousePlan, LakehouseVariant } from '../../core/lakehouse.ts';
import type { MigrationDataset, MigrationPlan } from '../../core/migration.ts';
import { asError, resolveLakehouse } from '../lakehouse/resolve.ts';
import { Problems } from '../problem.ts';
import { checkMigration } from './check.ts';
import type { MigrationDefinition } from './schema.ts';

/** Reads a definition strictly. Throws DEFINITION_INVALID with the first problem and how many more there are. */
export function readMigration(content: JsonObject, file: string): MigrationDefinition {
  const problems = new Problems(file);
  const definition = checkMigration(content, problems);
  if (definition === undefined) throw asError(problems.list);
  return definition;
}

/**
 * The plan of a migration. Throws what reading it and resolving its lakehouse on either side throw, so that nothing begins
 * which could not end.
 */
export function resolveMigration(factoryDirectory: string, content: JsonObject): MigrationPlan {
  const definition = readMigration(content, 'migration');
  const { databricks, parameters, storage } = definition;
  const variant: LakehouseVariant = {
    engine: databricks.engine as unknown as JsonObject,
    locations: databricks.locations.map(({ emr, databricks: to }) => ({ from: emr, to })),
    stages: databricks.stages,
  };
  const sides = { emr: parameters, databricks: { ...parameters, ...databricks.parameters } };
  const run = {
    name: definition.lakehouse,
    window: definition.windows[0] ?? '',
    runId: `migration/${definition.name}`,
    trigger: `migration ${definition.name}`,
    triggerTime: new Date(0).toISOString(),
  };
  const ours = resolveLakehouse(factoryDirectory, { ...run, parameters: sides.emr as JsonObject });
  if (ours.engine.type !== 'emr')
    throw new WaybillError(
      'DEFINITION_INVALID',
      `Lakehouse ${ours.name} runs on ${ours.engine.type}: only one that runs on EMR can be moved.`,
      { lakehouse: ours.name },
    );
  const theirs = resolveLakehouse(factoryDirectory, {
    ...run,
    parameters: sides.databricks as JsonObject,
    variant,
  });
  const { engine } = theirs;
  if (engine.type !== 'databricks' || 'attach' in engine)
    throw new WaybillError('INTERNAL', 'The variant has another engine.');
  return {
    name: definition.name,
    lakehouse: ours.name,
    parameters: sides as MigrationPlan['parameters'],
    variant,
    engine: { type: 'databricks', name: engine.name, configuration: {}, cluster: engine.cluster },
    storage: {
      code: theirs.storage.code,
      state: storage.state,
      pointers: storage.pointers ?? `${storage.state}/pointers`,
    },
    datasets: definition.datasets.map(datasetOf),
    windows: definition.windows,
    approval: definition.approval,
    afterCutOver: definition.afterCutOver,
  };
}

/** The lakehouse on Databricks with references of a Databricks job in place of the window and the run's moment. */
export function resolveMigratedJob(factoryDirectory: string, plan: MigrationPlan): LakehousePlan {
  return resolveLakehouse(factoryDirectory, {
    name: plan.lakehouse,
    window: '{{job.parameters.window}}',
    runId: `migration/${plan.name}`,
    trigger: 'databricks',
    triggerTime: '{{job.parameters.triggerTime}}',
    parameters: plan.parameters.databricks,
    variant: plan.variant,
  });
}

function datasetOf(dataset: MigrationDefinition['datasets'][number]): MigrationDataset {
  const { table } = dataset.databricks;
  return {
    name: dataset.name,
    emr: dataset.emr,
    databricks: { location: dataset.databricks.location, ...(table === undefined ? {} : { table }) },
    keys: dataset.keys,
    ignore: dataset.ignore,
    columns: dataset.columns as MigrationDataset['columns'],
    types: dataset.types,
    ...(dataset.windowColumn === undefined ? {} : { windowColumn: dataset.windowColumn }),
    allow: dataset.allow,
    partitionBy: dataset.partitionBy,
    replicate: dataset.replicate ?? (dataset.emr.format === 'parquet' ? 'always' : 'once'),
  };
}
