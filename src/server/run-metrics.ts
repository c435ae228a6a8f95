// Runs, their figures and the lag of streams as Prometheus metrics, read from Temporal when they are asked for.
import type { Client } from '@temporalio/client';
import { FIGURES_MEMO, type RunFigures } from '../core/run.ts';
import { SEARCH_ATTRIBUTES } from '../core/search-attributes.ts';

/** ms that one reading serves every scrape. */
const FRESH = 15_000;
/** ms for all of Temporal's answers. */
const PATIENCE = 10_000;
/** ms for one stream's own answer. */
const STREAM_PATIENCE = 2_000;
const DAY = 86_400_000;
const MOST_RUNS = 1_000;
const MOST_STREAMS = 50;

const KINDS = { runPipeline: 'pipeline', runLakehouse: 'lakehouse' } as const;

interface Totals {
  runs: number;
  rows: number;
  bytes: number;
  cost: number;
  currency: string;
}

/** What a supervised stream answers to the query `stream`, as far as it is shown. */
interface StreamAnswer {
  readonly health?: string;
  readonly progress?: {
    readonly rows?: number;
    readonly behind?: { readonly offsets?: number; readonly seconds?: number };
  };
}

type Labels = Readonly<Record<string, string>>;

export class RunMetrics {
  readonly #client: Client;
  #read: { readonly at: number; readonly text: Promise<string> } | undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  /** The text of all metrics; scrapes that come close together share one reading. */
  async text(now: number): Promise<string> {
    if (this.#read === undefined || now - this.#read.at > FRESH) {
      const text = this.#collect(now);
      this.#read = { at: now, text };
      // What failed is not kept.
      text.catch(() => {
        this.#read = undefined;
      });
    }
    return this.#read.text;
  }

  #collect(now: number): Promise<string> {
    return this.#client.connection.withDeadline(Date.now() + PATIENCE, async () => {
      const parts = await Promise.all([this.#states(), this.#figures(now), this.#streams()]);
      return parts.flat().join('');
    });
  }

  async #states(): Promise<string[]> {
    const rows: [Labels, number][] = [];
    for (const [type, kind] of Object.entries(KINDS)) {
      const query = `WorkflowType = '${type}' GROUP BY ExecutionStatus`;
      const { groups } = await this.#client.workflow.count(query);
      for (const { count, groupValues } of groups)
        rows.push([{ kind, state: String(groupValues[0] ?? 'Unknown') }, count]);
    }
    return [gauge('waybill_runs', 'Runs that Temporal keeps, by state.', rows)];
  }

  async #figures(now: number): Promise<string[]> {
    const since = new Date(now - DAY).toISOString();
    const totals = new Map<string, Totals>();
    const query = `WorkflowType = 'runLakehouse' AND CloseTime >= '${since}'`;
    let seen = 0;
    for await (const { memo, searchAttributes, workflowId } of this.#client.workflow.list({ query })) {
      const figures = memo?.[FIGURES_MEMO] as RunFigures | undefined;
      if (figures !== undefined) {
        const name = String(searchAttributes[SEARCH_ATTRIBUTES.pipeline]?.[0] ?? workflowId.split('/')[1]);
        const of = totals.get(name) ?? { runs: 0, rows: 0, bytes: 0, cost: 0, currency: '' };
        of.runs += 1;
        of.rows += figures.rows;
        of.bytes += figures.bytes;
        of.cost += figures.cost ?? 0;
        of.currency ||= figures.currency ?? '';
        totals.set(name, of);
      }
      if (++seen >= MOST_RUNS) break;
    }
    const each = (
      value: (of: Totals) => number,
      more: (of: Totals) => Labels = () => ({}),
    ): [Labels, number][] => [...totals].map(([pipeline, of]) => [{ pipeline, ...more(of) }, value(of)]);
    const lately = 'by lakehouse runs that ended within a day';
    return [
      gauge(
        'waybill_lakehouse_runs_ended',
        `Runs told of ${lately}.`,
        each(({ runs }) => runs),
      ),
      gauge(
        'waybill_lakehouse_rows',
        `Rows copied ${lately}.`,
        each(({ rows }) => rows),
      ),
      gauge(
        'waybill_lakehouse_bytes',
        `Bytes written by copies ${lately}.`,
        each(({ bytes }) => bytes),
      ),
      gauge(
        'waybill_lakehouse_cost',
        `Cost ${lately}, by the price table.`,
        each(
          ({ cost }) => cost,
          ({ currency }) => ({ currency }),
        ).filter(([{ currency }]) => currency !== ''),
      ),
    ];
  }

  async #streams(): Promise<string[]> {
    const ids: string[] = [];
    const query = "WorkflowType = 'superviseStream' AND ExecutionStatus = 'Running'";
    for await (const { workflowId } of this.#client.workflow.list({ query })) {
      ids.push(workflowId);
      if (ids.length >= MOST_STREAMS) break;
    }
    const answers = await Promise.all(ids.map((id) => this.#stream(id)));
    const each = (value: (answer: StreamAnswer) => number | undefined): [Labels, number][] =>
      answers.flatMap((answer, at): [Labels, number][] => {
        const found = answer && value(answer);
        return found === undefined ? [] : [[{ stream: ids[at] ?? '' }, found]];
      });
    return [
      gauge('waybill_stream_up', 'Streams that are supervised: 1 where all is well.', [
        ...each(({ health }) => (health === 'ok' ? 1 : 0)),
      ]),
      gauge(
        'waybill_stream_lag_messages',
        'Messages that wait.',
        each(({ progress }) => progress?.behind?.offsets),
      ),
      gauge(
        'waybill_stream_lag_seconds',
        'How long they have waited.',
        each(({ progress }) => progress?.behind?.seconds),
      ),
      gauge(
        'waybill_stream_rows',
        "Rows since the stream's job began.",
        each(({ progress }) => progress?.rows),
      ),
    ];
  }

  /** Undefined while no worker answers. */
  async #stream(id: string): Promise<StreamAnswer | undefined> {
    try {
      return await this.#client.withDeadline(Date.now() + STREAM_PATIENCE, () =>
        this.#client.workflow.getHandle(id).query<StreamAnswer>('stream'),
      );
    } catch {
      return undefined;
    }
  }
}

function gauge(name: string, help: string, rows: readonly (readonly [Labels, number])[]): string {
  if (rows.length === 0) return '';
  const lines = rows.map(([labels, value]) => {
    const said = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
    return `${name}{${said.join(',')}} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('')}`;
}

const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
