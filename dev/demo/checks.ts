// The demo's checks: what the workflows say, what the engines say themselves, and what the data set's own files say.
import type { Client } from '@temporalio/client';
import type { Check, RunLakehouseOutput } from '../../src/core/run.ts';
import { countDataSet, type DataSetFigures } from '../seed/expected.ts';
import type { World } from '../world/world.ts';
import { activeClusters, askPostgres, askSnowflake, askSqlServer, type Figures } from './engines.ts';
import { readRequests } from './killer.ts';
import type { ReportedCopy } from './report.ts';

export interface DemoResults {
  readonly copies: readonly ReportedCopy[];
  readonly lakehouse: RunLakehouseOutput;
  /** When the demo's runs began, ms since epoch. */
  readonly since: number;
  readonly scheduleId: string;
}

const COPIED_TABLES = ['flights', 'planes', 'airports', 'airlines'] as const;
const GOLD = 'gold_delays_by_route_carrier';

const check = (name: string, passed: boolean, detail: string): Check => ({ name, passed, detail });

const equal = (name: string, actual: string | number, expected: string | number): Check =>
  check(
    name,
    String(actual) === String(expected),
    `${actual}${String(actual) === String(expected) ? '' : `, expected ${expected}`}`,
  );

/** Every check of the demo, in the order of the story. Throws only when an engine does not answer. */
export async function checkResults(world: World, client: Client, results: DemoResults): Promise<Check[]> {
  const dataSet = await countDataSet(world.python);
  return [
    checkNumbers(results.copies),
    ...checkCopies(results.copies),
    ...checkAgainstDataSet(results.copies, dataSet),
    ...(await checkSnowflake(world, dataSet)),
    ...results.lakehouse.stages.flatMap((stage) =>
      stage.checks.map((one) => ({ ...one, name: `${stage.stage}: ${one.name}` })),
    ),
    ...(await checkGold(world, dataSet)),
    ...(await checkMarts(world, dataSet)),
    ...(await checkCompute(world, results)),
    await checkSchedule(client, results.scheduleId),
  ];
}

/** How many copies each part of the job makes: one that was never looked at must not pass for one that is right. */
const COPIES = { copy: 4, ingest: 4, load: 4, back: 1 } as const;

function checkNumbers(copies: readonly ReportedCopy[]): Check {
  const counted = Object.keys(COPIES).map(
    (stage) => `${stage} ${copies.filter((one) => one.stage === stage).length}`,
  );
  const expected = Object.entries(COPIES).map(([stage, count]) => `${stage} ${count}`);
  return equal('every copy of the job was made and examined', counted.join(', '), expected.join(', '));
}

/** Every copy: rows read, copied and found in the sink are one number, and both checksums one value. */
function checkCopies(copies: readonly ReportedCopy[]): Check[] {
  return copies.map(({ stage, output }) => {
    const { rowsRead, rowsCopied, waybill } = output;
    const rows = rowsRead === rowsCopied && rowsCopied === waybill.sinkRows;
    const content = waybill.sourceChecksum === waybill.sinkChecksum;
    const verified = output.dataConsistencyVerification.VerificationResult === 'Verified';
    return check(
      `${stage}: ${waybill.from} → ${waybill.to}`,
      rows && content && verified,
      `${rowsRead} read, ${waybill.sinkRows} in the sink, checksums ${content ? 'equal' : `${waybill.sourceChecksum} ≠ ${waybill.sinkChecksum}`}`,
    );
  });
}

function checkAgainstDataSet(copies: readonly ReportedCopy[], dataSet: DataSetFigures): Check[] {
  return COPIED_TABLES.map((table) => {
    const copy = copies.find(
      ({ stage, output }) => stage === 'copy' && output.waybill.to.toLowerCase().endsWith(table),
    );
    return equal(
      `${table}: rows copied = rows in the data set's file`,
      copy?.output.rowsCopied ?? 'not copied',
      dataSet[table].rows,
    );
  });
}

/** Nulls and exact sums of the copied tables, asked of Snowflake itself. */
async function checkSnowflake(world: World, dataSet: DataSetFigures): Promise<Check[]> {
  const checks: Check[] = [];
  for (const table of COPIED_TABLES) {
    const { nulls, sums, rows } = dataSet[table];
    const columns = [
      'COUNT(*) AS n',
      ...Object.keys(nulls).map((column) => `COUNT(*) - COUNT("${column.toUpperCase()}") AS null_${column}`),
      ...Object.keys(sums).map((column) => `SUM("${column.toUpperCase()}") AS sum_${column}`),
    ];
    const found = await askSnowflake(world, `SELECT ${columns.join(', ')} FROM ${table.toUpperCase()}`);
    const expected: Record<string, string> = {
      n: String(rows),
      ...Object.fromEntries(
        Object.entries(nulls).map(([column, count]) => [`null_${column}`, String(count)]),
      ),
      ...Object.fromEntries(Object.entries(sums).map(([column, sum]) => [`sum_${column}`, sum])),
    };
    checks.push(
      compare(`${table} in Snowflake: rows, nulls and sums as in the data set's file`, found, expected),
    );
  }
  return checks;
}

