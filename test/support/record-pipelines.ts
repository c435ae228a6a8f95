// Stores histories of every control-flow shape as replay fixtures: `node build/test/support/record-pipelines.js <label>`.
// One file a shape, test/replay/histories/runPipeline.<shape>.<label>.json; those of the children's types beside them.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { rerunPipeline } from '../../src/client/rerun.ts';
import type { PipelineProgress } from '../../src/core/run.ts';
import { slotsWorkflowId } from '../../src/core/workflow-ids.ts';
import { copyOf, pipelineOf } from './factory-files.ts';
import {
  after1,
  call,
  eventually,
  failing,
  forEach,
  PipelineHarness,
  type Pipelines,
  type Script,
  setVariable,
  waiting,
} from './pipeline-harness.ts';

const [label = 'v0.2'] = process.argv.slice(2);
const directory = join('test', 'replay', 'histories');
const harness = await PipelineHarness.start('real');
const { client } = harness.environment;

const append = (name: string, more: object = {}): object => ({
  name,
  type: 'AppendVariable',
  typeProperties: { variableName: 'seen', value: '@item()' },
  ...more,
});
const expression = (value: string): object => ({ value, type: 'Expression' });
const variables = { x: { type: 'String' }, seen: { type: 'Array' } };
const child = pipelineOf(
  [waiting('pause', 1), setVariable('answer', 'x', 'done', after1('pause', 'Succeeded'))],
  {
    variables,
  },
);
const broken = pipelineOf([failing('inner')]);

interface Shape {
  readonly pipelines: Pipelines;
  readonly script?: Script;
  readonly historyEvents?: number;
  /** What happens while it runs. */
  readonly meanwhile?: (handle: WorkflowHandle) => Promise<void>;
}

const one = (activities: object[], more: object = {}): Pipelines => ({
  pl: pipelineOf(activities, { variables, ...more }),
  child,
  broken,
});

