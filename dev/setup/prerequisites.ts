// What a machine must have before anything is downloaded: all that is missing is told at once.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { javaVersion } from './class-data.ts';
import { findInterpreter } from './python.ts';
import { SetupError } from './report.ts';

/** @throws SetupError that lists everything missing, each with what to install */
export async function checkPrerequisites(): Promise<void> {
  const checks = await Promise.allSettled([
    checkPlatform(),
    findInterpreter(),
    javaVersion(),
    checkOpenssl(),
  ]);
  const missing = checks.flatMap((check) =>
    check.status === 'rejected' ? [check.reason as SetupError] : [],
  );
  const [only] = missing;
  if (!only) return;
  if (missing.length === 1) throw only;
  const lines = missing.map((error) => `  - ${error.message.replace(/\.?\n\s*Next: /, '. ')}`);
  throw new SetupError(
    ['the local world needs some things this machine does not have:', ...lines].join('\n'),
    'install them, then run the same command again.',
  );
}

async function checkPlatform(): Promise<void> {
  if (process.platform === 'linux' && process.arch === 'x64') return;
  throw new SetupError(
    `The local world runs on Linux on x86-64; this is ${process.platform} on ${process.arch}.`,
    'use such a machine or a virtual one, or the services of docker-compose.yml.',
  );
}

async function checkOpenssl(): Promise<void> {
  await promisify(execFile)('openssl', ['version']).catch((error: Error) => {
    throw new SetupError(
      `The openssl program makes the local certificate: ${error.message}`,
      'Install it (Debian: apt-get install openssl).',
    );
  });
}
