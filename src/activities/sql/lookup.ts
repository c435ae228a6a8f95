// Lookup: the first row, or up to 5,000 rows, of a table, query, procedure or dataset of files.
import { Context } from '@temporalio/activity';
import { booleanSetting, objectSetting, textSetting } from '../../connectors/common/settings.ts';
import type { Connector, EndpointContext } from '../../connectors/connector.ts';
import { connectorFor } from '../../connectors/registry.ts';
import type { SqlAnswer, SqlLimits, SqlParameter } from '../../connectors/sql-commands.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { isPureQuery } from '../../core/pipeline/query-kind.ts';
import {
  type EvaluatedDataset,
  requiredDataset,
  type TaskInput,
  type TaskResult,
} from '../../core/pipeline/task.ts';
import { parseTimeSpan } from '../../core/pipeline/time-span.ts';
import { namedParameters } from './parameters.ts';
import { type Session, type SqlDependencies, withSession } from './session.ts';

/** Data Factory's own limits. */
const MAX_ROWS = 5_000;
const MAX_BYTES = 4 * 1_048_576;
/** ADF's default of queryTimeout, ms. */
const QUERY_TIMEOUT = 2 * 3_600_000;

/** What of a source's text stands for the range of a chunk: a Lookup reads it all. */
const HOOK = /\?AdfDynamicRangePartitionCondition|\?AdfRangePartition\w+/gi;

export async function lookup(dependencies: SqlDependencies, input: TaskInput): Promise<TaskResult> {
  const dataset = requiredDataset(input);
  const source = objectSetting(input.typeProperties, 'source');
  const firstRowOnly = booleanSetting(input.typeProperties, 'firstRowOnly') ?? true;
  const most = firstRowOnly ? 1 : MAX_ROWS;
  const { type } = await dependencies.resolveLinkedService(
    dataset.linkedService.name,
    dataset.linkedService.parameters,
  );
  const connector = await connectorFor(type);
  const rows =
    connector.openCommands === undefined
      ? await fromFiles(dependencies, connector, input, dataset, source, most)
      : await fromStore(dependencies, input, dataset, source, most);
  const output: JsonObject = firstRowOnly
    ? rows[0] === undefined
      ? {}
      : { firstRow: rows[0] }
    : { count: rows.length, value: rows };
  const bytes = Buffer.byteLength(JSON.stringify(output));
  if (bytes <= MAX_BYTES) return { output };
  throw new WaybillError(
    'OUTPUT_TOO_LARGE',
    `Lookup "${input.activity}" found ${bytes} bytes; Data Factory allows ${MAX_BYTES}. Select fewer columns or rows.`,
    { activity: input.activity, bytes, limit: MAX_BYTES },
  );
}

async function fromStore(
  dependencies: SqlDependencies,
  input: TaskInput,
  dataset: EvaluatedDataset,
  source: JsonObject,
  most: number,
): Promise<JsonObject[]> {
  const timeout = parseTimeSpan(textSetting(source, 'queryTimeout') ?? '') ?? QUERY_TIMEOUT;
  const request = { linkedService: dataset.linkedService, tag: input.attemptKey, patient: false };
  const { resultSets } = await withSession(dependencies, request, (session) =>
    session.within(timeout, `The query of Lookup "${input.activity}"`, () =>
      answerOf(session, dataset, source, most),
    ),
  );
  const [only] = resultSets;
  if (only !== undefined && resultSets.length === 1) return only.rows;
  throw new WaybillError(
    'QUERY_FAILED',
    `Lookup "${input.activity}" takes one result, but its query gave ${resultSets.length === 0 ? 'none' : resultSets.length}.`,
    { activity: input.activity, resultSets: resultSets.length },
  );
}

async function answerOf(
  { commands }: Session,
  dataset: EvaluatedDataset,
  source: JsonObject,
  most: number,
): Promise<SqlAnswer> {
  const limits = (stopEarly: boolean): SqlLimits => ({ maxRows: most, stopEarly, keepsNameless: true });
  const procedure = textSetting(source, 'sqlReaderStoredProcedureName');
  if (procedure !== undefined) {
    const parameters: SqlParameter[] = namedParameters(source['storedProcedureParameters']);
    if (commands.call !== undefined) return commands.call(procedure, parameters, limits(false));
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      `Stored procedures are read from on SQL Server only; on ${commands.product} write the call as the query.`,
      { key: 'sqlReaderStoredProcedureName' },
    );
  }
  const query = textSetting(source, 'sqlReaderQuery', 'query');
  const text =
    query !== undefined && query.trim() !== ''
      ? query.replace(HOOK, '(1 = 1)')
      : await commands.selectFrom(dataset.typeProperties, most);
  if (text !== undefined) return commands.run(text, [], limits(isPureQuery(text)));
  throw new WaybillError(
    'DEFINITION_INVALID',
    `The source names no query, and dataset "${dataset.name}" names no table.`,
    { dataset: dataset.name },
  );
}

async function fromFiles(
  dependencies: SqlDependencies,
  connector: Connector,
  input: TaskInput,
  dataset: EvaluatedDataset,
  source: JsonObject,
  most: number,
): Promise<JsonObject[]> {
  if (connector.lookUp === undefined) {
    throw new WaybillError('DEFINITION_UNSUPPORTED', `Lookup cannot read datasets of type ${dataset.type}.`, {
      dataset: dataset.name,
      type: dataset.type,
    });
  }
  const { name, parameters } = dataset.linkedService;
  const context: EndpointContext = {
    linkedService: await dependencies.resolveLinkedService(name, parameters),
    endpoint: {
      linkedService: name,
      ...(parameters === undefined ? {} : { linkedServiceParameters: parameters }),
      datasetType: dataset.type,
      dataset: dataset.typeProperties,
      settings: source,
    },
    copyId: input.attemptKey,
    workDirectory: dependencies.workDirectory,
    signal: Context.current().cancellationSignal,
  };
  const rows: JsonObject[] = [];
  for await (const row of connector.lookUp(context)) {
    rows.push(row);
    if (rows.length >= most) break;
  }
  return rows;
}
