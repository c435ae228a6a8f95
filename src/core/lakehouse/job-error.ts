// Why a Spark job of waybill's own failed, from the end of its log.
/**
 * What a job of waybill's own says last of its failure, on a line of JSON: it knows better than the service, whose reason
 * is often the last line of the log, whatever that is.
 */
export function jobsOwnError(tail: string): string | undefined {
  const line = tail.split('\n').findLast((each) => each.startsWith('{"waybill": "error"'));
  if (line === undefined) return undefined;
  try {
    const { code, message, next } = JSON.parse(line) as { code?: unknown; message?: unknown; next?: unknown };
    if (typeof code !== 'string' || typeof message !== 'string') return undefined;
    return `${code} ${message}${typeof next === 'string' ? ` ${next}` : ''}`;
  } catch {
    return undefined;
  }
}
