// Kafka as a program: one real broker in KRaft mode on loopback. Prints {"ready":true,"port":N} when it takes connections;
// exits 0 on SIGTERM after the broker has ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { projectPath } from '../cache.ts';
import { freePort, isListening } from '../world/ports.ts';

const USAGE = `A Kafka broker (KRaft, one process) on 127.0.0.1.

  --port N        port on 127.0.0.1; 0 takes a free one
  --state-dir DIR its log, kept over restarts
  --jars DIR      Kafka's jars: what dev/kafka/jars.sha256 lists
  --partitions N  partitions of a topic that a client makes by writing to it (default 2)`;

/** Any id will do for a cluster of one, so long as it stays the same. */
const CLUSTER_ID = 'd2F5YmlsbC1sb2NhbC13bw';
const START_MS = 90_000;
const STOP_MS = 10_000;
const JAVA = [
  '-Xmx384m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  `-Dlog4j2.configurationFile=${projectPath('dev', 'kafka', 'log4j2.properties')}`,
];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      'state-dir': { type: 'string' },
      jars: { type: 'string' },
      partitions: { type: 'string', default: '2' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const { 'state-dir': state, jars } = values;
  if (!state || !jars) throw new Error('--state-dir and --jars must be given; --help tells what they are');
  const port = Number(values.port) || (await freePort());
  const directory = resolve(state);
  const properties = join(directory, 'server.properties');
  await mkdir(directory, { recursive: true });
  await writeFile(
    properties,
    configuration(directory, port, await freePort(new Set([port])), values.partitions),
  );

  let child: ChildProcess | undefined;
  let stopping = false;
  const stop = (): void => {
    stopping = true;
    child?.kill('SIGTERM');
    const timer = setTimeout(() => child?.kill('SIGKILL'), STOP_MS);
    timer.unref();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);

  const run = (program: string, args: readonly string[]): Promise<number | string> =>
    new Promise((settle, fail) => {
      // In its group a Ctrl-C reaches it too; its own words go to our stderr.
      child = spawn('java', [...JAVA, '-cp', `${resolve(jars)}/*`, program, ...args], {
        cwd: directory,
        stdio: ['ignore', 2, 2],
      });
      child.once('error', (error) => fail(new Error(`Java could not be started: ${error.message}`)));
      child.once('exit', (code, signal) => settle(code ?? signal ?? 'no exit code'));
    });

  const formatted = await access(join(directory, 'log', 'meta.properties')).then(
    () => true,
    () => false,
  );
  if (!formatted) {
    const code = await run('kafka.tools.StorageTool', ['format', '-t', CLUSTER_ID, '-c', properties]);
    if (code !== 0 && !stopping)
      throw new Error(`Kafka's storage could not be formatted: ended with ${code}`);
  }
  if (stopping) return;
  const ended = run('kafka.Kafka', [properties]);
  const ready = (async () => {
    const deadline = Date.now() + START_MS;
    while (!(await isListening(port))) {
      if (Date.now() > deadline)
        throw new Error(`Kafka does not listen on ${port} after ${START_MS / 1000} s`);
      await delay(100);
    }
  })();
  const early = await Promise.race([ready.then(() => undefined), ended]).catch((error: unknown) => {
    child?.kill('SIGKILL');
    throw error;
  });
  if (early !== undefined && !stopping) throw new Error(`Kafka ended with ${early} at its start`);
  if (early === undefined) process.stdout.write(`${JSON.stringify({ ready: true, port })}\n`);
  const code = await ended;
  if (!stopping) throw new Error(`Kafka ended with ${code}`);
}

function configuration(directory: string, port: number, controller: number, partitions: string): string {
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `BROKER://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `BROKER://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'BROKER',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': join(directory, 'log'),
    'num.partitions': partitions,
    'group.initial.rebalance.delay.ms': '0',
    // One broker keeps the only copy of everything.
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
  };
  return `${Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')}\n`;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
