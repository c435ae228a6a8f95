// Files and rows that cannot be read are left out, counted and logged where the definition says so; else they fail the copy.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { type FolderCopies, folderCopies } from '../support/folder-copies.ts';

const failsWith = (code: string) => (error: unknown) => error instanceof WaybillError && error.code === code;
const HEADER = { firstRowAsHeader: true };
const LOG = {
  logSettings: {
    enableCopyActivityLog: true,
    logLocationSettings: { linkedServiceName: { referenceName: 'folder' }, path: 'log' },
  },
};
const SKIP: JsonObject = { skipErrorFile: { dataInconsistency: true }, ...LOG };

describe('what cannot be read', { timeout: 120_000 }, () => {
  let copies: FolderCopies;
  before(async () => {
    copies = await folderCopies();
    await copies.put('csv/0-quote.csv', 'a,b\n1,"x\n2,y\n');
    await copies.put('csv/1-good.csv', 'a,b\n3,"p, q"\n');
    await copies.put('csv/2-other.csv', 'a,c\n4,z\n');
    await copies.put('csv/3-late.csv', `a,b\n${'5,v\n'.repeat(20_000)}6,"open\n`);
    await copies.put('csv/4-cut.csv.gz', gzipSync('a,b\n7,w\n').subarray(0, 20));
    await copies.put('csv/5-bytes.csv', Buffer.from([0x61, 0x2c, 0x62, 0x0a, 0xff, 0xfe, 0x2c, 0x31, 0x0a]));
    await copies.put('csv/6-good.csv', 'b,a\nlast,8\n');
  });
  after(() => copies.stop());

  const logged = async (): Promise<string> => {
    const names = await copies.names('log').catch(() => []);
    return (await Promise.all(names.map((name) => copies.text(`log/${name}`)))).join('');
  };

  test('bad files are left out whole, counted and logged; good ones are copied', async () => {
    const sink = copies.end('DelimitedText', 'out/', HEADER);
    const source = copies.end('DelimitedText', 'csv/', HEADER);
    const run = await copies.runner.copy('skip', source, sink, SKIP);
    assert.equal(run.published.rows, 2);
    assert.equal(run.published.filesSkipped, 5);
    assert.equal(run.published.skipped, undefined);
    const log = await logged();
    for (const name of ['0-quote.csv', '2-other.csv', '3-late.csv', '4-cut.csv.gz', '5-bytes.csv'])
      assert.match(
        log,
        new RegExp(`Warning,FileSkip,"csv/${name}","(FILE_INVALID|SOURCE_CHANGED): [^"]+`),
        log,
      );
    assert.doesNotMatch(log, /good/);
    assert.match(log, /3-late.csv, line 20002: the file ends inside a quoted field/);
  });

  test('without leave the first bad file fails the copy', async () => {
    const source = copies.end('DelimitedText', 'csv/', HEADER);
    await assert.rejects(copies.lines('strict', source), failsWith('FILE_INVALID'));
    await assert.rejects(
      copies.lines('no', source, { skipErrorFile: { dataInconsistency: false } }),
      failsWith('FILE_INVALID'),
    );
  });

  test('a file that vanished after planning is left out by default where skipErrorFile is given', async () => {
    await copies.put('gone/a.csv', 'a\n1\n');
    await copies.put('gone/b.csv', 'a\n2\n');
    const source = copies.end('DelimitedText', 'gone/', HEADER);
    const sink = copies.end('DelimitedText', 'gone-out/all.csv', HEADER);
    for (const [id, options, ok] of [
      ['gone1', { skipErrorFile: { dataInconsistency: false } }, true],
      ['gone2', { skipErrorFile: { fileMissing: false } }, false],
    ] as const) {
      await copies.put('gone/b.csv', 'a\n2\n');
      const input = copies.runner.input(id, source, sink, options);
      const plan = await copies.runner.run('planCopy', input);
      await copies.remove('gone/b.csv');
      const chunk = copies.runner.run('copyChunk', { copy: input, chunk: 0, epoch: plan.epoch });
      if (ok) assert.deepEqual(await chunk.then(({ rows, filesSkipped }) => [rows, filesSkipped]), [1, 1]);
      else await assert.rejects(chunk, failsWith('OBJECT_MISSING'));
    }
  });

  test('JSON and Parquet files too', async () => {
    await copies.put('json/a.json', '{"a":1}\n{"a":\n');
    await copies.put('json/b.json', '{"a":2}\n');
    await copies.put('json/c.json', '[{"a":3},{"a":4}');
    assert.deepEqual(await copies.lines('json', copies.end('Json', 'json/'), SKIP), ['a', '2']);
    await copies.runner.copy(
      'parquet',
      copies.end('Json', 'json/b.json'),
      copies.end('Parquet', 'parquet/b.parquet'),
    );
    const bytes = await copies.bytes('parquet/b.parquet');
    await copies.put('parquet/a.parquet', bytes.subarray(0, bytes.length - 20));
    await copies.put('parquet/c.parquet', 'no parquet at all, but long enough to be looked at');
    assert.deepEqual(await copies.lines('pq', copies.end('Parquet', 'parquet/'), SKIP), ['a', '2']);
  });

  test('rows of another width are left out where rows may be', async () => {
    await copies.put('wide.csv', 'a,b\n1,x\n2\n3,y,z\n\n4,w\n');
    const source = copies.end('DelimitedText', 'wide.csv', HEADER);
    await assert.rejects(copies.lines('wide0', source), failsWith('FILE_INVALID'));
    const sink = copies.end('DelimitedText', 'wide-out.csv', HEADER, {
      formatSettings: { quoteAllText: false },
    });
    const run = await copies.runner.copy('wide1', source, sink, { enableSkipIncompatibleRow: true, ...LOG });
    assert.equal(await copies.text('wide-out.csv'), 'a,b\n1,x\n4,w\n');
    assert.equal(run.published.skipped, 2);
    assert.match(
      await logged(),
      /TabularRowSkip,"""3"",""y"",""z""","FILE_INVALID: Row 3 of wide.csv has 3 fields/,
    );
  });

  test('lines to skip end with LF, CR or both, and files of a header alone have no rows', async () => {
    for (const [name, ending] of [
      ['lf', '\n'],
      ['crlf', '\r\n'],
      ['cr', '\r'],
    ] as const) {
      await copies.put(`${name}.csv`, ['one "line', '', 'a,b', '1,x', ''].join(ending));
      const source = copies.end('DelimitedText', `${name}.csv`, HEADER, {
        formatSettings: { skipLineCount: 2 },
      });
      assert.deepEqual(await copies.lines(`skip_${name}`, source), ['a,b', '1,x']);
    }
    await copies.put('header.csv', 'a,b\n');
    assert.deepEqual(await copies.lines('header', copies.end('DelimitedText', 'header.csv', HEADER)), [
      'a,b',
    ]);
  });
});
