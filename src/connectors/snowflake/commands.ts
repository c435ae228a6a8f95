// Statements on Snowflake: one after another in one session, named parameters as binds, results row by row.
import type { JsonValue } from '../../core/json.ts';
import { integerValue, numberValue, shortMoment } from '../common/json-values.ts';
import { ResultCollector, type ResultColumn } from '../common/result-collector.ts';
import { scalarParameter } from '../common/scalar-parameter.ts';
import { type PreparedStatement, prepareStatements, type ScriptLexis } from '../common/script-text.ts';
import { datasetTable } from '../common/settings.ts';
import type { SqlAnswer, SqlCommands, SqlContext, SqlLimits, SqlParameter } from '../sql-commands.ts';
import { findTable } from './catalog.ts';
import { snowflakeConfig } from './config.ts';
import { type ColumnMetadata, SnowflakeConnection } from './connection.ts';
import { quoteTable } from './dialect.ts';

const LEXIS: ScriptLexis = {
  tokens:
    /(?<kept>'(?:[^'\\]|''|\\[\s\S])*'|"(?:[^"]|"")*"|\$\$[\s\S]*?\$\$|::|:=|\w+(?::[A-Za-z_]\w*)*)|(?<comment>--[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<end>;)|(?<mark>\?)|[@:](?<name>\w+)/y,
  nestedComments: false,
};

export async function openSnowflakeCommands({
  linkedService,
  tag,
  signal,
}: SqlContext): Promise<SqlCommands> {
  const config = snowflakeConfig(linkedService);
  const connection = await SnowflakeConnection.open(config, `waybill:${tag}`.slice(0, 2_000), signal);
  return {
    product: 'Snowflake',
    run: (text, parameters, limits) => runScript(connection, text, parameters, limits),
    selectFrom: async (dataset, rows) => {
      const given = datasetTable(dataset, config.schema);
      if (given === undefined) return undefined;
      // A view or a table that is not in the catalogue is for Snowflake to refuse.
      const found = await findTable(connection, given);
      return `SELECT * FROM ${quoteTable(found?.table ?? given)} LIMIT ${rows}`;
    },
    close: () => connection.close(),
  };
}

/** Snowflake Scripting: a block whose semicolons end no statement of the text. BEGIN alone begins a transaction. */
const BLOCK =
  /^(?:\s|--[^\n]*\n|\/\/[^\n]*\n|\/\*[\s\S]*?\*\/)*(?:DECLARE\b|BEGIN(?!\s*(?:;|$|TRANSACTION\b|WORK\b|NAME\b)))/i;

async function runScript(
  connection: SnowflakeConnection,
  text: string,
  parameters: readonly SqlParameter[],
  limits: SqlLimits,
): Promise<SqlAnswer> {
  const collector = new ResultCollector(limits);
  const values = new Map(parameters.map((one) => [one, scalarParameter(one, 'Snowflake')]));
  const statements: PreparedStatement[] = BLOCK.test(text)
    ? [{ text, parameters: [] }]
    : prepareStatements(text, parameters, LEXIS, () => '?', { reuse: false });
  for (const statement of statements) {
    const binds = statement.parameters.map((one) => values.get(one) ?? null);
    const result = await connection.stream(statement.text, binds, limits.maxRows, 'running a script');
    if (result.changed !== undefined) {
      collector.affected(result.changed);
      continue;
    }
    collector.begin(result.columns.map(resultColumn));
    for await (const row of result.rows) collector.row(row);
    collector.more(result.total);
  }
  return collector.answer();
}

/** A moment as the driver hands it over. */
interface SnowflakeMoment extends Date {
  getNanoSeconds?(): number;
}

/** A time of day as the driver hands it over. */
interface SnowflakeTime {
  getMidnightSeconds(): number;
  getNanoSeconds(): number;
}

function resultColumn(column: ColumnMetadata): ResultColumn {
  const type = column.getType().toLowerCase();
  return { name: column.getName(), bytes: type === 'binary', value: valueReader(type, column.getScale()) };
}

function valueReader(type: string, scale: number): (raw: unknown) => JsonValue {
  switch (type) {
    case 'fixed':
      return (raw) => (scale > 0 ? numberValue(String(raw)) : integerValue(String(raw)));
    case 'real':
      return (raw) => numberValue(String(raw));
    case 'boolean':
      return (raw) => raw === true;
    case 'binary':
      return (raw) => Buffer.from(raw as Uint8Array).toString('base64');
    case 'date':
      return (raw) => moment(raw, '');
    case 'timestamp_ntz':
      return (raw) => moment(raw, '');
    case 'timestamp_ltz':
    case 'timestamp_tz':
      return (raw) => moment(raw, '+00:00');
    case 'time':
      return (raw) => timeOfDay(raw);
    default:
      return (raw) => (typeof raw === 'string' ? raw : JSON.stringify(raw));
  }
}

const digits = (nanoseconds: number): string => String(nanoseconds).padStart(9, '0');

function moment(raw: unknown, zone: string): JsonValue {
  if (!(raw instanceof Date)) return String(raw);
  const { getNanoSeconds } = raw as SnowflakeMoment;
  const whole = raw.toISOString().slice(0, 19);
  const fraction = getNanoSeconds?.call(raw) ?? raw.getMilliseconds() * 1_000_000;
  return shortMoment(`${whole}.${digits(fraction)}${zone}`);
}

function timeOfDay(raw: unknown): JsonValue {
  if (typeof raw !== 'object' || raw === null || !('getMidnightSeconds' in raw)) return String(raw);
  const time = raw as SnowflakeTime;
  const clock = new Date(time.getMidnightSeconds() * 1000).toISOString().slice(11, 19);
  return shortMoment(`${clock}.${digits(time.getNanoSeconds())}`);
}
