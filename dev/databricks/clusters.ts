// Clusters: made, started, resized, ended, idle ones ended by themselves; and who works on which.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { invalid, invalidState } from './errors.ts';
import { type Json, mapIn, numberIn, objectIn, required, textIn } from './json.ts';
import type { ClusterRecord } from './state.ts';
import type { Store } from './store.ts';

export interface Timing {
  /** ms from a request for machines to their presence. */
  readonly provisioningMs: number;
  /** ms that a minute of autotermination_minutes takes. */
  readonly idleMinuteMs: number;
}

export class Clusters {
  readonly #store: Store;
  readonly #timing: Timing;
  /** Ends the tasks that run on a cluster which goes away. */
  onEnd: (clusterId: string, why: string) => void = () => undefined;
  readonly #users = new Map<string, Set<number>>();
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(store: Store, timing: Timing) {
    this.#store = store;
    this.#timing = timing;
  }

  /** Goes on with what an earlier run of the stand-in left half done. */
  resume(): void {
    for (const cluster of this.#store.clusters.values()) {
      if (cluster.state === 'PENDING' || cluster.state === 'RESIZING') this.#provision(cluster);
      else if (cluster.state === 'TERMINATING') this.#finish(cluster);
      else this.#watchIdle(cluster);
    }
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  find(id: string): ClusterRecord {
    const found = this.#store.clusters.get(id);
    if (found) return found;
    throw invalid(`Cluster ${id} does not exist`);
  }

  create(settings: Json, source: ClusterRecord['source'], creator: string): ClusterRecord {
    checkSettings(settings);
    const now = new Date();
    const stamp = now.toISOString().replace(/\D/g, '');
    const record: ClusterRecord = {
      cluster_id: `${stamp.slice(4, 8)}-${stamp.slice(8, 14)}-${randomBytes(4).toString('hex')}`,
      settings,
      source,
      creator,
      state: 'PENDING',
      message: 'Finding instances for new nodes, acquiring more instances if necessary',
      started: now.getTime(),
      lastActivity: now.getTime(),
    };
    this.#store.saveCluster(record);
    this.#provision(record);
    return record;
  }

  start(cluster: ClusterRecord): void {
    if (cluster.state !== 'TERMINATED')
      throw invalidState(
        `Cluster ${cluster.cluster_id} is in unexpected state ${cluster.state.toLowerCase()}.`,
      );
    delete cluster.terminated;
    delete cluster.reason;
    cluster.started = Date.now();
    cluster.state = 'PENDING';
    cluster.message = 'Starting Spark';
    this.#store.saveCluster(cluster);
    this.#provision(cluster);
  }

  resize(cluster: ClusterRecord, change: Json): void {
    if (cluster.state !== 'RUNNING')
      throw invalidState(
        `Cluster ${cluster.cluster_id} is in unexpected state ${cluster.state.toLowerCase()}.`,
      );
    const { num_workers: _count, autoscale: _range, ...settings } = cluster.settings;
    const size = change['autoscale'] === undefined ? 'num_workers' : 'autoscale';
    cluster.settings = { ...settings, [size]: change[size] };
    checkSettings(cluster.settings);
    cluster.state = 'RESIZING';
    this.#store.saveCluster(cluster);
    this.#provision(cluster);
  }

  /** Changes its settings; a running cluster restarts with them. */
  edit(cluster: ClusterRecord, settings: Json): void {
    if (cluster.state !== 'RUNNING' && cluster.state !== 'TERMINATED')
      throw invalidState(
        `Cluster ${cluster.cluster_id} is in unexpected state ${cluster.state.toLowerCase()}.`,
      );
    const { cluster_id: _id, ...changed } = settings;
    checkSettings(changed);
    cluster.settings = changed;
    if (cluster.state === 'RUNNING') {
      this.onEnd(cluster.cluster_id, 'RESTART');
      cluster.state = 'PENDING';
      this.#provision(cluster);
    }
    this.#store.saveCluster(cluster);
  }

  /** Ends it; a cluster that has ended is left as it is. */
  terminate(cluster: ClusterRecord, code: string, type = 'SUCCESS', parameters = {}): void {
    if (cluster.state === 'TERMINATED' || cluster.state === 'TERMINATING') return;
    cluster.state = 'TERMINATING';
    cluster.message = '';
    cluster.reason = { code, type, parameters };
    this.#store.saveCluster(cluster);
    this.onEnd(cluster.cluster_id, code);
    this.#finish(cluster);
  }

  remove(cluster: ClusterRecord): void {
    this.terminate(cluster, 'USER_REQUEST');
    clearTimeout(this.#timers.get(cluster.cluster_id));
    this.#store.remove('clusters', cluster.cluster_id);
  }

  /** Waits until the cluster can take work, starting it when it has ended. Gives false when it ended meanwhile. */
  async ready(cluster: ClusterRecord, task: number): Promise<boolean> {
    const users = this.#users.get(cluster.cluster_id) ?? new Set();
    users.add(task);
    this.#users.set(cluster.cluster_id, users);
    while (cluster.state === 'TERMINATING') await sleep(20);
    if (cluster.state === 'TERMINATED') this.start(cluster);
    while (cluster.state === 'PENDING' || cluster.state === 'RESIZING') await sleep(20);
    return cluster.state === 'RUNNING';
  }

  release(clusterId: string, task: number): void {
    this.#users.get(clusterId)?.delete(task);
    const cluster = this.#store.clusters.get(clusterId);
    if (cluster === undefined) return;
    cluster.lastActivity = Date.now();
    this.#store.saveCluster(cluster);
    this.#watchIdle(cluster);
  }

  #provision(cluster: ClusterRecord): void {
    this.#later(cluster, this.#timing.provisioningMs, () => {
      if (cluster.state !== 'PENDING' && cluster.state !== 'RESIZING') return;
      cluster.state = 'RUNNING';
      cluster.message = '';
      cluster.lastActivity = Date.now();
      this.#store.saveCluster(cluster);
      this.#watchIdle(cluster);
    });
  }

  #finish(cluster: ClusterRecord): void {
    this.#later(cluster, this.#timing.provisioningMs / 2, () => {
      cluster.state = 'TERMINATED';
      cluster.terminated = Date.now();
      if (this.#store.clusters.has(cluster.cluster_id)) this.#store.saveCluster(cluster);
    });
  }

  #watchIdle(cluster: ClusterRecord): void {
    const minutes = numberIn(cluster.settings, 'autotermination_minutes') ?? 0;
    if (minutes === 0 || cluster.state !== 'RUNNING' || cluster.source === 'JOB') return;
    this.#later(cluster, minutes * this.#timing.idleMinuteMs, () => {
      if (cluster.state !== 'RUNNING' || (this.#users.get(cluster.cluster_id)?.size ?? 0) > 0) return;
      this.terminate(cluster, 'INACTIVITY', 'SUCCESS', { inactivity_duration_min: String(minutes) });
    });
  }

  #later(cluster: ClusterRecord, delay: number, act: () => void): void {
    clearTimeout(this.#timers.get(cluster.cluster_id));
    this.#timers.set(cluster.cluster_id, setTimeout(act, delay));
  }
}

