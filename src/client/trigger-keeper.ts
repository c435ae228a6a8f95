// Triggers as Temporal keeps them: as a schedule, or as a workflow that lives as long as the trigger. Nothing else does.
import {
  type Client,
  ScheduleNotFoundError,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { WaybillError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { changesEditFault } from '../core/trigger/compile-changes.ts';
import { editFault, emptyLineage } from '../core/trigger/lineage.ts';
import {
  CONFIGURE,
  type ConfigureTrigger,
  type StartTriggeredInput,
  type StartTriggeredOutput,
  TRIGGER_MEMO,
  type TriggerMemo,
} from '../core/trigger/messages.ts';
import { type CompiledTrigger, type FactoryFacts, triggerId } from '../core/trigger/trigger.ts';
import { putSchedule, triggerSchedule } from './trigger-schedule.ts';

/** A trigger with its state. */
export interface KeptTrigger extends TriggerMemo {
  readonly keptBy: 'schedule' | 'workflow';
}

/** The workflow that a kind of trigger is, with what it begins with. The others are schedules. */
export type WorkflowOf = (
  trigger: CompiledTrigger,
) => { readonly type: string; readonly input: (started: boolean) => JsonObject } | undefined;

const TYPES = ['tumblingWindow', 'watchFiles', 'watchChanges'];

export class TriggerKeeper {
  readonly #client: Client;
  readonly #taskQueue: string;
  readonly #watch: WorkflowOf;

  constructor(client: Client, taskQueue: string, watch: WorkflowOf = () => undefined) {
    this.#client = client;
    this.#taskQueue = taskQueue;
    this.#watch = watch;
  }

  /** Undefined for one that was never applied, or was removed. */
  async find(name: string): Promise<KeptTrigger | undefined> {
    return (await this.#schedule(triggerId(name))) ?? (await this.#workflow(name));
  }

  async #schedule(id: string): Promise<KeptTrigger | undefined> {
    try {
      const { action, state } = await this.#client.schedule.getHandle(id).describe();
      const [input] = (action.args ?? []) as StartTriggeredInput[];
      if (input === undefined) return undefined;
      return { keptBy: 'schedule', started: !state.paused, trigger: input.trigger, facts: input.facts };
    } catch (error) {
      if (error instanceof ScheduleNotFoundError) return undefined;
      throw error;
    }
  }

  async #workflow(name: string): Promise<KeptTrigger | undefined> {
    try {
      const { memo, status } = await this.#client.workflow.getHandle(triggerId(name)).describe();
      const found = memo?.[TRIGGER_MEMO] as TriggerMemo | undefined;
      return status.name === 'RUNNING' && found !== undefined ? { keptBy: 'workflow', ...found } : undefined;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  }

  async list(): Promise<KeptTrigger[]> {
    const found: KeptTrigger[] = [];
    for await (const { scheduleId } of this.#client.schedule.list()) {
      const kept = scheduleId.startsWith(triggerId('')) ? await this.#schedule(scheduleId) : undefined;
      if (kept !== undefined) found.push(kept);
    }
    const query = `ExecutionStatus = 'Running' AND WorkflowType IN (${TYPES.map((type) => `'${type}'`).join(', ')})`;
    for await (const { memo } of this.#client.workflow.list({ query })) {
      const kept = memo?.[TRIGGER_MEMO] as TriggerMemo | undefined;
      if (kept !== undefined) found.push({ keptBy: 'workflow', ...kept });
    }
    return found.sort((a, b) => (a.trigger.name < b.trigger.name ? -1 : 1));
  }

  /** Whether settings have it kept in another way now. */
  moves(trigger: CompiledTrigger, { keptBy }: KeptTrigger): boolean {
    return keptBy !== (this.#workflowOf(trigger) === undefined ? 'schedule' : 'workflow');
  }

  /** Creates the trigger, or gives an existing one this definition; its state stays as it is. Throws where it cannot. */
  async put(trigger: CompiledTrigger, facts: FactoryFacts, kept: KeptTrigger | undefined): Promise<void> {
    const workflow = this.#workflowOf(trigger);
    const started = kept?.started ?? trigger.runtimeState === 'Started';
    if (kept !== undefined && this.moves(trigger, kept)) {
      await this.remove(kept);
      await this.put({ ...trigger, runtimeState: started ? 'Started' : 'Stopped' }, facts, undefined);
    } else if (workflow === undefined) {
      const options = triggerSchedule(trigger, facts, {
        taskQueue: this.#taskQueue,
        started,
        now: Date.now(),
      });
      await putSchedule(this.#client, options, kept !== undefined);
    } else if (kept === undefined) {
      const memo: TriggerMemo = { started, trigger, facts };
      await this.#client.workflow.start(workflow.type, {
        workflowId: triggerId(trigger.name),
        taskQueue: this.#taskQueue,
        args: [{ trigger, facts, ...workflow.input(started) }],
        memo: { [TRIGGER_MEMO]: memo },
        workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
        staticSummary: `${trigger.type} ${trigger.name}`,
      });
    } else {
      const fault =
        kept.trigger.type === 'TumblingWindowTrigger' && trigger.type === 'TumblingWindowTrigger'
          ? editFault(kept.trigger, trigger)
          : kept.trigger.type === 'ChangeTrigger' && trigger.type === 'ChangeTrigger'
            ? changesEditFault(kept.trigger, trigger)
            : undefined;
      if (fault !== undefined) throw new WaybillError('DEFINITION_INVALID', fault, { trigger: trigger.name });
      await this.#configure(trigger.name, { trigger, facts });
    }
  }

  #workflowOf(trigger: CompiledTrigger): ReturnType<WorkflowOf> {
    if (trigger.type === 'TumblingWindowTrigger')
      return {
        type: 'tumblingWindow',
        input: (started) => ({ state: emptyLineage(started) as unknown as JsonObject }),
      };
    if (trigger.type === 'ChangeTrigger') return { type: 'watchChanges', input: (started) => ({ started }) };
    return this.#watch(trigger);
  }

  async #configure(name: string, change: ConfigureTrigger): Promise<void> {
    await this.#client.workflow.getHandle(triggerId(name)).signal(CONFIGURE, change);
  }

  async setStarted({ keptBy, trigger }: KeptTrigger, started: boolean): Promise<void> {
    if (keptBy === 'workflow') {
      await this.#configure(trigger.name, { started });
      return;
    }
    const handle = this.#client.schedule.getHandle(triggerId(trigger.name));
    if (started) await handle.unpause('started');
    else await handle.pause('stopped');
  }

  /** Has a trigger that waits for changes look at once. */
  async look({ trigger }: KeptTrigger): Promise<void> {
    await this.#configure(trigger.name, {});
  }

  /** Removes the trigger. Runs that it has started go on. */
  async remove({ keptBy, trigger }: KeptTrigger): Promise<void> {
    const id = triggerId(trigger.name);
    if (keptBy === 'schedule') await this.#client.schedule.getHandle(id).delete();
    else await this.#client.workflow.getHandle(id).terminate('the trigger was removed');
  }

  /** Starts the trigger's pipelines now. `key` tells this firing from others; the same key fires once. */
  async fire(
    { trigger, facts }: KeptTrigger,
    key: string,
    context: JsonObject,
  ): Promise<{ workflowId: string; output: StartTriggeredOutput }> {
    const workflowId = `${triggerId(trigger.name)}/fired-${key}`;
    const input: StartTriggeredInput = { trigger, facts, filter: false, firing: { key, context } };
    const output = await this.#client.workflow.execute<
      (input: StartTriggeredInput) => Promise<StartTriggeredOutput>
    >('startTriggered', {
      workflowId,
      taskQueue: this.#taskQueue,
      args: [input],
      staticSummary: `${trigger.type} ${trigger.name} · by hand`,
    });
    return { workflowId, output };
  }
}
