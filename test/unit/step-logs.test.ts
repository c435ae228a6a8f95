// The tail of a failed step's log: what tells the cause, wherever EMR put it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { logTail } from '../../src/compute/emr/step-logs.ts';
import { MemoryLake } from '../support/memory-lake.ts';

const ADDRESS = 's3://logs/emr/j-1/steps/s-1/';

function lakeWith(files: Record<string, string>): MemoryLake {
  const lake = new MemoryLake();
  for (const [uri, text] of Object.entries(files)) lake.objects.set(uri, gzipSync(text));
  return lake;
}

test('chatter and Java frames are left out, the cause stays', async () => {
  const lake = lakeWith({
    [`${ADDRESS}stdout.gz`]: 'Traceback (most recent call last):\nValueError: kaput\n',
    [`${ADDRESS}stderr.gz`]:
      '26/11/22 20:58:56 INFO SparkContext: Running\n\tat org.apache.spark.Foo$.bar(Foo.scala:1)\nCaused by: java.io.IOException: gone\n\t... 20 more\n',
  });
  assert.equal(
    await logTail(lake, ADDRESS, 0),
    '[stdout]\nTraceback (most recent call last):\nValueError: kaput\n[stderr]\nCaused by: java.io.IOException: gone',
  );
});

test('at most forty lines are told, the last ones', async () => {
  const lines = Array.from({ length: 500 }, (_, at) => `line ${at}`);
  const tail = await logTail(lakeWith({ [`${ADDRESS}stderr.gz`]: lines.join('\n') }), ADDRESS, 0);
  assert.deepEqual(tail.split('\n'), ['[stderr]', ...lines.slice(-40)]);
});

test('a driver that ran on YARN is read in its container, other containers are not', async () => {
  const application = 'application_1763800000000_0007';
  const containers = `s3://logs/emr/j-1/containers/${application}/container_1763800000000_0007_01`;
  const lake = lakeWith({
    [`${ADDRESS}stderr.gz`]: `26/11/22 20:58:56 INFO Client: Application report for ${application} (state: FAILED)\n`,
    [`${containers}_000001/stdout.gz`]: 'ValueError: in the driver\n',
    [`${containers}_000002/stdout.gz`]: 'an executor says nothing of use\n',
  });
  const tail = await logTail(lake, ADDRESS, 0);
  assert.match(tail, /\[driver stdout\]\nValueError: in the driver$/);
  assert.ok(!tail.includes('executor'));
});

test('a log that is not there yet is waited for, then done without', async () => {
  const lake = new MemoryLake();
  assert.equal(await logTail(lake, ADDRESS, 0), '');
  setTimeout(() => lake.objects.set(`${ADDRESS}stderr.gz`, gzipSync('late\n')), 20);
  assert.equal(await logTail(lake, ADDRESS, 200), '[stderr]\nlate');
});
