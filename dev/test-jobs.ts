// `npm run test:jobs`: the PySpark package's own tests in the local world's Python.
import { spawnSync } from 'node:child_process';
import { ensureAll } from './setup/ensure-all.ts';
import { ensureKafka } from './setup/jars.ts';

const { python } = await ensureAll((line) => console.log(line));
const kafka = await ensureKafka((line) => console.log(line), Promise.resolve(python));
const { status } = spawnSync(python.python, ['-m', 'pytest', '-q', 'jobs/tests', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, WAYBILL_KAFKA_JARS: kafka },
});
process.exitCode = status ?? 1;
