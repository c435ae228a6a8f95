// Definitions that Data Factory has not, checked with the rest of a factory: migrations, and files of other tools beside them.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectPath } from '../../../dev/cache.ts';
import { examineFactory, type Report } from '../../../src/definitions/validate.ts';

function validate(change: (directory: string) => void): Report {
  const directory = mkdtempSync(join(tmpdir(), 'waybill-own-'));
  try {
    for (const kind of ['dataset', 'lakehouse', 'linkedService', 'migration', 'streams'])
      cpSync(projectPath('factory', kind), join(directory, kind), { recursive: true });
    change(directory);
    return examineFactory(directory, { linkedService: {}, linkedServiceType: {} }).report;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const edited = (file: string, change: (text: string) => string) => (directory: string) =>
  writeFileSync(join(directory, file), change(readFileSync(join(directory, file), 'utf8')));

test("the project's own lakehouse, migration and stream are sound", () => {
  const report = validate(() => undefined);
  assert.deepEqual(report.errors, []);
  assert.deepEqual(report.warnings, []);
  assert.equal(report.resources, 13);
});

test('a migration is checked as strictly as it is run', () => {
  const misspelt = validate(
    edited('migration/nycflights.json', (text) => text.replace('"approval"', '"aproval"')),
  );
  assert.match(JSON.stringify(misspelt.errors), /migration\/nycflights\.json.*aproval/);
  const dangling = validate(
    edited('migration/nycflights.json', (text) =>
      text.replace('"lakehouse": "nycflights"', '"lakehouse": "nycflight"'),
    ),
  );
  assert.match(JSON.stringify(dangling.errors), /REFERENCE_MISSING.*Did you mean .*nycflights/);
});

test('a stream without a job, and a file of another tool', () => {
  const stream = validate(edited('streams/orders.json', (text) => text.replace('"job": {', '"jobb": {')));
  assert.match(JSON.stringify(stream.errors), /streams\/orders\.json/);
  const foreign = validate((directory) => {
    mkdirSync(join(directory, 'migration', 'sql'));
    writeFileSync(
      join(directory, 'migration', 'sql', 'V1.json'),
      '{"version": 1, "up": "CREATE TABLE t (a int)"}',
    );
  });
  assert.deepEqual(foreign.errors, []);
  assert.equal(foreign.resources, 13);
});