/** What clusters/create, and new_cluster of a run, must say. */
export function checkSettings(settings: Json): void {
  required(textIn(settings, 'spark_version'), 'spark_version');
  if (textIn(settings, 'node_type_id') === undefined && textIn(settings, 'instance_pool_id') === undefined)
    throw invalid('Exactly one of node_type_id and instance_pool_id must be specified.');
  const autoscale = objectIn(settings, 'autoscale');
  if (autoscale) {
    const [least, most] = [numberIn(autoscale, 'min_workers'), numberIn(autoscale, 'max_workers')];
    if (least === undefined || most === undefined || least >= most)
      throw invalid('max_workers must be strictly greater than min_workers.');
  }
  const idle = numberIn(settings, 'autotermination_minutes');
  if (idle !== undefined && idle !== 0 && (idle < 10 || idle > 10_000))
    throw invalid('The value for autotermination_minutes must be 0 or between 10 and 10000.');
  mapIn(settings, 'spark_conf');
  mapIn(settings, 'spark_env_vars');
}

/** The cluster as clusters/get answers it. */
export function clusterView(cluster: ClusterRecord): Json {
  const { cluster_id, settings, state, message, started, terminated, lastActivity, reason } = cluster;
  const autoscale = objectIn(settings, 'autoscale');
  const workers = numberIn(settings, 'num_workers') ?? numberIn(autoscale ?? {}, 'min_workers') ?? 0;
  const tags = { Vendor: 'Databricks', Creator: cluster.creator, ClusterId: cluster_id };
  return {
    ...settings,
    cluster_id,
    cluster_name: settings['cluster_name'] ?? '',
    creator_user_name: cluster.creator,
    cluster_source: cluster.source,
    state,
    state_message: message,
    start_time: started,
    last_activity_time: lastActivity,
    ...(autoscale ? {} : { num_workers: workers }),
    default_tags: { ...tags, ClusterName: String(settings['cluster_name'] ?? '') },
    ...(state === 'RUNNING' ? { executors: [], spark_context_id: started } : {}),
    ...(terminated === undefined ? {} : { terminated_time: terminated }),
    ...(reason === undefined ? {} : { termination_reason: reason }),
  };
}
