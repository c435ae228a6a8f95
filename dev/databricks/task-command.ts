// Says which program a task runs on this machine, after bringing the files it names here.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { projectPath } from '../cache.ts';
import { parseSparkSubmit, type SparkInstallation, sparkSubmitArguments } from '../emr/spark-submit.ts';
import { ApiError, notImplemented } from './errors.ts';
import type { Files } from './files.ts';
import { type Json, mapIn, objectIn, objectsIn, textIn, textsIn } from './json.ts';
import { kindOf } from './tasks.ts';

export interface TaskCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Where a notebook's exit value is written. */
  readonly exitFile?: string;
}

export interface TaskPlace {
  readonly spark: SparkInstallation;
  readonly files: Files;
  /** The attempt's own directory. */
  readonly directory: string;
  /** Settings of the cluster it runs on; empty on serverless compute. */
  readonly cluster: Json;
  /** Parameters that the run gives notebooks, over the task's own. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Plans a task. Throws ApiError or ObjectUnavailableError for what cannot be read or installed. */
export async function planTask(spec: Json, place: TaskPlace): Promise<TaskCommand> {
  const { spark, files, directory, cluster } = place;
  const libraries = await localLibraries(spec, place);
  const conf = Object.entries(mapIn(cluster, 'spark_conf')).flatMap(([name, value]) => [
    '--conf',
    `${name}=${value}`,
  ]);
  const submit = (more: readonly string[]): string[] => {
    const submission = parseSparkSubmit([...conf, ...libraries.jars, ...more], []);
    return sparkSubmitArguments(submission, spark);
  };
  const environment = {
    ...environmentOf(cluster),
    DATABRICKS_RUNTIME_VERSION: textIn(cluster, 'spark_version') ?? 'client.4.0',
  };
  // Read by pyspark when a session is first asked for: a task that needs none starts no JVM.
  const python = { ...environment, PYSPARK_SUBMIT_ARGS: `${submit([]).map(quoted).join(' ')} pyspark-shell` };
  const kind = kindOf(spec);
  const task = objectIn(spec, kind) ?? {};
  if (kind === 'spark_jar_task') {
    const jar = libraries.jars[1]?.split(',')[0] ?? 'spark-internal';
    const args = submit([
      '--class',
      textIn(task, 'main_class_name') ?? '',
      jar,
      ...textsIn(task, 'parameters'),
    ]);
    return { program: join(spark.sparkHome, 'bin', 'spark-submit'), args, environment };
  }
  if (kind === 'spark_python_task') {
    const file = await files.local(textIn(task, 'python_file') ?? '', directory);
    return {
      program: spark.python,
      args: [file, ...textsIn(task, 'parameters')],
      environment: withPath(python, libraries.python),
    };
  }
  const notebook = files.notebook(textIn(task, 'notebook_path') ?? '');
  const parameters = join(directory, 'parameters.json');
  const exitFile = join(directory, 'exit-value');
  writeFileSync(parameters, JSON.stringify({ ...mapIn(task, 'base_parameters'), ...place.parameters }));
  return {
    program: spark.python,
    args: [projectPath('dev', 'databricks', 'notebook_runner.py'), notebook, parameters, exitFile],
    environment: withPath(python, libraries.python),
    exitFile,
  };
}

interface Libraries {
  /** Wheels and eggs. */
  readonly python: readonly string[];
  /** Options of spark-submit. */
  readonly jars: readonly string[];
}

async function localLibraries(spec: Json, { spark, files, directory }: TaskPlace): Promise<Libraries> {
  const python: string[] = [];
  const jars: string[] = [];
  for (const library of objectsIn(spec, 'libraries')) {
    const wheel = textIn(library, 'whl') ?? textIn(library, 'egg');
    const jar = textIn(library, 'jar');
    if (wheel !== undefined) python.push(await files.local(wheel, directory));
    if (jar !== undefined) jars.push(await files.local(jar, directory));
    const name = textIn(objectIn(library, 'pypi') ?? {}, 'package');
    if (name !== undefined && !isInstalled(name, spark.python)) {
      throw new ApiError(
        400,
        'LIBRARY_INSTALLATION_ERROR',
        `Library installation failed for pypi package ${name}: this stand-in installs nothing, and it is not there.`,
      );
    }
  }
  return { python, jars: jars.length ? ['--jars', jars.join(',')] : [] };
}

/** Whether a package lies in the interpreter's site-packages, in the version that is asked for if one is. */
function isInstalled(requirement: string, python: string): boolean {
  const [, name = '', version] = /^([\w.-]+)(?:\[[^\]]*\])?(?:==([\w.]+))?$/.exec(requirement.trim()) ?? [];
  const lib = join(dirname(dirname(python)), 'lib');
  const wanted = name.toLowerCase().replace(/[-.]+/g, '_');
  return readdirSync(lib)
    .map((folder) => join(lib, folder, 'site-packages'))
    .filter(existsSync)
    .flatMap((folder) => readdirSync(folder))
    .some((entry) => {
      const [, found = '', at] = /^(.+?)-([\w.]+)\.dist-info$/.exec(entry) ?? [];
      return wanted !== '' && found.toLowerCase() === wanted && (version === undefined || version === at);
    });
}

/** Wheels are read where they lie, by the driver's Python and by the workers that inherit its environment. */
const withPath = (environment: Record<string, string>, wheels: readonly string[]): Record<string, string> =>
  wheels.length === 0 ? environment : { ...environment, PYTHONPATH: wheels.join(':') };

function environmentOf(cluster: Json): Record<string, string> {
  const variables = mapIn(cluster, 'spark_env_vars');
  for (const value of Object.values(variables))
    if (/\{\{secrets\//.test(value)) throw notImplemented('{{secrets/…}} in spark_env_vars');
  // This machine has its own interpreter.
  delete variables['PYSPARK_PYTHON'];
  return variables;
}

const quoted = (argument: string): string => `'${argument.replaceAll("'", "'\\''")}'`;
