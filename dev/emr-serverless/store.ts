// What outlives the EMR Serverless stand-in: one JSON file an application, and a line for every request that made or ended something.
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServiceError } from '../emr/errors.ts';
import type { ApplicationRecord, RunRecord } from './state.ts';

export class Store {
  readonly #directory: string;
  readonly #applications = new Map<string, ApplicationRecord>();

  /** Opens the state directory and loads what an earlier run of the stand-in left there. */
  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(join(directory, 'applications'), { recursive: true });
    const records = readdirSync(join(directory, 'applications'))
      .filter((name) => name.endsWith('.json'))
      .map(
        (name) =>
          JSON.parse(readFileSync(join(directory, 'applications', name), 'utf8')) as ApplicationRecord,
      )
      .sort((a, b) => a.view.createdAt - b.view.createdAt);
    for (const record of records) this.#applications.set(record.view.applicationId, record);
  }

  /** All applications, oldest first. */
  all(): ApplicationRecord[] {
    return [...this.#applications.values()];
  }

  application(id: string): ApplicationRecord {
    const found = this.#applications.get(id);
    if (!found) throw missing(`Application ${id} does not exist`);
    return found;
  }

  run(applicationId: string, id: string): RunRecord {
    const found = this.application(applicationId).runs.find(({ view }) => view.jobRunId === id);
    if (!found) throw missing(`JobRun ${id} does not exist`);
    return found;
  }

  /** Writes the application's file. The rename makes it all or nothing, whenever the process dies. */
  save(record: ApplicationRecord): void {
    const { applicationId } = record.view;
    this.#applications.set(applicationId, record);
    const file = join(this.#directory, 'applications', `${applicationId}.json`);
    writeFileSync(`${file}.tmp`, JSON.stringify(record));
    renameSync(`${file}.tmp`, file);
  }

  /** Directory for a run's working files and logs. */
  runDirectory(applicationId: string, runId: string): string {
    return join(this.#directory, 'work', applicationId, runId);
  }

  logRequest(entry: { operation: string; applicationId: string; id: string; name: string }): void {
    const line = JSON.stringify({ at: new Date().toISOString(), ...entry });
    appendFileSync(join(this.#directory, 'requests.jsonl'), `${line}\n`);
  }
}

export const missing = (message: string): ServiceError =>
  new ServiceError('ResourceNotFoundException', message, 404);
