// What `waybill triggers apply`, `start`, `stop`, `list`, `runs`, `fire`, `windows`, `rerun` and `cancel` do.
import type { Client } from '@temporalio/client';
import { loadSettings, type Settings } from '../config/settings.ts';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { nearestName } from '../core/nearest-name.ts';
import { CANCEL_WINDOWS, RERUN_WINDOWS, type TumblingWindowView, WINDOWS } from '../core/trigger/messages.ts';
import { dueTimes } from '../core/trigger/recurrence.ts';
import { instantText } from '../core/trigger/start-values.ts';
import { triggerId } from '../core/trigger/trigger.ts';
import { parseSince } from './age.ts';
import { connectClient } from './connection.ts';
import { formatTable } from './format.ts';
import { applyTriggers, type TriggerChange } from './trigger-apply.ts';
import { listTriggerRuns } from './trigger-firings.ts';
import { type KeptTrigger, TriggerKeeper } from './trigger-keeper.ts';
import { watcherOf } from './trigger-watchers.ts';

interface Printed {
  readonly json?: boolean;
}

/** How far ahead `list` looks for the next time. */
const FIVE_YEARS = 5 * 366 * 86_400_000;

async function withKeeper<T>(
  use: (keeper: TriggerKeeper, client: Client, settings: Settings) => Promise<T>,
): Promise<T> {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const { client, close } = await connectClient();
  try {
    return await use(new TriggerKeeper(client, settings.taskQueue, watcherOf(settings)), client, settings);
  } finally {
    await close();
  }
}

const printJson = (value: unknown): void => console.log(JSON.stringify(value, null, 2));

export async function applyTriggersCommand(
  names: string[],
  options: Printed & { prune?: boolean; dryRun?: boolean },
): Promise<void> {
  await withKeeper(async (keeper, _client, settings) => {
    const changes = await applyTriggers(keeper, settings.factoryDirectory, {
      names,
      prune: options.prune === true,
      dryRun: options.dryRun === true,
    });
    if (options.json === true) printJson(changes);
    else for (const line of describeChanges(changes)) console.log(line);
    if (changes.some(({ change }) => change === 'refused')) process.exitCode = 1;
  });
}

const SIGNS = { created: '+', changed: '~', same: '=', removed: '-', refused: '✖', ignored: ' ' } as const;

function describeChanges(changes: readonly TriggerChange[]): string[] {
  if (changes.length === 0) return ['The factory has no triggers.'];
  return changes.flatMap(({ change, name, type, started, differences, reasons }) => [
    `${SIGNS[change]} ${name}   ${type} ${change}${started === undefined ? '' : started ? ', started' : ', stopped'}`,
    ...differences.map(({ path, from, to }) => `    ${path}: ${shown(from)} → ${shown(to)}`),
    ...reasons.map((reason) => `    ${reason}`),
  ]);
}

const shown = (value: JsonValue | undefined): string =>
  value === undefined ? 'nothing' : JSON.stringify(value);

async function existing(keeper: TriggerKeeper, name: string): Promise<KeptTrigger> {
  const kept = await keeper.find(name);
  if (kept !== undefined) return kept;
  const names = (await keeper.list()).map(({ trigger }) => trigger.name);
  const same = names.find((other) => other.toLowerCase() === name.toLowerCase());
  if (same !== undefined) return existing(keeper, same);
  const near = nearestName(name, names);
  const hint =
    near === undefined
      ? '`waybill triggers apply` brings those of the factory.'
      : `The nearest name is "${near}".`;
  throw new WaybillError('OBJECT_MISSING', `There is no trigger "${name}". ${hint}`, { trigger: name });
}

