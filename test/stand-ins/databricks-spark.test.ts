// Tasks of the Databricks stand-in that need Spark: a notebook with Delta and SQL, and a main class. Three JVMs.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ensureClassData } from '../../dev/setup/class-data.ts';
import { ensureJars } from '../../dev/setup/jars.ts';
import { ensurePython } from '../../dev/setup/python.ts';
import { type DatabricksStandIn, newCluster, startDatabricks } from '../support/databricks-stand-in.ts';

describe('Databricks stand-in with Spark', { timeout: 600_000 }, () => {
  let directory: string;
  let server: DatabricksStandIn;

  before(async () => {
    const installing = ensurePython(console.error);
    const [python, jars] = await Promise.all([installing, ensureJars(console.error, installing)]);
    const classData = await ensureClassData(console.error, python, jars);
    directory = await mkdtemp(join(tmpdir(), 'waybill-databricks-spark-'));
    server = await startDatabricks({
      stateDirectory: join(directory, 'state'),
      python,
      flags: { jars, ...(classData && { 'class-data': classData }) },
    });
  });
  after(async () => {
    await server?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const run = async (task: object) => {
    const body = { tasks: [{ task_key: 'main', new_cluster: newCluster, ...task }] };
    const { run_id } = await server.call<{ run_id: number }>('POST', '2.2/jobs/runs/submit', body);
    const ended = await server.ended(run_id, 240);
    const output = await server.call<{ notebook_output?: { result: string }; logs?: string; error?: string }>(
      'GET',
      '2.2/jobs/runs/get-output',
      { run_id: ended.tasks[0]?.run_id },
    );
    return { state: ended.state, output };
  };

  it('a notebook writes Delta, asks it by SQL, and exits with the answer', async () => {
    await server.importNotebook(
      '/Shared/delta',
      [
        `path = "${directory}/table"`,
        'spark.range(5).withColumnRenamed("id", "n").write.format("delta").save(path)',
        'spark.read.format("delta").load(path).createOrReplaceTempView("numbers")',
        '# COMMAND ----------',
        '# MAGIC %sql',
        '# MAGIC CREATE OR REPLACE TEMP VIEW answer AS SELECT sum(n) AS total, (SELECT value FROM',
        '# MAGIC   (SELECT 7 AS value)) AS seven FROM numbers',
        '# COMMAND ----------',
        'row = spark.table("answer").first()',
        'conf = spark.conf.get("spark.sql.shuffle.partitions")',
        'dbutils.notebook.exit(f"{row.total} {row.seven} {conf}")',
      ].join('\n'),
    );
    const cluster = { ...newCluster, spark_conf: { 'spark.sql.shuffle.partitions': '3' } };
    const { state, output } = await run({
      notebook_task: { notebook_path: '/Shared/delta' },
      new_cluster: cluster,
    });
    assert.equal(state.result_state, 'SUCCESS', output.error);
    assert.equal(output.notebook_output?.result, '10 7 3');
  });

  it('a main class runs by spark-submit, and one that is not there fails by name', async () => {
    const found = await run({ spark_jar_task: { main_class_name: 'org.apache.hadoop.util.VersionInfo' } });
    assert.equal(found.state.result_state, 'SUCCESS', found.output.error);
    assert.match(found.output.logs ?? '', /Hadoop \d/);
    const missing = await run({ spark_jar_task: { main_class_name: 'example.Nowhere' } });
    assert.equal(missing.state.result_state, 'FAILED');
    assert.match(missing.output.error ?? '', /example\.Nowhere/);
  });
});
