// Activities behind `migrateToDatabricks`: its definition, its job in the workspace, pointers, specifications, reports.
import { Context } from '@temporalio/activity';
import type { PutJob } from '../compute/databricks/jobs.ts';
import { lakehouseJob } from '../compute/databricks/lakehouse-job.ts';
import type { LakeStorage } from '../compute/lake-storage.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { LakehouseActivities } from '../core/lakehouse.ts';
import type { DatasetPointer, FoundRun, MigrationActivities, MigrationPlan } from '../core/migration.ts';
import { migrationWorkflowId } from '../core/workflow-ids.ts';
import { resolveMigratedJob, resolveMigration } from '../definitions/migration/resolve.ts';
import { readPointer, writePointer } from './migration/pointers.ts';
import { migrationReport } from './migration/report.ts';
import { migrationHtml } from './migration/report-html.ts';

export interface MigrationDependencies {
  readonly storage: LakeStorage;
  readonly factoryDirectory: string;
  readonly uploadJobs: LakehouseActivities['uploadJobs'];
  /** Makes a job of this name in the workspace, or gives the one there is these settings. */
  readonly putJob: (
    settings: JsonObject & { name: string },
    mark: { readonly tag: string; readonly value: string },
    signal: AbortSignal,
  ) => Promise<PutJob>;
  readonly findLakehouseRun: (workflowId: string) => Promise<FoundRun>;
}

const JOB_TAG = 'waybill:migration';
const JSON_TYPE = 'application/json';

export function createMigrationActivities(dependencies: MigrationDependencies): MigrationActivities {
  const { storage, factoryDirectory, uploadJobs, putJob, findLakehouseRun } = dependencies;
  const signal = (): AbortSignal => Context.current().cancellationSignal;

  return {
    async loadMigration({ definition }) {
      return resolveMigration(factoryDirectory, definition);
    },

    async readPointers({ plan, at }) {
      const pointers: DatasetPointer[] = [];
      for (const { name, emr } of plan.datasets) {
        const known = await readPointer(storage, plan.storage.pointers, name, signal());
        const first: DatasetPointer = {
          dataset: name,
          engine: 'emr',
          format: emr.format,
          location: emr.location,
          generation: 1,
          since: at,
          migration: plan.name,
          reason: 'the migration begins',
        };
        pointers.push(known ?? (await writePointer(storage, plan.storage.pointers, first, signal())));
      }
      return pointers;
    },

    async writePointer({ prefix, pointer }) {
      return writePointer(storage, prefix, pointer, signal());
    },

    async putMigratedJob({ plan }) {
      const job = resolveMigratedJob(factoryDirectory, plan);
      const code = await uploadJobs({ prefix: plan.storage.code, engine: 'databricks' });
      const settings = lakehouseJob(job, code, migrationWorkflowId(plan.name));
      const { id, created } = await putJob(settings, { tag: JOB_TAG, value: plan.name }, signal());
      return { id, name: settings.name, created };
    },

    async writeMigrationSpec({ plan, window, datasets }) {
      const tables = plan.datasets.filter(({ name }) => datasets.includes(name));
      const uri = `${plan.storage.state}/specs/${window}.json`;
      const spec = { tables: tables.map((one) => tableSpec(one, plan, window)) };
      await storage.write(uri, Buffer.from(JSON.stringify(spec)), JSON_TYPE, signal());
      return uri;
    },

    async findLakehouseRun({ workflowId }) {
      return findLakehouseRun(workflowId);
    },

    async writeMigrationReport({ plan, window, comparison, at }) {
      const body = await storage.read(comparison, signal());
      if (body === undefined)
        throw new WaybillError('OBJECT_MISSING', `The comparison left no report at ${comparison}.`, {
          uri: comparison,
        });
      const report = migrationReport(plan, window, JSON.parse(body.toString('utf8')) as JsonObject, at);
      const base = `${plan.storage.state}/reports/${window.window}-${window.comparisons + 1}`;
      await storage.write(
        `${base}.json`,
        Buffer.from(`${JSON.stringify(report, null, 2)}\n`),
        JSON_TYPE,
        signal(),
      );
      await storage.write(
        `${base}.html`,
        Buffer.from(migrationHtml(report)),
        'text/html; charset=utf-8',
        signal(),
      );
      return { json: `${base}.json`, html: `${base}.html` };
    },
  };
}

/** What the jobs `replicate` and `parity` are told of a dataset. */
const tableSpec = (
  dataset: MigrationPlan['datasets'][number],
  plan: MigrationPlan,
  window: string,
): JsonObject => ({
  name: dataset.name,
  source: dataset.emr.location,
  source_format: dataset.emr.format,
  target: dataset.databricks.location,
  keys: [...dataset.keys],
  ignore: [...dataset.ignore],
  columns: dataset.columns as unknown as JsonObject,
  any_type: dataset.types === 'any',
  window_column: dataset.windowColumn ?? null,
  window,
  allowed: { ...dataset.allow },
  partition_by: [...dataset.partitionBy],
  replicate: dataset.replicate,
  before_run: plan.windows[0] ?? null,
});
