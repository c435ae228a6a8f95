// The example's input: what lies in SQL Server and S3 is the data set, figure by figure.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import type sql from 'mssql';
import { countDataSet, type DataSetFigures } from '../../dev/seed/expected.ts';
import { seedWorld } from '../../dev/seed/seed-world.ts';
import { connectSqlServer } from '../../dev/seed/sql-server.ts';
import type { World } from '../../dev/world/world.ts';
import { sharedWorld } from '../support/world.ts';

let world: World;
let figures: DataSetFigures;

before(async () => {
  world = await sharedWorld(['sqlserver', 's3', 'snowflake']);
  figures = await countDataSet(world.python);
  await seedWorld(world, (line) => console.error(line));
});

test('the figures are those the data set is known for', () => {
  const rows = Object.fromEntries(Object.entries(figures).map(([table, { rows }]) => [table, rows]));
  assert.deepEqual(rows, { flights: 336_776, planes: 3_322, airports: 1_458, airlines: 16, weather: 26_115 });
});

for (const table of ['flights', 'planes', 'airports', 'airlines'] as const) {
  test(`SQL Server's ${table} has the data set's rows, nulls and sums`, async () => {
    const { rows, nulls, sums } = figures[table];
    const wanted = [
      'COUNT(*) AS [rows]',
      ...Object.keys(nulls).map(
        (name) => `SUM(CASE WHEN ${name} IS NULL THEN 1 ELSE 0 END) AS [nulls ${name}]`,
      ),
      ...Object.keys(sums).map((name) => `SUM(CAST(${name} AS bigint)) AS [sum ${name}]`),
    ];
    const found = await query(`SELECT ${wanted.join(', ')} FROM dbo.${table}`);
    const expected = [['rows', rows]];
    for (const [name, count] of Object.entries(nulls)) expected.push([`nulls ${name}`, count]);
    for (const [name, sum] of Object.entries(sums)) expected.push([`sum ${name}`, sum]);
    const asText = (entries: unknown[][]) =>
      Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
    assert.deepEqual(asText(Object.entries(found[0] ?? {})), asText(expected));
  });
}

test('flights are numbered from 1, per carrier as many as the data set has, hours in UTC', async () => {
  const [span] = await query(
    'SELECT MIN(flight_id) AS lo, MAX(flight_id) AS hi, MIN(time_hour) AS a, MAX(time_hour) AS b FROM dbo.flights',
  );
  assert.deepEqual([span?.['lo'], span?.['hi']], [1, 336_776]);
  assert.equal((span?.['a'] as Date | undefined)?.getTime(), Date.parse(figures.flights.firstHour));
  assert.equal((span?.['b'] as Date | undefined)?.getTime(), Date.parse(figures.flights.lastHour));
  const counted = await query(
    'SELECT carrier, COUNT(*) AS n FROM dbo.flights GROUP BY carrier ORDER BY carrier',
  );
  assert.deepEqual(
    Object.fromEntries(counted.map(({ carrier, n }) => [carrier, n])),
    figures.flights.byCarrier,
  );
});

test('the weather lies in S3 by UTC day, with nulls as nulls', async () => {
  const client = new S3Client({
    endpoint: world.s3.endpoint,
    region: world.s3.region,
    forcePathStyle: true,
    credentials: {
      accessKeyId: world.env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: world.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
  });
  const listed = await client.send(
    new ListObjectsV2Command({ Bucket: 'waybill-lake', Prefix: 'landing/weather/' }),
  );
  const byDay: Record<string, number> = {};
  const nulls: Record<string, number> = {};
  let windDirections = 0;
  for (const { Key = '' } of listed.Contents ?? []) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'waybill-lake', Key }));
    const day = Key.slice('landing/weather/'.length, -'.json'.length);
    const lines = ((await Body?.transformToString()) ?? '').trimEnd().split('\n');
    byDay[day] = lines.length;
    for (const line of lines) {
      const row = JSON.parse(line) as Record<string, unknown>;
      assert.equal(String(row['time_hour']).slice(0, 10), day);
      for (const [name, value] of Object.entries(row))
        if (value === null) nulls[name] = (nulls[name] ?? 0) + 1;
      windDirections += Number(row['wind_dir']);
    }
  }
  client.destroy();
  assert.deepEqual(byDay, figures.weather.byDay);
  assert.deepEqual(nulls, figures.weather.nulls);
  assert.equal(String(windDirections), figures.weather.sums['wind_dir']);
});

test('seeding again changes nothing, and repairs what is missing', async () => {
  assert.equal((await seedWorld(world)).changed, false);
  await query("DELETE FROM dbo.airlines WHERE carrier = 'UA'");
  assert.equal((await seedWorld(world)).changed, true);
  assert.deepEqual(await query('SELECT COUNT(*) AS n FROM dbo.airlines'), [{ n: 16 }]);
  assert.equal((await seedWorld(world)).changed, false);
});

async function query(text: string): Promise<Record<string, unknown>[]> {
  const pool: sql.ConnectionPool = await connectSqlServer(world, 'nycflights');
  try {
    return (await pool.query<Record<string, unknown>>(text)).recordset ?? [];
  } finally {
    await pool.close();
  }
}
