// One engine under supervision: started, watched, restarted once if it dies, stopped with everything it started.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type Engine, type EngineContext, ownEnvironment } from './engines.ts';
import { untilClosed } from './ports.ts';
import {
  engineMark,
  findProcesses,
  identify,
  signalGroup,
  signalOne,
  untilGone,
  worldMark,
} from './processes.ts';
import { type EngineStatus, lastLines, postgresDataDirectory } from './state.ts';

/** Milliseconds an engine may take to answer first, and to end after being asked to. */
const startLimit = 90_000;
const stopLimit = 10_000;

/** Keeps one engine running. `status` is the truth about it; `onChange` is called after every change of it. */
export class SupervisedEngine {
  readonly engine: Engine;
  readonly status: EngineStatus;
  readonly #context: EngineContext;
  readonly #onChange: () => void;
  #child: ChildProcess | undefined;
  #restarts = 0;

  constructor(engine: Engine, context: EngineContext, onChange: () => void) {
    this.engine = engine;
    this.#context = context;
    this.#onChange = onChange;
    this.status = {
      state: 'stopped',
      ports: engine.external?.(context.config)
        ? {}
        : Object.fromEntries(engine.ports.map((name) => [name, context.ports[name] ?? 0])),
      log: join(context.config.directory, 'logs', `${engine.name}.log`),
      incidents: [],
    };
  }

  /** Starts it and waits until it answers. Starting what runs does nothing. A failure is in `status`, not thrown. */
  async start(): Promise<void> {
    while (this.status.state === 'starting') await delay(50);
    if (this.status.state === 'running') return;
    this.#restarts = 0;
    await this.#startOnce();
  }

  /** Ends it and all it started: asks first, then kills. Afterwards none of its ports answers. */
  async stop(): Promise<void> {
    if (this.status.state === 'stopped') return;
    this.#change('stopping');
    const { process: leader } = this.status;
    if (leader) {
      signalGroup(leader, this.engine.stopSignal ?? 'SIGTERM');
      await untilGone([leader], stopLimit);
      signalGroup(leader, 'SIGKILL');
    }
    await this.#endRemains();
    delete this.status.process;
    this.#change('stopped');
  }

  async #startOnce(): Promise<void> {
    delete this.status.readyAfter;
    delete this.status.process;
    this.#change('starting');
    const startedAt = Date.now();
    try {
      // What a killed supervisor left of this engine would hold its port or its data.
      await this.#endRemains();
      const isExternal = this.engine.external?.(this.#context.config) ?? false;
      const announced = isExternal ? { ready: true } : await this.#spawn();
      await this.#untilReady(announced);
      this.status.version = await this.engine.version(this.#context);
      this.status.readyAfter = Date.now() - startedAt;
      this.#change('running');
    } catch (error) {
      if (this.status.state !== 'starting') return;
      this.#record((error as Error).message);
      if (this.status.process) signalGroup(this.status.process, 'SIGKILL');
      await this.#endRemains();
      this.#change('failed');
    }
  }

  /** Spawns the engine as the leader of its own process group, and returns what becomes true when it says ready. */
  async #spawn(): Promise<{ ready: boolean }> {
    const launch = await this.engine.launch(this.#context);
    if (this.status.state !== 'starting') throw new Error('it was stopped meanwhile');
    const announced = { ready: this.engine.ready !== 'announces' };
    const log = openSync(this.status.log, 'a', 0o600);
    writeSync(log, `--- ${new Date().toISOString()} ${launch.command} ${launch.args.join(' ')}\n`);
    const child = spawn(launch.command, launch.args, {
      detached: true,
      stdio: ['ignore', announced.ready ? log : 'pipe', log],
      env: {
        ...ownEnvironment(),
        ...launch.env,
        [worldMark]: this.#context.config.directory,
        [engineMark]: this.engine.name,
      },
      cwd: launch.cwd ?? this.#context.config.directory,
      ...launch.user,
    });
    closeSync(log);
    this.#child = child;
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    const known = identify(child.pid ?? 0);
    if (known) this.status.process = known;
    child.once('exit', (code, signal) => this.#onExit(child, code, signal));
    if (child.stdout) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (saysReady(line)) announced.ready = true;
      });
    }
    this.#onChange();
    return announced;
  }

  async #untilReady(announced: { ready: boolean }): Promise<void> {
    const deadline = Date.now() + startLimit;
    const child = this.#child;
    for (;;) {
      if (child && (child.exitCode !== null || child.signalCode !== null))
        throw new Error('it ended before it was ready');
      if (announced.ready && (this.engine.ready === 'announces' || (await this.engine.ready(this.#context))))
        return;
      if (Date.now() > deadline) throw new Error(`it did not answer within ${startLimit / 1000} s`);
      await delay(50);
    }
  }

  #onExit(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    // Ends that were asked for, and ends before the first answer, have someone waiting for them already.
    if (child !== this.#child || this.status.state !== 'running') return;
    this.#record(`it ended unasked: ${signal ? `signal ${signal}` : `exit code ${code}`}`);
    if (this.#restarts++ === 0) {
      void this.#startOnce();
    } else {
      delete this.status.process;
      this.#change('failed');
    }
  }

  /** Kills what is left of this engine, wherever its processes have moved to, and sees that its ports are closed. */
  async #endRemains(): Promise<void> {
    const { config } = this.#context;
    const search = {
      world: config.directory,
      engine: this.engine.name,
      ...(this.engine.name === 'postgres' && { workingIn: postgresDataDirectory(config) }),
    };
    for (let round = 0; round < 5; round++) {
      const left = findProcesses(search);
      if (left.length === 0) break;
      for (const each of left) signalOne(each, 'SIGKILL');
      await untilGone(left, 2000);
    }
    for (const [name, port] of Object.entries(this.status.ports)) {
      // A dying process shows no environment any more while its sockets are still closing: hence the wait.
      if (!(await untilClosed(port, 3000)))
        this.#record(`port ${port} (${name}) is still served by another process`);
    }
  }

  #record(what: string): void {
    this.status.incidents.push({
      at: new Date().toISOString(),
      what,
      lastLines: lastLines(this.status.log),
    });
    console.error(`${new Date().toISOString()} ${this.engine.name}: ${what}`);
  }

  #change(state: EngineStatus['state']): void {
    this.status.state = state;
    console.error(`${new Date().toISOString()} ${this.engine.name}: ${state}`);
    this.#onChange();
  }
}

function saysReady(line: string): boolean {
  try {
    return (JSON.parse(line) as { ready?: boolean }).ready === true;
  } catch {
    return false;
  }
}
