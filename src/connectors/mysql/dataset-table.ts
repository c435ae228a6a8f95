// The table that a dataset names, in MySQL's one level of names.
import type { JsonObject } from '../../core/json.ts';
import type { TableName } from '../common/identifier.ts';
import { datasetTable } from '../common/settings.ts';

/** "`my.table`" keeps a dot inside a name, as brackets and double quotes do elsewhere. */
export const withoutBackticks = (dataset: JsonObject): JsonObject => {
  const { tableName } = dataset;
  if (typeof tableName !== 'string') return dataset;
  const quoted = tableName.replace(
    /`((?:[^`]|``)+)`/g,
    (_all, name: string) => `"${name.replaceAll('``', '`').replaceAll('"', '""')}"`,
  );
  return { ...dataset, tableName: quoted };
};

/** MySQL has one level of names: the schema is the database. */
export const tableOf = (dataset: JsonObject, database: string): TableName | undefined =>
  datasetTable(withoutBackticks(dataset), database);
