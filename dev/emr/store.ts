// Keeps clusters on disk, one JSON file each, written before a request is answered, and the log of the requests
// that made or ended work (requests.jsonl), which proves how often something was asked for.
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { invalidRequest, validation } from './errors.ts';
import type { ClusterRecord } from './state.ts';

/** One line of requests.jsonl, written for every request that was accepted. */
export interface RequestLogEntry {
  operation: 'RunJobFlow' | 'AddJobFlowSteps' | 'CancelSteps' | 'TerminateJobFlows';
  /** The cluster's name and id. */
  name: string;
  clusterId: string;
  /** The clusters or steps made or acted on, and their names in the same order. */
  ids: string[];
  names: string[];
}

export class Store {
  readonly directory: string;
  readonly #clusters = new Map<string, ClusterRecord>();

  /** Opens the state directory and loads what an earlier run of the stand-in left there. */
  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(join(directory, 'clusters'), { recursive: true });
    const records = readdirSync(join(directory, 'clusters'))
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(directory, 'clusters', name), 'utf8')) as ClusterRecord)
      .sort((a, b) => created(a) - created(b));
    for (const record of records) this.#clusters.set(record.view.Id, record);
  }

  /** All clusters, oldest first. */
  all(): ClusterRecord[] {
    return [...this.#clusters.values()];
  }

  find(id: string | undefined): ClusterRecord | undefined {
    return id === undefined ? undefined : this.#clusters.get(id);
  }

  /** The cluster a `ClusterId` names; throws EMR's InvalidRequestException when there is none. */
  cluster(id: string | undefined): ClusterRecord {
    const found = this.find(id);
    if (!found) throw invalidRequest(`Cluster id '${id}' is not valid.`, 'NoSuchCluster');
    return found;
  }

  /** The cluster a `JobFlowId` names; the older operations answer an unknown id with ValidationException. */
  jobFlow(id: string | undefined): ClusterRecord {
    const found = this.find(id);
    if (!found) throw validation('Specified job flow ID does not exist.');
    return found;
  }

  /** Writes the cluster's file. The rename makes it all or nothing, whenever the process dies. */
  save(cluster: ClusterRecord): void {
    this.#clusters.set(cluster.view.Id, cluster);
    const file = join(this.directory, 'clusters', `${cluster.view.Id}.json`);
    writeFileSync(`${file}.tmp`, JSON.stringify(cluster));
    renameSync(`${file}.tmp`, file);
  }

  /** Directory for a step's working files and logs. */
  stepDirectory(clusterId: string, stepId: string): string {
    return join(this.directory, 'work', clusterId, stepId);
  }

  logRequest(entry: RequestLogEntry): void {
    const line = JSON.stringify({ at: new Date().toISOString(), ...entry });
    appendFileSync(join(this.directory, 'requests.jsonl'), `${line}\n`);
  }
}

function created(record: ClusterRecord): number {
  return record.view.Status.Timeline.CreationDateTime;
}