export async function setTriggersStartedCommand(
  names: string[],
  started: boolean,
  options: Printed & { all?: boolean },
): Promise<void> {
  await withKeeper(async (keeper) => {
    const all = options.all === true ? await keeper.list() : [];
    const kept = options.all === true ? all : await Promise.all(names.map((name) => existing(keeper, name)));
    if (kept.length === 0 && options.all !== true)
      throw new WaybillError('PARAMETER_MISSING', 'Name a trigger, or say --all.');
    for (const trigger of kept) await keeper.setStarted(trigger, started);
    const state = started ? 'Started' : 'Stopped';
    if (options.json === true)
      printJson(kept.map(({ trigger }) => ({ name: trigger.name, runtimeState: state })));
    else for (const { trigger } of kept) console.log(`${trigger.name} ${state.toLowerCase()}`);
  });
}

/** The next instants at which a schedule trigger fires. */
function nextTimes({ trigger, started }: KeptTrigger, count: number): string[] {
  if (trigger.type !== 'ScheduleTrigger' || !started) return [];
  const now = Date.now();
  return dueTimes(trigger.recurrence, now, now + FIVE_YEARS, count).map(instantText);
}

export async function listTriggersCommand(options: Printed): Promise<void> {
  await withKeeper(async (keeper) => {
    const kept = await keeper.list();
    const rows = kept.map((entry) => ({
      name: entry.trigger.name,
      type: entry.trigger.type,
      runtimeState: entry.started ? 'Started' : 'Stopped',
      pipelines: entry.trigger.pipelines.map(({ pipeline }) => pipeline),
      nextFireTimes: nextTimes(entry, 3),
      ...(entry.fault === undefined ? {} : { fault: entry.fault }),
    }));
    if (options.json === true) printJson(rows);
    else if (rows.length === 0) console.log('no triggers yet. Try: waybill triggers apply');
    else {
      const cells = rows.map((row) => [
        row.name,
        row.type,
        row.runtimeState.toLowerCase(),
        row.nextFireTimes[0] ?? '',
        row.pipelines.join(', '),
      ]);
      for (const line of formatTable([['trigger', 'type', 'state', 'next (UTC)', 'pipelines'], ...cells]))
        console.log(line);
      for (const { name, fault } of rows) if (fault !== undefined) console.log(`! ${name}: ${fault}`);
    }
  });
}

export async function fireTriggerCommand(
  name: string,
  options: Printed & { key?: string; body?: string },
): Promise<void> {
  await withKeeper(async (keeper) => {
    const kept = await existing(keeper, name);
    const { trigger } = kept;
    if (trigger.type === 'TumblingWindowTrigger')
      throw new WaybillError(
        'PARAMETER_INVALID',
        `"${trigger.name}" runs for windows: \`waybill triggers rerun ${trigger.name} --from ... \` has one run again.`,
      );
    if (trigger.type === 'ChangeTrigger') {
      await keeper.look(kept);
      if (options.json === true) printJson({ name: trigger.name, looks: kept.started });
      else console.log(kept.started ? `${trigger.name} looks for changes now` : `${trigger.name} is stopped`);
      return;
    }
    const now = new Date().toISOString();
    const body = options.body === undefined ? undefined : parseBody(options.body);
    const context: JsonObject = {
      type: trigger.type,
      name: trigger.name,
      scheduledTime: now,
      startTime: now,
      ...(body === undefined ? {} : { body, outputs: { body } }),
    };
    const { output, workflowId } = await keeper.fire(kept, options.key ?? now.replace(/[:.]/g, ''), context);
    if (options.json === true) printJson({ workflowId, ...output });
    else
      for (const [pipeline, runId] of Object.entries(output.triggeredPipelines))
        console.log(`started ${pipeline}   ${runId}`);
  });
}

function parseBody(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw new WaybillError('PARAMETER_INVALID', '--body is JSON: what @triggerBody() is to show.');
  }
}

