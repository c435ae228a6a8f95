// run_results.json and sources.json as they go into a history: short, without secrets, and never without a failure.
import { redact } from '../../config/redaction.ts';
import { type DbtNode, type DbtStepResult, unfinishedNodes } from '../../core/dbt.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';

/** A history keeps this many nodes of a step, of tens of thousands there may be. */
const MOST_NODES = 1_000;
const LONGEST_MESSAGE = 500;

/** Parses run_results.json, or the sources.json of `source freshness`. Throws SyntaxError on what is neither. */
export function dbtResults(text: string): DbtStepResult {
  const file = JSON.parse(text) as { results?: unknown };
  if (!Array.isArray(file.results)) throw new SyntaxError('it has no "results"');
  // What a project does before and after its nodes is told where it went wrong.
  const nodes = (file.results as JsonObject[])
    .map(nodeOf)
    .filter(({ node, status }) => !node.startsWith('operation.') || status !== 'success');
  const counts: Record<string, number> = {};
  for (const { status } of nodes) counts[status] = (counts[status] ?? 0) + 1;
  const open = new Set(unfinishedNodes(nodes));
  const kept = [...open, ...nodes.filter((node) => !open.has(node))].slice(
    0,
    Math.max(MOST_NODES, open.size),
  );
  return { nodes: kept, counts, left: nodes.length - kept.length };
}

function nodeOf(result: JsonObject): DbtNode {
  const status = String(result['status'] ?? '');
  const message = result['message'] ?? result['error'];
  const rows = rowsOf(result);
  const quiet = status === 'success' || status === 'pass' || typeof message !== 'string' || message === '';
  return {
    node: String(result['unique_id'] ?? ''),
    status,
    seconds: Math.round(Number(result['execution_time'] ?? 0) * 100) / 100,
    ...(rows === undefined ? {} : { rows }),
    ...(quiet ? {} : { message: redact(message).trim().slice(0, LONGEST_MESSAGE) }),
  };
}

function rowsOf(result: JsonObject): number | undefined {
  if (typeof result['failures'] === 'number') return result['failures'];
  const response: JsonValue | undefined = result['adapter_response'];
  if (typeof response !== 'object' || response === null || Array.isArray(response)) return undefined;
  const rows = Number(response['rows_affected']);
  return Number.isInteger(rows) && rows >= 0 ? rows : undefined;
}
