// A lakehouse on the local stand-ins for tests: a few days of nycflights13 landed, the example's definition without
// the copies to and from databases.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { projectPath } from '../../dev/cache.ts';
import { type DataSetRow, type DataSetTable, dataSetDirectory, readTable } from '../../dev/seed/data-set.ts';
import type { LakeStorage } from '../../src/compute/lake-storage.ts';

const COLUMNS: Readonly<Record<DataSetTable, readonly string[]>> = {
  flights:
    'year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour'.split(
      ',',
    ),
  planes: 'tailnum,year,type,manufacturer,model,engines,seats,speed,engine'.split(','),
  airports: 'faa,name,lat,lon,alt,tz,dst,tzone'.split(','),
  airlines: ['carrier', 'name'],
  weather:
    'origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour'.split(
      ',',
    ),
};

/** How many rows of each table were landed. */
export type LandedRows = Readonly<Record<DataSetTable, number>>;

/** Lands January 1 to `days` as the ingest stage would; the other tables whole. */
export async function landDays(
  storage: LakeStorage,
  python: string,
  window: string,
  days: number,
  lake = 'waybill-lake',
): Promise<LandedRows> {
  const directory = dataSetDirectory(python);
  const rows: Record<string, number> = {};
  for (const table of Object.keys(COLUMNS) as DataSetTable[]) {
    const columns = COLUMNS[table];
    const dated = table === 'flights' || table === 'weather';
    const [month, day] = [columns.indexOf('month'), columns.indexOf('day')];
    const taken: DataSetRow[] = [];
    for await (const row of readTable(directory, table, columns)) {
      if (!dated || (row[month] === '1' && Number(row[day]) <= days)) taken.push(row);
    }
    rows[table] = taken.length;
    const base = `s3://${lake}/landing/${table}`;
    if (table === 'weather') {
      const lines = taken.map((row) =>
        JSON.stringify(Object.fromEntries(row.map((value, at) => [columns[at], value]))),
      );
      await storage.write(
        `${base}/2013-01.json`,
        Buffer.from(`${lines.join('\n')}\n`),
        'application/x-ndjson',
      );
    } else {
      // SQL Server numbers the flights, and the number travels with them.
      const numbered = table === 'flights' ? taken.map((row, at) => [String(at + 1), ...row]) : taken;
      const header = table === 'flights' ? ['flight_id', ...columns] : columns;
      const lines = [header, ...numbered].map((row) => row.map((value) => value ?? '').join(','));
      const body = gzipSync(`${lines.join('\n')}\n`);
      await storage.write(`${base}/${window}/part-00000.csv.gz`, body, 'application/gzip');
    }
  }
  return rows as LandedRows;
}

/** Writes a factory with the example's lakehouse, cut down to what needs no database, and returns its directory. */
export async function writeSparkOnlyFactory(
  directory: string,
  change: (definition: ExampleDefinition) => void = () => undefined,
): Promise<string> {
  const text = await readFile(projectPath('factory', 'lakehouse', 'nycflights.json'), 'utf8');
  const definition = JSON.parse(text) as ExampleDefinition;
  const copies = new Set(definition.stages.ingest?.copies?.map(({ name }) => name));
  const { ingest, process } = definition.stages;
  if (ingest) ingest.copies = [];
  delete definition.stages.load;
  delete definition.stages.serve;
  process.checks = process.checks.filter(
    ({ equals }) => !equals.some((term) => copies.has(term.split(':')[0] ?? '')),
  );
  change(definition);
  const factory = join(directory, 'factory');
  await mkdir(join(factory, 'lakehouse'), { recursive: true });
  await writeFile(join(factory, 'lakehouse', 'nycflights.json'), JSON.stringify(definition));
  return factory;
}

/** Puts a Databricks cluster in the place of the example's EMR cluster; everything else stays as it is. */
export function onDatabricks(definition: ExampleDefinition): void {
  definition.engine = {
    type: 'databricks',
    name: 'nycflights',
    configuration: { 'spark.sql.shuffle.partitions': '2' },
    cluster: {
      sparkVersion: '17.3.x-scala2.13',
      nodeTypeId: 'r6id.2xlarge',
      autoscale: { minimum: 2, maximum: 10 },
      runtimeEngine: 'PHOTON',
      awsAttributes: { availability: 'SPOT_WITH_FALLBACK', firstOnDemand: 1 },
      tags: { project: 'nycflights' },
    },
  };
}

/** As much of the example's definition as tests change. */
export interface ExampleDefinition {
  engine: object;
  stages: {
    ingest?: { copies?: { name: string }[]; compensation?: { kind: string } };
    process: ExampleStage;
    load?: unknown;
    serve?: unknown;
    optimize?: ExampleStage;
  };
}

export interface ExampleStage {
  retries?: number;
  pivot?: boolean;
  jobs: { name: string; job: string; arguments: Record<string, string>; resultTables: string[] }[];
  checks: { name: string; sum: string[]; equals: string[] }[];
}
