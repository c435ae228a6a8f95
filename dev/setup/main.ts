// `node build/dev/setup/main.js`: does all of the set-up and prints where things are, as JSON on the last line.
import { ensureAll } from './ensure-all.ts';

try {
  const setup = await ensureAll((line) => console.error(line));
  console.log(JSON.stringify(setup));
} catch (error) {
  console.error(`✖ ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
