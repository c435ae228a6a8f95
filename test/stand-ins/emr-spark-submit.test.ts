// How the EMR stand-in turns a step's spark-submit into one for this machine, and how it reads failures from logs.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loggedFailure } from '../../dev/emr/failure.ts';
import { parseSparkSubmit, sparkSubmitArguments } from '../../dev/emr/spark-submit.ts';

const spark = {
  sparkHome: '/spark',
  python: '/venv/bin/python',
  jars: '/jars',
  classData: '/cds/spark.jsa',
  s3Endpoint: 'http://127.0.0.1:1',
  region: 'eu-west-1',
};

/** The --conf settings of a command, as spark-submit will see them. */
function settings(args: string[]): Record<string, string> {
  const confs = args.flatMap((arg, index) => (args[index - 1] === '--conf' ? [arg] : []));
  return Object.fromEntries(
    confs.map((conf) => [conf.slice(0, conf.indexOf('=')), conf.slice(conf.indexOf('=') + 1)]),
  );
}

const after = (args: string[], option: string) => args[args.indexOf(option) + 1];

describe('spark-submit of a step', () => {
  it('prefers the step to the cluster and the cluster to the defaults', () => {
    const cluster = [
      {
        Classification: 'spark-defaults',
        Properties: {
          'spark.sql.shuffle.partitions': '8',
          'spark.sql.session.timeZone': 'CET',
          'spark.a': '1',
        },
      },
    ];
    const submission = parseSparkSubmit(
      ['--conf', 'spark.a=2=3', '--conf=spark.b=x y', '-c', 'spark.sql.session.timeZone=PST', 'job.py'],
      cluster,
    );
    const conf = settings(sparkSubmitArguments(submission, spark));
    assert.equal(conf['spark.sql.shuffle.partitions'], '8');
    assert.equal(conf['spark.sql.session.timeZone'], 'PST');
    assert.equal(conf['spark.a'], '2=3');
    assert.equal(conf['spark.b'], 'x y');
    assert.equal(conf['spark.hadoop.fs.s3a.endpoint.region'], 'eu-west-1');
  });

  it('replaces YARN by local[2] however it is asked for', () => {
    for (const asked of [
      ['--master', 'yarn', '--deploy-mode', 'cluster'],
      ['--master=yarn', '--deploy-mode=client'],
      ['--conf', 'spark.master=yarn', '--conf', 'spark.submit.deployMode=cluster', '--queue', 'q'],
    ]) {
      const args = sparkSubmitArguments(
        parseSparkSubmit([...asked, 'job.py', '--master', 'mine'], []),
        spark,
      );
      assert.equal(after(args, '--master'), 'local[2]');
      assert.ok(!args.join(' ').includes('yarn'), args.join(' '));
      assert.deepEqual(
        args.slice(-3),
        ['job.py', '--master', 'mine'],
        "the application's arguments are its own",
      );
    }
  });

  it('adds class path and JVM options to those asked for, with one garbage collector', () => {
    const args = sparkSubmitArguments(
      parseSparkSubmit(
        [
          ...[
            '--driver-java-options',
            '-XX:+UseG1GC -Dx=y',
            '--driver-class-path',
            '/my.jar:/usr/lib/hadoop-lzo/lib/*',
          ],
          ...['--driver-memory', '512m', '--class', 'a.B', 'app.jar', 'x'],
        ],
        [],
      ),
      spark,
    );
    assert.equal(
      after(args, '--driver-java-options'),
      '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=240m -XX:-DontCompileHugeMethods -XX:SharedArchiveFile=/cds/spark.jsa -Dx=y',
    );
    assert.equal(after(args, '--driver-class-path'), '/jars/*:/my.jar');
    assert.equal(settings(args)['spark.driver.memory'], '512m');
    assert.deepEqual(args.slice(-4), ['--class', 'a.B', 'app.jar', 'x']);
  });

  it('gathers files from options and settings, without those of the EMR image', () => {
    const { files, notes } = parseSparkSubmit(
      [
        ...[
          '--jars',
          's3://b/a.jar,/usr/share/aws/delta/lib/delta-spark.jar',
          '--conf',
          'spark.jars=s3://b/c.jar',
        ],
        ...['--conf', 'spark.submit.pyFiles=s3://b/p.zip', 'job.py'],
      ],
      [],
    );
    assert.deepEqual(files.get('--jars'), ['s3://b/a.jar', 's3://b/c.jar']);
    assert.deepEqual(files.get('--py-files'), ['s3://b/p.zip']);
    assert.ok(notes.some((note) => note.includes('EMR image')));
  });

  it("gives the job the variables YARN would, but not another machine's Python", () => {
    const cluster = [
      {
        Classification: 'spark-env',
        Configurations: [
          { Classification: 'export', Properties: { PYSPARK_PYTHON: '/usr/bin/python3', A: '"1"' } },
        ],
      },
    ];
    const { environment, conf } = parseSparkSubmit(
      ['--conf', 'spark.yarn.appMasterEnv.B=2', 'job.py'],
      cluster,
    );
    assert.deepEqual(Object.fromEntries(environment), { A: '1', B: '2' });
    assert.equal(conf.size, 0);
  });

  it('passes on a command without an application, for spark-submit itself to refuse', () => {
    const args = sparkSubmitArguments(parseSparkSubmit(['--verbose', '--name'], []), spark);
    assert.equal(args.at(-1), '--name');
  });
});

