// The activity of triggers that wait for a table's changes: asks the store for its version by short queries.
import { Context } from '@temporalio/activity';
import { quoteIdentifier } from '../connectors/common/identifier.ts';
import { quote as quoteSnowflake } from '../connectors/snowflake/dialect.ts';
import type { SqlCommands } from '../connectors/sql-commands.ts';
import { literal, quote, quoteTable } from '../connectors/sql-server/dialect.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { ChangeActivities, ChangeLook, FoundChanges } from '../core/trigger/activities.ts';
import { compareVersions } from '../core/trigger/change-set.ts';
import type { ChangeTrigger } from '../core/trigger/trigger.ts';
import { withHeartbeat } from './copy/heartbeat.ts';
import { type SqlDependencies, withSession } from './sql/session.ts';

/** ms that a question may take in the store. */
const PATIENCE = 5 * 60_000;

/** The activities' implementation. Reads only; safe to repeat. */
export function createChangeActivities(dependencies: SqlDependencies): ChangeActivities {
  return {
    lookForChanges: ({ trigger, since }) => {
      const linkedService = { name: trigger.linkedService, parameters: {} };
      const request = { linkedService, tag: `trigger-${trigger.name}`, patient: false };
      const what = `Looking for changes of ${tableText(trigger)}`;
      return withHeartbeat(
        () => what,
        () =>
          withSession(dependencies, request, ({ commands, within }) =>
            within(PATIENCE, what, () => LOOKS[trigger.mode](commands, { trigger, since })),
          ),
      );
    },
  };
}

const tableText = ({ table: { schema, table } }: ChangeTrigger): string =>
  schema === undefined ? table : `${schema}.${table}`;

/** The first row of the last result. */
async function ask(commands: SqlCommands, text: string): Promise<JsonObject> {
  Context.current().cancellationSignal.throwIfAborted();
  const { resultSets } = await commands.run(text, [], { maxRows: 1, stopEarly: false });
  return resultSets.at(-1)?.rows[0] ?? {};
}

const textOf = (row: JsonObject, key: string): string | null => {
  const value = row[key] ?? null;
  return value === null ? null : String(value);
};

const wentBackwards = (trigger: ChangeTrigger, since: string, version: string | null): WaybillError =>
  new WaybillError(
    'SOURCE_CHANGED',
    `Changes of ${tableText(trigger)} are handed over up to ${since}, but it is at ${version ?? 'nothing'} now: it was restored ` +
      `from a backup or replaced, or its newest rows were deleted. \`waybill triggers start ${trigger.name}\` begins anew.`,
    { trigger: trigger.name, since, version: version ?? '' },
  );

/** SQL Server's Change Tracking: its version is the database's, so the table is asked whether it has changed at all. */
async function lookByVersion(commands: SqlCommands, { trigger, since }: ChangeLook): Promise<FoundChanges> {
  if (commands.product !== 'SQL Server') throw unsupported(commands, trigger);
  const table = quoteTable({ schema: trigger.table.schema ?? 'dbo', name: trigger.table.table });
  const found = await ask(
    commands,
    'SELECT CONVERT(varchar(20), CHANGE_TRACKING_CURRENT_VERSION()) AS version, ' +
      `CONVERT(varchar(20), CHANGE_TRACKING_MIN_VALID_VERSION(OBJECT_ID(${literal(table)}))) AS oldest`,
  );
  const [version, oldest] = [textOf(found, 'version'), textOf(found, 'oldest')];
  if (version === null || oldest === null)
    throw new WaybillError(
      'DEFINITION_INVALID',
      `Change Tracking is not enabled for ${tableText(trigger)}: ALTER TABLE ... ENABLE CHANGE_TRACKING, in a database that has it on.`,
      { trigger: trigger.name },
    );
  if (since === null) return { version, changed: true };
  if (compareVersions(version, since) < 0) throw wentBackwards(trigger, since, version);
  if (compareVersions(oldest, since) > 0)
    throw new WaybillError(
      'SOURCE_CHANGED',
      `The changes of ${tableText(trigger)} since version ${since} are gone (cleaned up, or the table was truncated or tracked ` +
        `anew). \`waybill triggers start ${trigger.name}\` begins anew.`,
      { trigger: trigger.name, since, oldest },
    );
  if (compareVersions(version, since) === 0) return { version, changed: false };
  const changes = `CHANGETABLE(CHANGES ${table}, ${BigInt(since)}) AS c WHERE c.SYS_CHANGE_VERSION <= ${BigInt(version)}`;
  const { changed } = await ask(commands, `SELECT COUNT(*) AS changed FROM ${changes}`);
  return { version, changed: Number(changed) > 0 };
}

