// The program behind a running world: node build/dev/world/supervisor-main.js <directory of the world>
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeControlPath, removeControl, serveControl } from './control.ts';
import { engines } from './engines.ts';
import { freePort, isFree } from './ports.ts';
import { ensureSecrets, readConfig, writeWhole } from './state.ts';
import { Supervisor } from './supervisor.ts';

const directory = process.argv[2] ?? '';
const config = readConfig(directory);
if (!config) throw new Error(`${directory} holds no config.json: start worlds with worldUp`);

const context = { config, secrets: await ensureSecrets(directory), ports: await choosePorts() };
const control = await makeControlPath();
const supervisor = new Supervisor(context, control);
const server = await serveControl(control, ({ action, engine }) =>
  action === 'start-engine' ? supervisor.startEngine(engine) : supervisor.stopEngine(engine),
);

let ending = false;
async function end(why: string, code: number): Promise<void> {
  if (ending) return;
  ending = true;
  console.error(`${new Date().toISOString()} supervisor: stopping, ${why}`);
  server.close();
  await supervisor.stopAll();
  await removeControl(control);
  process.exit(code);
}
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void end(signal, 0));
process.on('uncaughtException', (error) => {
  console.error(error);
  void end('an error in the supervisor', 1);
});

await supervisor.startAll();

/** The ports this world had before, where they are free; other free ones where not. Remembered for the next start. */
async function choosePorts(): Promise<Record<string, number>> {
  const file = join(directory, 'ports.json');
  const before = JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as Record<string, number>;
  const chosen: Record<string, number> = {};
  // The HTTP door is no engine, but whoever runs one finds its port in the world's settings.
  for (const name of [...engines.flatMap(({ ports }) => ports), 'door']) {
    const port = before[name];
    const taken = new Set([...Object.values(before), ...Object.values(chosen)]);
    chosen[name] = port && (await isFree(port)) ? port : await freePort(taken);
  }
  await writeWhole(file, JSON.stringify(chosen, null, 2));
  return chosen;
}
