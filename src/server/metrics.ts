// Counters in Prometheus's text form. Labels hold routes and statuses, never a name that a request brought.

const HELP: Readonly<Record<string, string>> = {
  waybill_http_requests_total: 'Requests by route and status.',
  waybill_events_total: 'Events by what became of them: started, repeated, unmatched, ignored, failed.',
};

export class Metrics {
  readonly #counters = new Map<string, Map<string, number>>();

  add(name: keyof typeof HELP & string, labels: Readonly<Record<string, string>>, by = 1): void {
    if (by === 0) return;
    const key = Object.entries(labels)
      .map(([label, value]) => `${label}="${value}"`)
      .join(',');
    const counter = this.#counters.get(name) ?? new Map<string, number>();
    counter.set(key, (counter.get(key) ?? 0) + by);
    this.#counters.set(name, counter);
  }

  text(): string {
    const lines = [...this.#counters].flatMap(([name, counter]) => [
      `# HELP ${name} ${HELP[name] ?? ''}`,
      `# TYPE ${name} counter`,
      ...[...counter].map(([labels, count]) => `${name}{${labels}} ${count}`),
    ]);
    return `${lines.join('\n')}\n`;
  }
}
