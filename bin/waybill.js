#!/usr/bin/env node
// The `waybill` command. `waybill dev ...` is the local world and `waybill rehearse` runs a factory on one: the product
// itself never imports them;
// `waybill --local ...` runs a command with the local world's environment (WAYBILL_WORLD names another world).
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const build = (path) => new URL(`../build/${path}`, import.meta.url).href;

if (!existsSync(fileURLToPath(build('src/client.js')))) {
  console.error('waybill is not built yet. Run: npm run build');
  process.exit(2);
}
if (process.argv[2] === '--local') {
  const { worldEnvironment } = await import(build('dev/world/environment.js'));
  const name = process.env.WAYBILL_WORLD ?? 'default';
  const environment = await worldEnvironment(name);
  if (environment === undefined) {
    console.error(`✖ the local world "${name}" is down. Start it: waybill dev up --name ${name}`);
    process.exit(3);
  }
  Object.assign(process.env, environment);
  process.argv.splice(2, 1);
}
const programs = new Map([
  ['dev', 'dev/main.js'],
  ['rehearse', 'dev/rehearse/main.js'],
]);
await import(build(programs.get(process.argv[2]) ?? 'src/client.js'));
