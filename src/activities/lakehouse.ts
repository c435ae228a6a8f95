// Activities behind `runLakehouse`: its definition, its job code, and what lies in its storage.
import { Context } from '@temporalio/activity';
import type { LakeStorage } from '../compute/lake-storage.ts';
import { WaybillError } from '../core/errors.ts';
import type { DeltaTable, LakehouseActivities, TableVersion } from '../core/lakehouse.ts';
import { resolveLakehouse } from '../definitions/lakehouse/resolve.ts';
import { packJobs } from './job-package.ts';

export interface LakehouseDependencies {
  readonly storage: LakeStorage;
  /** Directory of the factory; definitions are in its `lakehouse/`. */
  readonly factoryDirectory: string;
  /** Directory with `main.py` and `waybill_jobs/`. */
  readonly jobsDirectory: string;
  /** Currency of the price table, which budgets must be in; any where absent. */
  readonly currency?: string;
  /** Names of the settings' alerts, which definitions may use; any where absent. */
  readonly alertChannels?: readonly string[];
}

/** A prefix this short could be a whole bucket's content; nothing is ever deleted under one. */
const LEAST_DELETABLE_SEGMENTS = 2;

export function createLakehouseActivities(dependencies: LakehouseDependencies): LakehouseActivities {
  const { storage, factoryDirectory, jobsDirectory } = dependencies;

  return {
    async loadLakehouse(input) {
      const plan = resolveLakehouse(factoryDirectory, input);
      const { budget } = plan;
      if (budget !== undefined && budget.currency !== (dependencies.currency ?? budget.currency))
        throw new WaybillError(
          'DEFINITION_INVALID',
          `The budget is in ${budget.currency} and the price table in ${dependencies.currency}.`,
          { budget: budget.currency },
        );
      const unknown = plan.monitoring?.alerts.find(
        (name) => dependencies.alertChannels?.includes(name) === false,
      );
      if (unknown !== undefined)
        throw new WaybillError(
          'REFERENCE_MISSING',
          `The settings have no [alerts.${unknown}], which monitoring of ${plan.name} names.`,
          { alert: unknown },
        );
      return plan;
    },

    async uploadJobs({ prefix, engine }) {
      const signal = Context.current().cancellationSignal;
      const { hash, main, archive, wheel } = await packJobs(jobsDirectory);
      const base = `${prefix.replace(/\/+$/, '')}/${hash}`;
      const isWheel = engine === 'databricks';
      const packed = isWheel ? `${base}/wheel/${wheel.name}` : `${base}/waybill_jobs.zip`;
      const code = { main: `${base}/${isWheel ? 'wheel/' : ''}main.py`, pyFiles: [packed] };
      // main.py goes last: where it is, the archive is.
      if (await storage.exists(code.main, signal)) return code;
      await storage.write(packed, isWheel ? wheel.archive : archive, 'application/zip', signal);
      await storage.write(code.main, main, 'text/x-python', signal);
      return code;
    },

    async countLanded({ inputs }) {
      const counted: { name: string; files: number; bytes: number; newest?: number }[] = [];
      for (const input of inputs) {
        let files = 0;
        let bytes = 0;
        let newest = 0;
        for await (const page of storage.list(folder(input.prefix), Context.current().cancellationSignal)) {
          // A zero-byte object whose key ends in "/" is a folder that a console made.
          const real = page.filter((object) => !object.uri.endsWith('/'));
          files += real.length;
          bytes += real.reduce((sum, object) => sum + object.bytes, 0);
          newest = Math.max(newest, ...real.map((object) => object.modifiedAt ?? 0));
          Context.current().heartbeat();
        }
        if (files < input.minimumFiles) {
          throw new WaybillError(
            'OBJECT_MISSING',
            `Input ${input.name} needs ${input.minimumFiles} files under ${input.prefix} and has ${files}.`,
            { input: input.name, prefix: input.prefix, files },
          );
        }
        counted.push({ name: input.name, files, bytes, ...(newest > 0 ? { newest } : {}) });
      }
      return counted;
    },

    async deleteLanded({ prefixes }) {
      const signal = Context.current().cancellationSignal;
      let files = 0;
      let uploads = 0;
      for (const prefix of prefixes.map(folder)) {
        const segments = prefix
          .replace(/^s3:\/\/[^/]+\//, '')
          .split('/')
          .filter(Boolean);
        if (segments.length < LEAST_DELETABLE_SEGMENTS) {
          throw new WaybillError(
            'DEFINITION_INVALID',
            `Refused to delete under ${prefix}: the prefix is too short.`,
            {
              prefix,
            },
          );
        }
        uploads += await storage.abortUploads(prefix, signal);
        for await (const page of storage.list(prefix, signal)) {
          await storage.remove(
            page.map((object) => object.uri),
            signal,
          );
          files += page.length;
          Context.current().heartbeat({ files, uploads });
        }
      }
      return { files, uploads };
    },

    async readTableVersions({ tables }) {
      const versions: TableVersion[] = [];
      for (const table of tables) versions.push({ ...table, version: await deltaVersion(storage, table) });
      return versions;
    },

    async applyLifecycle({ bucket, owner, rules }) {
      return storage.mergeLifecycle(bucket, owner, rules, Context.current().cancellationSignal);
    },
  };
}

/** A Delta table's version is the highest number among the commits in its log. */
async function deltaVersion(storage: LakeStorage, table: DeltaTable): Promise<number> {
  let version = -1;
  const log = `${folder(table.location)}_delta_log/`;
  for await (const page of storage.list(log, Context.current().cancellationSignal)) {
    Context.current().heartbeat();
    for (const { uri } of page) {
      const commit = /\/(\d{20})\.json$/.exec(uri.slice(log.length - 1));
      if (commit) version = Math.max(version, Number(commit[1]));
    }
  }
  return version;
}

/** The prefix as a folder, so that `…/2013` does not take in `…/2013b`. */
const folder = (prefix: string): string => (prefix.endsWith('/') ? prefix : `${prefix}/`);
