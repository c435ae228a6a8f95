// PostgreSQL's staging tables, and how one takes the target's place instead of being copied into it (docs/adr/0005).
import type { TableName } from '../common/identifier.ts';
import type { StagingRequest, TakeOverRequest } from '../common/sql-store.ts';
import type { PostgresConnection } from './connection.ts';
import { literal, postgresDialect, quote, quoteTable, STAGING_STORAGE } from './dialect.ts';
import { obstacleQuery, shapeQuery } from './take-over-sql.ts';
import { isExact } from './wire.ts';

const DOING = 'replacing the table by its staging table';
/** How long publishing waits for others to let go of a table before it inserts instead, which waits for nobody. */
const LOCK_TIMEOUT = '5s';

/** A name that no user's index has, within PostgreSQL's 63 bytes; index `i` of this staging table. */
const temporaryIndex = (staging: TableName, i: number): string => {
  const suffix = `_${i}`;
  return staging.name.slice(-(63 - suffix.length)) + suffix;
};

/** Why the target cannot be replaced by another table, in words; undefined where it can. */
const obstacle = async (connection: PostgresConnection, target: TableName): Promise<string | undefined> => {
  const [found] = await connection.query(obstacleQuery(target), DOING);
  const what = found === undefined ? 'it does not exist' : found['obstacle'];
  return typeof what === 'string' ? what : undefined;
};

/**
 * Creates the staging table if it is not there. One that is to become the target is a table like it, without its
 * indexes, and logged, since making it so later writes it again. All others are unlogged: they are written once, read
 * once, and after a crash of the server the chunks' count tells. Types are the target's own wherever the rows' form
 * stands for one value of them; a text that the type would rewrite is staged, and verified, as the text it is.
 */
export const createStaging = async (
  connection: PostgresConnection,
  { target, staging, columns, chunkColumn, wire, takesOver, emptied }: StagingRequest,
): Promise<void> => {
  const sinks = columns.map(({ sink }) => sink);
  const name = quoteTable(staging);
  if (wire === undefined && !sinks.every(isExact)) {
    await connection.execute(postgresDialect.createStaging(staging, sinks, chunkColumn), 'staging');
    return;
  }
  const like = `(LIKE ${quoteTable(target)} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING STATISTICS)`;
  const list = sinks.map((column) => quote(column.name)).join(', ');
  const vacant = async (): Promise<boolean> =>
    emptied ||
    (await connection.query(`SELECT 1 FROM ${quoteTable(target)} LIMIT 1`, 'staging')).length === 0;
  await connection.execute(
    takesOver && (await vacant()) && (await obstacle(connection, target)) === undefined
      ? `CREATE TABLE IF NOT EXISTS ${name} ${like} ${STAGING_STORAGE}`
      : `CREATE UNLOGGED TABLE IF NOT EXISTS ${name} ${STAGING_STORAGE} AS SELECT ${list} FROM ${quoteTable(target)} WITH NO DATA`,
    'staging',
  );
};

/** One undoable step of a transaction: undefined, and everything as it was, where `work` fails or says so. */
const attempt = async <T>(
  connection: PostgresConnection,
  work: () => Promise<T | undefined>,
): Promise<T | undefined> => {
  await connection.execute('SAVEPOINT take_over', DOING);
  try {
    const result = await work();
    if (result !== undefined) {
      await connection.execute('RELEASE SAVEPOINT take_over', DOING);
      return result;
    }
  } catch {
    // Such as a reader that holds the table for long. A lost connection fails the next statement too.
  }
  await connection.execute('ROLLBACK TO SAVEPOINT take_over', DOING);
  return undefined;
};

/**
 * Puts the staging table in the target's place, in the caller's transaction. Undefined, with nothing changed, where the
 * target holds rows that stay, something depends on it, or the outcome would differ from it in any detail.
 */