/** Lists firings as Data Factory's TriggerRun records. */
export async function triggerRunsCommand(
  name: string | undefined,
  options: Printed & { since?: string; limit: string },
): Promise<void> {
  await withKeeper(async (keeper, client) => {
    const trigger = name === undefined ? undefined : (await existing(keeper, name)).trigger.name;
    const runs = await listTriggerRuns(client, {
      limit: Number(options.limit),
      ...(trigger === undefined ? {} : { trigger }),
      ...(options.since === undefined ? {} : { since: parseSince(options.since) }),
    });
    if (options.json === true) {
      printJson(runs);
      return;
    }
    if (runs.length === 0) console.log('no such firings');
    const rows = runs.map((run) => [
      run.triggerRunTimestamp.replace('T', ' ').slice(0, 19),
      run.triggerName,
      run.status,
      run.properties['windowStartTime'] ?? run.properties['ScheduleTime'] ?? '',
      Object.keys(run.triggeredPipelines).join(', '),
      run.message.slice(0, 200),
    ]);
    const head = ['fired (UTC)', 'trigger', 'status', 'for', 'pipelines', ''];
    if (rows.length > 0) for (const line of formatTable([head, ...rows])) console.log(line);
  });
}

export async function windowsCommand(name: string, options: Printed): Promise<void> {
  await withKeeper(async (keeper, client) => {
    const { trigger } = await existing(keeper, name);
    requireWindows(trigger);
    const view = await client.workflow.getHandle(triggerId(trigger.name)).query<TumblingWindowView>(WINDOWS);
    if (options.json === true) {
      printJson(view);
      return;
    }
    const { counts } = view;
    console.log(
      `${view.trigger} ${view.runtimeState.toLowerCase()} · ${counts.Succeeded} succeeded, ${counts.Failed} failed, ${counts.Cancelled} cancelled · next ${view.nextWindowStartTime ?? 'none'}`,
    );
    const rows = view.windows.map((window) => [
      window.windowStartTime,
      window.windowEndTime,
      window.status,
      window.attempt === 0 ? '' : String(window.attempt),
      window.runId ?? '',
      (window.message ?? '').slice(0, 100),
    ]);
    for (const line of formatTable([['window from', 'to', 'status', 'attempt', 'run', ''], ...rows]))
      console.log(line);
  });
}

function requireWindows({ type, name }: KeptTrigger['trigger']): void {
  if (type !== 'TumblingWindowTrigger')
    throw new WaybillError('PARAMETER_INVALID', `"${name}" is a ${type}, which has no windows.`, {
      trigger: name,
    });
}

/** Has windows that begin from `from` up to `to` (default: the one that begins at `from`) run again, or cancels them. */
export async function changeWindowsCommand(
  verb: 'rerun' | 'cancel',
  name: string,
  options: Printed & { from: string; to?: string },
): Promise<void> {
  await withKeeper(async (keeper, client) => {
    const { trigger } = await existing(keeper, name);
    requireWindows(trigger);
    const from = instant(options.from, '--from');
    const span = {
      from,
      to:
        options.to === undefined
          ? new Date(Date.parse(from) + 1000).toISOString()
          : instant(options.to, '--to'),
    };
    const handle = client.workflow.getHandle(triggerId(trigger.name));
    const windows = await handle.executeUpdate<string[], [typeof span]>(
      verb === 'rerun' ? RERUN_WINDOWS : CANCEL_WINDOWS,
      { args: [span] },
    );
    if (options.json === true) printJson({ trigger: trigger.name, windows });
    else
      console.log(
        `${windows.length} windows ${verb === 'rerun' ? 'run again' : 'are cancelled'}${windows.length === 0 ? '' : `: ${windows.slice(0, 20).join(', ')}`}`,
      );
  });
}

function instant(text: string, option: string): string {
  const time = Date.parse(
    /^\d{4}-\d\d-\d\d(T[\d:.]+)?$/.test(text) ? `${text.length === 10 ? `${text}T00:00:00` : text}Z` : text,
  );
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  throw new WaybillError(
    'PARAMETER_INVALID',
    `${option} is a time such as 2026-01-01T00:00:00Z, not "${text}".`,
  );
}
