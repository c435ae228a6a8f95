// The `cost` command: what runs cost by the ledger's figures, or what AWS bills by service or tag.

import { WaybillError } from '../core/errors.ts';
import { FIGURES_MEMO, type RunFigures } from '../core/run.ts';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';
import { withClient } from './commands.ts';
import { formatTable } from './format.ts';

/** What AWS bills; src/compute has it. */
export interface Bill {
  costs(query: {
    from: string;
    to: string;
    granularity: 'DAILY' | 'MONTHLY';
    by: { kind: 'service' } | { kind: 'tag'; tag: string };
    services: readonly string[];
  }): Promise<
    readonly { from: string; to: string; of: string; amount: number; currency: string; estimated: boolean }[]
  >;
}

export interface CostOptions {
  readonly by: string;
  readonly tag: string;
  readonly from?: string;
  readonly to?: string;
  readonly granularity: string;
  readonly service: readonly string[];
  readonly json?: boolean;
}

const DAY = 86_400_000;
const dateOf = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** Prints costs between two days. `by` is run (what waybill reckoned), service or tag (what AWS bills). */
export async function costCommand(options: CostOptions, bill: () => Promise<Bill>): Promise<void> {
  const to = day(options.to, '--to') ?? dateOf(Date.now() + DAY);
  const from = day(options.from, '--from') ?? dateOf(Date.now() - 29 * DAY);
  if (from >= to) throw new WaybillError('PARAMETER_INVALID', `--from ${from} is not before --to ${to}.`);
  if (options.by === 'run') return runCosts(from, to, options.json === true);
  const granularity = options.granularity.toUpperCase();
  if (granularity !== 'DAILY' && granularity !== 'MONTHLY')
    throw new WaybillError('PARAMETER_INVALID', '--granularity is daily or monthly.');
  if (options.by !== 'service' && options.by !== 'tag')
    throw new WaybillError('PARAMETER_INVALID', `--by is run, service or tag, not "${options.by}".`);
  const by =
    options.by === 'tag' ? ({ kind: 'tag', tag: options.tag } as const) : ({ kind: 'service' } as const);
  const costs = await (await bill()).costs({ from, to, granularity, by, services: options.service });
  if (options.json === true) {
    console.log(JSON.stringify(costs, null, 2));
    return;
  }
  const rows = [...costs]
    .filter(({ amount }) => amount !== 0)
    .sort((a, b) => a.from.localeCompare(b.from) || b.amount - a.amount)
    .map((cost) => [
      cost.from,
      cost.of || (by.kind === 'tag' ? `(no ${by.tag})` : '(none)'),
      `${cost.amount.toFixed(2)} ${cost.currency}${cost.estimated ? ' (may change)' : ''}`,
    ]);
  if (rows.length === 0) console.log(`AWS bills nothing from ${from} to ${to}.`);
  else
    for (const line of formatTable([['from', by.kind === 'tag' ? by.tag : 'service', 'cost'], ...rows], [2]))
      console.log(line);
}

async function runCosts(from: string, to: string, json: boolean): Promise<void> {
  await withClient(async (client) => {
    const query = `WorkflowType = 'runLakehouse' AND CloseTime >= '${from}T00:00:00Z' AND CloseTime < '${to}T00:00:00Z'`;
    const totals = new Map<
      string,
      { pipeline: string; currency: string; runs: number; amount: number; estimate: boolean }
    >();
    for await (const { memo, searchAttributes, workflowId } of client.workflow.list({ query })) {
      const figures = memo?.[FIGURES_MEMO] as RunFigures | undefined;
      if (figures?.cost === undefined) continue;
      const pipeline = String(searchAttributes[SEARCH_ATTRIBUTES.pipeline]?.[0] ?? workflowId.split('/')[1]);
      const currency = figures.currency ?? '';
      const key = `${pipeline}/${currency}`;
      const total = totals.get(key) ?? { pipeline, currency, runs: 0, amount: 0, estimate: false };
      totals.set(key, {
        ...total,
        runs: total.runs + 1,
        amount: total.amount + figures.cost,
        estimate: total.estimate || figures.estimate === true,
      });
    }
    const sorted = [...totals.values()].sort((a, b) => b.amount - a.amount);
    if (json) {
      console.log(JSON.stringify(sorted, null, 2));
      return;
    }
    if (sorted.length === 0) console.log(`no run that ended from ${from} to ${to} has a cost`);
    const rows = sorted.map((one) => [
      one.pipeline,
      String(one.runs),
      `${one.estimate ? '~' : ''}${one.amount.toFixed(2)} ${one.currency}`,
    ]);
    if (rows.length > 0)
      for (const line of formatTable([['pipeline', 'runs', 'cost'], ...rows], [1, 2])) console.log(line);
  });
}

function day(text: string | undefined, option: string): string | undefined {
  if (text === undefined) return undefined;
  const time = Date.parse(`${text}T00:00:00Z`);
  if (!/^\d{4}-\d\d-\d\d$/.test(text) || Number.isNaN(time) || dateOf(time) !== text)
    throw new WaybillError('PARAMETER_INVALID', `${option} is a day such as 2026-11-01, not "${text}".`);
  return text;
}
