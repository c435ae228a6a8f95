// Jobs of a workspace, known by their names: made once, and given new settings when asked for again.
import { setTimeout as sleep } from 'node:timers/promises';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { type DatabricksClient, isAmbiguous, type RequestOptions } from './client.ts';

const API = '2.2/jobs';

export interface PutJob {
  readonly id: number;
  readonly created: boolean;
}

/**
 * Makes a job of this name, or resets the one there is. `mark` is a tag that tells our job from one that only has the same
 * name. Databricks lets names repeat, so it is looked for first, and again when an answer was lost after `lookAgainAfter` ms.
 * Throws COMPUTE_REFUSED where a job of others has the name, or several of ours.
 */
export async function putJob(
  client: DatabricksClient,
  settings: JsonObject & { name: string },
  mark: { readonly tag: string; readonly value: string },
  lookAgainAfter: number,
  options: RequestOptions = {},
): Promise<PutJob> {
  const { name } = settings;
  const body = {
    ...settings,
    tags: { ...(settings['tags'] as JsonObject | undefined), [mark.tag]: mark.value },
  };
  const look = async (): Promise<number | undefined> => {
    const found = await jobsNamed(client, name, options);
    const ours = found.filter(({ tags }) => tags[mark.tag] === mark.value);
    if (ours.length === found.length && ours.length < 2) return ours[0]?.id;
    throw new WaybillError(
      'COMPUTE_REFUSED',
      ours.length > 1
        ? `There are ${ours.length} jobs "${name}" of ours in the workspace: delete all but one.`
        : `The workspace has a job "${name}" that is not of this migration: rename it.`,
      { job: name },
    );
  };
  const reset = async (id: number): Promise<PutJob> => {
    await client.post(`${API}/reset`, { job_id: id, new_settings: body }, options);
    return { id, created: false };
  };
  const known = await look();
  if (known !== undefined) return reset(known);
  try {
    const { job_id: id } = await client.post(`${API}/create`, body, { ...options, once: true });
    if (typeof id === 'number') return { id, created: true };
    throw new WaybillError('COMPUTE_BUSY', 'Databricks answered jobs/create without a job id.');
  } catch (error) {
    if (!isAmbiguous(error)) throw error;
    await sleep(lookAgainAfter, undefined, options.signal ? { signal: options.signal } : {});
    const made = await look();
    if (made !== undefined) return { id: made, created: true };
    throw error;
  }
}

async function jobsNamed(
  client: DatabricksClient,
  name: string,
  options: RequestOptions,
): Promise<{ id: number; tags: JsonObject }[]> {
  const found: { id: number; tags: JsonObject }[] = [];
  let token = '';
  do {
    const query = { name, limit: 25, ...(token === '' ? {} : { page_token: token }) };
    const page = await client.get(`${API}/list`, query, options);
    for (const job of (page['jobs'] ?? []) as JsonObject[]) {
      const settings = (job['settings'] ?? {}) as JsonObject;
      // The filter ignores case.
      if (settings['name'] !== name) continue;
      found.push({ id: Number(job['job_id']), tags: (settings['tags'] ?? {}) as JsonObject });
    }
    token = String(page['next_page_token'] ?? '');
  } while (token !== '');
  return found;
}
