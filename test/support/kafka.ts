// Starts the local Kafka as a program for a test, and writes messages to it with Kafka's own console producer.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { projectPath } from '../../dev/cache.ts';

export interface RunningKafka {
  /** host:port */
  readonly servers: string;
  /** Sends each text as one message; returns when Kafka has acknowledged them all. */
  send(topic: string, messages: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

export async function startKafka(jars: string, stateDirectory: string): Promise<RunningKafka> {
  const program = projectPath('build', 'dev', 'kafka', 'main.js');
  const child = spawn(process.execPath, [program, '--state-dir', stateDirectory, '--jars', jars], {
    stdio: ['ignore', 'pipe', process.env['VERBOSE'] ? 'inherit' : 'ignore'],
  });
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error('Kafka ended at its start'))),
  ])) as [string];
  const servers = `127.0.0.1:${(JSON.parse(line) as { port: number }).port}`;
  return {
    servers,
    async send(topic, messages) {
      const args = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', `${jars}/*`];
      const producer = [
        'org.apache.kafka.tools.ConsoleProducer',
        '--bootstrap-server',
        servers,
        '--topic',
        topic,
      ];
      const sender = spawn('java', [...args, ...producer], { stdio: ['pipe', 'ignore', 'ignore'] });
      sender.stdin.end(`${messages.join('\n')}\n`);
      const [code] = await once(sender, 'exit');
      assert.equal(code, 0, 'the console producer failed');
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}
