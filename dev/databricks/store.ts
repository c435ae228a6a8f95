// Keeps jobs, runs and clusters on disk, one JSON file each, written before a request is answered; and requests.jsonl,
// the log of the requests that made or ended work, which proves how often something was asked for.
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ClusterRecord, JobRecord, RunRecord } from './state.ts';

type Kind = 'jobs' | 'runs' | 'clusters';

export class Store {
  readonly directory: string;
  readonly jobs: Map<number, JobRecord>;
  readonly runs: Map<number, RunRecord>;
  readonly clusters: Map<string, ClusterRecord>;
  #last: number;

  /** Opens the state directory and loads what an earlier run of the stand-in left there. */
  constructor(directory: string) {
    this.directory = directory;
    const load = <T>(kind: Kind): T[] => {
      const folder = join(directory, kind);
      mkdirSync(folder, { recursive: true });
      return readdirSync(folder)
        .filter((name) => name.endsWith('.json'))
        .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as T);
    };
    const ordered = <T, K extends number | string>(list: T[], key: (one: T) => K): Map<K, T> =>
      new Map(list.map((one): [K, T] => [key(one), one]).sort(([a], [b]) => (a < b ? -1 : 1)));
    this.jobs = ordered(load<JobRecord>('jobs'), (job) => job.job_id);
    this.runs = ordered(load<RunRecord>('runs'), (run) => run.run_id);
    this.clusters = ordered(load<ClusterRecord>('clusters'), (cluster) => cluster.cluster_id);
    // Ids only ever grow, also over a restart; small enough for every client's 53 bits.
    this.#last = Date.now() * 100;
  }

  nextId(): number {
    return ++this.#last;
  }

  saveJob(job: JobRecord): void {
    this.jobs.set(job.job_id, job);
    this.#write('jobs', String(job.job_id), job);
  }

  saveRun(run: RunRecord): void {
    this.runs.set(run.run_id, run);
    this.#write('runs', String(run.run_id), run);
  }

  saveCluster(cluster: ClusterRecord): void {
    this.clusters.set(cluster.cluster_id, cluster);
    this.#write('clusters', cluster.cluster_id, cluster);
  }

  remove(kind: Kind, id: number | string): void {
    (this[kind] as Map<number | string, unknown>).delete(id);
    rmSync(join(this.directory, kind, `${id}.json`), { force: true });
  }

  /** Directory for the files and logs of one attempt of a task. */
  taskDirectory(taskRunId: number, attempt: number): string {
    return join(this.directory, 'work', `${taskRunId}-${attempt}`);
  }

  /** One line for a request that was accepted: what was asked, by which name, and the ids made or acted on. */
  logRequest(operation: string, name: string, ids: readonly (number | string)[]): void {
    const line = JSON.stringify({ at: new Date().toISOString(), operation, name, ids });
    appendFileSync(join(this.directory, 'requests.jsonl'), `${line}\n`);
  }

  /** The rename makes it all or nothing, whenever the process dies. */
  #write(kind: Kind, id: string, value: unknown): void {
    const file = join(this.directory, kind, `${id}.json`);
    writeFileSync(`${file}.tmp`, JSON.stringify(value));
    renameSync(`${file}.tmp`, file);
  }
}
