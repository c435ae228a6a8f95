// A Spark for programs on this machine that start a session of their own (dbt): where it is, and what it starts with.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSparkSubmit, type SparkInstallation, sparkSubmitArguments } from '../emr/spark-submit.ts';
import { writeWhole } from './state.ts';

/** Names of spark-submit's options as spark-defaults.conf has them. */
const NAMES: Readonly<Record<string, string>> = {
  '--master': 'spark.master',
  '--driver-class-path': 'spark.driver.extraClassPath',
  '--driver-java-options': 'spark.driver.extraJavaOptions',
};

/**
 * Writes the configuration below the world's directory and gives the variables that point Spark at it. Its tables are
 * listed in a metastore of the world, whose data is where the tables say: one session at a time may have it open.
 */
export async function sparkVariables(
  world: string,
  spark: SparkInstallation,
): Promise<Record<string, string>> {
  const home = join(world, 'spark');
  await mkdir(home, { recursive: true });
  const settings = new Map<string, string>();
  const args = sparkSubmitArguments(parseSparkSubmit([], []), spark);
  for (let at = 0; at + 1 < args.length; at += 2) {
    const [option = '', value = ''] = args.slice(at, at + 2);
    const name = NAMES[option];
    if (name !== undefined) settings.set(name, value);
    else settings.set(value.slice(0, value.indexOf('=')), value.slice(value.indexOf('=') + 1));
  }
  const java = settings.get('spark.driver.extraJavaOptions') ?? '';
  settings.set('spark.driver.extraJavaOptions', `${java} -Dderby.system.home=${home}`.trim());
  settings.set('spark.sql.warehouse.dir', join(home, 'warehouse'));
  settings.set(
    'spark.hadoop.javax.jdo.option.ConnectionURL',
    `jdbc:derby:;databaseName=${join(home, 'metastore')};create=true`,
  );
  settings.set('spark.hadoop.datanucleus.schema.autoCreateAll', 'true');
  settings.set('spark.hadoop.hive.metastore.schema.verification', 'false');
  settings.set('spark.log.level', 'ERROR');
  const lines = [...settings].map(([name, value]) => `${name} ${value}`);
  const file = join(home, 'spark.properties');
  await writeWhole(file, `${lines.join('\n')}\n`);
  // Not SPARK_CONF_DIR: with a directory on the class path the JVM leaves the class-data archive aside.
  return {
    SPARK_HOME: spark.sparkHome,
    PYSPARK_SUBMIT_ARGS: `--properties-file '${file.replaceAll("'", "'\\''")}' pyspark-shell`,
  };
}
