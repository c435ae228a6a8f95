// Who copies what: the floor, waybill, and the peers, path by path.
import { join } from 'node:path';
import { projectPath } from '../../dev/cache.ts';
import type { Peers } from './install.ts';

export interface Place {
  /** Where files go; emptied before each run. */
  readonly directory: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

/** A run of a program, or of a waybill pipeline. */
export type Contender = {
  readonly name: string;
  /** Minutes rather than seconds: measured once, unless --all-rounds is given. */
  readonly slow?: boolean;
  /** The table it fills, emptied before each run, or absent where it writes files. */
  readonly table?: string;
  /** Writes nothing at all: there is nothing to count afterwards. */
  readonly drops?: boolean;
} & ({ readonly command: readonly string[] } | { readonly pipeline: string; readonly verify: boolean });

export interface Path {
  readonly name: string;
  readonly title: string;
  /** Ratios are to this contender. */
  readonly against: string;
  readonly contenders: readonly Contender[];
}

const script = (name: string): string => projectPath('bench', 'copy', 'peers', name);

export function pathsOf(place: Place, peers: Peers): Path[] {
  const { directory, host, port, user, database } = place;
  const url = `postgresql://${user}@${host}:${port}/${database}`;
  const psql = `${peers.psql} '${url}' -qc`;
  const shell = (text: string): string[] => ['bash', '-c', `set -o pipefail; ${text}`];
  const sling = (...target: string[]): string[] => [
    ...['env', 'SLING_DISABLE_TELEMETRY=TRUE', 'DO_NOT_TRACK=1', `PGDB=${url}?sslmode=disable`],
    ...[peers.sling, 'run', '--src-conn', 'PGDB', '--src-stream', 'public.t', ...target],
  ];
  const python = (name: string, ...args: string[]): string[] => [peers.python, script(name), ...args];
  const scanner = `host=${host} port=${port} user=${user} dbname=${database}`;
  const waybill = (pipeline: string, table?: string): Contender[] => [
    { name: 'waybill', pipeline, verify: true, ...(table && { table }) },
    { name: 'waybill, verification off', pipeline, verify: false, ...(table && { table }) },
  ];
  return [
    {
      name: 'parquet',
      title: 'PostgreSQL → Parquet (zstd), local files',
      against: 'DuckDB',
      contenders: [
        {
          name: 'psql COPY binary > /dev/null',
          drops: true,
          command: shell(`${psql} 'COPY t TO STDOUT (FORMAT binary)' > /dev/null`),
        },
        ...waybill('pl_postgres_to_parquet'),
        {
          name: 'DuckDB',
          command: python('duckdb_copy.py', scanner, join(directory, 't.parquet'), 'parquet'),
        },
        { name: 'ConnectorX', command: python('connectorx_copy.py', url, join(directory, 't.parquet')) },
        { name: 'dlt (ConnectorX)', slow: true, command: python('dlt_copy.py', url, directory, 'parquet') },
      ],
    },
    {
      name: 'postgres',
      title: 'PostgreSQL → PostgreSQL, a table with a primary key',
      against: 'psql | psql',
      contenders: [
        {
          name: 'psql | psql',
          table: 't_psql',
          command: shell(
            `${psql} 'COPY t TO STDOUT (FORMAT binary)' | ${psql} 'COPY t_psql FROM STDIN (FORMAT binary)'`,
          ),
        },
        ...waybill('pl_postgres_to_postgres', 't_waybill'),
        {
          name: 'dlt (ConnectorX, CSV)',
          slow: true,
          table: 'dlt_bench.t',
          command: python('dlt_copy.py', url, directory, 'postgres'),
        },
        {
          name: 'Sling',
          slow: true,
          table: 't_sling',
          command: sling('--tgt-conn', 'PGDB', '--tgt-object', 'public.t_sling', '--mode', 'full-refresh'),
        },
      ],
    },
    {
      name: 'csv',
      title: 'PostgreSQL → CSV (gzip), local files',
      against: 'psql | gzip -1',
      contenders: [
        {
          name: 'psql | gzip -1',
          command: shell(
            `${psql} 'COPY t TO STDOUT (FORMAT csv)' | gzip -1 > ${join(directory, 't.csv.gz')}`,
          ),
        },
        ...waybill('pl_postgres_to_csv'),
        {
          name: 'Sling',
          slow: true,
          command: sling('--tgt-object', `file://${join(directory, 't.csv.gz')}`),
        },
      ],
    },
  ];
}
