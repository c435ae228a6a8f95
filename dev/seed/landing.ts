// Lands the weather in S3 as its source would: one file of JSON lines per UTC day.
import { createHash } from 'node:crypto';
import {
  BucketAlreadyOwnedByYou,
  CreateBucketCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { World } from '../world/world.ts';
import { type DataSetRow, readTable } from './data-set.ts';

/** Buckets of the example: the data lake, EMR's logs, the job code. */
export const buckets = { lake: 'waybill-lake', logs: 'waybill-logs', code: 'waybill-code' } as const;

/** What lies in S3 now. */
export interface Landed {
  readonly files: number;
  readonly rows: number;
  /** Files written this time; the others were there with the same content. */
  readonly written: number;
}

/** Makes the buckets and puts landing/weather/<yyyy-mm-dd>.json, skipping files that are there with the same content. */
export async function landWeather(world: World, directory: string): Promise<Landed> {
  const client = new S3Client({
    endpoint: world.s3.endpoint,
    region: world.s3.region,
    forcePathStyle: true,
    credentials: {
      accessKeyId: world.env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: world.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
  });
  try {
    await Promise.all(Object.values(buckets).map((bucket) => makeBucket(client, bucket)));
    const days = await weatherByDay(directory);
    const present = await listLanded(client);
    const missing = [...days].filter(([day, lines]) => present.get(keyOf(day)) !== md5(lines.join('')));
    await inParallel(16, missing, async ([day, lines]) => {
      const Body = lines.join('');
      await client.send(
        new PutObjectCommand({
          Bucket: buckets.lake,
          Key: keyOf(day),
          Body,
          ContentType: 'application/x-ndjson',
        }),
      );
    });
    const rows = [...days.values()].reduce((sum, lines) => sum + lines.length, 0);
    return { files: days.size, rows, written: missing.length };
  } finally {
    client.destroy();
  }
}

const columns = [
  ...[
    'origin',
    'year',
    'month',
    'day',
    'hour',
    'temp',
    'dewp',
    'humid',
    'wind_dir',
    'wind_speed',
    'wind_gust',
  ],
  ...['precip', 'pressure', 'visib', 'time_hour'],
];
const texts = new Set(['origin', 'time_hour']);
const timeHour = columns.indexOf('time_hour');

/** JSON lines by UTC day, in file order. */
async function weatherByDay(directory: string): Promise<Map<string, string[]>> {
  const days = new Map<string, string[]>();
  for await (const row of readTable(directory, 'weather', columns)) {
    const day = row[timeHour]?.slice(0, 10) ?? '';
    const lines = days.get(day) ?? [];
    days.set(day, lines);
    lines.push(`${toJson(row)}\n`);
  }
  return days;
}

function toJson(row: DataSetRow): string {
  const entries = columns.map((name, at) => {
    const value = row[at] ?? null;
    return [name, value === null || texts.has(name) ? value : Number(value)];
  });
  return JSON.stringify(Object.fromEntries(entries));
}

async function makeBucket(client: S3Client, bucket: string): Promise<void> {
  await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((error: unknown) => {
    if (!(error instanceof BucketAlreadyOwnedByYou)) throw error;
  });
}

/** The ETag of every landed file; for a file put in one part that is the MD5 of its content. */
async function listLanded(client: S3Client): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: buckets.lake, Prefix: prefix, ContinuationToken: token }),
    );
    for (const { Key, ETag } of page.Contents ?? []) found.set(Key ?? '', (ETag ?? '').replaceAll('"', ''));
    token = page.NextContinuationToken;
  } while (token);
  return found;
}

async function inParallel<T>(
  width: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = [...items];
  const worker = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
const prefix = 'landing/weather/';
const keyOf = (day: string): string => `${prefix}${day}.json`;
