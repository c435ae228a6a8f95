// Finds what is wrong with a migration's definition beyond its shape.
import type { JsonObject } from '../../core/json.ts';
import { nearestName } from '../../core/nearest-name.ts';
import type { Factory } from '../factory.ts';
import { reportIssue } from '../lakehouse/check.ts';
import { didYouMean, type Problems } from '../problem.ts';
import type { Resource } from '../resource.ts';
import { type MigrationDefinition, migrationSchema } from './schema.ts';

/** The definition, or undefined when it has errors; they are in `problems`. */
export function checkMigration(content: JsonObject, problems: Problems): MigrationDefinition | undefined {
  const parsed = migrationSchema.safeParse(content);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) reportIssue(issue, content, problems, migrationSchema);
    return undefined;
  }
  const definition = parsed.data;
  const before = problems.list.length;
  const wrong = (path: readonly PropertyKey[], reason: string, advice?: string): void =>
    problems.error(path, 'DEFINITION_INVALID', reason, advice);
  checkDatasets(definition, wrong);
  for (const [at, window] of definition.windows.entries())
    if (definition.windows.indexOf(window) !== at)
      wrong(['windows', at], `Window "${window}" is there twice.`);
  for (const [at, { emr, databricks }] of definition.databricks.locations.entries())
    if (overlap(emr, databricks))
      wrong(
        ['databricks', 'locations', at],
        'Both sides would write to the same place.',
        'Choose a prefix that is neither within the other nor around it.',
      );
  return problems.list.length === before ? definition : undefined;
}

/** Checks a resource of the factory; its problems say what is wrong. */
export function compileMigration(resource: Resource, factory: Factory): void {
  const { properties, path, problems } = resource;
  if (path.length > 0) {
    problems.error(
      path,
      'DEFINITION_INVALID',
      'A migration’s file has no "properties".',
      'Put its content at the top level.',
    );
    return;
  }
  const lakehouse = checkMigration(properties, problems)?.lakehouse;
  if (lakehouse !== undefined && factory.find('lakehouse', lakehouse, resource) === undefined)
    problems.error(
      ['lakehouse'],
      'REFERENCE_MISSING',
      `There is no lakehouse "${lakehouse}".`,
      didYouMean(nearestName(lakehouse, factory.names('lakehouse'))),
    );
}

function checkDatasets(
  { datasets, storage }: MigrationDefinition,
  wrong: (path: readonly PropertyKey[], reason: string, advice?: string) => void,
): void {
  const names = new Set<string>();
  const targets = new Map<string, string>();
  for (const [at, dataset] of datasets.entries()) {
    const path = ['datasets', at];
    const key = dataset.name.toLowerCase();
    if (names.has(key)) wrong([...path, 'name'], `"${dataset.name}" is the name of another dataset.`);
    names.add(key);
    const target = dataset.databricks.location;
    if (overlap(dataset.emr.location, target))
      wrong([...path, 'databricks', 'location'], 'Both sides would write to the same place.');
    for (const [other, name] of targets)
      if (overlap(other, target))
        wrong([...path, 'databricks', 'location'], `It is where dataset "${name}" is, or within it.`);
    targets.set(target, dataset.name);
    for (const place of [dataset.emr.location, target])
      if (overlap(place, storage.state))
        wrong(['storage', 'state'], `It lies in a table of dataset "${dataset.name}", or around it.`);
    const ignored = lower(dataset.ignore);
    for (const [index, one] of dataset.keys.entries())
      if (ignored.includes(one.toLowerCase()))
        wrong([...path, 'keys', index], `"${one}" is a key, and yet not to be compared.`);
    for (const column of Object.keys(dataset.columns))
      if (ignored.includes(column.toLowerCase()) || lower(dataset.keys).includes(column.toLowerCase()))
        wrong([...path, 'columns', column], `"${column}" is a key or not compared: it has no tolerance.`);
  }
}

const lower = (names: readonly string[]): string[] => names.map((name) => name.toLowerCase());

/** Whether one place is the other, or lies within it. */
const overlap = (one: string, other: string): boolean =>
  one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
