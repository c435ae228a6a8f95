// The private world of a rehearsal: its own engines and data, started for it and gone after it.
import type { CompiledFactory } from '../../../src/definitions/compile-factory.ts';
import { withLock } from '../../setup/lock.ts';
import type { Report } from '../../setup/report.ts';
import { worldDown, worldStatus, worldUp } from '../../world/lifecycle.ts';
import { type EngineName, worldDirectory } from '../../world/state.ts';
import type { World } from '../../world/world.ts';
import { localService } from '../linked-services.ts';

const ENGINES: Readonly<Record<string, EngineName>> = {
  'sql-server': 'sqlserver',
  postgres: 'postgres',
  mysql: 'mysql',
  snowflake: 'snowflake',
  s3: 's3',
  'azure-blob': 'azure-blob',
};

/** The engines that stand in for a factory's linked services. */
export function enginesFor(compiled: CompiledFactory): EngineName[] {
  const engines = new Set<EngineName>(['temporal']);
  for (const definition of compiled.linkedServices.values()) {
    const engine = ENGINES[localService(definition).kind];
    if (engine !== undefined) engines.add(engine);
  }
  // Data flows run on Spark, and their rows pass through S3.
  if (compiled.pipelines.some(({ dataflows }) => dataflows.length > 0)) engines.add('s3').add('emr');
  return [...engines];
}

/**
 * Lends a world to the work. One that is up already stays up; one that is started for it is ended and its data deleted,
 * unless `keep`. WAYBILL_REHEARSAL_WORLD names another than "rehearsal". Two rehearsals in one world wait for each other.
 */
export async function withWorld<Result>(
  options: { readonly keep: boolean; readonly report: Report },
  work: (world: (compiled: CompiledFactory) => Promise<World>) => Promise<Result>,
): Promise<Result> {
  const name = process.env['WAYBILL_REHEARSAL_WORLD'] || 'rehearsal';
  const lock = `${worldDirectory(name)}-lock`;
  return withLock(
    lock,
    () => options.report(`another rehearsal is using the world "${name}", waiting`),
    async () => {
      const wasUp = worldStatus(name) !== undefined;
      try {
        return await work((compiled) =>
          worldUp({ name, engines: enginesFor(compiled), report: options.report }),
        );
      } finally {
        if (!wasUp && !options.keep) await worldDown(name, { destroy: true });
      }
    },
  );
}
