// Rows that do not fit: fail the copy naming the row, or are left out, counted and logged, in every table store.
//
// CONNECTORS=PostgreSqlV2,SqlServer chooses stores.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CsvReader } from '../../src/core/copy/csv.ts';
import type { CopyEndpoint } from '../../src/core/copy.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';
import type { Row } from '../../src/core/types/column.ts';
import { sharedWorld } from '../support/world.ts';
import { CopyRunner } from './copy-runner.ts';
import { allStores } from './stores/index.ts';
import type { Store } from './stores/store.ts';

const chosen = process.env['CONNECTORS']?.split(',');
const every = allStores();
const stores = every.filter(({ id, kind }) => kind === 'table' && (!chosen || chosen.includes(id)));
const LOG_SERVICE = 'session logs';

describe('rows that do not fit', { timeout: 1_200_000 }, () => {
  const name = `skips_${process.pid}`;
  const base = every.find(({ id }) => id === 'PostgreSqlV2') as Store;
  const services = new Map<string, ConnectedLinkedService>();
  let runner: CopyRunner;
  let logs: string;

  before(async () => {
    logs = await mkdtemp(join(tmpdir(), 'waybill-session-log-'));
    const world = await sharedWorld([
      ...new Set(['postgres' as const, ...stores.flatMap(({ engines }) => engines)]),
    ]);
    for (const store of new Set([base, ...stores])) {
      await store.start(world, name);
      services.set(store.id, store.service());
    }
    services.set(LOG_SERVICE, { name: LOG_SERVICE, type: 'FileServer', properties: { host: logs } });
    runner = await CopyRunner.start(name, (service) => services.get(service) as ConnectedLinkedService);
  });
  after(async () => {
    await runner?.stop();
    await rm(logs, { recursive: true, force: true });
    for (const store of new Set([base, ...stores])) await store.stop();
  });

  /** Six rows of text; what is wrong with four of them depends on the target. */
  const source = (): CopyEndpoint =>
    base.endpoint('unused', {
      query:
        "SELECT * FROM (VALUES (1, '10', 'fits'), (2, 'ten', 'no number'), (3, '30', 'longer than twelve'), " +
        "(4, NULL, 'no value'), (5, '99999999999', 'too large'), (6, '-60', 'fits, \"too\"')) AS v (id, amount, note)",
    });
  const logged = (folder: string): JsonObject => ({
    enableSkipIncompatibleRow: true,
    logSettings: {
      enableCopyActivityLog: true,
      copyActivityLogSettings: { logLevel: 'Warning', enableReliableLogging: false },
      logLocationSettings: {
        linkedServiceName: { referenceName: LOG_SERVICE, type: 'LinkedServiceReference' },
        path: folder,
      },
    },
  });
  /** Header and lines of every log file under the folder, by file. */
  const logFiles = async (folder: string): Promise<Map<string, Row[]>> => {
    const files = new Map<string, Row[]>();
    const place = join(logs, folder);
    await mkdir(place, { recursive: true });
    for (const file of await readdir(place, { recursive: true })) {
      if (!file.endsWith('.csv')) continue;
      const reader = new CsvReader({ delimiter: ',', quote: '"', escapeMark: '"', nullText: '' });
      const rows = reader.push(await readFile(join(place, file), 'utf8'));
      files.set(file, [...rows, ...reader.end()]);
    }
    return files;
  };

  for (const store of stores) {
    const upper = store.id === 'SnowflakeV2';
    const table = (place: string): string => (upper ? place.toUpperCase() : place);
    const sql = async (statement: string): Promise<Record<string, unknown>[]> =>
      ((await store.sql?.(statement)) ?? []).map((row) =>
        Object.fromEntries(Object.entries(row).map(([key, value]) => [key.toLowerCase(), value])),
      );
    const ids = async (place: string): Promise<number[]> =>
      (await sql(`SELECT id FROM ${table(place)} ORDER BY id`)).map((row) => Number(row['id']));
    const makeTarget = (place: string): Promise<unknown> =>
      sql(`CREATE TABLE ${table(place)} (id int NOT NULL, amount decimal(9,0) NOT NULL, note varchar(12))`);

    test(`${store.id}: without skipping, the first such row fails the copy and is named, its value is not`, async () => {
      const place = `strict_${store.id.toLowerCase()}`;
      await makeTarget(place);
      const input = runner.input(place, source(), store.endpoint(place));
      const plan = await runner.run('planCopy', input);
      await assert.rejects(runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch }), (error) => {
        assert.ok(error instanceof WaybillError, String(error));
        assert.equal(error.code, 'SINK_TYPE_OVERFLOW');
        assert.match(error.message, /amount/i);
        assert.match(error.message, /row 2 of chunk 1/);
        assert.match(error.message, /3 characters/);
        assert.ok(!error.message.includes('ten'), error.message);
        return true;
      });
      await runner.run('cleanUpCopy', input);
      assert.deepEqual(await ids(place), []);
    });

    test(`${store.id}: with skipping, such rows are left out, counted and logged`, async () => {
      const place = `lenient_${store.id.toLowerCase()}`;
      await makeTarget(place);
      const { plan, chunks, published } = await runner.copy(
        place,
        source(),
        store.endpoint(place),
        logged(`logs/${place}`),
      );
      assert.deepEqual(await ids(place), [1, 6]);
      assert.equal(published.rows, 2);
      assert.equal(published.skipped, 4);
      assert.equal(chunks[0]?.skipped, 4);
      assert.equal(published.rows + (published.skipped ?? 0), 6, 'read is copied and skipped');
      assert.equal(published.sourceChecksum, published.sinkChecksum);
      assert.match(
        plan.logPath ?? '',
        new RegExp(`^logs/${place}/copyactivity-logs/${place}/[0-9a-f-]{36}$`),
      );
      const files = [...(await logFiles(`logs/${place}`))];
      assert.equal(files.length, 1, 'one chunk, one file');
      const [[file, rows] = ['', []]] = files;
      assert.match(file, new RegExp(`^copyactivity-logs/${place}/[0-9a-f-]{36}/[0-9a-f-]{36}\\.csv$`));
      assert.deepEqual(rows[0], ['Timestamp', 'Level', 'OperationName', 'OperationItem', 'Message']);
      assert.deepEqual(
        rows.slice(1).map((row) => [row[1], row[2], row[3]]),
        [
          ['Warning', 'TabularRowSkip', '"2","ten","no number"'],
          ['Warning', 'TabularRowSkip', '"3","30","longer than twelve"'],
          ['Warning', 'TabularRowSkip', '"4",NULL,"no value"'],
          ['Warning', 'TabularRowSkip', '"5","99999999999","too large"'],
        ],
      );
      assert.match(rows[1]?.[4] ?? '', /SINK_TYPE_OVERFLOW.*amount/i);
      assert.match(rows[3]?.[4] ?? '', /CONSTRAINT_VIOLATED.*amount/i);
    });

    test(`${store.id}: a chunk that is tried again writes its log again, not another one`, async () => {
      const place = `again_${store.id.toLowerCase()}`;
      await makeTarget(place);
      const input = runner.input(place, source(), store.endpoint(place), logged(`logs/${place}`));
      const plan = await runner.run('planCopy', input);
      const sink = await runner.openSink(input);
      try {
        // An attempt that dies after its log was written and before anything was committed.
        const claim = await sink.claimChunk(0, plan.epoch * 100_000 + 1);
        assert.equal(claim.state, 'claimed');
      } finally {
        await sink.close();
      }
      const first = await runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch }, 2);
      const again = await runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch }, 3);
      assert.equal(again.resumed, true);
      assert.equal(again.skipped, first.skipped, 'the ledger remembers what was skipped');
      const published = await runner.run('publishCopy', { copy: input, epoch: plan.epoch });
      assert.deepEqual(await runner.run('publishCopy', { copy: input, epoch: plan.epoch }), published);
      assert.equal((await logFiles(`logs/${place}`)).size, 1);
      await runner.run('cleanUpCopy', input);
    });

    test(
      `${store.id}: rows whose key is taken are left out when publishing; of two with one key the first wins`,
      upper ? { skip: 'Snowflake does not enforce keys: no row violates one' } : {},
      async () => {
        const place = `keys_${store.id.toLowerCase()}`;
        await sql(`CREATE TABLE ${table(place)} (id int NOT NULL PRIMARY KEY, amount int, note varchar(40))`);
        await sql(`INSERT INTO ${table(place)} VALUES (1, 100, 'here before')`);
        const twice = base.endpoint('unused', {
          query:
            "SELECT * FROM (VALUES (1, 10, 'taken'), (2, 20, 'first|one'), (2, 21, 'second|one||'), (3, 30, 'free')) AS v (id, amount, note)",
        });
        const strict = runner.input(`${place}_strict`, twice, store.endpoint(place));
        const plan = await runner.run('planCopy', strict);
        await runner.run('copyChunk', { copy: strict, chunk: 0, epoch: plan.epoch });
        await assert.rejects(
          runner.run('publishCopy', { copy: strict, epoch: plan.epoch }),
          (error) => error instanceof WaybillError && error.code === 'CONSTRAINT_VIOLATED',
        );
        await runner.run('cleanUpCopy', strict);
        assert.deepEqual(await ids(place), [1], 'nothing of a refused copy is there');

        const {
          input,
          plan: made,
          published,
        } = await runner.copy(place, twice, store.endpoint(place), logged(`logs/${place}`));
        assert.deepEqual(await ids(place), [1, 2, 3]);
        const kept = await sql(`SELECT amount FROM ${table(place)} ORDER BY id`);
        assert.deepEqual(
          kept.map((row) => Number(row['amount'])),
          [100, 20, 30],
        );
        assert.equal(published.rows, 2);
        assert.equal(published.skipped, 2);
        const again = await runner.run('planCopy', input);
        assert.equal(again.published, true);
        const repeated = await runner.run('publishCopy', { copy: input, epoch: again.epoch });
        assert.deepEqual([repeated.rows, repeated.skipped], [2, 2]);
        assert.ok(made.logPath);
        const [rows = []] = (await logFiles(`logs/${place}`)).values();
        assert.deepEqual(
          rows
            .slice(1)
            .map((row) => row[3])
            .toSorted(),
          ['"1","10","taken"', '"2","21","second|one||"'],
        );
        assert.match(rows[1]?.[4] ?? '', /CONSTRAINT_VIOLATED.*\(id\)/);
      },
    );
  }
});
