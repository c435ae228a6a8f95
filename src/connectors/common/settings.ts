// Reading the loosely typed settings that definitions carry: numbers as text, truth as text, names in two spellings.
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { TableName } from './identifier.ts';

export const textSetting = (settings: JsonObject, ...names: string[]): string | undefined => {
  for (const name of names) {
    const value = settings[name];
    if (typeof value === 'string' && value !== '') return value;
    if (typeof value === 'number') return String(value);
  }
  return undefined;
};

export const objectSetting = (settings: JsonObject, name: string): JsonObject => {
  const value: JsonValue | undefined = settings[name];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
};

export const booleanSetting = (settings: JsonObject, name: string): boolean | undefined => {
  const value = settings[name];
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string') return value.toLowerCase() === 'true';
  return undefined;
};

/**
 * The table of a dataset: `schema` and `table`, or the older `tableName` "schema.table" (brackets and double quotes
 * are ADF's way to keep a dot inside a part).
 */
export const datasetTable = (dataset: JsonObject, defaultSchema: string): TableName | undefined => {
  const table = textSetting(dataset, 'table');
  if (table !== undefined) return { schema: textSetting(dataset, 'schema') ?? defaultSchema, name: table };
  const whole = textSetting(dataset, 'tableName');
  if (whole === undefined) return undefined;
  const parts = [...whole.matchAll(/\[((?:[^\]]|\]\])+)\]|"((?:[^"]|"")+)"|([^.[\]"]+)/g)].map(
    (match) => match[1]?.replaceAll(']]', ']') ?? match[2]?.replaceAll('""', '"') ?? match[3] ?? '',
  );
  const name = parts.at(-1);
  if (name === undefined) return undefined;
  return { schema: parts.at(-2) ?? defaultSchema, name };
};

/** Like datasetTable, for a place where a table must be named. */
export const requiredTable = (dataset: JsonObject, defaultSchema: string): TableName => {
  const table = datasetTable(dataset, defaultSchema);
  if (table === undefined) {
    throw new WaybillError('DEFINITION_INVALID', 'The dataset names no table ("schema" and "table").');
  }
  return table;
};

/** Sinks insert; anything else a definition asks for is refused before the first row. */
export const requireInsert = (settings: JsonObject): void => {
  const behavior = (textSetting(settings, 'writeBehavior') ?? 'insert').toLowerCase();
  if (behavior !== 'insert' || (textSetting(settings, 'writeMethod') ?? '').toLowerCase() === 'upsert') {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `Write behaviour "${behavior}" is not supported; use insert.`,
      {
        writeBehavior: behavior,
      },
    );
  }
  if (settings['sqlWriterStoredProcedureName'] !== undefined) {
    throw new WaybillError('DEFINITION_UNSUPPORTED', 'Writing through a stored procedure is not supported.');
  }
};