function compare(name: string, found: Figures, expected: Readonly<Record<string, string>>): Check {
  const differing = Object.entries(expected).filter(([key, value]) => Number(found[key]) !== Number(value));
  const detail =
    differing.length === 0
      ? `${Object.keys(expected).length} figures agree`
      : differing.map(([key, value]) => `${key} is ${found[key] ?? 'missing'}, expected ${value}`).join('; ');
  return check(name, differing.length === 0, detail);
}

/** The gold table in all three databases: every flight of every carrier is counted once. */
async function checkGold(world: World, dataSet: DataSetFigures): Promise<Check[]> {
  const { byCarrier } = dataSet.flights;
  const query = (table: string, quote: (name: string) => string): string => {
    const columns = Object.keys(byCarrier).map(
      (carrier) =>
        `SUM(CASE WHEN ${quote('carrier')} = '${carrier}' THEN ${quote('flights')} ELSE 0 END) AS c_${carrier.toLowerCase()}`,
    );
    return `SELECT SUM(${quote('flights')}) AS n, ${columns.join(', ')} FROM ${table}`;
  };
  const expected: Record<string, string> = {
    n: String(dataSet.flights.rows),
    ...Object.fromEntries(
      Object.entries(byCarrier).map(([carrier, count]) => [`c_${carrier.toLowerCase()}`, String(count)]),
    ),
  };
  const plain = (name: string): string => name;
  const answers = await Promise.all([
    askSnowflake(
      world,
      query(GOLD.toUpperCase(), (name) => `"${name.toUpperCase()}"`),
    ),
    askPostgres(world, query(GOLD, plain)),
    askSqlServer(world, query(`dbo.${GOLD}`, plain)),
  ]);
  return ['Snowflake', 'PostgreSQL', 'SQL Server'].map((store, index) =>
    compare(
      `${GOLD} in ${store}: flights per carrier as in the data set's file`,
      answers[index] ?? {},
      expected,
    ),
  );
}

/** What dbt built that is a table, and where: the profile's schema. */
const MARTS = [
  'mart_carrier_days',
  'mart_carriers',
  'mart_routes',
  'mart_delay_bands',
  'delay_bands',
  'carrier_names',
];

/** Rows of each mart, asked of the warehouse: dbt itself counts what a statement answered. */
export async function countMarts(world: World): Promise<Record<string, number>> {
  const columns = MARTS.map((name) => `(SELECT COUNT(*) FROM MARTS.${name.toUpperCase()}) AS ${name}`);
  const found = await askSnowflake(world, `SELECT ${columns.join(', ')}`);
  return Object.fromEntries(Object.entries(found).map(([name, rows]) => [name, Number(rows)]));
}

/** dbt's marts hold every flight of the data set's file once. */
async function checkMarts(world: World, dataSet: DataSetFigures): Promise<Check[]> {
  const { byCarrier, rows } = dataSet.flights;
  const carriers = Object.keys(byCarrier).map(
    (carrier) =>
      `SUM(CASE WHEN CARRIER = '${carrier}' THEN FLIGHTS ELSE 0 END) AS c_${carrier.toLowerCase()}`,
  );
  const found = await askSnowflake(
    world,
    `SELECT SUM(FLIGHTS) AS n, COUNT(*) AS carriers, ${carriers.join(', ')} FROM MARTS.MART_CARRIERS`,
  );
  const expected = {
    n: String(rows),
    carriers: String(carriers.length),
    ...Object.fromEntries(
      Object.entries(byCarrier).map(([carrier, count]) => [`c_${carrier.toLowerCase()}`, String(count)]),
    ),
  };
  return [compare("dbt's mart_carriers: flights per carrier as in the data set's file", found, expected)];
}

/** One cluster was asked for, every step once, and nothing is left that costs money. */
async function checkCompute(world: World, results: DemoResults): Promise<Check[]> {
  const requests = await readRequests(world.emr.requestLog, results.since);
  const names = (operation: string): string[] =>
    requests.filter((request) => request.operation === operation).flatMap((request) => request.names);
  const clusters = requests.filter((request) => request.operation === 'RunJobFlow').length;
  const steps = names('AddJobFlowSteps');
  const active = await activeClusters(world);
  return [
    equal('EMR was asked for a cluster once', clusters, 1),
    check(
      'EMR was given every step once',
      steps.length > 0 && new Set(steps).size === steps.length,
      steps.length === 0 ? 'no step was submitted' : steps.join(', '),
    ),
    check(
      'no cluster is left running',
      active.length === 0,
      active.length === 0 ? 'none' : active.join(', '),
    ),
  ];
}

async function checkSchedule(client: Client, id: string): Promise<Check> {
  const { state, info } = await client.schedule.getHandle(id).describe();
  return check(
    `schedule ${id} has run and is paused`,
    state.paused && info.numActionsTaken > 0,
    `${info.numActionsTaken} runs, ${state.paused ? 'paused' : 'active'}`,
  );
}
