// Installs what the bench measures waybill beside: the peers of peers/requirements.txt, and psql.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory, projectPath, shortHash } from '../../dev/cache.ts';
import { buildOnce } from '../../dev/setup/build-once.ts';
import { findInterpreter } from '../../dev/setup/python.ts';
import { doneLine, type Report, SetupError } from '../../dev/setup/report.ts';
import { runCommand } from '../../dev/setup/run-command.ts';

export interface Peers {
  readonly python: string;
  readonly sling: string;
  readonly psql: string;
  /** Name and version of each, for the report. */
  readonly versions: Readonly<Record<string, string>>;
}

const REQUIREMENTS = projectPath('bench', 'copy', 'peers', 'requirements.txt');
const ADVICE = 'check that pip can reach its package index, then run the same command again.';

/** Installs the pinned peers into the cache, once (0.3 GB). @throws SetupError, also when there is no psql on PATH */
export async function installPeers(report: Report): Promise<Peers> {
  const pins = await readFile(REQUIREMENTS, 'utf8');
  const directory = await buildOnce({
    target: join(cacheDirectory(), `bench-peers-${shortHash(pins)}`),
    label: 'Bench peers',
    report,
    inPlace: true,
    build: async (target) => {
      const started = Date.now();
      report('    Bench peers: DuckDB, ConnectorX, dlt, Sling: 0.3 GB to download');
      await runCommand(await findInterpreter(), ['-m', 'venv', target], {
        doing: 'creating the peers’ Python environment',
        advice: ADVICE,
      });
      const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-deps', '--require-hashes'];
      await runCommand(join(target, 'bin', 'python'), [...pip, '-q', '-r', REQUIREMENTS], {
        doing: 'installing the peers',
        advice: ADVICE,
      });
      report(doneLine('Bench peers', started, 'DuckDB, ConnectorX, dlt, Sling'));
    },
  });
  const psql = await promisify(execFile)('sh', ['-c', 'command -v psql']).catch(() => undefined);
  if (psql === undefined) {
    throw new SetupError(
      'The bench measures psql, and there is none on PATH.',
      'apt-get install postgresql-client',
    );
  }
  const sling = join(
    directory,
    'lib',
    'python3.11',
    'site-packages',
    'sling_linux_amd64',
    'bin',
    'sling-linux-amd64',
  );
  await promisify(execFile)('chmod', ['+x', sling]);
  const pinned = (name: string): string => new RegExp(`^${name}==(\\S+)`, 'm').exec(pins)?.[1] ?? '?';
  const version = await promisify(execFile)('psql', ['--version']);
  return {
    python: join(directory, 'bin', 'python'),
    sling,
    psql: psql.stdout.trim(),
    versions: {
      psql: /[\d.]+/.exec(version.stdout)?.[0] ?? '?',
      DuckDB: pinned('duckdb'),
      ConnectorX: pinned('connectorx'),
      pyarrow: pinned('pyarrow'),
      dlt: pinned('dlt'),
      Sling: pinned('sling-linux-amd64'),
    },
  };
}
