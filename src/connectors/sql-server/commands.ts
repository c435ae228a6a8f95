// Statements and procedures on SQL Server: results row by row, rows changed, output parameters, messages.
import type mssql from 'mssql';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import { integerValue, jsonValue, rowObject, singleValue } from '../common/json-values.ts';
import { ResultCollector, type ResultColumn } from '../common/result-collector.ts';
import { datasetTable } from '../common/settings.ts';
import type { SqlAnswer, SqlCommands, SqlContext, SqlLimits, SqlParameter } from '../sql-commands.ts';
import { addParameters } from './command-parameters.ts';
import { sqlServerConfig } from './config.ts';
import { SqlServerConnection } from './connection.ts';
import { formatRowDecoders } from './decoders.ts';
import { quote, quoteTable } from './dialect.ts';
import { sqlServerError } from './errors.ts';
import { columnFromFacts } from './types.ts';

export async function openSqlServerCommands({ linkedService, signal }: SqlContext): Promise<SqlCommands> {
  const connection = await SqlServerConnection.open(sqlServerConfig(linkedService), signal);
  const perform = (
    parameters: readonly SqlParameter[],
    limits: SqlLimits,
    doing: string,
    send: (request: mssql.Request) => Promise<{ output: Record<string, unknown> }>,
  ): Promise<SqlAnswer> => performRequest(connection, { parameters, limits, doing, send });
  return {
    product: 'SQL Server',
    // Without parameters as a batch of its own: what a procedure's call makes (#temp tables) would go with the call.
    run: (text, parameters, limits) =>
      perform(parameters, limits, 'running a script', (request) =>
        parameters.length === 0 ? request.batch(text) : request.query(text),
      ),
    call: (procedure, parameters, limits) =>
      perform(parameters, limits, `calling ${procedure}`, (request) =>
        request.execute(quotedName(procedure)),
      ),
    selectFrom: async (dataset, rows) => {
      const table = datasetTable(dataset, 'dbo');
      return table === undefined ? undefined : `SELECT TOP (${rows}) * FROM ${quoteTable(table)}`;
    },
    close: () => connection.close(),
  };
}

/** "[db].[schema].[name]" as ADF writes it, each part quoted; a name alone is found by the user's own schema. */
function quotedName(procedure: string): string {
  const parts = [...procedure.matchAll(/\[((?:[^\]]|\]\])+)\]|"((?:[^"]|"")+)"|([^.[\]"]+)/g)].map(
    ([, bracketed, doubled, plain]) =>
      bracketed?.replaceAll(']]', ']') ?? doubled?.replaceAll('""', '"') ?? plain?.trim() ?? '',
  );
  return parts.map(quote).join('.');
}

interface Performance {
  readonly parameters: readonly SqlParameter[];
  readonly limits: SqlLimits;
  readonly doing: string;
  readonly send: (request: mssql.Request) => Promise<{ output: Record<string, unknown> }>;
}

async function performRequest(
  connection: SqlServerConnection,
  { parameters, limits, doing, send }: Performance,
): Promise<SqlAnswer> {
  const request = connection.request();
  const collector = new ResultCollector(limits);
  let failure: unknown;
  let enough = false;
  /** The count that ends a result is its number of rows, not of rows changed. */
  let inResult = false;
  try {
    addParameters(connection.driver, request, parameters);
    request.stream = true;
    request.arrayRowMode = true;
    request.on('recordset', (columns: unknown) => {
      inResult = true;
      collector.begin((columns as DescribedColumn[]).map(resultColumn));
    });
    request.on('row', (row: unknown) => {
      // A column of FOR JSON or FOR XML comes as an object, in one piece.
      const values = Array.isArray(row) ? row : Object.values(row as object);
      if (enough) return;
      try {
        enough = collector.row(values);
      } catch (error) {
        failure ??= error;
        enough = true;
      }
      if (enough) request.cancel();
    });
    request.on('rowsaffected', (rows: number) => {
      if (!inResult) collector.affected(rows);
      inResult = false;
    });
    request.on('info', ({ message }: { message: string }) => collector.message(message));
    request.on('error', (error: unknown) => {
      // Ended by us: the driver reports that as an error.
      if (!enough) failure ??= error;
    });
    const { output } = await send(request);
    if (failure !== undefined) throw failure;
    return collector.answer(outputs(parameters, output));
  } catch (error) {
    throw sqlServerError(error, doing);
  } finally {
    connection.finished(request);
  }
}

const BYTES = /^(binary|varbinary|image|rowversion|timestamp)$/;

/** A result's column as mssql describes it; its typings lack most of that. */
interface DescribedColumn {
  readonly name: string;
  readonly type?: { readonly declaration?: string; readonly type?: { readonly declaration?: string } };
  readonly scale?: number;
}

function resultColumn({ name, type, scale }: DescribedColumn): ResultColumn {
  const native = (type?.declaration ?? type?.type?.declaration ?? 'nvarchar').toLowerCase();
  return { name, bytes: BYTES.test(native), value: valueReader(native, scale ?? null) };
}

function valueReader(native: string, scale: number | null): (raw: unknown) => JsonValue {
  switch (native) {
    case 'bit':
      return (raw) => raw === true || raw === 1;
    case 'bigint':
      return (raw) => integerValue(String(raw));
    case 'real':
      return (raw) => singleValue(Number(raw));
    case 'uniqueidentifier':
      return (raw) => String(raw).toLowerCase();
    default:
      break;
  }
  if (BYTES.test(native)) return (raw) => (raw as Buffer).toString('base64');
  if (/^(date|time|datetime|datetime2|smalldatetime|datetimeoffset)$/.test(native)) {
    const column = columnFromFacts({ name: '', native, nullable: true, scale });
    const decode = formatRowDecoders([column]);
    return (raw) => jsonValue(column, decode([raw])[0] ?? null);
  }
  return (raw) => (typeof raw === 'number' || typeof raw === 'string' ? raw : textOf(raw));
}

/** Values of types that the driver hands over as objects: geography, sql_variant's dates. */
const textOf = (raw: unknown): JsonValue =>
  raw instanceof Date ? raw.toISOString() : typeof raw === 'object' ? JSON.stringify(raw) : String(raw);

/** The output parameters under the names the definition gives them. */
function outputs(parameters: readonly SqlParameter[], output: Record<string, unknown>): JsonObject {
  const wanted = parameters.filter(({ direction }) => direction !== 'Input');
  return rowObject(
    wanted.map(({ name }) => name),
    wanted.map(({ name, type }) => outputValue(output[name.replace(/^@/, '')], type)),
  );
}

function outputValue(raw: unknown, type = ''): JsonValue {
  if (raw === null || raw === undefined) return null;
  if (/^(int64|bigint|long)$/i.test(type)) return integerValue(String(raw));
  if (Buffer.isBuffer(raw)) return raw.toString('base64');
  if (raw instanceof Date) {
    const native = /offset/i.test(type) ? 'datetimeoffset' : 'datetime2';
    const column = columnFromFacts({ name: '', native, nullable: true, scale: 7 });
    return jsonValue(column, formatRowDecoders([column])([raw])[0] ?? null);
  }
  if (/^(guid|uniqueidentifier)$/i.test(type)) return String(raw).toLowerCase();
  return typeof raw === 'number' || typeof raw === 'boolean' || typeof raw === 'string' ? raw : textOf(raw);
}
