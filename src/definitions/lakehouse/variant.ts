// A lakehouse definition made into one that runs elsewhere: another engine, other places, fewer stages.
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { LakehouseVariant } from '../../core/lakehouse.ts';
import type { StageName } from '../../core/run.ts';
import { isObject } from '../resource.ts';

/** Settings that mean the same on every engine; executors and memory do not. */
const PORTABLE = /^spark\.(sql|databricks)\./;
const STAGES: readonly StageName[] = ['ingest', 'process', 'load', 'serve', 'optimize'];

/**
 * The definition's content as the variant wants it. Settings of Spark SQL, the engine's and the jobs', become the new
 * engine's, since Databricks takes none with a job; checks that count what is left out go with it. Throws
 * DEFINITION_UNSUPPORTED where two jobs set one thing differently and the variant does not say which it is to be.
 */
export function applyVariant(content: JsonObject, variant: LakehouseVariant): JsonObject {
  const all = objectOf(content['stages']);
  const left = STAGES.filter((stage) => !variant.stages.includes(stage)).flatMap((stage) =>
    names(all[stage]),
  );
  const stages: JsonObject = {};
  const settings: JsonObject = { ...objectOf(objectOf(content['engine'])['configuration']) };
  const decided = objectOf(variant.engine['configuration']);
  for (const stage of variant.stages) {
    const value = all[stage];
    if (!isObject(value)) continue;
    const jobs = list(value['jobs']).map((job): JsonObject => {
      const { configuration, profile: _profile, ...rest } = job;
      for (const [name, setting] of Object.entries(objectOf(configuration))) {
        if (!PORTABLE.test(name)) continue;
        if (settings[name] !== undefined && settings[name] !== setting && decided[name] === undefined) {
          throw new WaybillError(
            'DEFINITION_UNSUPPORTED',
            `Jobs set ${name} to "${String(settings[name])}" and to "${String(setting)}", and Databricks takes one for all: say which in the "configuration" of the migration's engine.`,
            { setting: name },
          );
        }
        settings[name] = setting;
      }
      return rest;
    });
    stages[stage] = {
      ...value,
      ...(value['jobs'] === undefined ? {} : { jobs }),
      ...(value['checks'] === undefined
        ? {}
        : { checks: list(value['checks']).filter((check) => !countsAny(check, left)) }),
    };
  }
  const carried = Object.entries(settings).filter(([name]) => PORTABLE.test(name));
  return {
    ...content,
    engine: { ...variant.engine, configuration: { ...Object.fromEntries(carried), ...decided } },
    stages,
  };
}

/** Every text that is, or lies below, a place, with the other place instead. The longest prefix counts. */
export function relocate(value: JsonValue, locations: LakehouseVariant['locations']): JsonValue {
  if (typeof value === 'string') {
    const [found] = locations
      .filter(({ from }) => value === from || value.startsWith(`${from}/`))
      .sort((a, b) => b.from.length - a.from.length);
    return found === undefined ? value : `${found.to}${value.slice(found.from.length)}`;
  }
  if (Array.isArray(value)) return value.map((one) => relocate(one, locations));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, relocate(one, locations)]));
}

const objectOf = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : {});
const list = (value: JsonValue | undefined): JsonObject[] =>
  Array.isArray(value) ? value.filter((one) => isObject(one)) : [];

/** Names of a stage's copies, inputs, jobs and runs of dbt. */
const names = (stage: JsonValue | undefined): string[] =>
  ['copies', 'inputs', 'jobs', 'dbt'].flatMap((kind) =>
    list(objectOf(stage)[kind]).map((one) => String(one['name'])),
  );

const countsAny = (check: JsonObject, left: readonly string[]): boolean =>
  ['sum', 'equals'].some((side) => {
    const terms = check[side];
    return Array.isArray(terms) && terms.some((term) => left.includes(String(term).split(':', 1)[0] ?? ''));
  });
