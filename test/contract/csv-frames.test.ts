// PostgreSQL's own CSV goes into delimited files as it is, and means the same as rows that were written one by one.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';
import { sharedWorld } from '../support/world.ts';
import { CopyRunner } from './copy-runner.ts';
import { fileServerStore } from './stores/file-server.ts';
import { postgresStore } from './stores/postgres.ts';

const name = `csv_frames_${process.pid}`;
const base = postgresStore();
const files = fileServerStore('DelimitedText');
let runner: CopyRunner;
let database: pg.Client;

describe('PostgreSQL into delimited files', { timeout: 120_000 }, () => {
  before(async () => {
    const world = await sharedWorld(['postgres']);
    await base.start(world, name);
    await files.start(world, name);
    const services: Record<string, ConnectedLinkedService> = {
      [base.type]: base.service(),
      [files.type]: files.service(),
    };
    runner = await CopyRunner.start(name, (service) => services[service] as ConnectedLinkedService);
    const { host, port, user } = world.postgres;
    database = new pg.Client({ host, port, user, database: name });
    await database.connect();
    await database.query(
      `CREATE TABLE t AS SELECT i AS id, CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'a "b", c' || chr(10) || 'd\\' ELSE 'é🙂' || i END AS note,
       CASE WHEN i % 3 = 0 THEN NULL ELSE i % 2 = 0 END AS flag, (i / 7.0)::numeric(10,3) AS price, i * 1e17::float8 AS large,
       '2024-02-29 10:00:00.5+02'::timestamptz + i * interval '1 s' AS moment, date '2024-02-29' + i AS day, md5(i::text)::uuid AS token
     FROM generate_series(1, 3000) AS i`,
    );
    await database.query('ALTER TABLE t ADD PRIMARY KEY (id)');
  });
  after(async () => {
    await database?.end();
    await runner?.stop();
    await files.stop();
  });

  for (const { title, changes } of [
    {
      title: 'as it is, where the dataset is written the same way',
      changes: { escapeChar: '"', quoteChar: '"' },
    },
    {
      title: 'row by row, where it is not',
      changes: { escapeChar: '"', quoteChar: '"', columnDelimiter: ';' },
    },
  ]) {
    test(title, async () => {
      const folder = files.endpoint(`out_${'columnDelimiter' in changes}`);
      const sink = { ...folder, dataset: { ...folder.dataset, ...changes } };
      const out = await runner.copy(`out/${title.length}`, base.endpoint('t'), sink);
      assert.equal(out.published.rows, 3000);
      const place = `back_${title.length}`;
      await database.query(`CREATE TABLE ${place} (LIKE t)`);
      const back = await runner.copy(`back/${title.length}`, sink, base.endpoint(place));
      assert.equal(back.published.rows, 3000);
      const { rows } = await database.query(
        `(TABLE t EXCEPT TABLE ${place}) UNION ALL (TABLE ${place} EXCEPT TABLE t)`,
      );
      assert.deepEqual(rows, []);
    });
  }
});
