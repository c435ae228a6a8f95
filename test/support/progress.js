// node:test reporter for long runs: one line for each group of tests as it ends, every failure whole and at once.
// What tests write to stderr is shown only of files that failed, its last lines; the whole is in the tier's log.
import { relative } from 'node:path';
import { inspect } from 'node:util';

const KEPT_LINES = 60;

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

// biome-ignore lint/style/noDefaultExport: node:test takes a reporter as a module's default export
export default async function* progress(source) {
  /** Last lines of stdout and stderr by file. */
  const said = new Map();
  /** Files whose lines have been shown. */
  const shown = new Set();
  /** Names of the groups that are open, by file: a failure is told with its path. */
  const open = new Map();
  /** What single tests at a file's top level came to: they share one line. */
  const singles = new Map();
  for await (const { type, data } of source) {
    const file = data?.file ? relative('build', data.file) : '';
    if (type === 'test:stdout' || type === 'test:stderr') {
      const lines = said.get(file) ?? [];
      lines.push(...data.message.trimEnd().split('\n'));
      said.set(file, lines.slice(-KEPT_LINES));
    } else if (type === 'test:start') {
      const path = open.get(file) ?? [];
      path.length = data.nesting;
      path[data.nesting] = data.name;
      open.set(file, path);
    } else if (type === 'test:fail') {
      const path = (open.get(file) ?? []).slice(0, data.nesting);
      yield `✖ ${[file, ...path, data.name].filter(Boolean).join(' > ')} (${seconds(data.details.duration_ms)})\n`;
      // A group that failed only because one of its tests did has said so already.
      if (data.details.error?.failureType !== 'subtestsFailed') {
        yield `${inspect(data.details.error?.cause ?? data.details.error)}\n`;
        if (!shown.has(file) && said.has(file)) {
          shown.add(file);
          yield `  the last lines of ${file || 'the file'}:\n  | ${said.get(file).join('\n  | ')}\n`;
        }
      }
    } else if (type === 'test:pass' && data.nesting === 0) {
      if (data.details.type === 'suite') {
        yield `✔ ${data.name} (${seconds(data.details.duration_ms)})\n`;
      } else {
        const single = singles.get(file) ?? { count: 0, ms: 0 };
        singles.set(file, { count: single.count + 1, ms: single.ms + data.details.duration_ms });
      }
    }
  }
  for (const [file, { count, ms }] of singles) yield `✔ ${file}: ${count} tests (${seconds(ms)})\n`;
}
