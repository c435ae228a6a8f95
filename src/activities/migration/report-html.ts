// The report as one HTML page that needs nothing else: no script, no font, no address but its own.
import type { Side } from '../../core/migration.ts';
import type { ComparedTable, MigrationReport, SideCost } from './report.ts';

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6570; --line: #d9dee4; --paper: #fff; --band: #f5f7f9;
  --good: #17693a; --bad: #b3261e; --mark: #fdecea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a2abb5; --line: #39414a; --paper: #16191d;
  --band: #1e2328; --good: #6fcf97; --bad: #ff8a80; --mark: #3a2220; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1080px; padding: 32px 24px 64px; font: 15px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper) }
h1 { font-size: 24px; margin: 0 0 4px } h2 { font-size: 18px; margin: 40px 0 8px } h3 { font-size: 15px; margin: 20px 0 6px }
p { margin: 4px 0 } .soft { color: var(--soft) } .good { color: var(--good) } .bad { color: var(--bad) }
.verdict { font-size: 17px; font-weight: 600; margin: 16px 0 }
table { border-collapse: collapse; width: 100%; margin: 8px 0 } th { font-weight: 600; text-align: left }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere }
thead th { background: var(--band); border-bottom: 2px solid var(--line) } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
tr.differs td { background: var(--mark) } code { font: 13px ui-monospace, monospace }
details { margin: 10px 0 } summary { cursor: pointer; font-weight: 600 } ul { margin: 6px 0; padding-left: 22px }
.wide { overflow-x: auto }`;

/** A self-contained page. Everything that comes from data is escaped. */
export function migrationHtml(report: MigrationReport): string {
  const { migration, lakehouse, window, at, equal, datasets } = report;
  const differing = datasets.filter((one) => !one.equal);
  const verdict = equal
    ? `<p class="verdict good">✓ All ${datasets.length} datasets are the same on both sides.</p>`
    : `<p class="verdict bad">✗ ${differing.length} of ${datasets.length} datasets differ: ${differing.map(({ name }) => escaped(name)).join(', ')}.</p>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(migration)}, window ${escaped(window)}</title><style>${STYLE}</style></head><body>
<h1>${escaped(lakehouse)}: EMR and Databricks</h1>
<p class="soft">Migration ${escaped(migration)} · window ${escaped(window)} · ${escaped(at)}</p>
${verdict}
${overview(datasets)}
${runs(report.sides)}
${datasets.map(dataset).join('\n')}
</body></html>
`;
}

function overview(datasets: readonly ComparedTable[]): string {
  const rows = datasets.map((one) => {
    const { missing, extra, differing } = one.rowsByKey;
    return `<tr${one.equal ? '' : ' class="differs"'}><td>${one.equal ? '<span class="good">✓</span>' : '<span class="bad">✗</span>'} ${escaped(one.name)}</td>${[one.rows.emr, one.rows.databricks, missing, extra, differing].map(number).join('')}<td>${one.reasons.map(escaped).join('<br>') || '<span class="soft">the same</span>'}</td></tr>`;
  });
  return `<div class="wide"><table><thead><tr><th>Dataset</th><th class="n">Rows, EMR</th><th class="n">Rows, Databricks</th><th class="n">Missing</th><th class="n">Extra</th><th class="n">Different</th><th>Finding</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function runs(sides: MigrationReport['sides']): string {
  const { emr, databricks } = sides;
  if (emr === undefined || databricks === undefined) return '';
  const stages = [...new Set([...emr.stages, ...databricks.stages].map(({ stage }) => stage))];
  const seconds = ({ stages: all }: SideCost, stage: string): string =>
    duration(all.find((one) => one.stage === stage)?.seconds);
  const line = (what: string, left: string, right: string): string =>
    `<tr><td>${escaped(what)}</td><td class="n">${left}</td><td class="n">${right}</td></tr>`;
  const cost = ({ cost: all }: SideCost): string =>
    all === undefined
      ? '–'
      : `${all.estimate ? 'about ' : ''}${all.amount.toFixed(4)} ${escaped(all.currency)}`;
  const hours = ({ cost: all }: SideCost): string =>
    all === undefined
      ? '–'
      : `${all.instanceHours.toFixed(3)} h${all.dbus > 0 ? `, ${all.dbus.toFixed(3)} DBU` : ''}`;
  return `<h2>Time and cost</h2><table><thead><tr><th></th><th class="n">EMR</th><th class="n">Databricks</th></tr></thead><tbody>${line('Run', duration(emr.seconds), duration(databricks.seconds))}${stages.map((stage) => line(`· ${stage}`, seconds(emr, stage), seconds(databricks, stage))).join('')}${line('Cluster', duration(emr.clusterSeconds), duration(databricks.clusterSeconds))}${line('Machines', hours(emr), hours(databricks))}${line('Cost', cost(emr), cost(databricks))}</tbody></table>
<p class="soft">EMR ran <code>${escaped(emr.workflowId)}</code>, Databricks <code>${escaped(databricks.workflowId)}</code>. Stages that ran on one side alone count there alone.</p>`;
}

