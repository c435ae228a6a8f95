// Statements on MySQL: named parameters by prepared statements, results row by row.
import type mysql from 'mysql2';
import type { JsonValue } from '../../core/json.ts';
import type { Column } from '../../core/types/column.ts';
import { jsonValue, momentValue, shortMoment } from '../common/json-values.ts';
import { ResultCollector, type ResultColumn } from '../common/result-collector.ts';
import { scalarParameter } from '../common/scalar-parameter.ts';
import { prepareStatements, type ScriptLexis } from '../common/script-text.ts';
import type { SqlAnswer, SqlCommands, SqlContext, SqlLimits, SqlParameter } from '../sql-commands.ts';
import { resultColumns } from './catalog.ts';
import { type MysqlConfig, mysqlConfig } from './config.ts';
import { MysqlConnection, type ScriptEvents } from './connection.ts';
import { tableOf } from './dataset-table.ts';
import { rowDecoder } from './decoders.ts';
import { quoteTable } from './dialect.ts';

const LEXIS: ScriptLexis = {
  tokens:
    /(?<kept>'(?:[^'\\]|''|\\[\s\S])*'|"(?:[^"\\]|""|\\[\s\S])*"|`(?:[^`]|``)*`|@@[\w.]+|:=|\w+)|(?<comment>--(?=\s|$)[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/)|(?<end>;)|(?<mark>\?)|[@:](?<name>[A-Za-z_]\w*)/y,
  nestedComments: false,
};

export async function openMysqlCommands({ linkedService, signal }: SqlContext): Promise<SqlCommands> {
  const own = mysqlConfig(linkedService);
  // A script is one text, whatever it holds.
  const config: MysqlConfig = { ...own, connection: { ...own.connection, multipleStatements: true } };
  const connection = await MysqlConnection.open(config, 'source', signal);
  return {
    product: 'MySQL',
    run: (text, parameters, limits) => runScript(connection, text, parameters, limits),
    selectFrom: async (dataset, rows) => {
      const table = tableOf(dataset, connection.database);
      return table === undefined ? undefined : `SELECT * FROM ${quoteTable(table)} LIMIT ${rows}`;
    },
    close: () => connection.close(),
  };
}

async function runScript(
  connection: MysqlConnection,
  text: string,
  parameters: readonly SqlParameter[],
  limits: SqlLimits,
): Promise<SqlAnswer> {
  const collector = new ResultCollector(limits);
  let decode: (values: unknown[]) => unknown[] = (values) => values;
  const events: ScriptEvents = {
    fields: (fields) => {
      const { columns, decoder } = shapeOf(fields, connection.config);
      decode = decoder;
      collector.begin(columns);
    },
    row: (values) => collector.row(decode(values)),
    changed: (rows) => collector.affected(rows),
  };
  if (parameters.length === 0) {
    await connection.script(text, undefined, events, 'running a script');
    return collector.answer();
  }
  const values = new Map(parameters.map((one) => [one, scalarParameter(one, 'MySQL')]));
  for (const statement of prepareStatements(text, parameters, LEXIS, () => '?', { reuse: false })) {
    const given = statement.parameters.map((one) => values.get(one) ?? null);
    await connection.script(statement.text, given, events, 'running a script');
  }
  return collector.answer();
}

/** A result's columns, and what turns a row's values into their canonical texts. */
function shapeOf(
  fields: readonly mysql.FieldPacket[],
  { values }: MysqlConfig,
): { columns: ResultColumn[]; decoder: (values: unknown[]) => unknown[] } {
  const found = resultColumns(fields, values);
  // A time beyond a day is a text like any other here.
  const decoded = found.map(
    (column): Column => (column.type === 'TimeSpan' ? { ...column, type: 'String' } : column),
  );
  return {
    columns: found.map(
      (column): ResultColumn => ({
        name: column.name,
        bytes: column.type === 'Byte[]',
        value: (raw) => shownValue(column, String(raw)),
      }),
    ),
    decoder: rowDecoder(decoded, values.zeroDates, undefined),
  };
}

/** Sessions run in UTC: a TIMESTAMP is shown as a DATETIME of that clock, as MySQL's own clients show it. */
const shownValue = (column: Column, text: string): JsonValue => {
  if (column.type === 'TimeSpan') return shortMoment(text);
  return column.type === 'DateTimeOffset' ? momentValue(text.replace(/Z$/, '')) : jsonValue(column, text);
};
