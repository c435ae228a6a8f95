// FreeTDS' tsql, a client of SQL Server that nobody here wrote: from PATH, else unpacked from Debian packages.
import { execFile } from 'node:child_process';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory, shortHash } from '../cache.ts';
import { buildOnce } from './build-once.ts';
import { type Report, SetupError } from './report.ts';
import { runCommand } from './run-command.ts';

/** A tsql that can be run with `env` added to the environment. */
export interface FreeTds {
  readonly tsql: string;
  readonly env: Readonly<Record<string, string>>;
}

const PACKAGES = ['freetds-bin', 'freetds-common', 'libct4', 'libsybdb5'];
const ADVICE =
  'install it yourself (Debian and Ubuntu: apt-get install freetds-bin), so that tsql is on PATH.';

/**
 * Returns a tsql; downloads 0.6 MB of Debian packages into the cache, once, when there is none on PATH.
 * The version is whatever apt offers. Nothing is installed into the system.
 * @throws SetupError when there is neither tsql nor apt
 */
export async function ensureFreetds(report: Report): Promise<FreeTds> {
  const found = await promisify(execFile)('sh', ['-c', 'command -v tsql']).catch(() => undefined);
  if (found) return { tsql: found.stdout.trim(), env: {} };
  const directory = await buildOnce({
    target: join(cacheDirectory(), `freetds-${shortHash(...PACKAGES, process.arch)}`),
    label: 'FreeTDS',
    report,
    build: unpack,
  });
  const libraries = join(directory, 'root', 'usr', 'lib', await multiarch(directory));
  return { tsql: join(directory, 'root', 'usr', 'bin', 'tsql'), env: { LD_LIBRARY_PATH: libraries } };
}

async function unpack(directory: string): Promise<void> {
  await access('/usr/bin/apt-get').catch(() => {
    throw new SetupError('There is no tsql on PATH and no apt-get to fetch it with.', ADVICE);
  });
  await runCommand('apt-get', ['download', ...PACKAGES], {
    cwd: directory,
    doing: 'downloading FreeTDS',
    advice: `run apt-get update first, or ${ADVICE}`,
  });
  for (const file of await readdir(directory)) {
    if (!file.endsWith('.deb')) continue;
    await runCommand('dpkg', ['-x', file, 'root'], {
      cwd: directory,
      doing: `unpacking ${file}`,
      advice: ADVICE,
    });
  }
  // Fails here and now, with the loader's own words, when a library it needs is not on this machine.
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: join(directory, 'root', 'usr', 'lib', await multiarch(directory)),
  };
  await runCommand(join(directory, 'root', 'usr', 'bin', 'tsql'), ['-C'], {
    env,
    doing: 'starting tsql',
    advice: ADVICE,
  });
}

/** The directory of libraries for this architecture, such as x86_64-linux-gnu. */
async function multiarch(directory: string): Promise<string> {
  const names = await readdir(join(directory, 'root', 'usr', 'lib'));
  return names.find((name) => name.includes('linux-gnu')) ?? '.';
}
