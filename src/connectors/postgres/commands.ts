// Statements on PostgreSQL: named parameters as the protocol's own, results row by row, notices.

import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import { integerValue, momentValue, numberValue, shortMoment } from '../common/json-values.ts';
import { ResultCollector, type ResultColumn } from '../common/result-collector.ts';
import { prepareStatements, type ScriptLexis } from '../common/script-text.ts';
import { datasetTable } from '../common/settings.ts';
import type { SqlAnswer, SqlCommands, SqlContext, SqlLimits, SqlParameter } from '../sql-commands.ts';
import { postgresConfig } from './config.ts';
import { PostgresConnection } from './connection.ts';
import { quoteTable } from './dialect.ts';
import { postgresError } from './errors.ts';
import { type ScriptField, ScriptQuery, type TextParameter } from './script-query.ts';

const LEXIS: ScriptLexis = {
  tokens:
    /(?<kept>\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(?<quote>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)[\s\S]*?\k<quote>|::|:=|[@<]@|@>|\w+)|(?<comment>--[^\n]*|\/\*)|(?<end>;)|[@:](?<name>[A-Za-z_]\w*)/y,
  nestedComments: true,
};

export async function openPostgresCommands({ linkedService, signal }: SqlContext): Promise<SqlCommands> {
  const connection = await PostgresConnection.open(postgresConfig(linkedService), signal);
  // Closing the socket does not end a statement that sends nothing: another session has to say so.
  signal.addEventListener('abort', () => void connection.cancelStatement(), { once: true });
  return {
    product: 'PostgreSQL',
    run: (text, parameters, limits) => runScript(connection, text, parameters, limits),
    selectFrom: async (dataset, rows) => {
      const table = datasetTable(dataset, 'public');
      return table === undefined ? undefined : `SELECT * FROM ${quoteTable(table)} LIMIT ${rows}`;
    },
    close: () => connection.close(),
  };
}

async function runScript(
  connection: PostgresConnection,
  text: string,
  parameters: readonly SqlParameter[],
  limits: SqlLimits,
): Promise<SqlAnswer> {
  const collector = new ResultCollector(limits);
  // As they are where there is nothing to fill in: such a text may hold what only the simple protocol takes.
  const script =
    parameters.length === 0
      ? text
      : prepareStatements(text, parameters, LEXIS, (i) => `$${i + 1}`, { reuse: true }).map((statement) => ({
          ...statement,
          values: statement.parameters.map(textParameter),
        }));
  let columns: readonly ResultColumn[] = [];
  const query = new ScriptQuery(script, {
    fields: (fields) => {
      columns = fields.map(resultColumn);
      collector.begin(columns);
    },
    row: (values) => collector.row(values),
    complete: (tag) => {
      const counted = /^(?:INSERT \d+|UPDATE|DELETE|MERGE|COPY) (\d+)$/.exec(tag)?.[1];
      if (counted !== undefined) collector.affected(Number(counted));
    },
  });
  try {
    await connection.runScript(query, (notice) => collector.message(notice));
  } catch (error) {
    throw postgresError(error, 'running a script');
  }
  const answer = collector.answer();
  return { ...answer, outputParameters: outputs(parameters, answer) };
}

/** As Npgsql fills them: from the columns of their names in the first row of the first result. */
function outputs(parameters: readonly SqlParameter[], { resultSets }: SqlAnswer): JsonObject {
  const row = resultSets[0]?.rows[0] ?? {};
  const found: [string, JsonValue][] = [];
  for (const { name, direction } of parameters) {
    if (direction === 'Input') continue;
    const key = Object.keys(row).find((other) => other.toLowerCase() === name.toLowerCase());
    found.push([name, key === undefined ? null : (row[key] ?? null)]);
  }
  return Object.fromEntries(found);
}

/** ADF's types as PostgreSQL's; texts without a type of their own are taken for whatever fits. */
const OIDS: Readonly<Record<string, number>> = {
  boolean: 16,
  bool: 16,
  'byte[]': 17,
  bytea: 17,
  int16: 21,
  smallint: 21,
  int32: 23,
  int: 23,
  integer: 23,
  int64: 20,
  bigint: 20,
  single: 700,
  real: 700,
  double: 701,
  float: 701,
  decimal: 1700,
  numeric: 1700,
  date: 1082,
  timespan: 1083,
  datetime: 1114,
  timestamp: 1114,
  datetimeoffset: 1184,
  timestamptz: 1184,
  guid: 2950,
  uuid: 2950,
};

function textParameter({ name, value, type, direction }: SqlParameter): TextParameter {
  const known = OIDS[(type ?? '').toLowerCase()];
  const own =
    typeof value === 'boolean'
      ? 16
      : typeof value === 'number'
        ? Number.isSafeInteger(value)
          ? 20
          : 701
        : 0;
  const oid = known ?? (type === undefined ? own : 0);
  if (value === null || direction === 'Output') return { text: null, oid };
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  if (text.includes('\0'))
    throw new WaybillError('PARAMETER_INVALID', `The value of parameter "${name}" holds a NUL character.`, {
      parameter: name,
    });
  return { text: oid === 17 ? `\\x${Buffer.from(text, 'base64').toString('hex')}` : text, oid };
}

function resultColumn({ name, dataTypeID }: ScriptField): ResultColumn {
  const value = VALUES[dataTypeID] ?? String;
  return { name, bytes: dataTypeID === 17, value: (raw) => value(String(raw)) };
}

/** "13:14:15.120000+00" -> "13:14:15.12+00:00". */
const zoned = (text: string): string => shortMoment(text).replace(/([+-]\d\d)$/, '$1:00');

/** By the type's OID; everything else is the text that PostgreSQL prints. */
const VALUES: Readonly<Record<number, (text: string) => JsonValue>> = {
  16: (text) => text === 't',
  17: (text) => Buffer.from(text.slice(2), 'hex').toString('base64'),
  20: integerValue,
  21: Number,
  23: Number,
  26: Number,
  700: numberValue,
  701: numberValue,
  1082: momentValue,
  1083: shortMoment,
  1114: momentValue,
  1184: (text) => zoned(momentValue(text)),
  1266: zoned,
  1700: numberValue,
};
