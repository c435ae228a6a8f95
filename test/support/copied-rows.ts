// Rows whose every value follows from their key, so that any store can say in its own SQL how many of them are wrong.
// The first thousand are wide: planning measures those, and cuts the table into many small chunks.

/** Enough rows for a copy of some seconds. */
export const ROWS = 60_000;

export interface CopiedRows {
  readonly rows: number;
  readonly keys: number;
  readonly wrong: number;
}

export const GOOD: CopiedRows = { rows: ROWS, keys: ROWS, wrong: 0 };

interface Sql {
  /** Columns of the table, for CREATE TABLE. */
  readonly columns: string;
  /** Inserts the rows `from` to `to` into a table. */
  insert(table: string, from: number, to: number): string;
  /** Counts rows, keys and wrong rows. */
  check(table: string): string;
}

const START = "'2024-02-29 12:00:00.123456'";

const postgresRow = [
  `'row ' || id || ' é|"'`,
  '(id * 1.07)::numeric(12,2)',
  `timestamp ${START} + (id / 100) * interval '1 second'`,
  "repeat('x', CASE WHEN id <= 1000 THEN 6000 ELSE 20 END)",
].join(', ');

const mysqlRow = [
  `CONCAT('row ', id, ' é|"')`,
  'CAST(id * 1.07 AS DECIMAL(12,2))',
  `TIMESTAMPADD(SECOND, FLOOR(id / 100), TIMESTAMP(${START}))`,
  "REPEAT('x', IF(id <= 1000, 6000, 20))",
] as const;

export const postgresRows: Sql = {
  columns:
    'id integer PRIMARY KEY, name text NOT NULL, price numeric(12,2), moment timestamp(6), filler varchar(8000)',
  insert: (table, from, to) =>
    `INSERT INTO ${table} SELECT id, ${postgresRow} FROM generate_series(${from}, ${to}) AS id`,
  check: (table) =>
    'SELECT count(*) AS rows, count(DISTINCT id) AS keys, ' +
    `count(*) FILTER (WHERE (name, price, moment, filler) IS DISTINCT FROM (${postgresRow})) AS wrong FROM ${table}`,
};

export const mysqlRows: Sql = {
  columns:
    'id int PRIMARY KEY, name varchar(100) NOT NULL, price decimal(12,2), moment datetime(6), filler varchar(8000)',
  insert: (table, from, to) =>
    `INSERT INTO ${table} SELECT id, ${mysqlRow.join(', ')} FROM (SELECT seq AS id FROM seq_${from}_to_${to}) AS s`,
  check: (table) =>
    'SELECT COUNT(*) AS `rows`, COUNT(DISTINCT id) AS `keys`, COALESCE(SUM(NOT (' +
    ['name', 'price', 'moment', 'filler'].map((name, i) => `${name} <=> ${mysqlRow[i]}`).join(' AND ') +
    `)), 0) AS wrong FROM ${table}`,
};

export const sqlServerRows: Pick<Sql, 'columns' | 'insert'> = {
  columns:
    'id int NOT NULL PRIMARY KEY, name nvarchar(100) NOT NULL, price decimal(12,2), moment datetime2(6), filler varchar(8000)',
  insert: (table, from, to) =>
    `INSERT INTO ${table} SELECT value, CONCAT(N'row ', value, N' é|"'), CAST(value * 1.07 AS decimal(12,2)), ` +
    `DATEADD(second, value / 100, CAST(${START} AS datetime2(6))), ` +
    `REPLICATE('x', CASE WHEN value <= 1000 THEN 6000 ELSE 20 END) FROM GENERATE_SERIES(${from}, ${to})`,
};