function dataset(one: ComparedTable): string {
  return `<h2>${escaped(one.name)} ${one.equal ? '<span class="good">✓</span>' : '<span class="bad">✗</span>'}</h2>
<p class="soft"><code>${escaped(one.locations.emr)}</code> version ${one.versions.emr} · <code>${escaped(one.locations.databricks)}</code> version ${one.versions.databricks} · by ${one.keys.map(escaped).join(', ')}${one.window === '' ? '' : ` · window ${escaped(one.window)} alone`}</p>
${list('Findings', one.reasons)}${samples(one)}${schema(one)}${columns(one)}`;
}

function samples({ sample, rowsByKey }: ComparedTable): string {
  const { missing = [], extra = [], differing = [] } = sample;
  const key = (value: object): string => `<code>${escaped(JSON.stringify(value))}</code>`;
  const rows = differing.flatMap((row) =>
    row.columns.map((column) => {
      const values = row.values[column];
      const side = (name: Side): string =>
        values === undefined ? '–' : values[name].map((value) => shown(value)).join('<br>');
      return `<tr><td>${key(row.key)}</td><td>${escaped(column)}</td><td>${side('emr')}</td><td>${side('databricks')}</td></tr>`;
    }),
  );
  const keys = (title: string, found: readonly object[], all: number): string =>
    found.length === 0 ? '' : `<h3>${title}: ${all}</h3><p>${found.map(key).join(' ')}</p>`;
  const repeated = rowsByKey.repeated.emr + rowsByKey.repeated.databricks;
  return `${keys('Missing on Databricks', missing, rowsByKey.missing)}${keys('On Databricks alone', extra, rowsByKey.extra)}${
    rows.length === 0
      ? ''
      : `<h3>Different: ${rowsByKey.differing} (${differing.length} shown)</h3><div class="wide"><table><thead><tr><th>Key</th><th>Column</th><th>EMR</th><th>Databricks</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
  }${repeated + rowsByKey.nullKeys === 0 ? '' : `<p class="soft">Keys that occur more than once: ${rowsByKey.repeated.emr} on EMR, ${rowsByKey.repeated.databricks} on Databricks. Keys with NULL: ${rowsByKey.nullKeys}.</p>`}`;
}

function schema({ schema: { missing, extra, types, sameOrder } }: ComparedTable): string {
  return list('Schema', [
    ...missing.map((name) => `${name} is missing on Databricks`),
    ...extra.map((name) => `${name} is on Databricks alone`),
    ...types.map((one) => `${one.column}: ${one.emr} on EMR, ${one.databricks} on Databricks`),
    ...(sameOrder ? [] : ['the columns are in another order, which is no difference']),
  ]);
}

function columns({ columns: all, equal }: ComparedTable): string {
  if (all.length === 0) return '';
  const both = (one: Readonly<Record<Side, unknown>>): string =>
    one.emr === one.databricks ? shown(one.emr) : `${shown(one.emr)}<br>${shown(one.databricks)}`;
  const rows = all.map(
    (one) =>
      `<tr${one.equal ? '' : ' class="differs"'}><td>${escaped(one.column)}<br><span class="soft">${escaped(one.type)}${one.tolerance ? ', with tolerance' : ''}</span></td><td class="n">${both(one.nulls)}</td><td class="n">${both(one.distinct)}</td><td>${both(one.min)}</td><td>${both(one.max)}</td><td class="n">${both(one.sum)}</td><td class="n">${both(one.checksum)}</td></tr>`,
  );
  return `<details${equal ? '' : ' open'}><summary>${all.length} columns</summary><p class="soft">Where the sides differ, EMR is above and Databricks below. Distinct values are estimates.</p><div class="wide"><table><thead><tr><th>Column</th><th class="n">NULLs</th><th class="n">Distinct</th><th>Least</th><th>Greatest</th><th class="n">Sum</th><th class="n">Checksum</th></tr></thead><tbody>${rows.join('')}</tbody></table></div></details>`;
}

const list = (title: string, items: readonly string[]): string =>
  items.length === 0
    ? ''
    : `<h3>${title}</h3><ul>${items.map((item) => `<li>${escaped(item)}</li>`).join('')}</ul>`;

const number = (value: number): string => `<td class="n">${value.toLocaleString('en')}</td>`;

const shown = (value: unknown): string =>
  value === null || value === undefined
    ? '<span class="soft">NULL</span>'
    : escaped(typeof value === 'number' ? value.toLocaleString('en') : String(value));

function duration(seconds: number | undefined): string {
  if (seconds === undefined || seconds === 0) return '–';
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.round(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (mark) => `&#${mark.codePointAt(0)};`).replaceAll('\0', '');
