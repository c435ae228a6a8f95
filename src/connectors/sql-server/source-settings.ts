// What a SQL Server source's settings ask to read, and how.

import type { CopyEndpoint } from '../../core/copy.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import type { TableName } from '../common/identifier.ts';
import { datasetTable, objectSetting, textSetting } from '../common/settings.ts';
import { literal, quoteTable } from './dialect.ts';
import { parseSourceQuery } from './source-query.ts';

/** `query` is one SELECT, which can be narrowed and split; `batch` any other text, which is run as it is. */
export type SourceText =
  | { readonly kind: 'table'; readonly label: string; readonly table: TableName }
  | { readonly kind: 'query' | 'batch'; readonly label: string; readonly text: string };

/** ADF's hooks for what stands in a query; those of other stores are not SQL Server's. */
const HOOKS = /\?Adf(?!DynamicRangePartitionCondition|RangePartitionColumnName)\w+/i;

/** Throws DEFINITION_INVALID where the source names nothing to read. */
export const sourceText = ({ dataset, settings }: CopyEndpoint): SourceText => {
  const procedure = textSetting(settings, 'sqlReaderStoredProcedureName');
  if (procedure !== undefined) {
    const called = procedureName(procedure);
    const label = `SQL Server procedure ${called.schema}.${called.name}`;
    return { kind: 'batch', label, text: procedureCall(called, settings) };
  }
  const text = textSetting(settings, 'sqlReaderQuery', 'query');
  if (text !== undefined) {
    const unknown = HOOKS.exec(text)?.[0];
    if (unknown !== undefined) {
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `The query's ${unknown} is not one of SQL Server's hooks.`,
      );
    }
    const single = parseSourceQuery(text) !== undefined;
    return { kind: single ? 'query' : 'batch', label: 'SQL Server query', text };
  }
  const table = datasetTable(dataset, 'dbo');
  if (table === undefined) {
    throw new WaybillError('DEFINITION_INVALID', 'The copy source names neither a table nor a query.');
  }
  return { kind: 'table', label: `SQL Server ${table.schema}.${table.name}`, table };
};

/** "[dbo].[p]", "dbo.p" and "p". */
export const procedureName = (text: string): TableName =>
  datasetTable({ tableName: text }, 'dbo') ?? { schema: 'dbo', name: text };

/** EXEC with ADF's storedProcedureParameters: texts, which SQL Server converts to the parameters' types. */
const procedureCall = (name: TableName, settings: JsonObject): string => {
  const given = Object.entries(procedureParameters(settings)).map(
    ([parameter, value]) => `@${parameter} = ${value === null ? 'NULL' : literal(value)}`,
  );
  return `EXEC ${quoteTable(name)} ${given.join(', ')}`.trimEnd();
};

const PARAMETER = /^[\p{L}_#][\p{L}\p{N}_@#$]*$/u;

/** ADF's storedProcedureParameters by name without "@": `{ "name": { "value": ..., "type": ... } }`, or bare values. */
export const procedureParameters = (settings: JsonObject): Record<string, string | null> => {
  const parameters: Record<string, string | null> = {};
  for (const [key, given] of Object.entries(objectSetting(settings, 'storedProcedureParameters'))) {
    const name = key.replace(/^@/, '');
    if (!PARAMETER.test(name)) {
      throw new WaybillError('IDENTIFIER_INVALID', `"${key}" cannot be the name of a procedure's parameter.`);
    }
    const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
    parameters[name] = parameterText(isObject ? (given['value'] ?? null) : given);
  }
  return parameters;
};

const parameterText = (value: JsonValue): string | null => {
  if (value === null) return null;
  if (typeof value === 'boolean') return value ? '1' : '0';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};

const LEVELS: Readonly<Record<string, string>> = {
  readcommitted: 'READ COMMITTED',
  readuncommitted: 'READ UNCOMMITTED',
  repeatableread: 'REPEATABLE READ',
  serializable: 'SERIALIZABLE',
  snapshot: 'SNAPSHOT',
};

/** ADF's isolationLevel, as what stands before a statement; nothing where it names none. */
export const isolationPrefix = (settings: JsonObject): string => {
  const named = textSetting(settings, 'isolationLevel');
  if (named === undefined || named.toLowerCase() === 'unspecified') return '';
  const level = LEVELS[named.toLowerCase()];
  if (level !== undefined) return `SET TRANSACTION ISOLATION LEVEL ${level};\n`;
  throw new WaybillError(
    'DEFINITION_INVALID',
    `"isolationLevel": "${named}" is not one of ReadCommitted, ReadUncommitted, RepeatableRead, Serializable and Snapshot.`,
    { key: 'isolationLevel' },
  );
};

/** ADF's queryTimeout, "[days.]hours:minutes:seconds", in milliseconds; 0 where none is named. */
export const statementMilliseconds = (settings: JsonObject): number => {
  const text = textSetting(settings, 'queryTimeout');
  if (text === undefined) return 0;
  const [, days = '0', hours, minutes, seconds] =
    /^(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})$/.exec(text) ?? [];
  if (hours === undefined) {
    throw new WaybillError('DEFINITION_INVALID', `"queryTimeout": "${text}" is not of the form 02:00:00.`, {
      key: 'queryTimeout',
    });
  }
  return (((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
};