/**
 * Snowflake's stream: its version is its offset, which moves when a pipeline's DML reads it, so that a change set is what it
 * holds. A set that was handed over and is still there would be handed over for ever.
 */
async function lookByStream(commands: SqlCommands, { trigger, since }: ChangeLook): Promise<FoundChanges> {
  if (commands.product !== 'Snowflake') throw unsupported(commands, trigger);
  const { schema, table } = trigger.table;
  const plain = (name: string): string => (/^[A-Za-z_]\w*$/.test(name) ? name : quoteSnowflake(name));
  const name = [...(schema === undefined ? [] : [schema]), table].map(plain).join('.').replaceAll("'", "''");
  const found = await ask(
    commands,
    `SELECT SYSTEM$STREAM_HAS_DATA('${name}') AS "changed", SYSTEM$STREAM_GET_TABLE_TIMESTAMP('${name}') AS "version"`,
  );
  if (String(found['changed']) !== 'true') return { version: since, changed: false };
  const version = textOf(found, 'version');
  if (since !== null && version === since)
    throw new WaybillError(
      'DEFINITION_INVALID',
      `The changes in stream ${tableText(trigger)} were handed over and are still in it: none of the pipelines has read it by a ` +
        'statement that consumes it (INSERT INTO ... SELECT from it, MERGE, CREATE TABLE AS SELECT), such as a Script activity has.',
      { trigger: trigger.name, offset: since },
    );
  return { version, changed: true };
}

/** The highest value of a column, as the store's own text of it, which loses no digit. */
async function lookByWatermark(commands: SqlCommands, { trigger, since }: ChangeLook): Promise<FoundChanges> {
  const version = textOf(await ask(commands, watermarkQuery(commands, trigger)), 'version');
  if (since === null) return { version, changed: version !== null };
  const order = version === null ? -1 : compareVersions(version, since);
  if (order < 0) throw wentBackwards(trigger, since, version);
  return { version, changed: order > 0 };
}

function watermarkQuery(commands: SqlCommands, trigger: ChangeTrigger): string {
  const { schema, table } = trigger.table;
  const column = trigger.column ?? '';
  const quoted = (mark: string): { from: string; value: string } => {
    const name = (part: string): string =>
      quoteIdentifier(part, { open: mark, close: mark, limit: 64, unit: 'characters' });
    return {
      from: schema === undefined ? name(table) : `${name(schema)}.${name(table)}`,
      value: name(column),
    };
  };
  switch (commands.product) {
    case 'PostgreSQL': {
      const { from, value } = quoted('"');
      // Times with a zone in one zone, so that their texts are in order.
      return `SET TIME ZONE 'UTC'; SELECT CAST(MAX(${value}) AS text) AS version FROM ${from}`;
    }
    case 'MySQL': {
      const { from, value } = quoted('`');
      return `SELECT CAST(MAX(${value}) AS CHAR) AS version FROM ${from}`;
    }
    case 'SQL Server': {
      const from = quoteTable({ schema: schema ?? 'dbo', name: table });
      return `SELECT CONVERT(varchar(50), MAX(${quote(column)}), 126) AS version FROM ${from}`;
    }
    default:
      throw unsupported(commands, trigger);
  }
}

const LOOKS = {
  changeTracking: lookByVersion,
  stream: lookByStream,
  watermark: lookByWatermark,
} as const;

const unsupported = ({ product }: SqlCommands, { name, mode }: ChangeTrigger): WaybillError =>
  new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `A ChangeTrigger with mode ${mode} does not work on ${product}: changeTracking is for SQL Server, stream for Snowflake, watermark for SQL Server, PostgreSQL and MySQL.`,
    { trigger: name, mode, product },
  );