describe('why a step failed', () => {
  const failure = async (stdout: string, stderr: string) => {
    const directory = await mkdtemp(join(tmpdir(), 'waybill-logs-'));
    try {
      await writeFile(join(directory, 'out'), stdout);
      await writeFile(join(directory, 'err'), stderr);
      return await loggedFailure(join(directory, 'out'), join(directory, 'err'));
    } finally {
      await rm(directory, { recursive: true });
    }
  };

  it('is the last exception of the last traceback, on either stream', async () => {
    const traceback = (error: string) =>
      `Traceback (most recent call last):\n  File "job.py", line 1, in <module>\n    f()\n${error}\n`;
    const noise = '26/01/01 10:00:00 WARN NativeCodeLoader: Unable to load\n';
    assert.deepEqual(
      await failure(`${traceback('KeyError: 1')}caught\n${traceback('my.pkg.BadRow: no\nmore')}`, noise),
      {
        message: 'my.pkg.BadRow: no',
        log: 'stdout',
      },
    );
    assert.equal((await failure('', noise + traceback('AssertionError')))?.log, 'stderr');
    const chained = `${traceback('ValueError: a')}\nDuring handling of the above exception, another exception occurred:\n\n${traceback('OSError: b')}`;
    assert.equal((await failure(chained, ''))?.message, 'OSError: b');
  });

  it("takes Java's own words where Python only wraps them", async () => {
    const stderr =
      'Traceback (most recent call last):\n  File "x.py", line 3\npy4j.protocol.Py4JJavaError: An error occurred while calling o1.save.\n: java.io.IOException: disk full\n\tat x.Y.z(Y.java:1)\n';
    assert.equal(
      (await failure('', stderr))?.message,
      'py4j.protocol.Py4JJavaError: An error occurred while calling o1.save. java.io.IOException: disk full',
    );
    const java =
      'Exception in thread "main" java.lang.ClassNotFoundException: a.B\n\tat java.base/x(y)\n26/01/01 1:1:1 INFO done\n';
    assert.match(
      (await failure('', java))?.message ?? '',
      /^Exception in thread "main" java\.lang\.ClassNotFound/,
    );
  });

  it('is the last line when nothing looks like an exception, and nothing when nothing was printed', async () => {
    assert.equal((await failure('out\n', 'first\nlast\n\n'))?.message, 'last');
    assert.equal(await failure('', ' \n'), undefined);
  });
});
