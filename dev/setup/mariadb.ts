// MariaDB for the local world: unpacked from Debian's packages into the cache, nothing installed into the system.
import { access, chmod, chown, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { shortHash } from '../cache.ts';
import { buildOnce } from './build-once.ts';
import type { PostgresPrograms } from './postgres.ts';
import { doneLine, type Report, SetupError } from './report.ts';
import { runCommand } from './run-command.ts';

/** A MariaDB that can be started with `env` added to the environment. */
export interface MariadbPrograms {
  readonly server: string;
  /** The directory below which its messages and character sets lie. */
  readonly baseDirectory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly version: string;
  /** A fresh data directory to copy. */
  readonly template: string;
}

/** The Debian 12 package the project is tested with; another release's own is taken where this one is not offered. */
const VERSION = '1:10.11.19-0+deb12u1';
const PACKAGES = ['mariadb-server-core', 'mariadb-client-core'];
/** What the server is linked against and a machine without databases may lack; installed ones do no harm. */
const LIBRARIES = ['libaio1', 'liburing2', 'libnuma1', 'libsnappy1v5'];
/** Debian 13's names of the same. */
const RENAMED: Readonly<Record<string, string>> = { libaio1: 'libaio1t64' };
const LAYOUT = '1';
const ADVICE =
  'start the world without it (name the other engines), or use the MySQL of docker-compose.yml (needs Docker).';

/**
 * Downloads 8 MB of Debian packages, unpacks them (65 MB) and makes an empty data directory, once. The server runs
 * as PostgreSQL does: as the current user, or where that is root as another one.
 * @throws SetupError where there is no apt-get, or it offers no MariaDB
 */
export async function ensureMariadb(
  report: Report,
  place: Pick<PostgresPrograms, 'dataRoot' | 'user'>,
): Promise<MariadbPrograms> {
  const { dataRoot, user } = place;
  const name = `mariadb-${shortHash(VERSION, user?.name ?? '', process.arch, LAYOUT)}`;
  const directory = await buildOnce({
    target: join(dataRoot, name),
    label: 'MariaDB',
    report,
    build: async (scratch) => {
      const startedAt = Date.now();
      await chmod(scratch, 0o755);
      await unpack(scratch, report);
      await initialise(scratch, user);
      const { version } = await programs(scratch);
      report(doneLine('MariaDB', startedAt, `${version}${user ? `, runs as ${user.name}` : ''}`));
    },
  });
  return programs(directory);
}

async function programs(directory: string): Promise<MariadbPrograms> {
  const root = join(directory, 'root');
  const server = join(root, 'usr', 'sbin', 'mariadbd');
  const env = { LD_LIBRARY_PATH: await libraryPath(root) };
  const said = await runCommand(server, ['--no-defaults', '--version'], {
    env: { ...process.env, ...env },
    doing: 'starting MariaDB',
    advice: ADVICE,
  });
  return {
    server,
    baseDirectory: join(root, 'usr'),
    env,
    version: /Ver (\d+\.\d+\.\d+)/.exec(said)?.[1] ?? '',
    template: join(directory, 'template', 'data'),
  };
}

async function unpack(directory: string, report: Report): Promise<void> {
  await access('/usr/bin/apt-get').catch(() => {
    throw new SetupError('There is no apt-get to fetch MariaDB with.', ADVICE);
  });
  const download = (packages: readonly string[]): Promise<string> =>
    runCommand('apt-get', ['download', ...packages], {
      cwd: directory,
      doing: 'downloading MariaDB',
      advice: `run apt-get update first, or ${ADVICE}`,
    });
  try {
    await download(PACKAGES.map((name) => `${name}=${VERSION}`));
  } catch {
    report(`    MariaDB: apt does not offer ${VERSION} here, taking this release's own`);
    await download(PACKAGES);
  }
  for (const library of LIBRARIES) {
    await download([library]).catch(async (error: unknown) => {
      const other = RENAMED[library];
      // One that is missing for good is told by the server's own start, below.
      if (other !== undefined) await download([other]);
      else report(`    MariaDB: ${library} is not offered: ${(error as Error).message.split('\n')[0]}`);
    });
  }
  for (const file of await readdir(directory)) {
    if (!file.endsWith('.deb')) continue;
    await runCommand('dpkg', ['-x', file, 'root'], {
      cwd: directory,
      doing: `unpacking ${file}`,
      advice: ADVICE,
    });
    await rm(join(directory, file));
  }
}

async function initialise(directory: string, user: PostgresPrograms['user']): Promise<void> {
  const root = join(directory, 'root');
  const data = join(directory, 'template', 'data');
  await mkdir(data, { recursive: true });
  if (user) await chown(data, user.uid, user.gid);
  const how = [
    '--no-defaults',
    `--basedir=${join(root, 'usr')}`,
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    '--skip-name-resolve',
    '--innodb-log-file-size=16M',
  ];
  await runCommand(join(root, 'usr', 'bin', 'mariadb-install-db'), how, {
    cwd: data,
    env: { ...process.env, LD_LIBRARY_PATH: await libraryPath(root) },
    ...(user && { uid: user.uid, gid: user.gid }),
    doing: 'creating the MariaDB template',
    advice: 'the lines above are its own; free disk space is the usual reason.',
  });
}

/** Every directory with unpacked shared libraries, such as usr/lib/x86_64-linux-gnu. */
async function libraryPath(root: string): Promise<string> {
  const found: string[] = [];
  for (const parent of [join(root, 'usr', 'lib'), join(root, 'lib')]) {
    const names = await readdir(parent).catch(() => []);
    found.push(...names.filter((name) => name.includes('linux-gnu')).map((name) => join(parent, name)));
  }
  return found.join(':');
}