export const takeOver = (
  connection: PostgresConnection,
  { target, staging, replace }: TakeOverRequest,
): Promise<number | undefined> =>
  attempt(connection, async () => {
    const run = (sql: string): Promise<number> => connection.execute(sql, DOING);
    const text = async (sql: string, column: string): Promise<string | undefined> => {
      const value = (await connection.query(sql, DOING))[0]?.[column];
      return typeof value === 'string' ? value : undefined;
    };
    const old = quoteTable(target);
    const young = quoteTable(staging);
    const persistence = await text(
      `SELECT relpersistence::text AS p FROM pg_class WHERE oid = to_regclass(${literal(young)})`,
      'p',
    );
    if (persistence !== 'p' || (await obstacle(connection, target)) !== undefined) return undefined;
    // An attempt at a chunk that was overtaken, and hangs, may hold the staging table as a reader may hold the target.
    await run(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
    // Built before the target is locked, and at once: a third of what keeping them during the load costs.
    const indexes = await connection.query(indexQuery(target), DOING);
    for (const [i, index] of indexes.entries()) {
      await run(
        `CREATE ${index['unique'] === true ? 'UNIQUE ' : ''}INDEX ${quote(temporaryIndex(staging, i))} ` +
          `ON ${young} USING ${String(index['definition'])}`,
      );
    }
    await run(`LOCK TABLE ${old} IN ACCESS EXCLUSIVE MODE`);
    if ((await obstacle(connection, target)) !== undefined) return undefined;
    if (!replace && (await connection.query(`SELECT 1 FROM ${old} LIMIT 1`, DOING)).length > 0)
      return undefined;
    const shape = await text(shapeQuery(target), 'shape');
    for (const statement of await finishing(connection, target, staging)) await run(statement);
    await run(`DROP TABLE ${old}`);
    await run(`ALTER TABLE ${young} RENAME TO ${quote(target.name)}`);
    for (const [i, index] of indexes.entries()) {
      const temporary = quote(temporaryIndex(staging, i));
      const name = quote(String(index['name']));
      await run(
        typeof index['constraint'] === 'string'
          ? `ALTER TABLE ${old} ADD CONSTRAINT ${name} ${index['constraint']} USING INDEX ${temporary}`
          : `ALTER INDEX ${quote(target.schema)}.${temporary} RENAME TO ${name}`,
      );
    }
    if (shape === undefined || (await text(shapeQuery(target), 'shape')) !== shape) return undefined;
    // Good enough to plan by, at a tenth of the cost; autovacuum looks closer within a minute.
    await run('SET LOCAL default_statistics_target = 10');
    await run(`ANALYZE ${old}`);
    const rows = await text(`SELECT count(*)::text AS n FROM ${old}`, 'n');
    return rows === undefined ? undefined : Number(rows);
  });

/** The target's indexes: what follows USING, and PRIMARY KEY or UNIQUE where one serves a constraint of its name. */
const indexQuery = (target: TableName): string =>
  "SELECT c.relname AS name, i.indisunique AS unique, CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' END AS constraint, " +
  'substr(pg_get_indexdef(i.indexrelid), length(x.prefix) + 1) AS definition ' +
  'FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid ' +
  'JOIN pg_namespace n ON n.oid = t.relnamespace ' +
  "LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u') " +
  "CROSS JOIN LATERAL (SELECT format('CREATE %sINDEX %I ON %I.%I USING ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, " +
  'c.relname, n.nspname, t.relname) AS prefix) AS x ' +
  `WHERE i.indrelid = ${literal(quoteTable(target))}::regclass ORDER BY c.relname`;

/** What LIKE leaves out: storage parameters, grants, the table's comment. */
const finishing = async (
  connection: PostgresConnection,
  target: TableName,
  staging: TableName,
): Promise<string[]> => {
  const young = quoteTable(staging);
  const rows = await connection.query(
    'SELECT v.statement FROM pg_class t CROSS JOIN LATERAL (' +
      `SELECT 1 AS at, format('ALTER TABLE ${young.replaceAll('%', '%%')} SET (%s = %L)', o.option_name, o.option_value) AS statement ` +
      'FROM pg_options_to_table(t.reloptions) AS o ' +
      `UNION ALL SELECT 2, format('REVOKE ALL ON TABLE ${young.replaceAll('%', '%%')} FROM %s', ` +
      "CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) " +
      `FROM pg_class s, aclexplode(s.relacl) AS a WHERE s.oid = ${literal(young)}::regclass ` +
      `UNION ALL SELECT 3, format('GRANT %s ON TABLE ${young.replaceAll('%', '%%')} TO %s%s', a.privilege_type, ` +
      "CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, " +
      "CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) " +
      "FROM aclexplode(coalesce(t.relacl, acldefault('r', t.relowner))) AS a " +
      `UNION ALL SELECT 4, format('COMMENT ON TABLE ${young.replaceAll('%', '%%')} IS %L', obj_description(t.oid, 'pg_class')) ` +
      "WHERE obj_description(t.oid, 'pg_class') IS NOT NULL" +
      `) AS v WHERE t.oid = ${literal(quoteTable(target))}::regclass ORDER BY v.at`,
    DOING,
  );
  return [`ALTER TABLE ${young} RESET (autovacuum_enabled)`, ...rows.map((row) => String(row['statement']))];
};
