// The four logs of a step: written on this machine while it runs, shipped gzipped to S3 under the cluster's LogUri.
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { logEvent } from './log.ts';
import type { ObjectStore } from './object-store.ts';

const STEP_LOGS = ['controller', 'stderr', 'stdout', 'syslog'] as const;
export type StepLogName = (typeof STEP_LOGS)[number];

export class StepLogs {
  readonly #directory: string;
  readonly #prefix: string | undefined;
  readonly #shipped: readonly StepLogName[];

  /**
   * @param stepDirectory the step's directory on this machine
   * @param prefix `<LogUri>/<cluster>/steps/<step>`; undefined keeps the logs on this machine only
   * @param shipped those that go to S3
   */
  constructor(
    stepDirectory: string,
    prefix: string | undefined,
    shipped: readonly StepLogName[] = STEP_LOGS,
  ) {
    this.#shipped = shipped;
    this.#directory = join(stepDirectory, 'logs');
    this.#prefix = prefix;
  }

  /** Makes the files, so that all four are there whatever happens. */
  create(): void {
    mkdirSync(this.#directory, { recursive: true });
    for (const name of STEP_LOGS) appendFileSync(this.file(name), '');
  }

  file(name: StepLogName): string {
    return join(this.#directory, name);
  }

  /** Where the log is, or will be, in S3. */
  uri(name: StepLogName): string | undefined {
    return this.#prefix && `${this.#prefix}/${name}.gz`;
  }

  /** A line of the controller log: what the stand-in did with the step. */
  control(line: string): void {
    appendFileSync(this.file('controller'), `${new Date().toISOString()} INFO ${line}\n`);
  }

  /** Uploads those that are shipped. A log that cannot be shipped is no failure of the step; it is noted and stays here. */
  async ship(objects: ObjectStore): Promise<void> {
    for (const name of this.#shipped) {
      const uri = this.uri(name);
      if (!uri) return;
      await objects.uploadGzipped(this.file(name), uri).catch((error: unknown) => {
        logEvent('warn', 'could not ship a step log', { uri, error: String(error) });
      });
    }
  }
}
