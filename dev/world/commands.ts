// What `waybill dev up|status|down` does and prints. Each returns the exit code.
import { formatSeconds } from '../setup/report.ts';
import { defaultWorld, findWorld, worldDown, worldStatus, worldUp } from './lifecycle.ts';
import { type EngineName, type EngineStatus, engineNames } from './state.ts';
import type { World } from './world.ts';

/** Common to the three commands. */
export interface DevOptions {
  readonly name?: string;
  /** Print one JSON document on stdout, and progress on stderr. */
  readonly json?: boolean;
}

/** Starts the world (and seeds it, when asked) and says where everything is. */
export async function devUp(
  options: DevOptions & { engines?: readonly EngineName[]; seed?: boolean; kafka?: boolean } = {},
): Promise<number> {
  const { name = defaultWorld, json = false, engines, seed = false, kafka = false } = options;
  const report = json ? console.error : console.log;
  try {
    const world = await worldUp({ name, ...(engines && { engines }), kafka, report });
    if (seed) {
      // Loaded when asked for: its drivers take half a second.
      const { seedWorld } = await import('../seed/seed-world.ts');
      await seedWorld(world, report);
    }
    if (json) console.log(JSON.stringify(withoutSecrets(world), null, 2));
    else for (const line of addresses(world)) console.log(line);
    return 0;
  } catch (error) {
    return fail(error);
  }
}

/** Says what runs. Exit code 0 when every engine does, 1 when one does not, 3 when the world is down. */
export async function devStatus(options: DevOptions = {}): Promise<number> {
  try {
    return await printStatus(options);
  } catch (error) {
    return fail(error);
  }
}

async function printStatus({ name = defaultWorld, json = false }: DevOptions): Promise<number> {
  const state = worldStatus(name);
  const world = await findWorld(name);
  if (!state || !world) {
    console.log(
      json ? JSON.stringify({ name, up: false }) : `world ${name} is down · start it: waybill dev up`,
    );
    return 3;
  }
  const engines = Object.entries(state.engines);
  if (json) {
    console.log(
      JSON.stringify({ name, up: true, engines: state.engines, world: withoutSecrets(world) }, null, 2),
    );
  } else {
    console.log(
      `world ${name} · up for ${formatSeconds(Date.now() - Date.parse(state.startedAt))} · ${world.directory}`,
    );
    for (const [engine, status] of engines) for (const line of engineLines(engine, status)) console.log(line);
    for (const line of addresses(world)) console.log(line);
  }
  return engines.every(([, { state }]) => state === 'running') ? 0 : 1;
}

/** Ends the world; nothing of it runs afterwards. Its data stays, unless `destroy`. */
export async function devDown(options: DevOptions & { destroy?: boolean } = {}): Promise<number> {
  const { name = defaultWorld, json = false, destroy = false } = options;
  const startedAt = Date.now();
  try {
    const { ran, killed } = await worldDown(name, { destroy });
    if (json) {
      console.log(JSON.stringify({ name, up: false, ran, killed, destroyed: destroy }));
      return 0;
    }
    const rest = killed > 0 ? ` · ${killed} leftover processes killed` : '';
    const data = destroy ? ' · its data is deleted' : '';
    const took = formatSeconds(Date.now() - startedAt);
    console.log(ran ? `world ${name} is down in ${took}${rest}${data}` : `world ${name} was not up${data}`);
    return 0;
  } catch (error) {
    return fail(error);
  }
}

function engineLines(name: string, status: EngineStatus): string[] {
  const mark = { running: '✔', starting: '…', stopping: '…', stopped: '■', failed: '✖' }[status.state];
  const port = Object.values(status.ports)[0];
  const where = port ? `port ${port}  pid ${status.process?.pid ?? '-'}` : 'elsewhere';
  const head = `  ${mark} ${name.padEnd(10)} ${status.state.padEnd(8)} ${where}`;
  const lines = [`${head}  ${status.version ?? ''}`];
  for (const { at, what, lastLines } of status.incidents) {
    lines.push(
      `      ${at}  ${what}`,
      ...lastLines.slice(-5).map((line) => `      | ${line}`),
      `      log: ${status.log}`,
    );
  }
  return lines;
}

function addresses(world: World): string[] {
  const all: Record<EngineName, string> = {
    temporal: `Temporal     ${world.temporal.address}   UI ${world.temporal.uiUrl}`,
    postgres: `PostgreSQL   ${world.postgres.host}:${world.postgres.port}   user ${world.postgres.user}, database ${world.postgres.database}`,
    mysql: `MySQL        ${world.mysql.server}:${world.mysql.port}   user ${world.mysql.user}, database ${world.mysql.database}, CA ${world.mysql.caFile}`,
    sqlserver: `SQL Server   ${world.sqlServer.server},${world.sqlServer.port}   user ${world.sqlServer.user}, CA ${world.sqlServer.caFile}`,
    snowflake: `Snowflake    ${world.snowflake.url}   account ${world.snowflake.account}, user ${world.snowflake.user}`,
    s3: `S3           ${world.s3.endpoint}   region ${world.s3.region}`,
    'azure-blob': `Azure Blob   ${world.azureBlob.endpoint}   container ${world.azureBlob.container}`,
    kafka: `Kafka        ${world.kafka.servers}`,
    emr: `EMR          ${world.emr.endpoint}`,
    'emr-serverless': `EMR Serverless ${world.emrServerless.endpoint}`,
    databricks: `Databricks   ${world.databricks.url}`,
  };
  const known: readonly EngineName[] = [...engineNames, 'kafka'];
  const lines = known.filter((name) => world.engines.includes(name)).map((name) => `  ${all[name]}`);
  return [...lines, `  settings     ${world.configFile}   passwords in ${world.directory}/secrets.json`];
}

/** The world for display: names of variables instead of their values. */
function withoutSecrets({ env, ...world }: World): Record<string, unknown> {
  return { ...world, env: Object.keys(env) };
}

function fail(error: unknown): number {
  console.error(`✖ ${error instanceof Error ? error.message : error}`);
  return 1;
}