const shapes: Readonly<Record<string, Shape>> = {
  branches: {
    pipelines: one([
      {
        name: 'if',
        type: 'IfCondition',
        typeProperties: { expression: expression('@equals(1, 1)'), ifTrueActivities: [waiting('yes', 1)] },
      },
      {
        name: 'switch',
        type: 'Switch',
        ...after1('if', 'Succeeded'),
        typeProperties: {
          on: expression("@toLower('B')"),
          cases: [{ value: 'b', activities: [waiting('b', 1)] }],
          defaultActivities: [failing('other')],
        },
      },
      {
        name: 'filter',
        type: 'Filter',
        typeProperties: { items: expression('@range(0, 9)'), condition: expression('@greater(item(), 6)') },
      },
    ]),
  },
  forEach: {
    pipelines: one([
      forEach(
        'parallel',
        '@range(0, 7)',
        [waiting('pause', 1), append('add', after1('pause', 'Succeeded'))],
        { batchCount: 3 },
      ),
      {
        ...forEach('sequential', "@createArray('a', 'b')", [copyOf('c', '@item()')], { isSequential: true }),
        ...after1('parallel', 'Succeeded'),
      },
      {
        ...forEach('outer', '@range(0, 2)', [forEach('inner', '@range(0, 3)', [waiting('nested', 1)])]),
        ...after1('sequential', 'Succeeded'),
      },
    ]),
  },
  until: {
    pipelines: one([
      {
        name: 'loop',
        type: 'Until',
        typeProperties: {
          expression: expression("@equals(length(variables('seen')), 3)"),
          timeout: '0.01:00:00',
          activities: [
            waiting('pause', 1),
            {
              name: 'count',
              type: 'AppendVariable',
              typeProperties: { variableName: 'seen', value: 'x' },
              ...after1('pause', 'Succeeded'),
            },
          ],
        },
      },
      {
        name: 'late',
        type: 'Until',
        ...after1('loop', 'Succeeded'),
        typeProperties: {
          expression: expression('@bool(0)'),
          timeout: '0.00:00:03',
          activities: [waiting('again', 1)],
        },
      },
    ]),
  },
  longLoops: {
    historyEvents: 60,
    pipelines: one([
      forEach('each', '@range(0, 90)', [waiting('pause', 1), append('add', after1('pause', 'Succeeded'))], {
        batchCount: 10,
      }),
      {
        name: 'loop',
        type: 'Until',
        ...after1('each', 'Succeeded'),
        typeProperties: {
          expression: expression("@greaterOrEquals(length(variables('seen')), 150)"),
          activities: [
            {
              name: 'count',
              type: 'AppendVariable',
              typeProperties: { variableName: 'seen', value: "@activity('pause').status" },
            },
            waiting('short', 0),
          ],
        },
      },
    ]),
  },
  calls: {
    pipelines: one([
      call('waited', 'child'),
      { ...call('failed', 'broken'), ...after1('waited', 'Succeeded') },
      {
        name: 'alone',
        type: 'ExecutePipeline',
        typeProperties: {
          pipeline: { referenceName: 'child', type: 'PipelineReference' },
          waitOnCompletion: false,
        },
        ...after1('failed', 'Failed'),
      },
    ]),
  },
  failures: {
    pipelines: one([
      failing('broken'),
      setVariable('handled', 'x', "@{activity('broken').error.message}", after1('broken', 'Failed')),
      waiting('skipped', 1, after1('broken', 'Succeeded')),
      { ...failing('off'), state: 'Inactive', onInactiveMarkAs: 'Skipped' },
      waiting('last', 1, after1('off', 'Skipped')),
    ]),
  },
  retries: {
    script: (input, number) => {
      if (number < 3) throw ApplicationFailure.nonRetryable('it broke', 'QUERY_FAILED');
      return { seconds: input.copyId.endsWith('/slow') ? 5 : 1 };
    },
    pipelines: one([
      copyOf('c', 't', { policy: { retry: 2, retryIntervalInSeconds: 1 } }),
      copyOf('slow', 'u', { policy: { timeout: '0.00:00:02' }, ...after1('c', 'Succeeded') }),
    ]),
  },
  queued: {
    pipelines: one([waiting('pause', 2)], { concurrency: 1 }),
  },
  cancelledInLoop: {
    historyEvents: 40,
    pipelines: one([forEach('each', '@range(0, 400)', [waiting('pause', 1)], { batchCount: 10 })]),
    meanwhile: async (handle) => {
      await eventually('the loop goes on in a child', async () => {
        const { activities } = (await handle.query('progress')) as PipelineProgress;
        return activities.some(({ slices }) => slices !== undefined);
      });
      await handle.cancel();
    },
  },
};

async function store(handle: WorkflowHandle, name: string): Promise<void> {
  const history = await handle.fetchHistory();
  await writeFile(join(directory, `${name}.${label}.json`), `${historyToJSON(history)}\n`);
  console.log(`${name}: ${history.events?.length} events`);
}

await mkdir(directory, { recursive: true });
try {
  for (const [name, { pipelines, script, historyEvents, meanwhile }] of Object.entries(shapes)) {
    await harness.withFactory(pipelines, script === undefined ? {} : { script }, async (factory) => {
      const limit = historyEvents === undefined ? {} : { historyEvents };
      const first = name === 'queued' ? await factory.start() : undefined;
      const handle = await factory.start(limit);
      await meanwhile?.(handle);
      await handle.result().catch(() => undefined);
      await first?.result();
      await store(handle, `runPipeline.${name}`);
      if (name === 'queued') {
        const slots = client.workflow.getHandle(slotsWorkflowId('pl')) as WorkflowHandle;
        await slots.result();
        await store(slots, 'pipelineSlots.queued');
      }
      if (name === 'retries') {
        const again = await rerunPipeline(client, handle.workflowId, 'failed');
        await again.handle.result().catch(() => undefined);
        await store(again.handle, 'runPipeline.rerun');
      }
      const { activities } = (await handle.query('progress')) as PipelineProgress;
      const slices = activities.flatMap((run) => run.slices ?? []);
      for (const [index, slice] of slices.entries())
        await store(client.workflow.getHandle(slice) as WorkflowHandle, `pipelineLoop.${name}${index + 1}`);
    });
  }
} finally {
  await harness.stop();
}
