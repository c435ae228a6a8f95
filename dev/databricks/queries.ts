// Saved queries of the workspace (/api/2.0/sql/queries): what a sql_task names by query_id.
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { missing } from './errors.ts';
import { type Json, objectIn, required, textIn } from './json.ts';

export class Queries {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  create(body: Json): Json {
    const query = required(objectIn(body, 'query'), 'query');
    const made = {
      id: randomUUID(),
      display_name: textIn(query, 'display_name') ?? 'New query',
      query_text: textIn(query, 'query_text') ?? '',
      ...(query['warehouse_id'] === undefined ? {} : { warehouse_id: query['warehouse_id'] }),
      lifecycle_state: 'ACTIVE',
      create_time: new Date().toISOString(),
      update_time: new Date().toISOString(),
    };
    writeFileSync(this.#file(made.id), JSON.stringify(made));
    return made;
  }

  get(id: string): Json {
    try {
      return JSON.parse(readFileSync(this.#file(id), 'utf8')) as Json;
    } catch {
      throw missing(`The query ${id} was not found.`);
    }
  }

  remove(id: string): Json {
    this.get(id);
    rmSync(this.#file(id), { force: true });
    return {};
  }

  text(id: string): string {
    return textIn(this.get(id), 'query_text') ?? '';
  }

  #file(id: string): string {
    return join(this.#directory, `${id.replace(/[^\w-]/g, '')}.json`);
  }
}
